"""Rows of float64 compared up to a ratio, exactly and many at a time.

A hash of rounded quotients only proposes which rows to compare; products without rounding decide.
"""

from __future__ import annotations

import numpy as np

from lumpcli.ir import Array, Symmetry, two_product

_CACHED = 1 << 17  # entries at a time, so that what is on the way stays in the cache


def divisors(symmetry: Symmetry, lead: Array) -> Array:
    """What to divide rows by, given their first non-zero entries (0: none; such rows stay)."""
    if symmetry in (Symmetry.LINEAR, Symmetry.ABSOLUTE, Symmetry.SIGN):
        divisor = lead
    elif symmetry is Symmetry.HOMOGENEOUS:
        divisor = np.abs(lead)
    elif symmetry in (Symmetry.ODD, Symmetry.EVEN, Symmetry.POINT):
        divisor = np.sign(lead)
    else:
        divisor = np.ones_like(lead)
    return np.where(divisor == 0, 1.0, divisor)


def hashes(value: Array, divisor: Array, label: Array) -> Array:
    """A number per row (rows,); equal for rows that are equal after division, and labels.

    Division rounds correctly, so equal quotients of reals are equal floats.
    """
    width = value.shape[1]
    generator = np.random.default_rng(0)
    odd = generator.integers(0, 1 << 63, width + 1, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    found = np.empty(len(value), np.uint64)
    step = max(1, _CACHED // max(width, 1))
    for first in range(0, len(value), step):
        part = slice(first, first + step)
        bits = (value[part] / divisor[part, None] + 0.0).view(np.uint64)  # -0.0 becomes 0.0
        bits ^= bits >> np.uint64(31)  # products carry nothing downwards
        found[part] = (bits * odd[:-1]).sum(axis=1, dtype=np.uint64)
    mixed: Array = found ^ (label.astype(np.uint64) * odd[-1])
    return mixed


def equal_rows(value: Array, divisor: Array, left: Array, right: Array, narrow: bool) -> Array:
    """Whether rows `left` and `right` (pairs,) of `value` are equal after division.

    `narrow`: products of entries and divisors fit float64.
    """
    found: Array = left == right
    pairs = np.flatnonzero(~found)
    step = max(1, _CACHED // max(value.shape[1], 1))
    for first in range(0, len(pairs), step):
        some = pairs[first : first + step]
        found[some] = _equal(value, divisor, left[some], right[some], narrow)
    return found


def _equal(value: Array, divisor: Array, left: Array, right: Array, narrow: bool) -> Array:
    ratio = divisor[left] / divisor[right]
    shift = np.abs(np.frexp(ratio)[0]) == 0.5
    # a ratio that came out as a power of two may have been rounded to it
    shift &= ratio * divisor[right] == divisor[left]
    if shift.all():
        return np.asarray((value[left] == value[right] * ratio[:, None]).all(axis=1))
    a, b = divisor[left, None], divisor[right, None]
    if narrow:
        return np.asarray((value[left] * b == value[right] * a).all(axis=1))
    one, other = two_product(value[left], b), two_product(value[right], a)
    return np.asarray(((one[0] == other[0]) & (one[1] == other[1])).all(axis=1))
