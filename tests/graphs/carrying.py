"""What steps that make no channels do to planted ones: their numbers, and the state after them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from tests.graphs.functions import FUNCTIONS
from tests.graphs.spec import (
    COPY,
    JUNK,
    Array,
    Rng,
    State,
    Step,
    Tensor,
    joined,
)


@dataclass(frozen=True)
class Context:
    """The tensors of the graph that is planted in, and how often copies are shifted."""

    tensors: Mapping[str, Tensor]
    shifting: float


Carried = tuple[Step, list[State]]


def _picked(numbers: Array, state: State, noise: Array) -> Array:
    """The core's numbers at the origins of copies, noise elsewhere."""
    copies = state.copies.reshape(-1, *[1] * (numbers.ndim - 1))
    return np.where(copies, numbers[np.maximum(state.origin, 0)], noise)


def _moved(step: Step, state: State, rng: Rng, context: Context) -> Array:
    """New offsets of copies, where a step may choose them."""
    chosen = state.copies & ~state.anchor & step.freedom.shift
    chosen &= rng.random(len(state)) < context.shifting
    return np.where(chosen, rng.integers(-2, 3, len(state)), 0.0)


def _ratios(step: Step, state: State, rng: Rng) -> Array:
    """New ratios for copies, where a step may choose them."""
    drawn = rng.choice(step.freedom.palette, len(state))
    stay = state.anchor | (rng.random(len(state)) < 0.4)
    stay &= np.isin(state.ratio, step.freedom.palette)
    return np.where(stay, state.ratio, drawn)


def _function(step: Step, states: list[State], rng: Rng, context: Context) -> Carried:
    """A function of one number."""
    known, (state,) = FUNCTIONS[step.settings["function"]], states
    made = state.valued(known.value, known.linear)
    return step, [made.times(np.abs(made.ratio)) if known.even else made]


def _spatial(step: Step, states: list[State], rng: Rng, context: Context) -> Carried:
    """A pool, pad or reshape."""
    (state,), s = states, step.settings
    made = state
    if s["norm"] or not s["uniform"]:
        made = state.valued(lambda v: np.where(v == 0, 0.0, np.nan))
    return step, [made.times(np.abs(made.ratio)) if s["norm"] else made]


def _attend(step: Step, states: list[State], rng: Rng, context: Context) -> Carried:
    """Sums of values, by weights that come from queries and keys."""
    return step, [states[2].valued(lambda v: np.where(v == 0, 0.0, np.nan))]


def _prelu(step: Step, states: list[State], rng: Rng, context: Context) -> Carried:
    """Slopes: copies have that of their origin."""
    (state,) = states
    slope = _picked(step.numbers["slope"], state, rng.choice([0.5, 0.0], len(state)))
    made = state.valued(lambda v: np.where(v > 0, v, slope * v))
    return replace(step, numbers={"slope": slope}), [made]


def _scale(step: Step, states: list[State], rng: Rng, context: Context) -> Carried:
    """A factor per channel, or a divisor."""
    (state,) = states
    ratio = _ratios(step, state, rng)
    change = np.where(state.copies, ratio / state.ratio, 1.0)
    noise = rng.choice([1.0, 2.0, -1.0], len(state))
    core = step.numbers["factor"]
    divides = step.settings["operator"] == "div"
    factor = _picked(core, state, noise) * (1 / change if divides else change)
    effect = 1 / factor if divides else factor
    shift = np.where(state.kind == JUNK, 0.0, state.shift * effect)
    made = replace(state.times(ratio), shift=shift)
    return replace(step, numbers={"factor": factor}), [made]


def _offset(step: Step, states: list[State], rng: Rng, context: Context) -> Carried:
    """A number per channel, added or subtracted."""
    (state,) = states
    noise = rng.integers(-2, 3, len(state)).astype(np.float64)
    own = _moved(step, state, rng, context)
    offset = _picked(step.numbers["offset"], state, noise)
    offset = np.where(state.copies, offset * state.ratio + own, offset)
    operator = step.settings["operator"]
    before = -state.shift if operator == "sub_from" else state.shift
    own = -own if operator == "sub" else own
    added = -offset if operator == "sub" else offset
    shift = np.where(state.copies, before + own, before + added)
    shift = np.where(state.kind == JUNK, 0.0, shift)
    return replace(step, numbers={"offset": offset}), [replace(state, shift=shift)]


