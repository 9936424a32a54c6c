"""Folding columns with one rounding each, at the speed of numpy.

What error-free float64 arithmetic cannot settle for sure (a sum next to the middle of two stored
numbers, or one that may just be a stored number) is decided in rationals, entry by entry.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from lumpcli.ir.exact import Array, fold, narrow, round_fraction, round_once
from lumpcli.ir.floats import (
    BITS,
    Factors,
    Sums,
    factors_of,
    moderate,
    significant_bits,
    sums,
    two_product,
    two_sum,
)

_CACHED = 1 << 17  # entries at a time, so that what is on the way stays in the cache
_MANY = 1 / 64  # undecided entries beyond this share are decided together, in integers
_ULP = 2.0**-52


def fold_once(
    block: Array,
    coefficients: Sequence[Fraction],
    starts: Array,
    dtype: np.dtype[Any],
    factors: Factors | None = None,
) -> tuple[Array, Array]:
    """Sums of groups of columns (rows, members), rounded once to `dtype`, and which were inexact.

    As `round_once(fold(...))`. Group `k` begins at `starts[k]` (rising, the first is 0). `factors`
    are those of the coefficients, for who knows them.
    """
    if dtype.kind == "i" or not block.size:
        return round_once(fold(block, coefficients, starts), dtype)
    factors = factors or factors_of(coefficients, starts)
    step = max(1, _CACHED // block.shape[1])
    parts = []
    for first in range(0, len(block), step):
        some = block[first : first + step]
        parts.append(_part(some, factors, coefficients, starts, dtype))
    stored, inexact = (np.concatenate([part[k] for part in parts]) for k in (0, 1))
    return stored, inexact


def _part(
    block: Array,
    factors: Factors,
    coefficients: Sequence[Fraction],
    starts: Array,
    dtype: np.dtype[Any],
) -> tuple[Array, Array]:
    """Some rows."""
    decided = _in_floats(block, factors, starts, dtype)
    if decided is None:
        return round_once(fold(block, coefficients, starts), dtype)
    stored, inexact, open_ = decided
    if open_ is None:
        return stored, inexact
    places = np.argwhere(open_)
    if len(places) > _MANY * stored.size:
        return round_once(fold(block, coefficients, starts), dtype)
    ends = np.append(starts[1:], block.shape[1])
    for row, group in places.tolist():
        members = slice(starts[group], ends[group])
        numbers = block[row, members].astype(np.float64).tolist()
        exact = sum(
            (Fraction(x) * c for x, c in zip(numbers, coefficients[members], strict=True)),
            start=Fraction(0),
        )
        stored[row, group], inexact[row, group] = round_fraction(exact, dtype)
    return stored, inexact


def _in_floats(
    block: Array, factors: Factors, starts: Array, dtype: np.dtype[Any]
) -> tuple[Array, Array, Array | None] | None:
    """Rounded sums, which of them are inexact, and which of both are not certain (None: none)."""
    if factors.whole is None:
        return None
    if max(factors.denominator).bit_length() > 400:
        return None
    denominator = np.array(factors.denominator, np.float64)
    dyadic = np.array([d & (d - 1) == 0 for d in factors.denominator])
    if (denominator[~dyadic] >= 2.0**BITS).any():
        return None
    found = sums(block, factors.whole, factors.bits + significant_bits(block), starts)
    if found is None:
        return None
    with np.errstate(over="ignore", invalid="ignore"):
        value = found.value / denominator
        if not moderate(value):
            return None
        if dyadic.all() and not found.lost.any():
            stored = narrow(value, dtype)
            return stored, stored != value, None
        return _rounded(found, denominator, dyadic, int(np.diff(starts).max(initial=1)) + 2, dtype)


def _rounded(
    found: Sums, denominator: Array, dyadic: Array, members: int, dtype: np.dtype[Any]
) -> tuple[Array, Array, Array]:
    exact = np.broadcast_to(found.lost == 0, found.value.shape)
    value, rest = two_sum(found.value, np.broadcast_to(found.rest, found.value.shape))
    value, rest = value / denominator, rest / denominator  # exact but for divisors that are odd
    doubt = found.lost / denominator * (members * _ULP)
    if not dyadic.all():
        doubt = doubt + np.where(dyadic, 0.0, np.abs(value) * _ULP)
    stored = narrow(value, dtype)
    wide = stored.astype(np.float64)
    beyond = value - wide  # exact: they are neighbours
    distance = beyond + rest
    doubt = doubt + np.abs(distance) * _ULP
    up, down = _gaps(stored)
    tie = np.where(distance > 0, up, down) / 2
    certain = np.abs(np.abs(distance) - tie) > doubt
    # a tie of numbers known exactly was broken as it should be
    known = exact & dyadic & (rest == 0)
    certain |= known
    inexact = distance != 0
    sure = known | (np.abs(distance) > doubt)
    if not dyadic.all():
        product, error = two_product(wide, np.broadcast_to(denominator, wide.shape))
        settled = exact & (found.rest == 0) & ~dyadic
        inexact = np.where(settled, (product != found.value) | (error != 0), inexact)
        sure |= settled
    # float64's own rounding of a sum or quotient of exact numbers is the one rounding
    if dtype == np.float64:
        certain |= exact & (rest == 0)
    return stored, inexact, ~(certain & sure) | ~np.isfinite(wide)


def largest_error(stored: Array) -> float:
    """How much of itself a number may be off that was rounded to one of these (k,).

    That is half of the distance from 1 to the next number; more for subnormal ones; infinite for
    zeros, infinities and integers.
    """
    if not stored.size:
        return 0.0
    if stored.dtype.kind == "i" or not np.isfinite(stored).all():
        return math.inf
    smallest = np.abs(stored).min()
    if not smallest:
        return math.inf
    tiny, usual = _gaps(np.array([smallest, 1], stored.dtype))[0].tolist()
    error: float = max(tiny / float(smallest) * (1 + _ULP), usual)  # quotients are rounded down
    return error / 2


def _gaps(stored: Array) -> tuple[Array, Array]:
    """How far the next larger and the next smaller stored numbers are away."""
    infinity = np.array(np.inf, stored.dtype)
    wide = stored.astype(np.float64)
    up = np.nextafter(stored, infinity).astype(np.float64) - wide
    down = wide - np.nextafter(stored, -infinity).astype(np.float64)
    return up, down
