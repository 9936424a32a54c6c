"""Why a layer may be folded away: it is linear, and matrices alone read it.

docs/theory.md section 8 has the argument; slopes follow here, nobody states them.
"""

from __future__ import annotations

import numpy as np

from lumpcli.ir import Fold, Net
from lumpcli.proofs.book import ONE, Book, require
from lumpcli.proofs.linear import check_place, linear_slope
from lumpcli.proofs.rows import columns_of, folded_rows

_LARGEST = 1 << 27  # multiplications in one layer


def check_fold(book: Book, net: Net, name: str) -> Fold:
    """The step by which a layer goes, with the slopes that the facts on what it reads make them.

    Refused unless the net computes the same after it, but for what is rounded.
    """
    layer = net[name]
    check_place(net, layer)
    (own,), terms = layer.terms, [reader.terms[index] for reader, index in net.readers[name]]
    still = own.pointwise or all(term.pointwise for term in terms)
    require(still, name, "both it and what reads it move positions")
    shifted = layer.bias is not None and bool(layer.bias.any())
    beside = shifted and any(term.padded for term in terms)
    require(not beside, name, "what reads it sees zeros, not its bias, around the image")
    made = sum(term.flat.size // layer.width * own.flat.shape[1] for term in terms)
    require(layer.width * made <= _LARGEST, name, "it is too large to be multiplied out")
    if layer.activation.is_identity:
        return Fold(name, (ONE,) * layer.width)
    rows = folded_rows(columns_of(book, layer), np.arange(layer.width))
    return Fold(name, tuple(linear_slope(book, layer, i, row) for i, row in rows))
