"""Drawing what treats every channel alone: functions, numbers per channel, sums of branches."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tests.graphs.functions import FUNCTIONS, PIECEWISE, PLAIN, SMOOTH
from tests.graphs.sketch import Sketch
from tests.graphs.spec import Array, Freedom, Step, Tensor

MERGES = ("add", "add", "add", "sub", "sum", "mul", "max", "min")


def apply(sketch: Sketch, source: Tensor, function: str) -> Tensor:
    """A function of one number."""
    known = FUNCTIONS[function]
    sketch.restrict(source, known.ratios, shift=known.linear is not None)
    name = sketch.name("f")
    made = replace(source, name=name)
    if known.linear is None:
        made = replace(made, shifts=frozenset())
    if known.even:
        made = replace(made, scale=(source.scale, "even"))
    settings = {"function": function}
    step = Step("function", (source.name,), (name,), {}, settings, exact=known.exact)
    return sketch.record(step, made)


def activate(sketch: Sketch, source: Tensor) -> Tensor:
    """A random activation, sometimes a PRelu, sometimes none."""
    if sketch.chance(0.12):
        return source
    if sketch.chance(0.12) and ("flat" not in source.layout or source.is_vector):
        return prelu(sketch, source)
    names = SMOOTH if sketch.smooth and sketch.chance(0.4) else PIECEWISE
    return apply(sketch, source, sketch.pick([n for n in names if _runs(sketch, n)]))


def plain(sketch: Sketch, source: Tensor) -> Tensor:
    """Something linear and harmless."""
    return apply(sketch, source, sketch.pick(PLAIN))


def _runs(sketch: Sketch, function: str) -> bool:
    return FUNCTIONS[function].first <= sketch.opset


def _per_channel(
    sketch: Sketch,
    source: Tensor,
    kind: str,
    numbers: dict[str, Array],
    settings: dict[str, object],
    *,
    exact: bool = True,
    keeps_shift: bool = False,
) -> Tensor:
    """An operator with numbers per channel, after which copies may have other ratios."""
    freedom, name = Freedom(shift=exact), sketch.name(kind[0])
    mine = frozenset({freedom})
    shifts = source.shifts if keeps_shift else mine
    made = replace(source, name=name, ratios=mine, shifts=shifts, scale=name)
    settings = {"rank4": sketch.chance(0.5), **settings}
    step = Step(kind, (source.name,), (name,), numbers, settings, freedom, exact=exact)
    return sketch.record(step, made)


def scaled(sketch: Sketch, source: Tensor) -> Tensor:
    """A factor, or a divisor, per channel."""
    operator = sketch.pick(["mul", "mul", "mul_swapped", "div"])
    factor = sketch.rng.choice([1.0, 1.0, 2.0, -1.0, 0.5], source.width)
    if operator != "div":
        factor[sketch.rng.random(source.width) < 0.03] = 0
    settings = {"operator": operator}
    return _per_channel(sketch, source, "scale", {"factor": factor}, settings, keeps_shift=True)


def offset(sketch: Sketch, source: Tensor) -> Tensor:
    """A number per channel that is added, or subtracted, or subtracted from."""
    operator = sketch.pick(["add", "add_swapped", "sub", "sub_from"])
    freedom, name = Freedom(), sketch.name("o")
    made = replace(source, name=name, shifts=source.shifts | {freedom})
    numbers = {"offset": sketch.integers(source.width)}
    settings = {"operator": operator, "rank4": sketch.chance(0.5)}
    return sketch.record(Step("offset", (source.name,), (name,), numbers, settings, freedom), made)


def filled(sketch: Sketch, source: Tensor) -> Tensor:
    """Zeros added, or ones multiplied, that a ConstantOfShape makes."""
    name, value = sketch.name("z"), sketch.between(0, 1)
    settings = {"value": value}
    return sketch.record(
        Step("filled", (source.name,), (name,), {}, settings), replace(source, name=name)
    )


def prelu(sketch: Sketch, source: Tensor) -> Tensor:
    """A PRelu with a slope per channel."""
    sketch.restrict(source, "positive")
    name = sketch.name("p")
    numbers = {"slope": sketch.rng.choice([0.5, 0.5, -0.5, 0.0, 0.25], source.width)}
    made = replace(source, name=name, shifts=frozenset())
    return sketch.record(Step("prelu", (source.name,), (name,), numbers), made)


def normalised(sketch: Sketch, source: Tensor, exact: bool | None = None) -> Tensor:
    """Batch normalisation; exact: every standard deviation is a power of two, epsilon is 0."""
    rng, width = sketch.rng, source.width
    exact = (not sketch.smooth or sketch.chance(0.3)) if exact is None else exact
    sketch.restrict(source, shift=exact)
    var = rng.choice([0.25, 1.0, 4.0], width) if exact else rng.choice([0.5, 1.0, 1.75, 3.0], width)
    numbers = {
        "gamma": rng.choice([1.0, 2.0, -1.0, 0.5], width),
        "beta": sketch.integers(width),
        "mean": sketch.integers(width),
        "var": var,
    }
    settings = {"epsilon": 0.0 if exact else float(sketch.pick([1e-5, 1e-3]))}
    return _per_channel(sketch, source, "batchnorm", numbers, settings, exact=exact)


def merged(sketch: Sketch, operator: str, *sources: Tensor) -> Tensor:
    """A sum, product, maximum... of tensors with the same channels; broadcast along positions."""
    first = sources[0]
    ratios = "positive" if operator in ("max", "min") else "any"
    for source in sources:
        sketch.restrict(source, ratios, shift=operator in ("add", "sub", "sum", "mean"))
    name = sketch.name("m")
    exact = operator != "mean" or len(sources) == 2
    keeps = operator in ("add", "sub", "sum", "mean")
    made = replace(
        max(sources, key=lambda t: t.positions),
        name=name,
        ratios=frozenset().union(*(s.ratios for s in sources)),
        shifts=frozenset().union(*(s.shifts for s in sources)) if keeps else frozenset(),
        scale=("product", *(s.scale for s in sources)) if operator == "mul" else first.scale,
    )
    step = Step(
        "merge",
        tuple(s.name for s in sources),
        (name,),
        {},
        {"operator": operator},
        exact=exact,
    )
    return sketch.record(step, made)


def mergeable(a: Tensor, b: Tensor, operator: str) -> bool:
    """Whether two tensors have the same planted channels, and ratios where it matters."""
    return (
        a.channels == b.channels
        and (a.scale == b.scale or operator == "mul")
        and a.layout == b.layout
        and a.spatial == b.spatial
        and bool(np.prod(a.spatial))
    )
