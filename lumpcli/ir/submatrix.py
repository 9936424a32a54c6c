"""Some rows and columns of a large matrix, read in the order in which it lies in memory."""

from __future__ import annotations

import numpy as np

from lumpcli.ir.exact import Array

_CACHED = 1 << 18  # entries at a time, so that whole rows stay in the cache
_MANY = 1 / 8  # of the columns: then whole rows are read


def submatrix(matrix: Array, rows: Array, columns: Array) -> Array:
    """`matrix[np.ix_(rows, columns)]`."""
    if by_rows(matrix):
        return _from_rows(matrix, rows, columns)
    return _from_rows(matrix.T, columns, rows).T


def by_rows(matrix: Array) -> bool:
    """Whether the rows of a matrix lie in one piece, rather than its columns."""
    return bool(matrix.flags.c_contiguous or not matrix.flags.f_contiguous)


def _from_rows(matrix: Array, rows: Array, columns: Array) -> Array:
    width = len(columns)
    first = int(columns[0]) if width else 0
    if _is_range(columns):
        found: Array = matrix[as_slice(rows), first : first + width]
        return found
    if width < _MANY * matrix.shape[1]:
        few: Array = matrix[np.ix_(rows, columns)]
        return few
    result = np.empty((len(rows), width), matrix.dtype)
    step = max(1, _CACHED // matrix.shape[1])
    for begin in range(0, len(rows), step):
        part = slice(begin, begin + step)
        np.take(matrix[as_slice(rows[part])], columns, axis=1, out=result[part], mode="clip")
    return result


def _is_range(places: Array) -> bool:
    """Whether places are neighbours, rising."""
    if len(places) < 2:
        return True
    whole = int(places[-1]) - int(places[0]) + 1 == len(places)
    return whole and bool((np.diff(places) == 1).all())


def as_slice(places: Array) -> Array | slice:
    """Neighbours as a slice, which copies nothing."""
    if len(places) and _is_range(places):
        return slice(int(places[0]), int(places[-1]) + 1)
    return places
