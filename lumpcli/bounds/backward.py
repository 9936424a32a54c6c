"""Backward linear bounds (CROWN): a row over one tensor is rewritten, step by step, over the box.

This is the only place that does it. Arrays have the dimensions (cells, rows, size): several boxes
at once, several rows for each. Whatever rounds is charged, see `rounding.py`: an error in the
coefficients of a tensor is multiplied by values whose magnitudes are known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from lumpcli.bounds.affine import Affine
from lumpcli.bounds.functions import Free, Function, Lines
from lumpcli.bounds.program import Program
from lumpcli.bounds.rounding import FLOOR, Arithmetic, Array, Range, gamma

_INFLATION = 1 + 2.0**-20  # what summing up the error itself may have lost


@dataclass
class State:
    """What is known of each step on each box: ranges, charges of coefficients, lines."""

    program: Program
    arithmetic: Arithmetic
    ranges: list[Range] = field(default_factory=list)
    charges: list[Array] = field(default_factory=list)  # (cells, size) each
    lines: dict[int, Lines] = field(default_factory=dict)  # of functions, when first needed
    underflow: Array | float = 0.0  # (cells,)

    def lines_of(self, number: int) -> Lines | None:
        """The lines of a step; None where it is no function, or its source is not bounded."""
        step = self.program.steps[number]
        if not isinstance(step.operation, Function):
            return None
        if number not in self.lines:
            source = self.ranges[step.sources[0]]
            if not source.finite.all():
                return None
            if self.arithmetic.float32 and not step.operation.in_float32:
                return None
            self.lines[number] = step.operation.lines(source)
        return self.lines[number]

    def free(self, number: int) -> Free | None:
        """The slopes that may be chosen of a function's step."""
        step = self.program.steps[number]
        if self.lines_of(number) is None or not isinstance(step.operation, Function):
            return None
        return step.operation.free(self.ranges[step.sources[0]])

    def append(self, found: Range, spread: Array, own: int) -> None:
        """The next step's range; `spread` are the magnitudes its elements are made of."""
        size = np.where(np.isfinite(spread), spread, np.inf)
        rate = self.arithmetic.charge(self.program.roundings, own)
        self.ranges.append(found)
        self.charges.append(rate * size + self.arithmetic.floor(own))
        known = np.where(found.finite, found.magnitude, 0.0)  # what is infinite is charged so
        self.underflow = self.underflow + FLOOR * (1 + known.sum(axis=-1))


# of functions' steps: where lower lines go through 0 (cells, size), and their slopes
# (cells, rows, size), which must be free
Slopes = Mapping[int, tuple[Array, Array]]


@dataclass
class Trail:
    """What a back-substitution met: the rows over each step it went through, as they were."""

    rows: dict[int, Array] = field(default_factory=dict)


@np.errstate(over="ignore", invalid="ignore")  # what is infinite ends as no bound
def least(
    state: State,
    start: int,
    rows: Array,
    slopes: Slopes | None = None,
    trail: Trail | None = None,
) -> Array:
    """Lower bounds (cells, rows) of `rows @ tensor` for the tensor of step `start`.

    `slopes` replace the lower lines of functions where they say.
    """
    program = state.program
    pending = {start: rows}
    total: Array = np.zeros(rows.shape[:-1])
    error: Array = np.zeros(rows.shape[:-1])
    for number in range(start, -1, -1):
        if number not in pending:
            continue
        own = pending.pop(number)
        if trail is not None:
            trail.rows[number] = own
        step, operation = program.steps[number], program.steps[number].operation
        lines = state.lines_of(number)
        charge = state.charges[number]
        if isinstance(operation, Affine):
            error += _dot(np.abs(own), charge)
            if operation.bias is not None:
                total += own @ operation.bias
            parts = operation.adjoint(own)
        elif lines is not None:
            heft = np.maximum(np.abs(lines.low), np.abs(lines.high))
            free = None if slopes is None else slopes.get(number)
            charge = charge + gamma(program.roundings) * heft
            constant, part = _between(lines, free, own, charge)
            total += constant[..., 0]
            error += constant[..., 1]
            parts = [part]
        else:
            error += _dot(np.abs(own), charge)
            total += _concrete(own, state.ranges[number])
            continue
        for source, part in zip(step.sources, parts, strict=True):
            if source in pending:
                both = np.abs(pending[source]) + np.abs(part)
                error += gamma(8) * _dot(both, state.ranges[source].magnitude)
                part = pending[source] + part
            pending[source] = part
    found = total - (error * _INFLATION + np.reshape(state.underflow, (-1, 1)))
    return np.where(np.isnan(found), -np.inf, found)


def _between(
    lines: Lines, free: tuple[Array, Array] | None, rows: Array, charge: Array
) -> tuple[Array, Array]:
    """Constants and charges (cells, rows, 2), and rows over the source, that lines make of rows."""
    low_slope, low = lines.low_slope[:, None], lines.low
    if free is not None:
        chosen, slope = free
        low_slope = np.where(chosen[:, None], slope, low_slope)
        low = np.where(chosen, 0.0, low)
    positive = np.maximum(rows, 0.0)
    negative = rows - positive
    constant = _dots(positive, low, charge) + _dots(negative, lines.high, -charge)
    positive *= low_slope
    negative *= lines.high_slope[:, None]
    positive += negative  # one of both is zero: nothing is rounded
    return constant, positive


def _dot(rows: Array, vector: Array) -> Array:
    """(cells, rows, size) with (cells, size): (cells, rows)."""
    result: Array = np.matmul(rows, vector[:, :, None])[:, :, 0]
    return result


def _dots(rows: Array, first: Array, second: Array) -> Array:
    """(cells, rows, size) with two vectors (cells, size): (cells, rows, 2)."""
    result: Array = np.matmul(rows, np.stack([first, second], axis=-1))
    return result


def _concrete(rows: Array, source: Range) -> Array:
    """The least value of rows over a range; -inf where a bound that is needed is infinite."""
    positive = np.maximum(rows, 0.0)
    if source.finite.all():
        return _dot(positive, source.lower) + _dot(rows - positive, source.upper)
    low = np.where(positive > 0, positive * source.lower[:, None], 0.0)
    high = np.where(rows < 0, rows * source.upper[:, None], 0.0)
    total: Array = (low + high).sum(axis=-1)
    return total
