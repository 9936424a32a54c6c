"""Rows that are multiples of one another up to the rounding of the stored type.

A stored weight stands for every real that rounds to it. A class is a *star*: its box holds, entry
by entry, the choices of the representative's weights that are consistent with every member so far,
and a row joins only when one ratio maps some choice in the box into what its own weights stand for.
So at the end one choice fits all members: the reduction is exact for some network within stored
precision.

Candidates are classes that are close in a random projection, which is linear: no folded matrix is
needed to find them. Boxes are made of candidates only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Hashable
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np

from lumpcli.analysis.columns import Columns
from lumpcli.analysis.projection import candidates
from lumpcli.analysis.rows import Rows
from lumpcli.ir import Array, Symmetry, nearest

_FEWEST_ENTRIES_16_BIT = 3  # two-entry rows of 16-bit numbers match by accident


@dataclass
class _Star:
    """Exactly proportional rows, and the choices [low, high] the first of them stands for."""

    members: Array
    function: Hashable
    low: Array
    high: Array


def loosen(columns: Columns, rows: Rows, settled: Collection[int]) -> Rows:
    """Merge classes of `rows` whose members are consistent with being multiples of one another.

    `settled` labels stay: their weights are tied to another layer's.
    """
    if any(t.limits is not None for t in columns.layer.terms):
        return rows  # integers are not rounded
    symmetry = columns.layer.symmetry
    tied = np.isin(rows.label, np.fromiter(settled, np.int64, len(settled)))
    fewest = 1 if symmetry is Symmetry.LINEAR else 0
    firsts, members_of = _classes(rows, np.flatnonzero((rows.entries > fewest) & ~tied))
    functions = columns.functions()

    @cache
    def star(place: int) -> _Star | None:
        return _star(columns, rows, members_of(place), functions)

    label, lead = rows.label.copy(), rows.lead.copy()
    absorbed: set[int] = set()
    for place, other_place in candidates(columns, firsts):
        if place in absorbed or other_place in absorbed:
            continue
        first, other = star(place), star(other_place)
        if first is None or other is None or first.function != other.function:
            continue
        ratio = _common_ratio(first, other, symmetry)
        few = int(np.sum(first.low * first.high > 0)) < _FEWEST_ENTRIES_16_BIT
        if ratio is None or (few and _is_16_bit(columns)):
            continue
        low, high = _meet(first, other, ratio)
        if (low > high).any():
            continue
        first.low, first.high = low, high
        absorbed.add(other_place)
        to, old = int(first.members[0]), lead[int(other.members[0])]
        for i in other.members.tolist():
            lead[i] = lead[i] / old * ratio * lead[to]
            label[i] = label[to]
    return replace(rows, label=label, lead=lead)


def _classes(rows: Rows, wanted: Array) -> tuple[Array, Callable[[int], Array]]:
    """The first member of every class among the wanted rows, rising; and how to find all of one."""
    order = wanted[np.argsort(rows.label[wanted], kind="stable")]
    _, begin = np.unique(rows.label[order], return_index=True)
    firsts = order[begin]
    end = np.append(begin[1:], len(order))
    rising = np.argsort(firsts)

    def members(place: int) -> Array:
        number = rising[place]
        return order[begin[number] : end[number]]

    return firsts[rising], members


def _is_16_bit(columns: Columns) -> bool:
    return any(t.weight is not None and t.weight.dtype.itemsize == 2 for t in columns.layer.terms)


def _half_ulp(stored: Array) -> Array:
    """How far a real may lie from each stored number, on either side, and still round to it."""
    with np.errstate(over="ignore"):  # beside the largest number lies infinity
        up = np.nextafter(stored, np.array(np.inf, stored.dtype)).astype(np.longdouble)
        down = np.nextafter(stored, np.array(-np.inf, stored.dtype)).astype(np.longdouble)
    wide = stored.astype(np.longdouble)
    return np.asarray(np.minimum(up - wide, wide - down) / 2)


def _wide(number: Fraction) -> np.longdouble:
    near = nearest(number)
    if math.isinf(near):
        return np.longdouble(near)
    return np.longdouble(near) + np.longdouble(float(number - Fraction(near)))


def _intervals(columns: Columns, rows: Array) -> tuple[Array, Array]:
    """Folded rows as centres and radii (rows, columns); a negative radius: nothing is certain."""
    layer = columns.layer
    members = len(columns.column)
    value = np.empty((len(rows), members), np.longdouble)
    half = np.empty_like(value)
    for index, term in enumerate(layer.terms):
        of_term = np.flatnonzero(columns.term == index)
        stored = term.flat[np.ix_(rows, columns.column[of_term])]
        value[:, of_term], half[:, of_term] = stored, _half_ulp(stored)
    if columns.coefficient is not None:
        factor = np.array([_wide(c) for c in columns.coefficient], np.longdouble)
        value, half = value * factor, half * abs(factor)
    centre = np.add.reduceat(value, columns.starts, axis=1)
    radius = np.add.reduceat(half, columns.starts, axis=1)
    count = np.diff([*columns.starts, members])
    magnitude = np.add.reduceat(abs(value), columns.starts, axis=1)
    exact = (count == 1) & (columns.coefficient is None)
    radius -= np.where(exact, 0, (count + 3) * np.finfo(np.longdouble).eps * magnitude)
    if layer.symmetry is Symmetry.LINEAR:
        return centre[:, : columns.ordinary], radius[:, : columns.ordinary]
    bias, bias_radius = _bias_interval(columns, rows)
    return np.column_stack([bias, centre]), np.column_stack([bias_radius, radius])


def _bias_interval(columns: Columns, rows: Array) -> tuple[Array, Array]:
    layer = columns.layer
    exact = columns.bias(rows)
    centre = np.array([_wide(exact.value(k, 0)) for k in range(len(rows))], np.longdouble)
    radius = np.zeros(len(rows), np.longdouble)
    if layer.bias is not None:
        radius += _half_ulp(layer.bias[rows]) * abs(_wide(layer.bias_scale))
    for term, column, offset in columns.shifts:
        radius += _half_ulp(layer.terms[term].flat[rows, column]) * abs(_wide(offset))
    return centre, radius - 4 * np.finfo(np.longdouble).eps * abs(centre)


def _star(columns: Columns, rows: Rows, members: Array, functions: list[Hashable]) -> _Star | None:
    """The box of a class: what its first row stands for, given what the others stand for."""
    centre, radius = _intervals(columns, members)
    if (radius < 0).any():
        return None
    first = int(members[0])
    star = _Star(members, functions[first], centre[0] - radius[0], centre[0] + radius[0])
    for k, i in enumerate(members[1:].tolist(), start=1):
        own = replace(star, low=centre[k] - radius[k], high=centre[k] + radius[k])
        star.low, star.high = _meet(star, own, rows.lead[i] / rows.lead[first])
    # the stored row always lies within; so a box that came out empty is only a point
    star.low, star.high = np.minimum(star.low, centre[0]), np.maximum(star.high, centre[0])
    return star


def _meet(star: _Star, other: _Star, ratio: Fraction) -> tuple[Array, Array]:
    """The choices for the star that the ratio maps into the other's."""
    wide = _wide(ratio)
    low, high = other.low / wide, other.high / wide
    if ratio < 0:
        low, high = high, low
    slack = 2 * np.finfo(np.longdouble).eps
    return (
        np.maximum(star.low, low + abs(low) * slack),
        np.minimum(star.high, high - abs(high) * slack),
    )


