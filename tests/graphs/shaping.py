"""Drawing what moves numbers: pools, pads, reshapes; and what moves channels: Concat, Split..."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tests.graphs import windows
from tests.graphs.sketch import Sketch
from tests.graphs.spec import Freedom, Step, Tensor

FLATTENS = (
    "flatten",
    "zero_free",
    "free_width",
    "zero_width",
    "batch_free",
    "dynamic_free",
    "dynamic_width",
)
UNFLATTENS = ("zero_width", "free_width", "zero_free", "dynamic_width")


def _spatial(sketch: Sketch, source: Tensor, made: Tensor, *, exact: bool = True,
             uniform: bool = True, norm: bool = False, **settings: object) -> Tensor:  # fmt: skip
    """A step within channels; `uniform`: constants stay what they are; `norm`: magnitudes."""
    sketch.restrict(source, shift=uniform and not norm)
    if not uniform or norm:
        made = replace(made, shifts=frozenset())
    if norm:
        made = replace(made, scale=(source.scale, "norm"))
    made = replace(made, name=sketch.name("t"))
    effects = {"uniform": uniform, "norm": norm}
    step = Step("spatial", (source.name,), (made.name,), {}, {**effects, **settings}, exact=exact)
    return sketch.record(step, made)


def pool(sketch: Sketch, source: Tensor, operator: str) -> Tensor:
    """MaxPool, AveragePool, LpPool."""
    average = operator == "AveragePool"
    kernels = (1, 2, 2) if average and not sketch.smooth else (1, 2, 2, 3)
    dilated = operator == "MaxPool" and sketch.opset >= 10
    window = windows.draw(sketch.rng, source.spatial, dilated=dilated, kernels=kernels)
    include = average and sketch.chance(0.4)
    exact = not average or set(window.kernel) <= {1, 2}
    if operator == "MaxPool":
        sketch.restrict(source, "positive", shift=True)
    made = replace(source, spatial=window.out)
    return _spatial(
        sketch, source, made, operator=operator, window=window, include=include,
        exact=exact and operator != "LpPool", norm=operator == "LpPool",
        uniform=operator != "LpPool" and not (include and window.padded), dilated=dilated,
    )  # fmt: skip


def gathered_whole(sketch: Sketch, source: Tensor, operator: str) -> Tensor:
    """A global pool, or a reduction over all positions, with or without them left as ones."""
    keep = operator.startswith("Global") or sketch.chance(0.5)
    mean = operator in ("GlobalAveragePool", "ReduceMean")
    if operator in ("GlobalMaxPool", "ReduceMax"):
        sketch.restrict(source, "positive", shift=True)
    ones = tuple(1 for _ in source.spatial)
    made = replace(source, spatial=ones) if keep else replace(source, spatial=(), layout="flat")
    exact = not mean or source.positions.bit_count() == 1
    return _spatial(
        sketch, source, made, operator=operator, keep=keep, exact=exact,
        uniform=operator != "ReduceSum", negative=sketch.chance(0.3), rank=len(source.spatial),
        last=source.layout == "last",
    )  # fmt: skip


def padded(sketch: Sketch, source: Tensor) -> Tensor:
    """A Pad of the positions."""
    mode = sketch.pick(["constant", "constant", "reflect", "edge"])
    most = min(2, min(source.spatial) - 1) if mode == "reflect" else 2
    pads = sketch.rng.integers(0, max(most, 0) + 1, (2, len(source.spatial)))
    spatial = tuple(int(s + p) for s, p in zip(source.spatial, pads.sum(axis=0), strict=True))
    uniform = mode != "constant" or not pads.any()
    return _spatial(
        sketch, source, replace(source, spatial=spatial), operator="Pad", mode=mode,
        pads=pads, uniform=uniform,
    )  # fmt: skip


def resized(sketch: Sketch, source: Tensor) -> Tensor:
    """Nearest neighbours, by scales or, where the batch is fixed, by sizes."""
    scales = tuple(sketch.between(1, 2) for _ in source.spatial)
    spatial = tuple(s * k for s, k in zip(source.spatial, scales, strict=True))
    sizes = sketch.batch is not None and sketch.opset >= 11 and sketch.chance(0.5)
    made = replace(source, spatial=spatial)
    return _spatial(sketch, source, made, operator="Resize", scales=scales, sizes=sizes)


def flattened(sketch: Sketch, source: Tensor) -> Tensor:
    """(N, C, *spatial) as (N, C * positions), or (N, *spatial, C) as (N, positions * C)."""
    layout = "flat" if source.layout == "first" else "flat_last"
    form = sketch.pick(FLATTENS)
    if form == "batch_free" and sketch.batch is None:
        form = "zero_free"
    return _spatial(sketch, source, replace(source, layout=layout), operator="Flatten", form=form)


def as_image(sketch: Sketch, source: Tensor) -> Tensor:
    """(N, C * positions) as the image it was."""
    form = sketch.pick(UNFLATTENS)
    made = replace(source, layout="first")
    return _spatial(sketch, source, made, operator="Unflatten", form=form)


def turned(sketch: Sketch, source: Tensor) -> Tensor:
    """Channels from the second axis to the last, or back."""
    layout = "last" if source.layout == "first" else "first"
    return _spatial(sketch, source, replace(source, layout=layout), operator="Transpose")


def squeezed(sketch: Sketch, source: Tensor) -> Tensor:
    """All spatial axes of size 1 away."""
    made = replace(source, spatial=(), layout="flat")
    return _spatial(sketch, source, made, operator="Squeeze", axes=len(source.spatial))


def unsqueezed(sketch: Sketch, source: Tensor, rank: int) -> Tensor:
    """(N, C) as (N, C, 1, ...), or (N, C, L) as (N, C, 1, L)."""
    made = replace(source, spatial=(1,) * rank + source.spatial, layout="first")
    return _spatial(sketch, source, made, operator="Unsqueeze", axes=rank)


# --- channels


def concatenated(sketch: Sketch, *sources: Tensor) -> Tensor:
    """Channels of several tensors one after the other."""
    first, name = sources[0], sketch.name("k")
    alike = len({s.channels for s in sources}) == 1
    made = Tensor(
        name, sum(s.width for s in sources), first.spatial, first.layout,
        frozenset().union(*(s.makers for s in sources)),
        frozenset().union(*(s.ratios for s in sources)),
        frozenset().union(*(s.shifts for s in sources)),
        ("concat", *(s.channels for s in sources)), ("concat", *(s.scale for s in sources)),
        tuple(b for s in sources for b in s.blocks),
        alike and (first.linked or len(first.blocks) == 1),
    )  # fmt: skip
    settings = {"negative": sketch.chance(0.3) and sketch.opset >= 11, "layout": first.layout}
    return sketch.record(
        Step("concat", tuple(s.name for s in sources), (name,), {}, settings), made
    )


def _part(source: Tensor, name: str, start: int, stop: int) -> Tensor:
    """Some of the blocks of a tensor."""
    blocks = source.blocks[start:stop]
    return replace(
        source, name=name, width=sum(blocks), blocks=blocks,
        channels=("part", source.channels, start, stop), scale=("part", source.scale, start, stop),
        linked=source.linked and len(blocks) > 1,
    )  # fmt: skip


def split(sketch: Sketch, source: Tensor) -> list[Tensor]:
    """Between every two blocks."""
    parts = [_part(source, sketch.name("s") + f"_{k}", k, k + 1) for k in range(len(source.blocks))]
    settings = {"default": source.linked and sketch.chance(0.5)}
    names = tuple(p.name for p in parts)
    sketch.record(Step("split", (source.name,), names, {}, settings), *parts)
    return parts


def sliced(sketch: Sketch, source: Tensor) -> Tensor:
    """A run of blocks."""
    start = sketch.between(0, len(source.blocks) - 1)
    stop = sketch.between(start + 1, len(source.blocks))
    part = _part(source, sketch.name("s"), start, stop)
    settings = {"start": start, "stop": stop, "open": sketch.chance(0.3)}
    return sketch.record(Step("slice", (source.name,), (part.name,), {}, settings), part)


def selected(sketch: Sketch, source: Tensor, *, grow: bool = False) -> Tensor:
    """A Gather of channels, in any order, some twice; `grow`: planting picks more."""
    count = sketch.between(1, source.width + 1)
    indices = sketch.rng.integers(0, source.width, count)
    if sketch.chance(0.5):
        indices = sketch.rng.permutation(source.width)
    freedom, name = Freedom(grow=grow), sketch.name("g")
    made = replace(
        source, name=name, width=len(indices), makers=frozenset({freedom}), channels=name,
        scale=name, blocks=(len(indices),), linked=False,
    )  # fmt: skip
    numbers = {"indices": indices.astype(np.float64)}
    return sketch.record(Step("gather", (source.name,), (name,), numbers, {}, freedom), made)


def shuffled(sketch: Sketch, source: Tensor, groups: int) -> Tensor:
    """A channel shuffle: (groups, n) channels become (n, groups)."""
    name = sketch.name("u")
    for freedom in source.makers:
        freedom.aligned = True
    each = len(source.blocks) // groups
    blocks = (groups * source.blocks[0],) * each
    made = replace(
        source, name=name, channels=("shuffled", groups, source.channels),
        scale=("shuffled", groups, source.scale), blocks=blocks, linked=len(blocks) > 1,
    )  # fmt: skip
    settings = {"groups": groups, "form": sketch.pick(["zero", "free"])}
    return sketch.record(Step("shuffle", (source.name,), (name,), {}, settings), made)
