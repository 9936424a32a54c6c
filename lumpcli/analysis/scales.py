"""How large the numbers of a net would be if nothing cancelled: what rounding is relative to."""

from __future__ import annotations

import numpy as np

from lumpcli.ir import Array, Join, Layer, Net, Term


@np.errstate(all="ignore")
def scales(net: Net) -> dict[str, float]:
    """The largest scale of a feature, by layer, where inputs are 1 (docs/theory.md section 6).

    Functions are taken to be no steeper than 1, and moments to be 1. So this is no bound; it tells
    two nets apart that compute the same.
    """
    found: dict[str, Array] = {}
    for layer in net.layers:
        found[layer.name] = _scale(layer, found)
    return {name: float(scale.max(initial=0)) for name, scale in found.items()}


def _scale(layer: Layer, known: dict[str, Array]) -> Array:
    """The scales of a layer's features (n,)."""
    if not layer.terms:
        return np.ones(layer.width)
    read = [magnified(term, known[term.source], layer.width) for term in layer.terms]
    if isinstance(layer, Join):
        product = layer.function == "Mul"
        joined: Array = np.multiply.reduce(read) if product else np.maximum.reduce(read)
        return joined
    total: Array = np.add.reduce(read)
    return total + np.abs(layer.biases(np.arange(layer.width)) * float(layer.bias_scale))


def magnified(term: Term, sizes: Array, width: int) -> Array:
    """What a term adds to a layer's features (width,) if nothing cancels, but for its moments.

    `sizes` (n_source,) are the magnitudes of what it reads.
    """
    if term.diagonal:
        chosen = term.selected(width)
        sums = np.where(chosen >= 0, sizes[chosen], 0.0).max(axis=1, initial=0)
        if term.weight is not None:
            factors = np.abs(term.weight.reshape(width, -1).astype(np.float64)).sum(axis=1)
            sums = sums / factors if term.inverse else sums * factors
    else:
        sums = np.abs(term.by_tap).sum(axis=2, dtype=np.float64) @ sizes
    rows = 1.0 if term.row_scale is None else np.abs(term.row_scale)
    return np.asarray(sums * rows * abs(float(term.scale)))
