"""What a replaced ReLU makes of differences: functions that the bounds room can follow.

The reduced network's ReLU reads `z + d` where the original's reads z. What they differ by,
`r(z + d) - relu(z)`, is the sum of a gap, `r(z) - relu(z)`, and a shift, `r(z + d) - r(z)`. All
three are piecewise linear, so lines lie beside them when they do at vertices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lumpcli.bounds import FLOOR, UNIT, Function, Lines, Range, sized
from lumpcli.ir import Array


@dataclass(frozen=True)
class Replacement:
    """Which elements of a ReLU become `slope * z + offset`; all arrays (cells, size).

    Slopes lie between 0 and 1; slopes and offsets are 0 where nothing is replaced.
    """

    chosen: Array
    slope: Array
    offset: Array

    @property
    def exact(self) -> Array:
        """Where nothing is rounded: z or 0 instead of the ReLU."""
        whole: Array = (self.offset == 0) & ((self.slope == 0) | (self.slope == 1))
        return whole

    def value(self, source: Array) -> Array:
        """What the replaced ReLU makes of z."""
        line = self.slope * source + self.offset
        result: Array = np.where(self.chosen, line, np.maximum(source, 0.0))
        return result


@dataclass(frozen=True)
class Gap(Function):
    """`r(z) - relu(z)`: concave, with its kink at 0; nothing where nothing is replaced."""

    replacement: Replacement

    def value(self, source: Array) -> Array:
        """The values."""
        found: Array = self.replacement.value(source) - np.maximum(source, 0.0)
        return found

    def _error(self, vertex: Array) -> Array:
        """What a value may be wrong by: it is a sum of three numbers, one of them a product."""
        own = self.replacement
        sizes = sized(own.slope * vertex) + sized(own.offset) + sized(np.maximum(vertex, 0.0))
        return np.where(own.exact, 0.0, 8 * UNIT * sizes + FLOOR)

    def bound(self, source: Range) -> Range:
        """The extreme values at vertices."""
        vertices = _clipped(source, [0.0])
        values = [(self.value(v), self._error(v)) for v in vertices]
        low = np.minimum.reduce([y - e for y, e in values])
        return Range(low, np.maximum.reduce([y + e for y, e in values]))

    def lines(self, source: Range) -> Lines:
        """The chord below, and above it the slope of the larger side."""
        chosen, left = self.replacement.chosen, self.replacement.slope
        chord = _chord(source, self.value(source.lower), self.value(source.upper))
        crossing = (source.lower < 0) & (source.upper > 0) & chosen
        side = np.where(source.upper > -source.lower, left - 1.0, left)
        below, above = np.where(chosen, chord, 0.0), np.where(crossing, side, chord)
        above = np.where(chosen, above, 0.0)
        vertices = _clipped(source, [0.0])
        points = [_Point(v, y, y, self._error(v)) for v in vertices for y in [self.value(v)]]
        return _lines(below, above, points)


@dataclass(frozen=True)
class Shift(Function):
    """`r(z + d) - r(z)` as a function of d, for every z of `source` (cells, size)."""

    source: Range
    replacement: Replacement

    def value(self, source: Array) -> Array:
        """The values for the z in the middle of its range."""
        middle = (self.source.lower + self.source.upper) / 2
        own = self.replacement
        return np.where(own.chosen, own.slope * source, _shifted(middle, source))

    def _curves(self, change: Array) -> tuple[Array, Array]:
        """The least and the greatest value for any z; both rise with the change.

        For a positive change a ReLU rises most where z is greatest, for a negative one it falls
        most there.
        """
        own = self.replacement
        low, high = _shifted(self.source.lower, change), _shifted(self.source.upper, change)
        line = own.slope * change
        least = np.where(own.chosen, line, np.where(change >= 0, low, high))
        return least, np.where(own.chosen, line, np.where(change >= 0, high, low))

    def bound(self, source: Range) -> Range:
        """The values at both ends."""
        low, _ = self._curves(source.lower)
        _, high = self._curves(source.upper)
        rounded = [np.where(self._exact(y), 0.0, 8 * UNIT * sized(y) + FLOOR) for y in (low, high)]
        return Range(low - rounded[0], high + rounded[1])

    def _exact(self, value: Array) -> Array:
        """Where a value was not rounded: a sum that is 0 never is, a product may be."""
        own = self.replacement
        return np.where(own.chosen, own.exact, value == 0)

    def lines(self, source: Range) -> Lines:
        """The chords of both curves, moved until nothing is beyond them."""
        vertices = _clipped(source, [0.0, -self.source.lower, -self.source.upper])
        points = [_Point(v, *self._curves(v), 0.0) for v in vertices]
        first, last, own = points[0], points[1], self.replacement
        below = np.where(own.chosen, own.slope, _chord(source, first.least, last.least))
        above = _chord(source, first.greatest, last.greatest)
        return _lines(below, np.where(own.chosen, own.slope, above), points)

    def undecided(self, source: Range) -> Array:
        """Where it is no line: neither replaced, nor of one phase in both networks."""
        low, high = self.source.lower, self.source.upper
        active = (low >= 0) & (low + source.lower >= 0)
        inactive = (high <= 0) & (high + source.upper <= 0)
        moved = (source.lower != 0) | (source.upper != 0)
        return np.asarray(moved & ~(active | inactive | self.replacement.chosen))


def _shifted(z: Array, change: Array) -> Array:
    """`relu(z + change) - relu(z)`, rounded at most once."""
    return np.where(z > 0, np.maximum(change, -z), np.maximum(z + change, 0.0))


def _clipped(source: Range, kinks: Sequence[Array | float]) -> list[Array]:
    """Both ends of a range, and kinks, those outside moved to an end."""
    return [source.lower, source.upper, *(np.clip(k, source.lower, source.upper) for k in kinks)]


def _chord(source: Range, first: Array, last: Array) -> Array:
    """The slope between both ends of a range; 0 where it has no width."""
    width = source.upper - source.lower
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        chord = (last - first) / width
    return np.where(np.isfinite(chord), chord, 0.0)


@dataclass(frozen=True)
class _Point:
    """A vertex, the least and the greatest value there, and what those may be wrong by."""

    vertex: Array
    least: Array
    greatest: Array
    error: Array | float

    def offset(self, slope: Array, value: Array, sign: int) -> Array:
        """`value - slope * vertex`, moved by what it may be wrong by."""
        drawn = slope * self.vertex
        rounded = 8 * UNIT * (sized(value) + sized(drawn)) + FLOOR
        nothing = (value == 0) & ((slope == 0) | (self.vertex == 0))
        found: Array = value - drawn + sign * (np.where(nothing, 0.0, rounded) + self.error)
        return found


def _lines(below: Array, above: Array, points: Sequence[_Point]) -> Lines:
    """Lines of these slopes that lie beside all points."""
    low = np.minimum.reduce([p.offset(below, p.least, -1) for p in points])
    return Lines(
        below, low, above, np.maximum.reduce([p.offset(above, p.greatest, 1) for p in points])
    )
