"""The two questions that take time: how near is the nearest miss, and what rank has a matrix."""

from __future__ import annotations

import numpy as np

from lumpcli.analysis import LayerValues
from lumpcli.ir import Array, Layer, Symmetry

_BLOCK = 512
_SCALED = (Symmetry.LINEAR, Symmetry.HOMOGENEOUS, Symmetry.ABSOLUTE, Symmetry.SIGN)
_ONE_SIGN = (Symmetry.HOMOGENEOUS, Symmetry.NONE)


def _matrix(layer: Layer) -> Array:
    return np.concatenate([t.flat.astype(np.float64) for t in layer.terms], axis=1)


def numerical_rank(layer: Layer) -> int:
    """The rank of a layer's weights by singular values, the estimate [R22, section 6] proposes."""
    return int(np.linalg.matrix_rank(_matrix(layer)))


def near_miss(layer: Layer, values: LayerValues) -> float | None:
    """The smallest relative distance of two rows (with bias) that are not of one class.

    Rows are scaled to length 1 where the activation allows any ratio; else the distance is relative
    to the longer row. None with fewer than two rows.
    """
    rows = _matrix(layer)
    if layer.symmetry is not Symmetry.LINEAR and layer.bias is not None:
        rows = np.column_stack([rows, layer.bias.astype(np.float64)])
    largest = np.abs(rows).max(initial=0)
    rows = rows / largest if largest > 0 else rows  # so that no square overflows
    length = np.linalg.norm(rows, axis=1)
    _, first = np.unique(values.class_of, return_index=True)
    chosen = np.array([i for i in first if length[i] > 0 and values.class_of[i] >= 0], np.int64)
    if len(chosen) < 2:
        return None
    rows, length = rows[chosen], length[chosen]
    if layer.symmetry in _SCALED:
        rows, length = rows / length[:, None], np.ones(len(chosen))
    both_signs = layer.symmetry not in _ONE_SIGN
    best = np.inf
    for start in range(0, len(rows), _BLOCK):
        some = slice(start, start + _BLOCK)
        product = rows[some] @ rows.T
        if both_signs:
            product = abs(product)
        longer = np.maximum(length[some, None], length)
        distance = (length[some, None] ** 2 + length**2 - 2 * product) / longer**2
        own = np.arange(len(distance))
        distance[own, start + own] = np.inf
        i, j = np.unravel_index(int(distance.argmin()), distance.shape)
        # the product loses what is small: measure the best pair again
        a, b = rows[start + i], rows[j]
        apart = [np.linalg.norm(a - b)] + ([np.linalg.norm(a + b)] if both_signs else [])
        best = min(best, float(min(apart) / longer[i, j]))
    return best
