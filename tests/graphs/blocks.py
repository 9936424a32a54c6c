"""Structures that networks are made of. Each builds on tensors of the pool and adds to it."""

from __future__ import annotations

from collections.abc import Callable

from tests.graphs import channelwise as each
from tests.graphs import shaping
from tests.graphs.sketch import Sketch
from tests.graphs.spec import Tensor

Block = Callable[[Sketch], bool]
WIDEST = 14  # channels of a core tensor


def is_hidden(t: Tensor) -> bool:
    return bool(t.makers)


def is_image(t: Tensor) -> bool:
    return t.is_image and t.width <= WIDEST


def recent(sketch: Sketch, wanted: Callable[[Tensor], bool] = lambda t: True) -> Tensor | None:
    """One of the latest tensors of a kind."""
    found = [t for t in sketch.pool if wanted(t)]
    return sketch.pick(found[-3:]) if found else None


def keep(sketch: Sketch, *tensors: Tensor) -> bool:
    """Let more be built on tensors."""
    sketch.pool += tensors
    return True


def on_a(wanted: Callable[[Tensor], bool]) -> Callable[..., Block]:
    """A block of one tensor of a kind; declined where there is none."""

    def decorate(build: Callable[[Sketch, Tensor], Tensor | tuple[Tensor, ...] | None]) -> Block:
        def block(sketch: Sketch) -> bool:
            source = recent(sketch, wanted)
            made = None if source is None else build(sketch, source)
            if made is None:
                return False
            return keep(sketch, *(made if isinstance(made, tuple) else (made,)))

        block.__doc__ = build.__doc__
        return block

    return decorate


def hidden_image(t: Tensor) -> bool:
    return is_image(t) and is_hidden(t)


@on_a(is_image)
def conv(sketch: Sketch, x: Tensor) -> Tensor:
    """A convolution, sometimes with a batch normalisation, and an activation, in any order."""
    made = sketch.conv(x)
    if sketch.chance(0.15):
        made = each.normalised(sketch, made)
    made = each.activate(sketch, made)
    return each.normalised(sketch, made) if sketch.chance(0.1) else made


@on_a(is_image)
def linear_pair(sketch: Sketch, x: Tensor) -> Tensor:
    """Two convolutions without anything between them."""
    return each.activate(sketch, sketch.conv(sketch.conv(x), kernels=(1, 1, 2, 3)))


@on_a(hidden_image)
def residual(sketch: Sketch, x: Tensor) -> Tensor:
    """A branch of one or two convolutions, merged with the stream."""
    inner = each.activate(sketch, sketch.conv(x, same=True)) if sketch.chance(0.7) else x
    operator = sketch.pick(each.MERGES)
    own = operator == "mul" and sketch.chance(0.5)
    branch = sketch.conv(inner, same=True, like=x, own=own)
    if sketch.chance(0.2) and operator == "mul":
        branch = each.normalised(sketch, branch)
    sources = (branch, x) if sketch.chance(0.4) else (x, branch)
    if operator == "sum" and sketch.chance(0.5):
        sources = (*sources, sketch.conv(inner, same=True, like=x))
    made = each.merged(sketch, operator, *sources)
    return each.activate(sketch, made) if sketch.chance(0.6) else made


@on_a(is_hidden)
def skip(sketch: Sketch, x: Tensor) -> Tensor | None:
    """A merge of two tensors that happen to have the same channels."""
    operator = sketch.pick(each.MERGES)
    others = [t for t in sketch.pool if t.name != x.name and each.mergeable(x, t, operator)]
    return each.merged(sketch, operator, x, sketch.pick(others)) if others else None


@on_a(hidden_image)
def mobile(sketch: Sketch, x: Tensor) -> Tensor:
    """An inverted residual: wider, depthwise, back, sometimes added."""
    wide = each.activate(sketch, sketch.conv(x, kernels=(1,), same=True, width=x.width + 2))
    wide = each.activate(sketch, sketch.depthwise(wide, same=True))
    back = sketch.conv(wide, kernels=(1,), same=True, like=x)
    return each.merged(sketch, "add", x, back) if sketch.chance(0.7) else back


@on_a(hidden_image)
def depthwise(sketch: Sketch, x: Tensor) -> Tensor:
    """A kernel per channel, sometimes two."""
    fits = x.width <= WIDEST // 2 and max(x.spatial) > 1
    times = 2 if fits and sketch.chance(0.25) else 1
    made = sketch.depthwise(x, times=times)
    return each.activate(sketch, made) if sketch.chance(0.5) else made


@on_a(is_image)
def grouped(sketch: Sketch, x: Tensor) -> Tensor:
    """A grouped convolution of a layer that is in blocks, sometimes transposed, or shuffled."""
    groups, inner = sketch.between(2, 4), sketch.between(1, 2)
    mixed = sketch.chance(0.4)
    blocks = (inner,) * (groups * groups if mixed and groups == 2 else groups)
    y = each.activate(sketch, sketch.conv(x, width=sum(blocks), blocks=blocks))
    if mixed:
        y = shaping.shuffled(sketch, y, groups)
    if mixed and groups != 2:
        return y
    out = (sketch.between(1, 3),) * groups
    made = sketch.conv(y, width=sum(out), blocks=out, groups=groups, transposed=sketch.chance(0.2))
    return each.activate(sketch, made)


