"""Facts on layers that read feature by feature: sums, scales, moved features, functions.

They follow, so that nothing need be stated: each feature is defined over the classes that it reads.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from lumpcli.ir import ZERO, Activation, Join, Layer, Shift, Symmetry, slope, sum_range
from lumpcli.proofs.book import CONSTANT, ONE, Book, Fact, Refused, Row, between, meet
from lumpcli.proofs.reading import Form, add, gathered, read, span


def features(book: Book, layer: Layer) -> list[Fact]:
    """The facts on a layer without a matrix."""
    if not layer.terms:
        return [_source(book, layer, i) for i in range(layer.width)]
    rule = _join if isinstance(layer, Join) else _sum
    chosen = [term.selected(layer.width).tolist() for term in layer.terms]
    return [rule(book, layer, i, [c[i] for c in chosen]) for i in range(layer.width)]


def _source(book: Book, layer: Layer, feature: int) -> Fact:
    """What no layer makes is a class of its own, unless only one value is granted."""
    low, high = between(layer, feature)
    if isinstance(low, Fraction) and low == high:
        return CONSTANT, Fraction(0), Shift(low)
    return book.fresh((low, high)), ONE, ZERO


def _sum(book: Book, layer: Layer, feature: int, chosen: list[list[int]]) -> Fact:
    bias = Fraction(float(layer.biases(np.array([feature]))[0])) * layer.bias_scale
    total: Form = {}, Shift(bias)
    known = between(layer, feature)
    for term, sources in zip(layer.terms, chosen, strict=True):
        facts = book.facts[term.source]
        if term.gathers:
            if min(sources) < 0:
                raise Refused(layer.name, term.source, "a position is made of no feature")
            some = [facts[j] for j in sources]
            total = add(total, gathered(book, term, some))
            if len(layer.terms) == 1:
                lies = sum_range([(ONE, span(book, term, some))], bias)
                known = meet(known, lies)
            continue
        for tap, source in enumerate(sources):
            if source >= 0:
                form = read(book, term, facts[source], tap, feature)
                total = add(total, form, term.factor(feature, tap))
    key, row = layer.activation.key(feature), Row.of(*total)
    low, high = meet(book.interval(row), known)
    factor = slope(key, 1 if low >= 0 else -1 if high <= 0 else 0)
    if factor is None or not len(row.labels):
        return book.define(Activation(*key), row, known)
    return book.define(Activation(), row.times(factor), sum_range([(factor, known)]))


def _join(book: Book, layer: Layer, feature: int, chosen: list[list[int]]) -> Fact:
    """A function of several operands: products know ratios, others the ratio all have in common."""
    assert isinstance(layer, Join)
    operands: list[Fact] = []
    for term, sources in zip(layer.terms, chosen, strict=True):
        row, offset = read(book, term, book.facts[term.source][sources[0]], 0, feature)
        entries = [*row.items()] or [(CONSTANT, Fraction(0))]
        if len(entries) > 1 or sources[0] < 0:
            raise Refused(layer.name, term.source, "an operand is not one feature")
        operands.append((*entries[0], offset))
    if layer.function == "Mul":
        return _product(book, operands)
    if layer.function in ("Max", "Min"):
        if all(operand == operands[0] for operand in operands):
            return operands[0]
        if all(label == CONSTANT and not offset.parts for label, _, offset in operands):
            choose = max if layer.function == "Max" else min
            return CONSTANT, Fraction(0), Shift(choose(o.rational for _, _, o in operands))
    leads = [o[1] or o[2].rational for o in operands]
    scale = ONE
    if layer.common is not Symmetry.NONE:
        scale = layer.common.normaliser(next(filter(None, leads), ONE))
    scaled = tuple(
        (c, ratio / scale, offset * (1 / scale), term.image if c == CONSTANT else "")
        for (c, ratio, offset), term in zip(operands, layer.terms, strict=True)
    )
    return book.number((layer.function, *scaled)), scale, ZERO


def _product(book: Book, operands: list[Fact]) -> Fact:
    scale, others = ONE, list[Fact]()  # others: whatever is not a rational constant
    for operand in operands:
        if operand[0] == CONSTANT and not operand[2].parts:
            scale *= operand[2].rational
        else:
            others.append(operand)
    if scale == 0 or not others:
        return CONSTANT, Fraction(0), Shift(scale)
    if len(others) == 1:
        label, ratio, offset = others[0]
        return label, scale * ratio, offset * scale
    if all(label == CONSTANT for label, _, _ in others):
        told = sorted((offset.rational, offset.parts) for _, _, offset in others)
        symbol = book.number(("Mul of constants", *told, scale))
        near = scale
        for _, _, offset in others:
            near *= offset.near(book.known)
        book.known[symbol] = float(near)
        return CONSTANT, Fraction(0), Shift(Fraction(0), ((symbol, ONE),))
    factors = []
    for label, ratio, offset in others:
        if label != CONSTANT:
            scale *= ratio
            offset = offset * (1 / ratio)
        factors.append((label, offset.rational, offset.parts))
    return book.number(("Mul", *sorted(factors))), scale, ZERO