def _batchnorm(step: Step, states: list[State], rng: Rng, context: Context) -> Carried:
    """Batch normalisation: equal variances; what is constant is at the mean, or multiplied by 0."""
    (state,) = states
    n, core = len(state), step.numbers
    ratio = _ratios(step, state, rng)
    own = _moved(step, state, rng, context)
    change = np.where(state.copies, ratio / state.ratio, 1.0)
    known = state.constants & ~np.isnan(state.shift)
    gamma = _picked(core["gamma"], state, rng.choice([1.0, 2.0, -1.0], n)) * change
    gamma = np.where(state.constants & ~known, 0.0, gamma)
    gamma = np.where(known & (rng.random(n) < 0.3), 0.0, gamma)
    mean = _picked(core["mean"], state, rng.integers(-2, 3, n).astype(np.float64))
    mean = np.where(state.copies, mean * state.ratio + state.shift, mean)
    mean = np.where(known & (gamma != 0), np.where(known, state.shift, 0.0), mean)
    beta = _picked(core["beta"], state, rng.integers(-2, 3, n).astype(np.float64))
    beta = np.where(state.copies, beta * ratio + own, beta)
    var = _picked(core["var"], state, np.full(n, 1.0))
    shift = np.where(state.constants, beta, own)
    numbers = {"gamma": gamma, "beta": beta, "mean": mean, "var": var}
    return replace(step, numbers=numbers), [replace(state.times(ratio), shift=shift)]


def _depthwise(step: Step, states: list[State], rng: Rng, context: Context) -> Carried:
    """A kernel per channel, one or more for each."""
    (source,), times = states, step.settings["times"]
    core, bias = step.numbers["kernel"], step.numbers.get("bias")
    taken = source.take(np.repeat(np.arange(len(source)), times))
    turn = np.tile(np.arange(times), len(source))
    state = replace(
        taken.moved(lambda o: o * times + turn), blocks=tuple(times * b for b in source.blocks)
    )
    ratio = _ratios(step, state, rng)
    n, padded = len(state), step.settings["window"].padded
    change = np.where(state.copies, ratio / state.ratio, 1.0)
    noise = np.where(rng.random((n, core.shape[1])) < 0.5, rng.choice([1.0, -1.0], (n, 1)), 0.0)
    kernel = _picked(core, state, noise) * change[:, None]
    sums = kernel.sum(axis=1)
    steady = state.constants & (~np.isnan(state.shift)) & ((state.shift == 0) | (not padded))
    numbers = {"kernel": kernel}
    own = np.zeros(n)
    added = np.zeros(n)
    if bias is not None:
        own = _moved(step, state, rng, context)
        added = _picked(bias, state, rng.integers(-2, 3, n).astype(np.float64))
        absorbed = np.where(state.copies, sums * state.shift, 0.0)
        added = np.where(state.copies, added * ratio + own - absorbed, added)
        numbers["bias"] = added
    value = np.where(steady, sums * state.shift + added, np.nan)
    value = np.where(~kernel.any(axis=1), added, value)
    shift = np.where(state.constants, value, own)
    return replace(step, numbers=numbers), [replace(state.times(ratio), shift=shift)]


def _filled(step: Step, states: list[State], rng: Rng, context: Context) -> Carried:
    """Zeros added, ones multiplied."""
    return step, states


# --- several tensors, or other channels


_OPERATORS: dict[str, Callable[[list[Array]], Array]] = {
    "add": sum,
    "sum": sum,
    "sub": lambda v: v[0] - v[1],
    "mul": lambda v: v[0] * v[1],
    "max": lambda v: np.maximum(v[0], v[1]),
    "min": lambda v: np.minimum(v[0], v[1]),
    "mean": lambda v: sum(v) / len(v),
}