def _common_ratio(star: _Star, other: _Star, symmetry: Symmetry) -> Fraction | None:
    """A ratio that maps, entry by entry, some choice of the star into the other's; or None."""
    star_zero = (star.low <= 0) & (star.high >= 0)
    other_zero = (other.low <= 0) & (other.high >= 0)
    if (star_zero != other_zero).any() or star_zero.all():
        return None
    entries = ~star_zero
    flip = np.where(star.low[entries] > 0, 1, -1)
    a = np.where(flip > 0, star.low[entries], -star.high[entries])
    b = np.where(flip > 0, star.high[entries], -star.low[entries])
    low = np.where(flip > 0, other.low[entries], -other.high[entries])
    high = np.where(flip > 0, other.high[entries], -other.low[entries])
    least: Any = (low / np.where(low > 0, b, a)).max()
    most: Any = (high / np.where(high > 0, a, b)).min()
    slack = 4 * np.finfo(np.longdouble).eps
    least, most = least + abs(least) * slack, most - abs(most) * slack
    if least > most:
        return None
    if symmetry in (Symmetry.NONE, Symmetry.ODD, Symmetry.EVEN, Symmetry.POINT):
        return next(
            (Fraction(r) for r in (1, -1) if least <= r <= most and _fits(r, symmetry)), None
        )
    ratio = _simplest(least, most)
    return ratio if symmetry is not Symmetry.HOMOGENEOUS or ratio > 0 else None


def _fits(ratio: int, symmetry: Symmetry) -> bool:
    return ratio == 1 or symmetry is not Symmetry.NONE


def _simplest(low: Any, high: Any) -> Fraction:
    """The dyadic number with the fewest bits in the middle half of [low, high] (of one sign).

    Nearer the ends, a ratio would leave little room for further members.
    """
    middle, quarter = (low + high) / 2, (high - low) / 4
    low, high = middle - quarter, middle + quarter
    fraction, power = np.frexp(middle)
    for bits in range(1, 64):
        candidate = np.ldexp(np.rint(np.ldexp(fraction, bits)), int(power) - bits)
        if low <= candidate <= high:
            break
        candidate = middle
    near = float(candidate)
    return Fraction(near) + Fraction(float(candidate - np.longdouble(near)))
