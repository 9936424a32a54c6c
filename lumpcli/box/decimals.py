"""Decimal numbers as bounds.

A bound that is written in decimals is seldom a float. A box must not lose inputs over that, so it
is widened twice: the decimal number is rounded outward to float64, and the float32 that is nearest
to it belongs to the box as well: a caller who parses the same decimals as float32 and feeds the
result gets an input of the box, though it may lie beyond the decimal by half a unit.
"""

from __future__ import annotations

import re
from decimal import Decimal

import numpy as np

from lumpcli.errors import UsageError

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_EXPONENT = re.compile(r"[eE][+-]?0*[1-9]\d{6}")  # too large for decimal arithmetic
_MOST_DIGITS = 1000  # more are no number that somebody measured, and make arithmetic slow


def lower_bound(text: str) -> float:
    """The largest float64 that is below a decimal, and below its nearest float32."""
    nearest = _parse(text)
    below = float(np.nextafter(nearest, -np.inf)) if Decimal(nearest) > Decimal(text) else nearest
    return min([below, *_as_float32(nearest, text)])


def upper_bound(text: str) -> float:
    """The smallest float64 that is above a decimal, and above its nearest float32."""
    nearest = _parse(text)
    above = float(np.nextafter(nearest, np.inf)) if Decimal(nearest) < Decimal(text) else nearest
    return max([above, *_as_float32(nearest, text)])


def is_number(text: str) -> bool:
    """Whether a text is a decimal number, with or without an exponent."""
    return _NUMBER.fullmatch(text) is not None


def _parse(text: str) -> float:
    if not is_number(text) or len(text) > _MOST_DIGITS:
        raise UsageError(f"box: {text[:40]!r} is not a decimal number")
    number = float(text)
    if _EXPONENT.search(text):
        raise UsageError(f"box: {text[:40]!r} is no decimal number that somebody means")
    if not np.isfinite(number):
        raise UsageError(f"box: {text[:40]!r} is too large")
    return number


def _as_float32(nearest: float, text: str) -> list[float]:
    """The float32 on either side of halfway, should rounding by way of float64 be in doubt."""
    with np.errstate(over="ignore", under="ignore"):
        rounded = np.float32(nearest)
    around = [np.nextafter(rounded, np.float32(side)) for side in (-np.inf, np.inf)]
    exact = Decimal(text)
    candidates = [float(x) for x in (rounded, *around) if np.isfinite(x)]
    if not candidates:
        return []  # beyond float32: no such input exists
    distance = {x: abs(Decimal(x) - exact) for x in candidates}
    return [x for x in candidates if distance[x] == min(distance.values())]
