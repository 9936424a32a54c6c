"""The two questions that take time: how near is the nearest miss, and what rank has a matrix."""

from __future__ import annotations

import numpy as np

from lumpcli.analysis import LayerValues
from lumpcli.ir import Array, Layer, Symmetry

_BLOCK = 512


def _matrix(layer: Layer) -> Array:
    return np.concatenate([t.flat.astype(np.float64) for t in layer.terms], axis=1)


def numerical_rank(layer: Layer) -> int:
    """The rank of a layer's weights by singular values, the estimate [R22, section 6] proposes."""
    return int(np.linalg.matrix_rank(_matrix(layer)))


def near_miss(layer: Layer, values: LayerValues) -> float | None:
    """The smallest relative distance of two rows (with bias) that are not of one class.

    Rows are scaled to length 1 where the activation allows a ratio; None with fewer than two.
    """
    rows = _matrix(layer)
    linear = layer.symmetry is Symmetry.LINEAR
    if not linear and layer.bias is not None:
        rows = np.column_stack([rows, layer.bias.astype(np.float64)])
    length = np.linalg.norm(rows, axis=1)
    _, first = np.unique(values.class_of, return_index=True)
    chosen = np.array([i for i in first if length[i] > 0 and values.class_of[i] >= 0], np.int64)
    if len(chosen) < 2:
        return None
    unit = rows[chosen] / length[chosen, None]
    scale = length[chosen]
    best = np.inf
    for start in range(0, len(unit), _BLOCK):
        cosine = unit[start : start + _BLOCK] @ unit.T
        if layer.symmetry in (Symmetry.LINEAR, Symmetry.ABSOLUTE, Symmetry.SIGN):
            cosine = abs(cosine)
        cosine[np.arange(len(cosine)), start + np.arange(len(cosine))] = -np.inf
        if layer.symmetry not in (Symmetry.NONE, Symmetry.ODD, Symmetry.EVEN):
            i, j = np.unravel_index(int(cosine.argmax()), cosine.shape)
            a, b = unit[start + i], unit[j]
            best = min(best, float(np.linalg.norm(a - b)), _opposite(a, b, layer))
            continue
        # the ratio is fixed: compare rows as they are, relative to the longer one
        block = scale[start : start + _BLOCK, None]
        squares = block**2 + scale**2 - 2 * cosine * block * scale
        longest = np.maximum(block, scale)
        squares[np.arange(len(cosine)), start + np.arange(len(cosine))] = np.inf
        i, j = np.unravel_index(int((squares / longest**2).argmin()), squares.shape)
        a, b = rows[chosen[start + i]], rows[chosen[j]]
        best = min(best, float(np.linalg.norm(a - b) / longest[i, j]))
    return best if np.isfinite(best) else None


def _opposite(a: Array, b: Array, layer: Layer) -> float:
    if layer.symmetry is Symmetry.HOMOGENEOUS:
        return float(np.inf)
    return float(np.linalg.norm(a + b))
