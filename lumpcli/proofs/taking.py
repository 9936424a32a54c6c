"""Why rows of one factor of a product may take over others: the other factors are multiples.

q_i k_i + q_j k_j  =  q_i (k_i + r k_j)      where  q_j = r q_i
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from lumpcli.ir import Join, Layer, Merge, Net, Symmetry, Term
from lumpcli.proofs.book import Book, Refused

Taken = dict[str, list[Merge]]  # by layer


def take(
    book: Book, net: Net, product: str, side: int, places: Sequence[int], ratios: Sequence[Fraction]
) -> tuple[str, list[int]]:
    """The layer and the rows at some places of a factor, of which the first takes over the rest.

    Refused unless the products at these places only ever add up, and each other factor is its
    ratio times the first.
    """

    def require(holds: bool, reason: str) -> None:
        if not holds:
            raise Refused(product, product, reason)

    require(any(layer.name == product for layer in net.layers), "there is no such layer")
    layer, readers = net[product], net.readers[product]
    fits = isinstance(layer, Join) and layer.function == "Mul" and len(layer.terms) == 2
    require(fits and _inner(net, layer) and len(readers) == 1, "it is no inner product")
    require(max(places) < layer.width and len(set(places)) == len(places), "places are wrong")
    sum_ = readers[0][0].terms[readers[0][1]]
    require(not sum_.diagonal, "it is not summed")
    columns = sum_.by_tap[:, list(places)]
    require(bool((columns == columns[:, :1]).all()), "the places are of several sums")
    other = layer.terms[1 - side]
    require(_passes_on(other), "the other factor is computed on the way")
    features = other.selected(layer.width)[:, 0][list(places)]
    require(bool((features >= 0).all()), "the other factor is none")
    facts = book.facts[other.source]
    label, first, shift = facts[int(features[0])]
    for feature, ratio in zip(features[1:].tolist(), ratios, strict=True):
        same = facts[feature] == (label, first * ratio, shift * ratio)
        require(same, f"feature {feature} of {other.source} is no such multiple")
    rows, reader, number = list(places), layer, side
    while True:
        term = reader.terms[number]
        require(_passes_on(term), "the factor is computed on the way")
        selected = term.selected(reader.width)[:, 0]
        rows = selected[rows].tolist()
        source = net[term.source]
        require(min(rows) >= 0 and len(set(selected.tolist())) == len(selected), "a row twice")
        plain = type(source) is Layer and source.activation.is_identity and _inner(net, source)
        require(plain and len(source.terms) == 1, f"{source.name} is no projection")
        alone = not any(
            _reads(r.terms[t], r, rows, source.width)
            for r, t in net.readers[source.name]
            if (r.name, t) != (reader.name, number)
        )
        require(alone, f"others read {source.name}")
        if source.is_dense:
            return source.name, rows
        require(source.bias is None, f"{source.name} is no projection")
        reader, number = source, 0


def _inner(net: Net, layer: Layer) -> bool:
    return layer.pinned is None and all(layer.name != output.layer for output in net.outputs)


def _passes_on(term: Term) -> bool:
    """Whether each feature is one of the source's, times a number that all share."""
    plain = term.weight is None and term.moments is None and term.at is None
    moved = term.symmetry is Symmetry.LINEAR and not term.padded and not term.gathers
    return term.tied and plain and moved and bool(term.scale)


def _reads(term: Term, reader: Layer, rows: list[int], width: int) -> bool:
    every = np.ones(reader.width, bool)
    return not term.diagonal or bool(term.reaches(every, width)[rows].any())


def record(taken: Taken, layer: str, rows: list[int], ratios: Sequence[Fraction]) -> None:
    """Note that the first of some rows takes over the others, with all those had taken over."""
    made = {merge.row: merge for merge in taken.get(layer, ())}
    gone = {other for merge in made.values() for other in merge.others}
    if gone & set(rows) or not all(ratios):
        raise Refused(layer, layer, "a row is merged that another has taken over, or none of it")
    others: dict[int, Fraction] = {}
    for row, ratio in zip(rows, [Fraction(1), *ratios], strict=True):
        own = made.pop(row, Merge(row, (), ()))
        others |= {row: ratio}
        others |= zip(own.others, (r * ratio for r in own.ratios), strict=True)
    del others[rows[0]]
    taken[layer] = [*made.values(), Merge(rows[0], tuple(others), tuple(others.values()))]
