"""Exact sums of multiples of stored floats in float64 where that is possible, and what is lost.

A rounded sum or product comes with its rounding error, itself a float64 (the error-free
transformations of Knuth and Dekker). So numpy's float64 tells at its own speed whether a fold is
exact; what it cannot hold is left to `ir.exact`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from lumpcli.ir.exact import Array

BITS = 53  # of a float64's mantissa
_SPLIT = 2.0**27 + 1
_LARGE = 2.0**300
_HUGE, _TINY = 2.0**450, 2.0**-450  # products of numbers between them neither over- nor underflow


def two_sum(a: Array, b: Array) -> tuple[Array, Array]:
    """`a + b` as the nearest float64 and the error, exactly."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def two_product(a: Array, b: Array) -> tuple[Array, Array]:
    """`a * b` as the nearest float64 and the error, exactly; for numbers that are `moderate`."""
    product = a * b
    left, right = _halves(a), _halves(b)
    error = left[0] * right[0] - product
    error += left[0] * right[1] + left[1] * right[0]
    error += left[1] * right[1]
    return product, error


def _halves(a: Array) -> tuple[Array, Array]:
    scaled = _SPLIT * a
    high = scaled - (scaled - a)
    return high, a - high


def moderate(block: Array) -> bool:
    """Whether all numbers are 0 or of a size whose products are safe, none infinite or NaN."""
    if not block.size:
        return True
    size = np.abs(block)
    if not size.max() < _HUGE:  # also for NaN
        return False
    return bool(size.min() >= _TINY or np.where(size == 0, 1.0, size).min() >= _TINY)


def _moderate_product(block: Array, factors: Array | None, product: Array) -> bool:
    """Whether entries, factors and their products are moderate; short floats are, if finite."""
    if block.dtype == np.float32 and (factors is None or np.abs(factors).max(initial=0) < _LARGE):
        return bool(np.isfinite(block.sum(dtype=np.float64)))
    return moderate(block.astype(np.float64)) and moderate(product)


def significant_bits(numbers: Array) -> int:
    """How many bits the mantissas of an array's type have at most."""
    if numbers.dtype == np.float32:
        return 24
    if numbers.dtype.kind == "i":
        return min(8 * numbers.dtype.itemsize, BITS)
    return 11 if numbers.dtype.itemsize == 2 else BITS  # float16, bfloat16


@dataclass(frozen=True)
class Factors:
    """Rational coefficients of groups of columns, as integers over a common denominator.

    `whole` (members,) are integers in float64, None where one does not fit; `bits` is the length
    of the longest, without trailing zeros. `denominator` (groups,).
    """

    whole: Array | None
    bits: int
    denominator: tuple[int, ...]

    def part(self, members: slice, groups: slice) -> Factors:
        """The factors of some neighbouring groups."""
        whole = None if self.whole is None else self.whole[members]
        return Factors(whole, self.bits, self.denominator[groups])


def factors_of(coefficients: Sequence[Fraction], starts: Array) -> Factors:
    """Coefficients of groups of members; group `k` begins at `starts[k]`."""
    ends = np.append(starts, len(coefficients))[1:].tolist()
    numerators: list[int] = []
    denominators = []
    for start, end in zip(starts.tolist(), ends, strict=True):
        group = coefficients[start:end]
        common = math.lcm(*{c.denominator for c in group})
        denominators.append(common)
        numerators += [c.numerator * (common // c.denominator) for c in group]
    bits, fits = 0, True
    for number in set(numerators):
        size = abs(number)
        odd = size >> ((size & -size).bit_length() - 1) if size else 0
        bits = max(bits, odd.bit_length())
        fits = fits and size.bit_length() < 400 and odd.bit_length() <= BITS
    whole = np.array(numerators, np.float64) if fits else None
    return Factors(whole, bits, tuple(denominators))


@dataclass(frozen=True)
class Sums:
    """Sums of groups of columns: `value + rest` to far beyond float64; exact where `lost` is 0.

    All are (rows, groups). `lost` is the sum of the sizes of all rounding errors; `rest` may be off
    by that times `members` half-ulps.
    """

    value: Array
    rest: Array
    lost: Array


def sums(block: Array, factors: Array | None, bits: int, starts: Array) -> Sums | None:
    """Sums of groups of neighbouring columns of `block` (rows, members), each times its factor.

    `bits` is how long factors and entries are together. None where sizes are not moderate.
    """
    error = None
    with np.errstate(over="ignore", invalid="ignore"):
        if factors is None:
            wide = block.astype(np.float64)
        elif bits > BITS:
            wide, error = two_product(block.astype(np.float64), factors)
        else:
            wide = np.multiply(block, factors, dtype=np.float64)
        if not _moderate_product(block, factors, wide):
            return None
    sizes = np.diff(np.append(starts, block.shape[1]))
    if error is None and (sizes == 1).all():
        nothing = np.zeros((1, 1))
        return Sums(wide, nothing, nothing)
    if error is None and _fits(block, wide, int(sizes.max())):
        nothing = np.zeros((1, 1))
        return Sums(np.add.reduceat(wide, starts, axis=1), nothing, nothing)
    if sizes.max() <= 2:
        return _pairs(wide, error, starts, sizes)
    return _tree(wide, error, sizes)


def _fits(block: Array, wide: Array, most: int) -> bool:
    """Whether all sums of so many entries, times whole factors, fit float64: none loses a bit."""
    if block.dtype != np.float32:
        return False
    size = np.abs(block)
    least = size.min(where=size > 0, initial=np.inf)
    lowest = np.ldexp(1.0, max(int(np.frexp(least)[1]) - 24, -149))  # all are multiples of it
    largest = max(-wide.min(), wide.max())
    return bool(most * largest < lowest * 2.0**BITS)


def _pairs(wide: Array, error: Array | None, starts: Array, sizes: Array) -> Sums:
    """Sums of groups of one or two."""
    value = wide[:, starts]
    rest = np.zeros_like(value) if error is None else error[:, starts]
    lost = np.abs(rest)
    groups = np.flatnonzero(sizes == 2)
    columns = starts[groups] + 1
    value[:, groups], off = two_sum(value[:, groups], wide[:, columns])
    for part in (off,) if error is None else (off, error[:, columns]):
        if part.any():
            lost[:, groups] += np.abs(part)
            rest[:, groups] += part
    return Sums(value, rest, lost)


def _tree(wide: Array, error: Array | None, sizes: Array) -> Sums:
    """Sums of groups of any size, two and two: few steps, each over all that is left."""
    value = np.ascontiguousarray(wide.T)  # members first, so that some of them are whole rows
    group = np.arange(len(sizes)).repeat(sizes)
    rest, lost = np.zeros((2, len(sizes), len(wide)))
    if error is not None:
        np.add.at(rest, group, error.T)
        np.add.at(lost, group, np.abs(error.T))
    while len(value) > len(sizes):
        place = np.arange(len(group)) - np.searchsorted(group, group)
        left = np.flatnonzero(place % 2 == 0)
        paired = np.append(group[1:], -1)[left] == group[left]
        pairs = left[paired]
        total, off = two_sum(value[pairs], value[pairs + 1])
        if off.any():
            np.add.at(rest, group[pairs], off)
            np.add.at(lost, group[pairs], np.abs(off))
        value, group = value[left], group[left]
        value[paired] = total
    return Sums(value.T, rest.T, lost.T)
