"""The local rule of level rounding: one choice of weights within stored precision fits all rows.

A stored weight stands for every real that rounds to it. Rows are multiples of one another for some
choice when, column by column, the intervals that their folded rows stand for, each divided by its
ratio, have a point in common; a folded weight of 0 has to be able to stay 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from lumpcli.ir import Array, Exact, Symmetry, fold
from lumpcli.proofs.book import Book, Facts, Refused
from lumpcli.proofs.rows import Columns, bias_of

_INSIDE = Fraction((1 << 20) - 1, 1 << 20)  # of half an ulp: what is nearer rounds for sure
_LONGEST = 1 << 12  # bits of a ratio
_SLACK = 2.0**-48  # more than a few operations in float64 lose


def within(
    book: Book, columns: Columns, rows: Sequence[int], ratios: Sequence[Fraction], facts: Facts
) -> list[tuple[int, Fraction, Any]]:
    """The facts on rows that are multiples of the first one for some choice of weights.

    `ratios` are those of values; Refused where no choice fits all rows at once.
    """
    layer, every = columns.layer, np.array(rows, np.int64)
    linear = layer.symmetry is Symmetry.LINEAR
    if any(t.limits is not None or t.row_scale is not None for t in layer.terms):
        raise Refused(layer.name, layer.name, "integers are not rounded")
    centre = columns.fold(every)
    radius = fold(_half_ulps(columns, every), list(map(abs, columns.coefficient)), columns.starts)
    count = columns.varying if linear else columns.keys.shape[1]
    own = [layer.activation.key(i) for i in rows]
    by = [_of_rows(layer.symmetry, r, centre, k, count) for k, r in enumerate(ratios)]
    if any(r is None for r in by) or any(key != own[0] for key in own):
        raise Refused(layer.name, layer.name, "a ratio is none that the function allows")
    known = [r for r in by if r is not None]
    for column in _undecided(centre, radius, known, count):
        if not _meet(centre, radius, known, column):
            told = f"no choice of weights makes rows {rows[0]}, {rows[1]}, ... multiples"
            raise Refused(layer.name, layer.name, told)
    label, lead, offset = facts[rows[0]]
    found = []
    for k, ratio in enumerate(known):
        value = layer.symmetry.value_ratio(ratio)
        shift = offset * value
        if linear:
            shift += bias_of(columns, centre, k) - bias_of(columns, centre, 0) * ratio
        found.append((label, lead * value, shift))
    return found


def _half_ulps(columns: Columns, rows: Array) -> Array:
    """How far a real may lie from each stored number (rows, members) and still round to it."""
    found = np.zeros((len(rows), len(columns.column)))
    layer = columns.layer
    for index in np.unique(columns.term).tolist():
        of_term = columns.term == index
        if index >= 0:
            stored = layer.terms[index].flat[np.ix_(rows, columns.column[of_term])]
        elif layer.bias is None or layer.bias_units is not None:
            continue
        else:
            stored = layer.bias[rows][:, None]
        infinity = np.array(np.inf, stored.dtype)
        with np.errstate(over="ignore"):
            up, down = np.nextafter(stored, infinity), np.nextafter(stored, -infinity)
        wide = stored.astype(np.float64)
        gap = np.minimum(up.astype(np.float64) - wide, wide - down.astype(np.float64))
        found[:, of_term] = gap / 2
    return found


def _of_rows(
    symmetry: Symmetry, ratio: Fraction, centre: Exact, row: int, count: int
) -> Fraction | None:
    """The ratio of rows for one of values, to the first row; None where it is not allowed."""
    first, other = centre.mantissa[0, :count], centre.mantissa[row, :count]
    (present,) = np.nonzero(first)
    long = max(ratio.numerator.bit_length(), ratio.denominator.bit_length()) > _LONGEST
    if symmetry is Symmetry.SIGN or not len(present) or not ratio or long:
        return None
    opposite = bool((first[present[0]] > 0) != (other[present[0]] > 0))
    found = -abs(ratio) if opposite else abs(ratio)
    allowed = symmetry.normaliser(found) == found and symmetry.value_ratio(found) == ratio
    return found if allowed else None


def _floats(exact: Exact, count: int) -> Array:
    with np.errstate(over="ignore", under="ignore"):
        wide = np.ldexp(exact.mantissa[:, :count].astype(np.float64), exact.exponent[:, None])
        return np.asarray(wide / np.array(exact.denominator[:count], np.float64))


def _undecided(centre: Exact, radius: Exact, ratios: list[Fraction], count: int) -> list[int]:
    """The columns in which float64 does not show that a choice fits."""
    try:
        middle, reach = _floats(centre, count), _floats(radius, count)
        by = np.array([float(r) for r in ratios])[:, None]
    except OverflowError:
        return list(range(count))
    reach = reach * float(_INSIDE) - (abs(middle) + reach) * _SLACK
    with np.errstate(all="ignore"):
        ends = np.stack([(middle - reach) / by, (middle + reach) / by])
        low, high = ends.min(axis=0).max(axis=0), ends.max(axis=0).min(axis=0)
    zero = (centre.mantissa[:, :count] == 0).any(axis=0)
    sure = (low <= high) & (reach >= 0).all(axis=0) & ~zero
    return np.flatnonzero(~sure).tolist()


def _meet(centre: Exact, radius: Exact, ratios: list[Fraction], column: int) -> bool:
    """Whether the intervals of one column have a point in common; if one is around 0, that is 0."""
    lows, highs, zero = [], [], False
    for k, ratio in enumerate(ratios):
        middle, reach = centre.value(k, column), radius.value(k, column) * _INSIDE
        zero |= middle == 0
        ends = sorted(((middle - reach) / ratio, (middle + reach) / ratio))
        lows.append(ends[0])
        highs.append(ends[1])
    return max(lows) <= 0 <= min(highs) if zero else max(lows) <= min(highs)
