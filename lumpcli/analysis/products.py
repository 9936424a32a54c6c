"""Sums of products of features, as of queries and keys, and the rows that make the factors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lumpcli.ir import Array, Join, Layer, Net, Symmetry, Term


@dataclass(frozen=True)
class SumOfProducts:
    """Products `q_i k_i`, summed in as many `heads` of one size."""

    product: Join
    heads: int

    @property
    def name(self) -> str:
        """The layer of products."""
        return self.product.name

    @property
    def width(self) -> int:
        """How many products there are, over all heads."""
        return self.product.width


@dataclass(frozen=True)
class Factor:
    """The rows (n,) that make one factor of every product; `free` if nothing else reads them."""

    layer: Layer
    rows: Array
    free: Array


def sums_of_products(net: Net) -> list[SumOfProducts]:
    """Those in a net whose factors are features as they are, but for a number they share."""
    found = []
    for layer in net.layers:
        readers = net.readers[layer.name]
        if not isinstance(layer, Join) or layer.function != "Mul" or len(readers) != 1:
            continue
        term = readers[0][0].terms[readers[0][1]]
        plain = len(layer.terms) == 2 and all(_passes_on(t) for t in layer.terms)
        if term.frozen and not term.diagonal and plain and layer.pinned is None:
            found.append(SumOfProducts(layer, term.blocks))
    return found


def _passes_on(term: Term) -> bool:
    """Whether each feature is one of the source's, times a number they share."""
    return (
        (term.tied and not term.gathers and not term.padded and bool(term.scale))
        and (term.weight is None and term.moments is None and term.at is None)
        and term.symmetry is Symmetry.LINEAR
    )


def factor_of(net: Net, product: Join, side: int) -> Factor | None:
    """Where the numbers of a factor are stored, if rows may be added up there."""
    reader: Layer = product
    rows, free = np.arange(product.width), np.ones(product.width, bool)
    while True:
        term = reader.terms[side]
        rows = term.selected(reader.width)[rows, 0]
        source = net[term.source]
        if (rows < 0).any() or len(set(rows.tolist())) < len(rows):
            return None
        linear = type(source) is Layer and source.activation.name == "Identity"
        if not linear or source.pinned is not None:
            return None
        free &= ~_reached(net, source, reader, side)[rows]
        if source.is_dense:
            return Factor(source, rows, free) if _storable(net, source) else None
        if source.bias is not None or len(source.terms) != 1 or not _passes_on(source.terms[0]):
            return None
        reader, side = source, 0


def _reached(net: Net, source: Layer, reader: Layer, place: int) -> Array:
    """The features (n,) of a layer that others read than one reader's one term."""
    reached = np.zeros(source.width, bool)
    for other, number in net.readers[source.name]:
        if other.name == reader.name and number == place:
            continue
        term = other.terms[number]
        every = np.ones(other.width, bool)
        reached |= term.reaches(every, source.width) if term.diagonal else True
    return reached


def _storable(net: Net, layer: Layer) -> bool:
    """Whether each row's numbers are floats of its own."""
    term = layer.terms[0]
    if len(layer.terms) != 1 or term.weight is None or term.frozen or term.blocks > 1:
        return False
    if term.limits is not None or term.row_scale is not None or term.weight.dtype.kind in "iu":
        return False
    if layer.bias is not None and (layer.bias_fixed or layer.bias_units is not None):
        return False
    others = [t.weight for other in net.layers if other is not layer for t in other.terms]
    return layer.listed and not any(
        np.may_share_memory(term.weight, weight) for weight in others if weight is not None
    )
