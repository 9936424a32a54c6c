"""Planting redundancy in a graph: the same steps with more channels, computing the same function.

One sweep forwards: every step gets the state of what it reads and says what state its output is
in. Steps that make channels choose what to plant; the others carry it on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from tests.graphs.carrying import CARRY, Context
from tests.graphs.spec import (
    CONSTANT,
    COPY,
    JUNK,
    Array,
    Freedom,
    Graph,
    Rng,
    State,
    Step,
    joined,
    plain_state,
)

Kinds = tuple[float, float, float]  # how often: a copy, a constant, junk

_PARTS = (1.0, -1.0, 2.0, 0.5)


@dataclass(frozen=True)
class Plan:
    """How much is planted: channels per block at most; how often columns are divided and copies
    shifted; how often a planted channel is a copy, a constant, junk; and whether blocks that stay
    equally wide get the same channels at the same places."""

    most: int = 3
    mixing: float = 0.3
    shifting: float = 0.35
    kinds: Kinds = (0.6, 0.2, 0.2)
    aligned: bool = False


@dataclass
class Planter:
    """One sweep."""

    graph: Graph
    rng: Rng
    plan: Plan
    states: dict[str, State] = field(default_factory=dict)

    def sweep(self) -> Graph:
        """The graph with more channels."""
        steps = []
        for step in self.graph.steps:
            made, states = self._step(step)
            steps.append(made)
            self.states.update(zip(step.outputs, states, strict=True))
        tensors = {
            name: replace(self.graph.tensors[name], width=len(state), blocks=state.blocks)
            for name, state in self.states.items()
        }
        return replace(self.graph, steps=tuple(steps), tensors=tensors)

    def _step(self, step: Step) -> tuple[Step, list[State]]:
        if step.kind in ("input", "words"):
            return step, [plain_state(self.graph.tensors[o].blocks) for o in step.outputs]
        if step.kind in MATRICES:
            made, state = MATRICES[step.kind](self, step)
            return made, [state]
        sources = [self.states[s] for s in step.sources]
        context = Context(self.graph.tensors, self.plan.shifting)
        return CARRY[step.kind](step, sources, self.rng, context)

    # --- what is planted

    def fresh(self, step: Step, kinds: Kinds | None = None) -> State:
        """New channels: copies, constants and junk in every block."""
        rng, parts, start = self.rng, [], 0
        tensor, kinds = self.graph.tensors[step.output], kinds or self.plan.kinds
        together = int(rng.integers(0, self.plan.most + 1))
        for width in tensor.blocks:
            if not (parts and tensor.linked and (self.plan.aligned or step.freedom.aligned)):
                extra = together if tensor.linked else int(rng.integers(0, self.plan.most + 1))
                made = self._block(width, extra, step.freedom, kinds)
            parts.append(made.moved(lambda o, start=start: o + start))
            start += width
        return joined(parts)

    def _block(self, width: int, extra: int, freedom: Freedom, kinds: Kinds) -> State:
        """The channels of one block, and at most so many more, in any order."""
        if not freedom.grow or not sum(kinds):
            return plain_state((width,))
        rng = self.rng
        kind = rng.choice([COPY, CONSTANT, JUNK], extra, p=np.array(kinds) / sum(kinds))
        origin = np.where(kind == COPY, rng.integers(0, width, extra), -1)
        ratio = np.where(kind == COPY, rng.choice(freedom.palette, extra), 1.0)
        planted = State(kind, origin, ratio, np.zeros(extra), np.zeros(extra, bool), (extra,))
        return joined([plain_state((width,)), planted]).take(rng.permutation(width + extra))

    def aim(self, step: Step, place: bool) -> State:
        """The channels a matrix is to compute, constants and offsets chosen."""
        rng = self.rng
        if "role" in step.settings:
            return self._factor(step)
        if step.like is None:
            state = self.fresh(step)
        else:
            state = self.states[step.like]
            junk = state.constants & (rng.random(len(state)) < 0.1)
            state = replace(state, kind=np.where(junk, JUNK, state.kind))
            if step.own:
                drawn = rng.choice(step.freedom.palette, len(state))
                state = state.times(np.where(state.anchor, 1.0, drawn))
        moved = state.copies & ~state.anchor & (rng.random(len(state)) < self.plan.shifting)
        moved &= step.freedom.shift and place
        numbers = rng.integers(-2, 3, len(state)).astype(np.float64)
        planted = moved | (state.constants & place)
        return replace(state, shift=np.where(planted, numbers, 0.0))

    def _factor(self, step: Step) -> State:
        """Queries, and keys like them: where one has something new, the other is 0."""
        if step.like is None:
            return self.fresh(step, (0.0, *self.plan.kinds[1:]))
        state = self.states[step.like]
        free = self.rng.choice([CONSTANT, JUNK], len(state))
        kind = np.where(state.kind == JUNK, CONSTANT, np.where(state.constants, free, state.kind))
        return replace(state, kind=kind)


def _target(weight: Array, bias: Array | None, state: State, rng: Rng) -> tuple[Array, Array]:
    """Rows of planted channels over the core's columns, and their biases."""
    origin = np.maximum(state.origin, 0)
    keep = np.where(state.copies, state.ratio, 0.0)
    rows = keep[:, None, None, None] * weight[origin]
    biases = np.zeros(rows.shape[:2]) if bias is None else keep[:, None] * bias[origin]
    return rows, biases + np.where(state.kind == JUNK, 0.0, state.shift)[:, None]


