"""What samples and climbing from them see: on which sides of 0 the elements of targets were.

Nothing is proved by it. It tells the other rungs which elements cannot have a phase.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lumpcli.bounds.affine import Affine
from lumpcli.bounds.backward import State
from lumpcli.bounds.functions import Function
from lumpcli.bounds.program import Program
from lumpcli.bounds.rounding import Array
from lumpcli.box import Box
from lumpcli.progress import Stage

_BATCH = 2**22  # numbers of one tensor at once
MOST_WORK = 2**28  # numbers computed for samples, or in climbing for one tensor: some seconds
_SHRINK = 0.8  # of the steps of climbing, one after the other


@dataclass
class Seen:
    """Per target (size,) bool: seen above 0, and below, by more than float64 may be wrong."""

    above: dict[int, Array]
    below: dict[int, Array]

    @staticmethod
    def nothing(program: Program) -> Seen:
        """Before the first sample."""
        steps = program.target_steps
        blank = [{t: np.zeros(program.steps[t].size, bool) for t in steps} for _ in range(2)]
        return Seen(*blank)

    def look(self, state: State, values: Sequence[Array]) -> None:
        """Remember the sides that these values of all tensors (samples, size) are on."""
        for number in self.above:
            if number < len(values):
                margin = state.charges[number][0]
                self.above[number] |= (values[number] > margin).any(axis=0)
                self.below[number] |= (values[number] < -margin).any(axis=0)


def sample(state: State, box: Box, seed: int, count: int, seen: Seen, stage: Stage) -> None:
    """Look at `count` samples of the box, fewer of large networks; `state`: of the whole box."""
    count = min(count, max(1, MOST_WORK // max(1, state.program.entries)))
    rng = np.random.default_rng(seed)
    program = state.program
    batch = max(1, min(1024, _BATCH // program.largest))
    for start in range(0, count, batch):
        size = min(batch, count - start)
        seen.look(state, program.evaluate(box.sample(rng, size)))
        stage.advance(size)


def climb(state: State, box: Box, seed: int, seen: Seen, rounds: int, stage: Stage) -> None:
    """From the best of some samples go up, or down, by signs of gradients, one run per element."""
    rng = np.random.default_rng([seed, 1])
    program = state.program
    points = box.sample(rng, 256)
    values = program.evaluate(points)
    for number in program.target_steps:
        phase_open = (state.ranges[number].phase[0] == 0) & ~(
            seen.above[number] & seen.below[number]
        )
        elements = np.flatnonzero(phase_open)
        if len(elements) * rounds * program.entries > MOST_WORK:
            continue  # too many: those of an image
        signs = np.where(seen.above[number][elements], -1.0, 1.0)
        for begin in range(0, len(elements), 256):
            some = slice(begin, begin + 256)
            best = (signs[some] * values[number][:, elements[some]]).argmax(axis=0)
            start = {name: array[best] for name, array in points.items()}
            _runs(state, box, seen, (number, elements[some], signs[some]), start, rounds)
        stage.advance(len(elements) * rounds)


def _runs(
    state: State,
    box: Box,
    seen: Seen,
    goal: tuple[int, Array, Array],
    points: dict[str, Array],
    rounds: int,
) -> None:
    number, elements, signs = goal
    program = state.program
    rows = np.zeros((len(elements), 1, program.steps[number].size))
    rows[np.arange(len(elements)), 0, elements] = signs
    step = 0.5
    for _ in range(rounds):
        values = program.evaluate(points)
        seen.look(state, values)
        slopes = _gradient(program, values, number, rows)
        for name, tensor in program.inputs.items():
            if tensor.step in slopes:
                lower, upper = box.ranges[name]
                up = np.sign(slopes[tensor.step][:, 0]).reshape(-1, *lower.shape)
                points[name] = np.clip(points[name] + step * (upper - lower) * up, lower, upper)
        step *= _SHRINK
    seen.look(state, program.evaluate(points))


def _gradient(
    program: Program, values: Sequence[Array], start: int, rows: Array
) -> dict[int, Array]:
    """Rows (samples, 1, size) over a step become rows over the inputs, by derivatives."""
    pending, found = {start: rows}, {}
    for number in range(start, -1, -1):
        if number not in pending:
            continue
        own, step = pending.pop(number), program.steps[number]
        operation = step.operation
        if operation is None:
            found[number] = own
            continue
        if isinstance(operation, Affine):
            parts = operation.adjoint(own)
        elif isinstance(operation, Function):
            parts = [own * operation.derivative(values[step.sources[0]])[:, None]]
        else:
            parts = operation.pull(own, *[values[s] for s in step.sources])
        for source, part in zip(step.sources, parts, strict=True):
            pending[source] = pending[source] + part if source in pending else part
    return found
