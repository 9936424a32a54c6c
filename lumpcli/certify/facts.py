"""The facts on a net, by one walk from its inputs to its outputs.

All are derived here. A certificate says on which rows of weights, since reading all takes long;
what it claims besides, signs and multiples within rounding, is checked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

import numpy as np

from lumpcli.ir import ZERO, Activation, Layer, Net, slope, sum_range, value_range
from lumpcli.proofs import (
    Book,
    Fact,
    Refused,
    between,
    columns_of,
    features,
    folded_rows,
    meet,
    within,
)

Said = Mapping[str, Any]


def facts_of(net: Net, claims: Mapping[str, Said], level: str) -> tuple[Book, int]:
    """The facts on every layer of a net, and on how many rows they were asked for."""
    book, count = Book(), 0
    for layer in net.layers:
        if not layer.is_dense:
            book.facts[layer.name] = features(book, layer)
            continue
        facts = {i: _unknown(book, layer, i) for i in range(layer.width)}
        stated = dict(_stated(book, layer, claims.get(layer.name, {}), level))
        book.facts[layer.name] = [*(facts | stated).values()]
        count += len(stated)
    return book, count


def _unknown(book: Book, layer: Layer, feature: int) -> Fact:
    within = value_range(layer.activation.key(feature), *between(layer, feature))
    return book.fresh(within), Fraction(1), ZERO


def _stated(book: Book, layer: Layer, said: Said, level: str) -> Iterator[tuple[int, Fact]]:
    """The facts on the rows of a layer that a certificate names."""
    sign = {i: s for s, key in ((1, "active"), (-1, "inactive")) for i in said.get(key, ())}
    rows, stars = sorted({*said.get("rows", ()), *sign}), said.get("within", ())
    every = {*rows, *(i for star in stars for i in star["features"])}
    if not every:
        return
    if max(every) >= layer.width:
        raise Refused(layer.name, layer.name, f"it has no feature {max(every)}")
    columns = columns_of(book, layer)
    plain = all(t.taps == 1 and not t.padded and not t.via for t in layer.terms)
    for i, row in folded_rows(columns, np.array(rows, np.int64)):
        key, anchored = layer.activation.key(i), not plain or len(row.labels) > 1
        known = between(layer, i)
        if i not in sign:
            yield i, book.define(Activation(*key), row, known, anchored)
            continue
        (low, high), factor = meet(book.interval(row), known), slope(key, sign[i])
        proved = low >= 0 if sign[i] > 0 else high <= 0
        if factor is None or not proved:
            raise Refused(layer.name, layer.name, f"feature {i} may be of the other sign")
        linear = sum_range([(factor, known)])
        yield i, book.define(Activation(), row.times(factor), linear, anchored)
    for star in stars:
        if level != "rounding":
            raise Refused(layer.name, layer.name, "rows within rounding are not allowed here")
        ratios = [Fraction(ratio) for ratio in star["ratios"]]
        found = within(book, columns, star["features"], ratios)
        yield from zip(star["features"], found, strict=True)
