"""What must hold of a set of replacements, and on which cells of the box it does.

A question is asked of both networks at once (`joint.py`). What is proved is rigorous: it comes from
the bounds room, whatever float64 rounds is charged there.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from lumpcli.bounds import (
    RELU,
    Arithmetic,
    Program,
    Range,
    State,
    Trail,
    least,
    open_elements,
    sweep,
)
from lumpcli.ir import Array
from lumpcli.redundancy.cover import Cell, Cover, ends_of, ranges_of
from lumpcli.redundancy.joint import Joint, Replacements, joint, values_after
from lumpcli.redundancy.neurons import depths_of

MOST_WORK = 2**30  # entries of rows that one tensor is bounded with
Pick = Literal["max", "min"]


@dataclass(frozen=True)
class Scene:
    """The cells asked about, with everything that is known of both networks in them."""

    both: Joint
    state: State
    middles: Mapping[str, Array]
    trails: list[Trail]

    def difference(self, step: int) -> Range:
        """By how much the tensor of a step of the original differs (cells, size)."""
        number = self.both.differences.get(step)
        if number is None:
            nothing = np.zeros_like(self.state.ranges[step].lower)
            return Range(nothing, nothing)
        found = self.state.ranges[number]
        size = found.lower.shape[1]
        if 2 * size * self.both.program.entries > MOST_WORK:
            return found
        both = self.least(number, np.concatenate([np.eye(size), -np.eye(size)]))
        return found.meet(Range(both[:, :size], -both[:, size:]))

    def least(self, number: int, rows: Array) -> Array:
        """Lower bounds (cells, rows) of rows, alike or not for all cells, over a tensor."""
        trail = Trail()
        cells = len(self.state.ranges[number].lower)
        full = np.ascontiguousarray(np.broadcast_to(rows, (cells, *rows.shape[-2:])))
        found = least(self.state, number, full, trail=trail)
        self.trails.append(trail)
        return found

    def gains(self, cover: Cover, cells: Sequence[Cell]) -> Array:
        """How much what was bounded depends on each input (cells, inputs)."""
        lower, upper = ends_of(cells)
        total = np.zeros_like(lower)
        for trail in self.trails:
            parts = [
                np.abs(trail.rows[t.step]).sum(axis=1)
                if t.step in trail.rows
                else np.zeros((len(cells), cover.program.steps[t.step].size))
                for t in cover.program.inputs.values()
            ]
            total += np.concatenate(parts, axis=1) * (upper - lower)
        return total


def scene(cover: Cover, cells: Sequence[Cell], replaced: Replacements) -> Scene:
    """Both networks on some cells, the differences bounded where a ReLU reads them."""
    ranges = ranges_of(cells)
    both = joint(cover.program, ranges, replaced)
    lower, upper = ends_of(cells)
    read = {both.differences.get(number) for number in cover.program.target_steps}

    def wanted(number: int, found: Range) -> Array:
        opened = open_elements(both.program, number, found)
        work = 2 * int(opened.sum()) * both.program.entries
        return opened if number in read and work <= MOST_WORK else np.zeros_like(opened)

    state = sweep(
        both.program,
        cover.inputs(lower, upper),
        Arithmetic(),
        known={number: ranges[number] for number in cover.program.target_steps},
        wanted=wanted,
    )
    return Scene(both, state, cover.middles(cells), [])


class Question(ABC):
    """Something that must hold for every input of the box."""

    @abstractmethod
    def holds(self, scene: Scene, replaced: Replacements) -> Array:
        """The cells (cells,) bool in which it is proved."""

    @abstractmethod
    def survives(self, program: Program, values: Sequence[Array], replaced: Replacements) -> bool:
        """Whether no sample says no; `values` (samples, size) of all tensors of the original."""


@dataclass(frozen=True)
class Within(Question):
    """Values `k` layers of ReLUs after what is replaced change by at most `eps`.

    The outputs come after all layers; k None: asked of the outputs alone. Outputs that are reached
    before so many layers count as well.
    """

    eps: float
    outputs: tuple[int, ...]  # their steps
    k: int | None = None

    def places(self, program: Program, replaced: Replacements) -> list[int]:
        """The steps whose tensors are asked about."""
        if self.k is None:
            return [*self.outputs]
        depths = depths_of(program)
        after = {depths[number] + self.k for number in replaced}
        relus = [n for n, step in enumerate(program.steps) if step.operation is RELU]
        early = [n for n in self.outputs if depths[n] < max(after, default=0)]
        return sorted({*early, *(n for n in relus if depths[n] in after)})

    def holds(self, scene: Scene, replaced: Replacements) -> Array:
        """Where the differences are within eps."""
        cells = len(next(iter(scene.middles.values())))
        found: Array = np.ones(cells, bool)
        for step in self.places(scene.both.program, replaced):
            found = found & (scene.difference(step).magnitude <= self.eps).all(axis=1)
        return found

    def survives(self, program: Program, values: Sequence[Array], replaced: Replacements) -> bool:
        """Whether no sample differs by clearly more."""
        after = values_after(program, values, replaced)
        places = [n for n in self.places(program, replaced) if n in after]
        return all(np.abs(after[n] - values[n]).max() <= self.eps * (1 + 1e-6) for n in places)


@dataclass(frozen=True)
class Winner(Question):
    """The same element of an output is the greatest (`pick` "min": the least), without ties."""

    output: int  # its step
    pick: Pick = "max"

    @property
    def _sign(self) -> float:
        return 1.0 if self.pick == "max" else -1.0

    def holds(self, scene: Scene, replaced: Replacements) -> Array:
        """Where one element wins in both networks everywhere in the cell."""
        program = scene.both.program
        cells = len(next(iter(scene.middles.values())))
        equal = (scene.difference(self.output).magnitude == 0).all(axis=1)
        if equal.all():
            return np.asarray(equal)
        middle = self._sign * evaluated(program, scene.middles, self.output)
        size = middle.shape[1]
        rows = self._sign * (np.eye(size)[middle.argmax(axis=1)][:, None] - np.eye(size))
        rows = rows[rows.any(axis=2)].reshape(cells, size - 1, size)
        before = scene.least(self.output, rows)
        after = scene.least(scene.both.after[self.output], rows)
        return np.asarray(equal | (np.minimum(before, after) > 0).all(axis=1))

    def survives(self, program: Program, values: Sequence[Array], replaced: Replacements) -> bool:
        """Whether one element wins at all samples, in both networks.

        Where the winner changes, there is a tie between, near which nothing can be proved.
        """
        before = self._sign * values[self.output]
        changed = values_after(program, values, replaced).get(self.output, values[self.output])
        after = self._sign * changed
        if np.array_equal(before, after):
            return True
        winners = np.concatenate([before.argmax(axis=1), after.argmax(axis=1)])
        return bool((winners == winners[0]).all())


def evaluated(program: Program, points: Mapping[str, Array], step: int) -> Array:
    """A tensor (samples, size) at some inputs, of the first steps of a joint program."""
    short = Program(program.steps[: step + 1], program.inputs, {}, {}, {})
    return short.evaluate(points)[step]