def _merge(step: Step, states: list[State], rng: Rng, context: Context) -> Carried:
    """The same channels of several tensors."""
    first, operator = states[0], step.settings["operator"]
    kind = np.max([s.kind for s in states], axis=0)
    anchor = first.anchor
    ratio = first.ratio
    for other in states[1:]:
        both = first.copies & other.copies
        assert (first.origin == other.origin)[both].all()
        if operator == "mul":
            ratio = ratio * other.ratio
        else:
            assert (first.ratio == other.ratio)[both].all()
    shift = _OPERATORS[operator]([s.shift for s in states])
    shift = np.where(kind == JUNK, 0.0, shift)
    origin = np.where(kind == COPY, first.origin, -1)
    made = State(kind, origin, np.where(kind == COPY, ratio, 1.0), shift, anchor, first.blocks)
    return step, [made]


def _concat(step: Step, states: list[State], rng: Rng, context: Context) -> Carried:
    """Channels side by side."""
    parts, start = [], 0
    for name, state in zip(step.sources, states, strict=True):
        parts.append(state.moved(lambda o, start=start: o + start))
        start += context.tensors[name].width
    return step, [joined(parts)]


def _part(state: State, tensor: Tensor, start: int, stop: int) -> State:
    """A run of the blocks of a tensor."""
    before = sum(tensor.blocks[:start])
    ends = np.cumsum([0, *state.blocks])
    taken = state.take(slice(int(ends[start]), int(ends[stop])), state.blocks[start:stop])
    return taken.moved(lambda o: o - before)


def _split(step: Step, states: list[State], rng: Rng, context: Context) -> Carried:
    """Every block on its own."""
    tensor = context.tensors[step.sources[0]]
    return step, [_part(states[0], tensor, k, k + 1) for k in range(len(step.outputs))]


def _slice(step: Step, states: list[State], rng: Rng, context: Context) -> Carried:
    """Some of the blocks."""
    tensor, s = context.tensors[step.sources[0]], step.settings
    return step, [_part(states[0], tensor, s["start"], s["stop"])]


def _gather(step: Step, states: list[State], rng: Rng, context: Context) -> Carried:
    """Anchors of what the core picks, and more of the same, or of what does not matter."""
    (state,) = states
    core = step.numbers["indices"].astype(int)
    where = {int(state.origin[i]): int(i) for i in np.flatnonzero(state.anchor)}
    picked, origin = [where[int(k)] for k in core], list(range(len(core)))
    first = {int(k): position for position, k in reversed(list(enumerate(core)))}
    extra = int(rng.integers(0, 4)) if step.freedom.grow else 0
    for i in rng.integers(0, len(state), extra):
        picked.append(int(i))
        origin.append(first.get(int(state.origin[i]), -1))
    order = rng.permutation(len(picked)) if extra else np.arange(len(picked))
    indices, origins = np.array(picked)[order], np.array(origin)[order]
    taken = state.take(indices)
    kind = np.where(taken.copies & (origins < 0), JUNK, taken.kind)
    made = State(
        kind,
        np.where(kind == COPY, origins, -1),
        np.where(kind == COPY, taken.ratio, 1.0),
        np.where(kind == JUNK, 0.0, taken.shift),
        order < len(core),
        (len(kind),),
    )
    return replace(step, numbers={"indices": indices.astype(np.float64)}), [made]


def _shuffle(step: Step, states: list[State], rng: Rng, context: Context) -> Carried:
    """(groups, n) channels become (n, groups)."""
    (state,), tensor, groups = states, context.tensors[step.sources[0]], step.settings["groups"]
    order = np.arange(len(state)).reshape(groups, -1).T.ravel()
    core = np.argsort(np.arange(tensor.width).reshape(groups, -1).T.ravel())
    each = len(state.blocks) // groups
    blocks = (groups * state.blocks[0],) * each
    return step, [state.take(order, blocks).moved(lambda o: core[np.maximum(o, 0)])]


CARRY: dict[str, Callable[[Step, list[State], Rng, Context], Carried]] = {
    "function": _function,
    "spatial": _spatial,
    "attend": _attend,
    "prelu": _prelu,
    "scale": _scale,
    "offset": _offset,
    "batchnorm": _batchnorm,
    "depthwise": _depthwise,
    "filled": _filled,
    "merge": _merge,
    "concat": _concat,
    "split": _split,
    "slice": _slice,
    "gather": _gather,
    "shuffle": _shuffle,
}
