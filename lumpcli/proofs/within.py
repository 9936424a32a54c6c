"""The local rule of level rounding: one choice of weights within stored precision fits all rows.

A stored weight stands for every real that rounds to it. Rows are multiples of one another for some
choice when, column by column, the intervals that their folded rows stand for, each divided by its
ratio, have a point in common; a folded weight of 0 has to be able to stay 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import lcm

import numpy as np

from lumpcli.ir import (
    EVERYTHING,
    ZERO,
    Array,
    Exact,
    Shift,
    Symmetry,
    Term,
    fold,
    sum_range,
    value_range,
)
from lumpcli.proofs.book import Book, Fact, Refused
from lumpcli.proofs.rows import Columns

_PARTS = 1 << 20  # of half an ulp all but one count: what is nearer rounds for sure
_LONGEST = 1 << 18  # bits of all ratios together


def within(
    book: Book, columns: Columns, rows: Sequence[int], ratios: Sequence[Fraction]
) -> list[Fact]:
    """The facts on rows that are multiples of one another, by the ratios, for some choice.

    They are a class of their own. Refused where no choice fits all rows at once.
    """
    layer, every = columns.layer, np.array(rows, np.int64)
    symmetry, keys = layer.symmetry, {layer.activation.key(i) for i in rows}
    if any(t.limits is not None or t.row_scale is not None for t in layer.terms):
        raise Refused(layer.name, layer.name, "integers are not rounded")
    length = sum(r.numerator.bit_length() + r.denominator.bit_length() for r in ratios)
    allowed = length <= _LONGEST and all(r and symmetry.normaliser(r) == r for r in ratios)
    if len(keys) > 1 or symmetry is Symmetry.SIGN or not allowed:
        raise Refused(layer.name, layer.name, "a ratio is none that the function allows")
    common, unit = lcm(*(r.numerator for r in ratios)), lcm(*(r.denominator for r in ratios))
    centre = fold(columns.stored(every), columns.coefficient, columns.starts)
    radius = fold(_half_ulps(columns, every), list(map(abs, columns.coefficient)), columns.starts)
    linear = symmetry is Symmetry.LINEAR
    count = int((columns.what == 0).sum()) if linear else len(columns.what)
    if not _meet(centre, radius, [int(common / ratio) for ratio in ratios], count):
        told = f"no choice of weights makes rows {', '.join(map(str, rows))} multiples"
        raise Refused(layer.name, layer.name, told)
    values = value_range(keys.pop(), *EVERYTHING)
    label = book.fresh(sum_range([(Fraction(1, unit), values)]))
    biases = [columns.bias(centre, k) if linear else ZERO for k in range(len(rows))]
    return [
        (
            label,
            symmetry.value_ratio(ratio) * unit,
            bias - biases[0] * (ratio / ratios[0]) + Shift(symmetry.value_offset(ratio)),
        )
        for ratio, bias in zip(ratios, biases, strict=True)
    ]


def _half_ulps(columns: Columns, rows: Array) -> Array:
    """How far a real may lie from each stored number (rows, members) and still round to it."""
    layer = columns.layer

    def entries(term: Term | None, some: Array) -> Array:
        if term is not None:
            return _half_ulp(term.flat[np.ix_(rows, some)])
        if layer.bias is None or layer.bias_units is not None:
            return np.zeros((len(rows), 1))
        return _half_ulp(layer.bias[rows][:, None])

    return columns.gathered(rows, entries)


def _half_ulp(stored: Array) -> Array:
    infinity, wide = np.array(np.inf, stored.dtype), stored.astype(np.float64)
    with np.errstate(over="ignore"):
        up, down = np.nextafter(stored, infinity), np.nextafter(stored, -infinity)
    gap: Array = np.minimum(up.astype(np.float64) - wide, wide - down.astype(np.float64))
    return gap / 2


def _meet(centre: Exact, radius: Exact, factors: list[int], count: int) -> bool:
    """Whether the intervals of each column, times the factors of rows, have a point in common.

    Where one is around 0, that is the point.
    """
    least = int(min(centre.exponent.min(), radius.exponent.min()))
    middle, reach = (
        exact.mantissa[:, :count].astype(object)
        * np.array([1 << e - least for e in exact.exponent.tolist()], object)[:, None]
        * np.array(factors, object)[:, None]
        for exact in (centre, radius)
    )
    inner = abs(reach) * (_PARTS - 1)
    low, high = (middle * _PARTS - inner).max(axis=0), (middle * _PARTS + inner).min(axis=0)
    zero = (middle == 0).any(axis=0)
    return bool(np.where(zero, (low <= 0) & (high >= 0), low <= high).all())
