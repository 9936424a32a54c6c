"""Rows that may be multiples of one another up to rounding: close in a random projection.

Projections are linear, so no folded matrix is needed to find candidates; an exact test decides.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lumpcli.analysis.columns import Columns
from lumpcli.ir import Array, Symmetry

_WINDOW = 4  # how much farther apart candidates may be than rounding alone would put them
_BLOCK = 1 << 20  # entries projected at a time


def candidates(columns: Columns, firsts: Array) -> Iterator[tuple[int, int]]:
    """Pairs (lower, higher) of places in `firsts` (rising rows) that may be multiples.

    Compared are quotients of two random projections where the activation allows a ratio, else one
    projection. `reach` is how far rounding can move them.
    """
    if len(firsts) < 2:
        return
    with np.errstate(over="ignore", invalid="ignore"):
        value, reach = _projections(columns, firsts)
    symmetry = columns.layer.symmetry
    if symmetry in (Symmetry.NONE, Symmetry.ODD, Symmetry.EVEN):
        key, near = value[:, 0], reach[:, 0]
        key = key if symmetry is Symmetry.NONE else abs(key)
    else:
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            key = value[:, 0] / value[:, 1]
            near = (reach[:, 0] + abs(key) * reach[:, 1]) / abs(value[:, 1])
    certain = np.isfinite(key) & np.isfinite(near)
    key, near = np.where(certain, key, 0.0), np.where(certain, near, np.inf)
    order = np.argsort(key, kind="stable")
    place = key[order]
    for i in range(len(firsts)):
        begin = np.searchsorted(place, key[i] - _WINDOW * near[i])
        end = np.searchsorted(place, key[i] + _WINDOW * near[i], side="right")
        for j in sorted(order[begin:end].tolist()):
            if j > i:
                yield i, j


def _projections(columns: Columns, rows: Array) -> tuple[Array, Array]:
    """Two random projections of folded rows (rows, 2), and what rounding can change in them."""
    layer = columns.layer
    with_bias = layer.symmetry is not Symmetry.LINEAR
    generator = np.random.default_rng(0)
    direction = generator.standard_normal((columns.keys.shape[1], 2))
    bias_direction = generator.standard_normal(2)
    if not with_bias:  # nor with what constants add
        bias_direction[:] = direction[columns.ordinary :] = 0.0
    count = np.diff([*columns.starts, len(columns.column)])
    factors = [1.0] * len(columns.column)
    if columns.coefficient is not None:
        factors = [float(c) for c in columns.coefficient]
    member = direction.repeat(count, axis=0) * np.array(factors)[:, None]
    value, size = np.zeros((len(rows), 2)), np.zeros((len(rows), 2))
    for index, term in enumerate(layer.terms):
        along = np.zeros((term.flat.shape[1], 2))
        of_term = columns.term == index
        along[columns.column[of_term]] = member[of_term]
        for shift_term, column, offset in columns.shifts:
            if shift_term == index:
                along[column] += float(offset) * bias_direction
        step = max(1, _BLOCK // term.flat.shape[1])
        for begin in range(0, len(rows), step):
            part = slice(begin, begin + step)
            stored = term.flat[rows[part]].astype(np.float64)
            value[part] += stored @ along
            size[part] += abs(stored) @ abs(along)
    if layer.bias is not None:
        bias = layer.bias[rows].astype(np.float64)[:, None] * float(layer.bias_scale)
        value += bias * bias_direction
        size += abs(bias * bias_direction)
    precision = max(_precision(t.weight) for t in layer.terms)
    return value, size * (precision + 1e-14)


def _precision(stored: Array | None) -> float:
    """The relative distance of neighbouring numbers of a type."""
    if stored is None or stored.dtype.kind != "f":
        return 2.0**-7  # bfloat16
    return float(np.finfo(stored.dtype).eps)