@on_a(hidden_image)
def pooled(sketch: Sketch, x: Tensor) -> Tensor:
    """A pool of windows."""
    kinds = ["MaxPool", "MaxPool", "AveragePool", "AveragePool", *["LpPool"] * sketch.smooth]
    return shaping.pool(sketch, x, sketch.pick(kinds))


@on_a(lambda t: is_hidden(t) and t.layout != "flat" and bool(t.spatial))
def reduced(sketch: Sketch, x: Tensor) -> Tensor | None:
    """All positions into one."""
    kinds = ["ReduceMax", "ReduceSum"]
    if sketch.smooth or x.positions.bit_count() == 1:
        kinds += ["ReduceMean", "ReduceMean"]
    if x.layout == "first":
        kinds += ["GlobalMaxPool", *(["GlobalAveragePool"] * (len(kinds) - 2))]
    return shaping.gathered_whole(sketch, x, sketch.pick(kinds)) if "flat" not in x.layout else None


@on_a(lambda t: hidden_image(t) and max(t.spatial) < 8)
def enlarged(sketch: Sketch, x: Tensor) -> Tensor:
    """A Pad or a Resize."""
    small = max(x.spatial) < 5
    return (shaping.resized if small and sketch.chance(0.5) else shaping.padded)(sketch, x)


@on_a(lambda t: is_image(t) and max(t.spatial) < 7)
def transposed(sketch: Sketch, x: Tensor) -> Tensor:
    """A transposed convolution."""
    return each.activate(sketch, sketch.conv(x, transposed=True))


@on_a(is_hidden)
def per_channel(sketch: Sketch, x: Tensor) -> Tensor | None:
    """A number per channel, a batch normalisation, or something harmless."""
    if "flat" in x.layout and not x.is_vector:
        return each.plain(sketch, x)
    kinds = [each.scaled, each.offset, each.plain, each.prelu]
    if x.layout != "last":
        kinds += [each.normalised, each.normalised]
    if x.layout == "first":
        kinds.append(each.filled)
    return sketch.pick(kinds)(sketch, x)


@on_a(is_hidden)
def activated(sketch: Sketch, x: Tensor) -> Tensor:
    """An activation of something that others may read too."""
    return each.activate(sketch, x)


@on_a(is_image)
def inception(sketch: Sketch, x: Tensor) -> Tensor:
    """Branches that are concatenated, sometimes with what they read, or one of them twice."""
    branches = [
        each.activate(sketch, sketch.conv(x, same=True)) for _ in range(sketch.between(1, 3))
    ]
    if sketch.chance(0.4) and x.width <= 6:
        branches.insert(sketch.between(0, 1), x)
    if sketch.chance(0.25):
        branches.append(sketch.pick(branches))
    if sketch.chance(0.3):
        branches.append(each.activate(sketch, branches[-1]))
    made = shaping.concatenated(sketch, *branches[:4])
    return each.normalised(sketch, made) if sketch.chance(0.2) else made


@on_a(is_image)
def forked(sketch: Sketch, x: Tensor) -> tuple[Tensor, ...]:
    """Channels in parts: split, and read apart, or concatenated in another order."""
    equal = sketch.chance(0.5)
    count, size = sketch.between(2, 3), sketch.between(1, 3)
    blocks = tuple(size if equal else sketch.between(1, 3) for _ in range(count))
    y = each.activate(sketch, sketch.conv(x, same=True, width=sum(blocks), blocks=blocks))
    if sketch.chance(0.35):
        return (shaping.sliced(sketch, y), y)
    parts = shaping.split(sketch, y)
    if sketch.chance(0.4):
        parts = [each.activate(sketch, p) for p in parts]
    if sketch.chance(0.4):
        return (shaping.concatenated(sketch, *parts[::-1]),)
    if equal and sketch.chance(0.3):
        again = sketch.conv(parts[0], same=True, like=parts[1])
        return (each.merged(sketch, "add", parts[1], again), parts[0])
    return tuple(parts)


@on_a(hidden_image)
def picked(sketch: Sketch, x: Tensor) -> Tensor:
    """Channels by constant indices."""
    return shaping.selected(sketch, x)


@on_a(hidden_image)
def picked_more(sketch: Sketch, x: Tensor) -> Tensor:
    """Channels by constant indices, to which planting adds copies."""
    return shaping.selected(sketch, x, grow=True)


@on_a(hidden_image)
def averaged(sketch: Sketch, x: Tensor) -> Tensor:
    """A Mean of the stream and a branch."""
    return each.merged(sketch, "mean", x, sketch.conv(x, same=True, like=x))
