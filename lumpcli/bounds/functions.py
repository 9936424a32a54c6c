"""Functions that are not affine: their values, ranges, and the lines they lie between.

`lines` are valid for every real number of the range they are made for: whatever the slopes are,
their offsets are then chosen so that they hold, and rounded outward.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lumpcli.bounds.rounding import FLOOR, UNIT, UNIT32, Arithmetic, Array, Range, sized, widened

_SLOPPY = 2.0**-40  # more than numpy's exp, tanh and erf are wrong by, relative to their values


@dataclass(frozen=True)
class Lines:
    """`low_slope z + low <= f(z) <= high_slope z + high`, element by element (cells, size)."""

    low_slope: Array
    low: Array
    high_slope: Array
    high: Array


@dataclass(frozen=True)
class Free:
    """Where `chosen` (cells, size), every slope from `least` to `most` times z is below f(z)."""

    chosen: Array
    least: Array
    most: Array


class Function(ABC):
    """A function of one tensor, element by element."""

    in_float32 = True  # whether float32 computes it to half a unit in the last place

    @abstractmethod
    def value(self, source: Array) -> Array:
        """The values."""

    @abstractmethod
    def bound(self, source: Range) -> Range:
        """The range of the values, infinite bounds included."""

    def lines(self, source: Range) -> Lines:
        """Lines for a finite range: here, constants."""
        own = self.bound(source)
        return Lines(np.zeros_like(own.lower), own.lower, np.zeros_like(own.upper), own.upper)

    def free(self, source: Range) -> Free | None:
        """Where a lower line may go through 0, and with which slopes; None if nowhere."""
        return None

    def undecided(self, source: Range) -> Array:
        """Where tighter bounds of the source may help."""
        return source.lower < source.upper

    def derivative(self, source: Array) -> Array:
        """Roughly how it changes, for climbing."""
        step = 1e-6 * np.maximum(np.abs(source), 1.0)
        return (self.value(source + step) - self.value(source - step)) / (2 * step)

    def bound_in(self, source: Range, arithmetic: Arithmetic) -> Range:
        """The range of what that arithmetic computes."""
        own = self.bound(source)
        if not arithmetic.float32:
            return own
        if not self.in_float32:
            return widened(own.lower, own.upper, np.inf)
        extra = 2 * UNIT32 * np.where(own.finite, own.magnitude, 0.0) + arithmetic.floor(1)
        return widened(own.lower, own.upper, extra)


@dataclass(frozen=True)
class Piecewise(Function):
    """Continuous, linear between `kinks`: the function is known there and at the ends of a range.

    `exact`: values are not rounded. `slopes`: (left, right), per element, for a kink at 0 only.
    """

    function: Callable[[Array], Array]
    kinks: tuple[float, ...]
    slopes: tuple[Array | float, Array | float] | None = None
    exact: bool = False

    def value(self, source: Array) -> Array:
        """The values."""
        return self.function(source)

    def _vertices(self, source: Range) -> list[Array]:
        inner = [np.clip(kink, source.lower, source.upper) for kink in self.kinks]
        return [source.lower, source.upper, *inner]

    def bound(self, source: Range) -> Range:
        """The extreme values at vertices."""
        vertices = self._vertices(source)
        values = [self.value(v) for v in vertices]
        errors = [self._error(v, y) for v, y in zip(vertices, values, strict=True)]
        pairs = list(zip(values, errors, strict=True))
        low = np.minimum.reduce([y - e for y, e in pairs])
        return Range(low, np.maximum.reduce([y + e for y, e in pairs]))

    def _error(self, vertex: Array, value: Array) -> Array:
        """What a computed value may be wrong by; it may have been lost to underflow."""
        if self.exact:
            return np.zeros_like(value)
        lost = np.where((value == 0) & (vertex != 0), FLOOR, 0.0)
        return np.where(np.isfinite(value), 8 * UNIT * sized(value) + lost, 0.0)

    def lines(self, source: Range) -> Lines:
        """The chord above (for a convex function), and below it the slope of the larger side."""
        width = source.upper - source.lower
        values = [self.value(source.upper), self.value(source.lower)]
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            chord = (values[0] - values[1]) / width
        chord = np.where(np.isfinite(chord), chord, 0.0)
        below = above = chord
        if self.slopes is not None:
            crossing = (source.lower < 0) & (source.upper > 0)
            left, right = self.slopes
            side = np.where(source.upper > -source.lower, right, left)
            below = np.where(crossing & (left <= right), side, chord)
            above = np.where(crossing & (left > right), side, chord)
        low, _ = self._offsets(below, source)
        _, high = self._offsets(above, source)
        return Lines(below, low, above, high)

    def _offsets(self, slope: Array, source: Range) -> tuple[Array, Array]:
        """The least and the greatest `f(z) - slope z`, which lie at vertices, rounded outward."""
        low, high = np.full_like(slope, np.inf), np.full_like(slope, -np.inf)
        for vertex in self._vertices(source):
            own, drawn = self.value(vertex), slope * vertex
            rounded = 8 * UNIT * (sized(own) + sized(drawn)) + FLOOR
            error = np.where(slope == 0, self._error(vertex, own), rounded)
            low = np.minimum(low, own - drawn - error)
            high = np.maximum(high, own - drawn + error)
        return low, high

    def free(self, source: Range) -> Free | None:
        """Slopes between those of its two sides, where it is convex and its kink inside."""
        if self.slopes is None:
            return None
        left, right = (np.broadcast_to(s, source.lower.shape) for s in self.slopes)
        chosen = (source.lower < 0) & (source.upper > 0) & (left <= right)
        return Free(chosen, left, right)

    def undecided(self, source: Range) -> Array:
        """Where a kink lies within."""
        kinked = [(source.lower < kink) & (kink < source.upper) for kink in self.kinks]
        found: Array = np.logical_or.reduce(kinked)
        return found


@dataclass(frozen=True)
class Monotone(Function):
    """Never decreasing. `bell`: its derivative rises up to 0 and falls from there on.

    The derivative is `steepness`; `least` and `most` bound all values.
    """

    function: Callable[[Array], Array]
    least: float = -np.inf
    most: float = np.inf
    steepness: Callable[[Array], Array] | None = None
    in_float32 = False

    def value(self, source: Array) -> Array:
        """The values."""
        return self.function(source)

    def bound(self, source: Range) -> Range:
        """The values at both ends, widened by what evaluating them may be wrong by."""
        low, high = self.value(source.lower), self.value(source.upper)
        by_low, by_high = (
            np.where(np.isfinite(x), _SLOPPY * sized(x) + FLOOR, 0.0) for x in (low, high)
        )
        found = Range(np.maximum(low - by_low, self.least), np.minimum(high + by_high, self.most))
        if self.value(np.zeros(1)) != 0:
            return found
        sign = np.where(source.lower >= 0, 1, np.where(source.upper <= 0, -1, 0))
        return found.within(sign)  # through 0, so the sign is that of the source

    def lines(self, source: Range) -> Lines:
        """Parallel lines with the least derivative: between them and the function all rises."""
        if self.steepness is None:
            return super().lines(source)
        ends = np.minimum(self.steepness(source.lower), self.steepness(source.upper))
        slope = np.maximum(ends, 0.0) * (1 - _SLOPPY)
        own = self.bound(source)
        errors = [8 * UNIT * (sized(slope * x) + sized(y)) + FLOOR for x, y in _ends(source, own)]
        low = own.lower - slope * source.lower - errors[0]
        return Lines(slope, low, slope, own.upper - slope * source.upper + errors[1])


def _ends(source: Range, own: Range) -> list[tuple[Array, Array]]:
    return [(source.lower, own.lower), (source.upper, own.upper)]


@dataclass(frozen=True)
class Dipping(Function):
    """Falls down to `bottom`, then rises: x * sigmoid(x) and its like. `least` is below all."""

    function: Callable[[Array], Array]
    bottom: float
    least: float
    in_float32 = False

    def value(self, source: Array) -> Array:
        """The values."""
        return self.function(source)

    def bound(self, source: Range) -> Range:
        """The values at both ends, and the least one where the bottom may lie between them."""
        with np.errstate(invalid="ignore"):
            ends = [self.value(source.lower), self.value(source.upper)]
        ends = [np.where(np.isnan(x), 0.0, x) for x in ends]  # -inf * 0, which tends to 0
        low, high = np.minimum(*ends), np.maximum(*ends)
        near = 1e-3  # the bottom is known to fewer digits than that
        inside = (source.lower < self.bottom + near) & (source.upper > self.bottom - near)
        by_low, by_high = (np.where(np.isfinite(x), _SLOPPY * sized(x), 0.0) for x in (low, high))
        floor = np.maximum(low - by_low - SLIP, self.least)
        return Range(np.where(inside, self.least, floor), high + by_high + SLIP)


SLIP = 2.0**-40  # cancellation in 1 + erf(x), and the like


@dataclass(frozen=True)
class Stair(Function):
    """Never decreasing, exact, perhaps with jumps: Sign, Floor, Ceil."""

    function: Callable[[Array], Array]

    def value(self, source: Array) -> Array:
        """The values."""
        return self.function(source)

    def bound(self, source: Range) -> Range:
        """The values at both ends."""
        return Range(self.value(source.lower), self.value(source.upper))
