"""Rows that may be multiples of one another up to rounding: close in a random projection.

Projections are linear, so no folded matrix is needed to find candidates; an exact test decides.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lumpcli.analysis.columns import Columns
from lumpcli.ir import Array, Symmetry, nearest

_WINDOW = 4  # how much farther apart candidates may be than rounding alone would put them
_BLOCK = 1 << 17  # entries projected at a time


def candidates(columns: Columns, firsts: Array) -> Iterator[tuple[int, int]]:
    """Pairs (lower, higher) of places in `firsts` (rising rows) that may be multiples, in order.

    Compared are two quotients of random projections where the activation allows a ratio, else two
    projections: chance leaves next to no pair that is near in both.
    """
    if len(firsts) < 2:
        return
    with np.errstate(all="ignore"):
        keys, near = _keys(columns.layer.symmetry, *_projections(columns, firsts))
        low, high = keys - _WINDOW * near, keys + _WINDOW * near
    order = np.argsort(keys[:, 0], kind="stable")
    place = keys[order, 0]
    begin = np.searchsorted(place, low[:, 0])
    end = np.searchsorted(place, high[:, 0], side="right")
    found: set[tuple[int, int]] = set()
    for i in np.flatnonzero(end - begin > 1).tolist():
        others = order[begin[i] : end[i]]
        second = keys[others, 1]
        for j in others[(second >= low[i, 1]) & (second <= high[i, 1])].tolist():
            if i != j:
                found.add((min(i, j), max(i, j)))
    yield from sorted(found)


def _keys(symmetry: Symmetry, value: Array, reach: Array) -> tuple[Array, Array]:
    """Two numbers per row that multiples have in common, and how far rounding can move them."""
    if symmetry in (Symmetry.NONE, Symmetry.ODD, Symmetry.EVEN, Symmetry.POINT):
        key, near = value[:, :2], np.column_stack([reach, reach])
        key = key if symmetry is Symmetry.NONE else abs(key)
    else:
        key = value[:, :2] / value[:, 2:]
        near = reach[:, None] * (1 + abs(key)) / abs(value[:, 2:])
    certain = np.isfinite(key) & np.isfinite(near)
    return np.where(certain, key, 0.0), np.where(certain, near, np.inf)


def _projections(columns: Columns, rows: Array) -> tuple[Array, Array]:
    """Four random projections of folded rows (rows, 4), and a bound on what rounding changes."""
    layer = columns.layer
    with_bias = layer.symmetry is not Symmetry.LINEAR
    generator = np.random.default_rng(0)
    direction = generator.standard_normal((columns.keys.shape[1], 4))
    bias_direction = generator.standard_normal(4)
    if not with_bias:  # nor with what constants add
        bias_direction[:] = direction[columns.ordinary :] = 0.0
    count = np.diff([*columns.starts, len(columns.column)])
    member = direction.repeat(count, axis=0)
    if columns.coefficient is not None:
        member *= np.array([nearest(c) for c in columns.coefficient])[:, None]
    value, size = np.zeros((len(rows), 4)), np.zeros(len(rows))
    for index, term in enumerate(layer.terms):
        weight = term.flat
        along = np.zeros((weight.shape[1], 4))
        of_term = columns.term == index
        along[columns.column[of_term]] = member[of_term]
        for shift_term, column, offset in columns.shifts:
            if shift_term == index:
                along[column] += nearest(offset) * bias_direction
        longest = np.sqrt((along**2).sum(axis=0).max(initial=0))
        step = max(1, _BLOCK // max(weight.shape[1], 1))
        for begin in range(0, len(rows), step):
            part = slice(begin, begin + step)
            stored = weight[rows[part]].astype(np.float64)
            value[part] += stored @ along
            size[part] += np.sqrt(np.einsum("ij,ij->i", stored, stored)) * longest
    if layer.bias is not None:
        bias = layer.bias[rows].astype(np.float64) * float(layer.bias_scale)
        value += bias[:, None] * bias_direction
        size += abs(bias) * abs(bias_direction).max()
    precision = max(_precision(t.weight) for t in layer.terms)
    return value, size * (precision + 1e-14)


def _precision(stored: Array | None) -> float:
    """The relative distance of neighbouring numbers of a type."""
    if stored is None or stored.dtype.kind != "f":
        return 2.0**-7  # bfloat16
    return float(np.finfo(stored.dtype).eps)
