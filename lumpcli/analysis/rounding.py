"""Rows that are multiples of one another up to the rounding of the stored type (THEORY section 4).

A stored weight stands for every real that rounds to it. A class is a *star*: its box holds, entry
by entry, the choices of the representative's weights that are consistent with every member so far,
and a row joins only when one ratio maps some choice in the box into what its own weights stand for.
So at the end one choice fits all members: the reduction is exact for some network within stored
precision.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

from lumpcli.analysis.columns import Columns
from lumpcli.analysis.rows import Rows
from lumpcli.ir import Array, Symmetry

_FEWEST_ENTRIES_16_BIT = 3  # two-entry rows of 16-bit numbers match by accident
_WINDOW = 4  # consistent rows have radii within this factor


@dataclass
class _Star:
    """Exactly proportional rows, and the choices [low, high] the first of them stands for."""

    members: Array
    low: Array
    high: Array


def loosen(columns: Columns, rows: Rows) -> Rows:
    """Merge classes of `rows` whose members are consistent with being multiples of one another."""
    symmetry = columns.layer.symmetry
    linear = symmetry is Symmetry.LINEAR
    wanted = np.flatnonzero(rows.entries > (1 if linear else 0))
    if len(wanted) < 2:
        return rows
    centre, radius = _intervals(columns, with_bias=not linear)
    stars = list(_stars(rows, wanted, centre, radius))
    label, lead = rows.label.copy(), list(rows.lead)
    absorbed: set[int] = set()
    for first, second in _candidates(stars, symmetry):
        if first in absorbed or second in absorbed:
            continue
        star, other = stars[first], stars[second]
        ratio = _common_ratio(star, other, symmetry)
        if ratio is None or (
            _is_16_bit(columns) and np.sum(star.low * star.high > 0) < _FEWEST_ENTRIES_16_BIT
        ):
            continue
        low, high = _meet(star, other, ratio)
        if (low > high).any():
            continue
        star.low, star.high = low, high
        absorbed.add(second)
        to, old = int(star.members[0]), lead[int(other.members[0])]
        for i in other.members.tolist():
            lead[i] = lead[i] / old * ratio * lead[to]
            label[i] = label[to]
    return replace(rows, label=label, lead=tuple(lead))


def _is_16_bit(columns: Columns) -> bool:
    return any(t.weight is not None and t.weight.dtype.itemsize == 2 for t in columns.layer.terms)


def _half_ulp(stored: Array) -> Array:
    """How far a real may lie from each stored number, on either side, and still round to it."""
    up = np.nextafter(stored, np.array(np.inf, stored.dtype)).astype(np.longdouble)
    down = np.nextafter(stored, np.array(-np.inf, stored.dtype)).astype(np.longdouble)
    wide = stored.astype(np.longdouble)
    return np.asarray(np.minimum(up - wide, wide - down) / 2)


def _wide(number: Fraction) -> np.longdouble:
    near = float(number)
    return np.longdouble(near) + np.longdouble(float(number - Fraction(near)))


def _intervals(columns: Columns, with_bias: bool) -> tuple[Array, Array]:
    """Folded rows as centres and radii (rows, columns); a negative radius: nothing is certain."""
    layer = columns.layer
    members = len(columns.column)
    value = np.empty((layer.width, members), np.longdouble)
    half = np.empty_like(value)
    for index, term in enumerate(layer.terms):
        of_term = np.flatnonzero(columns.term == index)
        stored = term.flat[:, columns.column[of_term]]
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
    if not with_bias:
        return centre, radius
    bias, bias_radius = _bias_interval(columns)
    return np.column_stack([bias, centre]), np.column_stack([bias_radius, radius])


def _bias_interval(columns: Columns) -> tuple[Array, Array]:
    layer = columns.layer
    exact = columns.bias(np.arange(layer.width))
    centre = np.array([_wide(exact.value(i, 0)) for i in range(layer.width)], np.longdouble)
    radius = np.zeros(layer.width, np.longdouble)
    if layer.bias is not None:
        radius += _half_ulp(layer.bias) * abs(_wide(layer.bias_scale))
    for term, column, offset in columns.shifts:
        radius += _half_ulp(layer.terms[term].flat[:, column]) * abs(_wide(offset))
    return centre, radius - 4 * np.finfo(np.longdouble).eps * abs(centre)


def _stars(rows: Rows, wanted: Array, centre: Array, radius: Array) -> Iterator[_Star]:
    order = wanted[np.argsort(rows.label[wanted], kind="stable")]
    borders = np.flatnonzero(np.diff(rows.label[order])) + 1
    for members in sorted(np.split(order, borders), key=lambda m: int(m[0])):
        first = int(members[0])
        star = _Star(members, centre[first] - radius[first], centre[first] + radius[first])
        for i in members[1:].tolist():
            alike = _Star(members[:0], centre[i] - radius[i], centre[i] + radius[i])
            star.low, star.high = _meet(star, alike, rows.lead[i] / rows.lead[first])
        # the stored row always lies within; so a box that came out empty is only a point
        star.low, star.high = (
            np.minimum(star.low, centre[first]),
            np.maximum(star.high, centre[first]),
        )
        if (radius[members] >= 0).all():
            yield star


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


def _candidates(stars: list[_Star], symmetry: Symmetry) -> Iterator[tuple[int, int]]:
    """Pairs (lower, higher) of classes close in one random projection of their normalised rows."""
    if not stars:
        return
    centre = np.array([(s.low + s.high) / 2 for s in stars], np.float64)
    radius = np.array([(s.high - s.low) / 2 for s in stars], np.float64)
    scale = np.ones(len(stars))
    if symmetry in (Symmetry.LINEAR, Symmetry.ABSOLUTE, Symmetry.SIGN, Symmetry.HOMOGENEOUS):
        scale = np.sqrt((centre**2).sum(axis=1))
        scale[scale == 0] = 1.0
    direction = np.random.default_rng(0).standard_normal(centre.shape[1])
    key = centre @ direction / scale
    if symmetry not in (Symmetry.HOMOGENEOUS, Symmetry.NONE):
        key = abs(key)
    noise = 1e-14 * (abs(centre) @ abs(direction)) / scale
    reach = _WINDOW * (radius @ abs(direction) / scale + noise)
    order = np.argsort(key, kind="stable")
    place = key[order]
    for i in range(len(stars)):
        begin = np.searchsorted(place, key[i] - reach[i])
        end = np.searchsorted(place, key[i] + reach[i], side="right")
        for j in sorted(order[begin:end].tolist()):
            if j > i:
                yield i, j


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
    if symmetry in (Symmetry.NONE, Symmetry.ODD, Symmetry.EVEN):
        return next(
            (Fraction(r) for r in (1, -1) if least <= r <= most and _fits(r, symmetry)), None
        )
    ratio = _simplest(least, most)
    return ratio if symmetry is not Symmetry.HOMOGENEOUS or ratio > 0 else None


def _fits(ratio: int, symmetry: Symmetry) -> bool:
    return ratio == 1 or symmetry is not Symmetry.NONE


def _simplest(low: Any, high: Any) -> Fraction:
    """The dyadic number with the fewest bits in [low, high] (of one sign)."""
    middle = (low + high) / 2
    fraction, power = np.frexp(middle)
    for bits in range(1, 64):
        candidate = np.ldexp(np.rint(np.ldexp(fraction, bits)), int(power) - bits)
        if low <= candidate <= high:
            break
        candidate = middle
    near = float(candidate)
    return Fraction(near) + Fraction(float(candidate - np.longdouble(near)))