def _sparse(rng: Rng, shape: tuple[int, ...]) -> Array:
    """Rows of junk."""
    numbers = rng.choice([-1.0, 1.0, 2.0], shape)
    return np.where(rng.random(shape) < min(1.0, 2.0 / np.prod(shape[2:])), numbers, 0.0)


def _divided(rows: Array, source: State, mixing: float, rng: Rng, free: Array) -> Array:
    """Columns for planted channels: of every origin they add up to the column it had.

    `free` marks constants whose columns may be anything.
    """
    out, positions, read, taps = rows.shape
    weight = np.zeros((out, positions, len(source), taps))

    def part() -> Array:
        chosen = rng.random((out, positions, taps)) < mixing / taps**0.5
        return np.where(chosen, rng.choice(_PARTS, chosen.shape), 0.0)

    for k in range(read):
        members = np.flatnonzero(source.origin == k)
        main = int(rng.choice(members))
        weight[:, :, main] += rows[:, :, k] / source.ratio[main]
        for i in members[members != main]:
            moved = part()
            weight[:, :, i] += moved
            weight[:, :, main] -= moved * (source.ratio[i] / source.ratio[main])
    for i in np.flatnonzero(free):
        weight[:, :, i] += part()
    return weight


def _matrix(planter: Planter, step: Step) -> tuple[Step, State]:
    """A dense layer or a convolution, in groups or not."""
    rng, source = planter.rng, planter.states[step.sources[0]]
    bias, groups = step.numbers.get("bias"), step.settings["groups"]
    place, padded = bias is not None, step.settings["padded"]
    state = planter.aim(step, place)
    rows, biases = _target(step.numbers["weight"], bias, state, rng)
    known = source.constants & ~np.isnan(source.shift)
    free = known & ((source.shift == 0) | (place and not padded))
    in_each, out_each = len(source) // groups, len(state) // groups
    read = rows.shape[2]
    columns = []
    for g in range(groups):
        inside = slice(g * in_each, (g + 1) * in_each)
        part = source.take(inside).moved(lambda o, g=g: o - g * read)
        mine = rows[g * out_each : (g + 1) * out_each]
        columns.append(_divided(mine, part, planter.plan.mixing, rng, free[inside]))
    weight = np.concatenate(columns)
    junk = state.kind == JUNK
    weight[junk] = _sparse(rng, weight[junk].shape)
    offsets = np.where(known | source.copies, source.shift, 0.0).reshape(groups, in_each)
    sums = weight.sum(axis=3).reshape(groups, out_each, -1, in_each)
    spill = np.einsum("gopi,gi->gop", sums, offsets).reshape(biases.shape)
    spill[junk] = 0
    assert not spill.any() or (place and not padded)
    numbers = {"weight": weight}
    if place:
        noise = rng.integers(-2, 3, biases.shape)
        numbers["bias"] = np.where(junk[:, None], noise, biases - spill)
    return replace(step, numbers=numbers), state


def _embedding(planter: Planter, step: Step) -> tuple[Step, State]:
    """A table: a row per word here is a column. No constants but 0, no offsets."""
    state = planter.aim(step, False)
    rows, _ = _target(step.numbers["weight"], None, state, planter.rng)
    junk = state.kind == JUNK
    rows[junk] = planter.rng.integers(-2, 3, rows[junk].shape)
    return replace(step, numbers={"weight": rows}), state


MATRICES: dict[str, Callable[[Planter, Step], tuple[Step, State]]] = {
    "conv": _matrix,
    "transposed": _matrix,
    "dense": _matrix,
    "embedding": _embedding,
}


def planted(graph: Graph, rng: Rng, plan: Plan | None = None) -> Graph:
    """A larger graph that computes the same."""
    return Planter(graph, rng, plan or Plan()).sweep()
