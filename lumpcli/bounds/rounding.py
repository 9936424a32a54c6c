"""What float64 arithmetic may be wrong by, and ranges that allow for it.

For every order of summation `|fl(x . y) - x . y| <= gamma(n) |x| . |y|`, with n roundings of unit u
(Higham, Accuracy and Stability of Numerical Algorithms, section 3.1). Underflow adds less than
FLOOR to whatever is computed, as long as numbers that are multiplied in ranges are at least SMALL.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

UNIT = 2.0**-53
UNIT32 = 2.0**-24
FLOOR = 2.0**-1000
FLOOR32 = 2.0**-125  # below it, float32 may flush numbers to zero
SMALL = 2.0**-500
SPARE = 16  # roundings counted on top: those of computing the error term itself


def gamma(roundings: float, unit: float = UNIT) -> float:
    """The largest relative error of so many roundings; infinite where the bound is void."""
    product = roundings * unit
    return product / (1 - product) if product < 0.5 else np.inf


@dataclass(frozen=True)
class Arithmetic:
    """For which evaluation claims hold: real numbers, or float32 in any order of summation."""

    float32: bool = False

    def charge(self, roundings: int, own: int) -> float:
        """What a unit of magnitude is charged for `roundings` of ours, `own` of the network's."""
        return gamma(roundings + SPARE) + (gamma(own, UNIT32) if self.float32 and own else 0.0)

    def floor(self, own: int) -> float:
        """What underflow may add to a result of so many operations of the network."""
        return FLOOR32 * own if self.float32 else 0.0


@dataclass(frozen=True)
class Range:
    """Lower and upper bounds (cells, size) of a tensor on each of several boxes."""

    lower: Array
    upper: Array

    @property
    def magnitude(self) -> Array:
        """The largest absolute value."""
        return np.maximum(np.abs(self.lower), np.abs(self.upper))

    @property
    def finite(self) -> Array:
        """Where both bounds are (cells, size)."""
        known: Array = np.isfinite(self.lower) & np.isfinite(self.upper)
        return known

    @property
    def phase(self) -> Array:
        """int8 (cells, size): 1 where never below 0, -1 where never above, 0 unknown."""
        return np.where(self.lower >= 0, 1, np.where(self.upper <= 0, -1, 0)).astype(np.int8)

    def meet(self, other: Range) -> Range:
        """What both say."""
        return Range(np.maximum(self.lower, other.lower), np.minimum(self.upper, other.upper))

    def within(self, phase: Array) -> Range:
        """What a known phase adds."""
        lower = np.where(phase > 0, np.maximum(self.lower, 0.0), self.lower)
        return Range(lower, np.where(phase < 0, np.minimum(self.upper, 0.0), self.upper))


def widened(lower: Array, upper: Array, by: Array | float) -> Range:
    """A range moved outward; what is no number is infinite."""
    low, high = lower - by, upper + by
    return Range(np.where(np.isnan(low), -np.inf, low), np.where(np.isnan(high), np.inf, high))


def sized(x: Array) -> Array:
    """Absolute values, those below SMALL raised to it: then no product of theirs underflows."""
    return np.where(x == 0, 0.0, np.maximum(np.abs(x), SMALL))
