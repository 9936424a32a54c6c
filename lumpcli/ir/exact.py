"""Exact arithmetic on stored floats.

A finite float is an integer times a power of two, so sums of rational multiples of stored weights
are rationals. They are kept as integers with one exponent per row and one denominator per column:
64-bit integers where those suffice, Python's where they do not. Nothing here is ever approximate.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

_SAFE_BITS = 62  # one bit of sign, and one to spare for a sum
_NO_EXPONENT = 1 << 40


@dataclass(frozen=True)
class Exact:
    """A matrix of rationals: `mantissa[i, k] * 2**exponent[i] / denominator[k]`.

    `mantissa` is (rows, columns), int64 or object; `exponent` is (rows,), `denominator` (columns,).
    """

    mantissa: Array
    exponent: Array
    denominator: tuple[int, ...]

    def value(self, row: int, column: int) -> Fraction:
        """One entry as a fraction."""
        return (
            scaled(int(self.mantissa[row, column]), int(self.exponent[row]))
            / (self.denominator[column])
        )


def scaled(mantissa: int, exponent: int) -> Fraction:
    """`mantissa * 2**exponent`."""
    if exponent >= 0:
        return Fraction(mantissa << exponent)
    return Fraction(mantissa, 1 << -exponent)


def integers(block: Array) -> tuple[Array, Array]:
    """Split finite floats (rows, columns) into mantissas and one exponent per row, exactly."""
    fraction, power = np.frexp(block.astype(np.float64))
    mantissa = np.ldexp(fraction, 53).astype(np.int64)
    present = mantissa != 0
    lowest_bit = (mantissa & -mantissa).astype(np.float64)
    zeros = np.where(present, np.frexp(lowest_bit)[1] - 1, 0).astype(np.int64)
    mantissa >>= zeros
    power = power.astype(np.int64) - 53 + zeros
    if block.shape[1] == 0:
        return mantissa, np.zeros(len(block), np.int64)
    exponent = np.where(present, power, _NO_EXPONENT).min(axis=1)
    exponent[exponent == _NO_EXPONENT] = 0
    shift = np.where(present, power - exponent[:, None], 0)
    if (shift + (53 - zeros)).max(initial=0) <= _SAFE_BITS:
        return mantissa << shift, exponent
    return mantissa.astype(object) << shift.astype(object), exponent


def fold(block: Array, coefficients: Sequence[Fraction] | None, starts: Array) -> Exact:
    """Sum groups of neighbouring columns of `block` (rows, members), each times its coefficient.

    Group `k` begins at `starts[k]` (rising, the first is 0); no coefficients means all are 1.
    """
    mantissa, exponent = integers(block)
    if coefficients is None and len(starts) == block.shape[1]:
        return Exact(mantissa, exponent, (1,) * len(starts))
    ends = [*starts[1:], block.shape[1]]
    if coefficients is None:
        factors = [1] * block.shape[1]
        denominators = [1] * len(starts)
    else:
        factors, denominators = [], []
        for start, end in zip(starts, ends, strict=True):
            group = coefficients[start:end]
            common = math.lcm(*(c.denominator for c in group))
            denominators.append(common)
            factors += [c.numerator * (common // c.denominator) for c in group]
    if not _sums_fit(mantissa, factors, starts):
        mantissa = mantissa.astype(object)
    if any(f != 1 for f in factors):
        mantissa = mantissa * np.array(factors, dtype=mantissa.dtype)
    return Exact(np.add.reduceat(mantissa, starts, axis=1), exponent, tuple(denominators))


def zeros(rows: int, columns: int) -> Exact:
    """A matrix of zeros."""
    return Exact(np.zeros((rows, columns), np.int64), np.zeros(rows, np.int64), (1,) * columns)


def spread(block: Exact, places: Array, columns: int) -> Exact:
    """The columns of a matrix at the given places of a wider one, zeros elsewhere."""
    if len(places) == columns:
        return block
    mantissa = np.zeros((len(block.mantissa), columns), block.mantissa.dtype)
    mantissa[:, places] = block.mantissa
    denominator = dict(zip(places.tolist(), block.denominator, strict=True))
    return Exact(mantissa, block.exponent, tuple(denominator.get(k, 1) for k in range(columns)))


def below(blocks: Sequence[Exact]) -> Exact:
    """Matrices of as many columns, one below the other."""
    if len(blocks) == 1:
        return blocks[0]
    common = tuple(math.lcm(*d) for d in zip(*(b.denominator for b in blocks), strict=True))
    mantissas = []
    for block in blocks:
        factors = [c // d for c, d in zip(common, block.denominator, strict=True)]
        mantissa = block.mantissa
        if any(f != 1 for f in factors):
            starts = np.arange(mantissa.shape[1])
            if not _sums_fit(mantissa, factors, starts):
                mantissa = mantissa.astype(object)
            mantissa = mantissa * np.array(factors, dtype=mantissa.dtype)
        mantissas.append(mantissa)
    exponent = np.concatenate([block.exponent for block in blocks])
    return Exact(np.concatenate(mantissas), exponent, common)


def _sums_fit(mantissa: Array, factors: list[int], starts: Array) -> bool:
    if mantissa.dtype == object:
        return True
    if max((abs(f) for f in factors), default=1).bit_length() > _SAFE_BITS:
        return False
    largest = np.abs(mantissa).max(axis=0, initial=0).astype(np.float64)
    sums = np.add.reduceat(largest * np.abs(np.array(factors, np.float64)), starts)
    return bool(sums.max(initial=0) < 2.0**_SAFE_BITS)


def round_once(exact: Exact, dtype: np.dtype[Any]) -> tuple[Array, Array]:
    """The nearest stored numbers (ties to even), and which of them are not exactly the value.

    Overflow gives an infinity, marked as not exact.
    """
    mantissa = exact.mantissa
    dyadic = all(d & (d - 1) == 0 for d in exact.denominator)
    if dyadic and mantissa.dtype != object and (np.abs(mantissa) <= 1 << 53).all():
        power = np.array([d.bit_length() - 1 for d in exact.denominator], np.int64)
        shift = exact.exponent[:, None] - power[None, :]
        if shift.min(initial=0) > -1000 and shift.max(initial=0) < 900:
            wide = np.ldexp(mantissa.astype(np.float64), shift)
            stored = narrow(wide, dtype)
            return stored, stored.astype(np.float64) != wide
    stored = np.empty(mantissa.shape, np.int64 if dtype.kind == "i" else dtype)
    inexact = np.zeros(mantissa.shape, bool)
    for index in np.ndindex(*mantissa.shape):
        stored[index], inexact[index] = round_fraction(exact.value(*index), dtype)
    return stored, inexact


def nearest(value: Fraction) -> float:
    """The nearest float64; an infinity for what lies beyond all of them."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def round_fraction(value: Fraction, dtype: np.dtype[Any]) -> tuple[Any, bool]:
    """`value` rounded once to `dtype`, and whether that changed it."""
    near = nearest(value)
    if math.isinf(near):
        return np.array(near).astype(dtype), True
    if dtype == np.float64:
        return np.float64(near), Fraction(near) != value
    if Fraction(near) != value and _mantissa_is_even(near):
        # round to odd: keeps the sticky bit, so that the second rounding is the only one
        near = math.nextafter(near, math.inf if value > Fraction(near) else -math.inf)
    stored = narrow(np.array(near), dtype)
    wide = float(stored)
    return stored, not math.isfinite(wide) or Fraction(wide) != value


def _mantissa_is_even(number: float) -> bool:
    return (int(np.float64(number).view(np.int64)) & 1) == 0


def narrow(wide: Array, dtype: np.dtype[Any]) -> Array:
    """float64 to `dtype` with one rounding (bfloat16's own conversion may round twice).

    Integers keep room: whether their stored type holds them is for the caller to say.
    """
    if dtype.kind == "i":
        with np.errstate(invalid="ignore"):
            return np.rint(wide).astype(np.int64)
    with np.errstate(over="ignore", under="ignore"):
        if dtype.kind == "f":
            return wide.astype(dtype)
        single = wide.astype(np.float32)
        even = (single.view(np.uint32) & 1) == 0
        lost = single.astype(np.float64) != wide
        toward = np.where(wide > single, np.float32(np.inf), np.float32(-np.inf))
        odd = np.where(lost & even & np.isfinite(single), np.nextafter(single, toward), single)
        return odd.astype(dtype)
