"""More structures: gates, what lies between images and vectors, sequences, dense layers."""

from __future__ import annotations

from tests.graphs import channelwise as each
from tests.graphs import shaping
from tests.graphs.blocks import hidden_image, is_hidden, is_image, on_a
from tests.graphs.sketch import Sketch
from tests.graphs.spec import Tensor

LONGEST = 72  # numbers per sample of what is flattened


def _gate(sketch: Sketch, x: Tensor) -> Tensor:
    function = "sigmoid" if sketch.smooth and sketch.chance(0.6) else "hard_sigmoid"
    return each.apply(sketch, x, function)


@on_a(hidden_image)
def squeeze_excite(sketch: Sketch, x: Tensor) -> Tensor | None:
    """A factor per channel, computed from what all positions have."""
    mean = sketch.smooth or x.positions.bit_count() == 1
    operator = "GlobalAveragePool" if mean else "GlobalMaxPool"
    squeezed = shaping.gathered_whole(sketch, x, operator)
    if sketch.chance(0.5):
        inner = each.activate(sketch, sketch.conv(squeezed, kernels=(1,), same=True))
        gate = _gate(sketch, sketch.conv(inner, kernels=(1,), same=True, like=x, own=True))
    else:
        flat = shaping.flattened(sketch, squeezed)
        inner = each.activate(sketch, sketch.dense(flat))
        gate = _gate(sketch, sketch.dense(inner, like=x, own=True))
        gate = shaping.unsqueezed(sketch, gate, len(x.spatial))
    return each.merged(sketch, "mul", *((x, gate) if sketch.chance(0.7) else (gate, x)))


@on_a(hidden_image)
def attention(sketch: Sketch, x: Tensor) -> Tensor:
    """A factor per channel and position."""
    gate = _gate(sketch, sketch.conv(x, same=True, like=x, own=True))
    return each.merged(sketch, "mul", x, gate)


@on_a(lambda t: t.layout != "flat" and bool(t.spatial) and t.width * t.positions <= LONGEST)
def flattened(sketch: Sketch, x: Tensor) -> Tensor | None:
    """A tensor as vectors, after which a dense layer reads them; channels first or last."""
    if x.layout == "flat_last":
        return None
    if x.layout == "first" and sketch.chance(0.3):
        x = shaping.turned(sketch, x)
    flat = shaping.flattened(sketch, x)
    if sketch.chance(0.2) and is_hidden(flat):
        flat = each.activate(sketch, flat)
    return each.activate(sketch, sketch.dense(flat))


@on_a(lambda t: t.layout == "first" and bool(t.spatial) and max(t.spatial) == 1)
def squeezed(sketch: Sketch, x: Tensor) -> Tensor:
    """(N, C, 1, 1) as (N, C), and sometimes back."""
    made = shaping.squeezed(sketch, x)
    back = sketch.chance(0.3)
    return shaping.unsqueezed(sketch, made, len(x.spatial)) if back else made


@on_a(lambda t: is_image(t) and len(t.spatial) == 1)
def lifted(sketch: Sketch, x: Tensor) -> Tensor:
    """(N, C, L) as (N, C, 1, L)."""
    return shaping.unsqueezed(sketch, x, 1)


@on_a(lambda t: t.is_vector)
def generator(sketch: Sketch, x: Tensor) -> tuple[Tensor, ...]:
    """A dense layer whose output is an image, and a convolution that reads it."""
    spatial = tuple(sketch.between(1, 3) for _ in range(sketch.pick([1, 2, 2])))
    y = sketch.unflattened(x, spatial, width=sketch.between(2, 4))
    if sketch.chance(0.6):
        y = each.activate(sketch, y)
    image = shaping.as_image(sketch, y)
    if sketch.chance(0.15):
        image = each.normalised(sketch, image)
    if sketch.chance(0.15):
        image = shaping.resized(sketch, image)
    made = each.activate(sketch, sketch.conv(image, transposed=sketch.chance(0.6)))
    return (image, made) if sketch.chance(0.2) else (made,)


@on_a(lambda t: t.layout in ("flat", "flat_last") and t.width * t.positions <= LONGEST)
def dense(sketch: Sketch, x: Tensor) -> Tensor:
    """A dense layer."""
    return each.activate(sketch, sketch.dense(x, width=sketch.between(2, 7)))


@on_a(lambda t: t.is_vector and is_hidden(t))
def dense_residual(sketch: Sketch, x: Tensor) -> Tensor:
    """A dense branch, merged with the stream."""
    operator = sketch.pick(each.MERGES)
    inner = each.activate(sketch, sketch.dense(x))
    made = each.merged(sketch, operator, x, sketch.dense(inner, like=x))
    return each.activate(sketch, made)


@on_a(lambda t: t.is_vector)
def dense_concat(sketch: Sketch, x: Tensor) -> Tensor:
    """Dense branches side by side."""
    parts = [each.activate(sketch, sketch.dense(x)) for _ in range(sketch.between(1, 2))]
    return shaping.concatenated(sketch, *parts, x)


@on_a(lambda t: t.layout == "last")
def projected(sketch: Sketch, x: Tensor) -> Tensor:
    """A MatMul of the last axis."""
    return each.activate(sketch, sketch.dense(x))


@on_a(lambda t: t.layout == "last" and is_hidden(t))
def mixer(sketch: Sketch, x: Tensor) -> Tensor:
    """A branch of two MatMuls, merged with the stream."""
    inner = each.activate(sketch, sketch.dense(x))
    made = each.merged(sketch, sketch.pick(each.MERGES), x, sketch.dense(inner, like=x))
    return each.activate(sketch, made) if sketch.chance(0.4) else made


@on_a(lambda t: t.layout in ("first", "last") and bool(t.spatial))
def turned(sketch: Sketch, x: Tensor) -> Tensor:
    """Channels last, or first again."""
    made = shaping.turned(sketch, x)
    return each.activate(sketch, sketch.dense(made)) if made.layout == "last" else made


@on_a(lambda t: t.layout == "last" and bool(t.makers))
def concat_last(sketch: Sketch, x: Tensor) -> Tensor:
    """Branches side by side on the last axis."""
    return shaping.concatenated(sketch, each.activate(sketch, sketch.dense(x)), x)
