"""Local rules for layers that read feature by feature: sums, scales, moved features, functions.

Each gives a feature's class by its definition over the classes that it reads.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import replace
from fractions import Fraction

import numpy as np

from lumpcli.ir import ZERO, Join, Layer, Shift, Symmetry, Term
from lumpcli.proofs.book import CONSTANT, INSIDE, ONE, Book, Fact, Facts, Refused

Form = tuple[dict[int, Fraction], Shift]  # a sum of multiples of classes, and a constant


def single(book: Book, layer: Layer) -> Facts:
    """The facts on a layer without a matrix."""
    if not layer.terms:
        first = book.fresh(layer.width)
        return Facts.of([(first + i, ONE, ZERO) for i in range(layer.width)])
    rule = _join if isinstance(layer, Join) else _sum
    chosen = [term.selected(layer.width).tolist() for term in layer.terms]
    return Facts.of([rule(book, layer, i, [c[i] for c in chosen]) for i in range(layer.width)])


def _add(total: dict[int, Fraction], other: dict[int, Fraction], factor: Fraction) -> None:
    for label, weight in other.items():
        total[label] = total.get(label, Fraction(0)) + weight * factor


def _sum(book: Book, layer: Layer, feature: int, chosen: list[list[int]]) -> Fact:
    stored = float(layer.biases(np.array([feature]))[0])
    row: dict[int, Fraction] = {}
    bias = Shift(Fraction(stored) * layer.bias_scale)
    for term, sources in zip(layer.terms, chosen, strict=True):
        facts = book.facts[term.source]
        if term.gathers:
            if min(sources) < 0:
                raise Refused(layer.name, term.source, "a position is made of no feature")
            found, offset = _gathered(book, term, [facts[j] for j in sources])
            _add(row, found, ONE)
            bias += offset
            continue
        for tap, source in enumerate(sources):
            if source >= 0:
                factor = term.factor(feature, tap)
                found, offset = _read(book, term, feature, tap, facts[source])
                _add(row, found, factor)
                bias += offset * factor
    return book.combination(layer, feature, row, bias)


def _read(book: Book, term: Term, feature: int, tap: int, fact: Fact) -> Form:
    """What a term makes of one source feature, but for its weight."""
    if term.via:
        place = tap if term.at is None else int(term.at[feature])
        form = _moved(book, term, (term.via, place), fact)
    else:
        label, ratio, offset = fact
        form = ({} if label == CONSTANT else {label: ratio}), offset
    return form if term.moments is None else _normalised(book, term, feature, form)


def _gathered(book: Book, term: Term, facts: list[Fact]) -> Form:
    """One source feature per position; an offset is a constant only if all positions share it."""
    same = all(offset == facts[0][2] for _, _, offset in facts)
    row: dict[int, Fraction] = {}
    for tap, (label, ratio, offset) in enumerate(facts):
        own = label, ratio, ZERO if same else offset
        _add(row, _moved(book, replace(term, padded=True), (term.via, tap), own)[0], ONE)
    return row, facts[0][2] if same else ZERO


def _moved(book: Book, term: Term, way: Hashable, fact: Fact) -> Form:
    """A function of the positions. Linear ones know sums, others know ratios, the rest nothing.

    Behind padding a constant is a multiple of "one inside the image", of one image size.
    """
    label, ratio, offset = fact
    if term.symmetry is Symmetry.LINEAR:
        row = {} if label == CONSTANT else {book.number(("moved", way, label)): ratio}
        if not term.padded:
            return row, offset
        for part, weight in ((INSIDE, offset.rational), *offset.parts):
            if weight:
                _add(row, {book.number(("moved", way, part, term.image)): weight}, ONE)
        return row, ZERO
    blind = term.padded or term.symmetry is Symmetry.NONE
    if label == CONSTANT and not term.padded:
        return {}, offset
    if label == CONSTANT and not offset and term.symmetry is not Symmetry.NONE:
        return {}, ZERO
    lead = ratio if label != CONSTANT else offset.rational
    scale = ONE  # what of a ratio is handed on: f(r x) = |scale| f(r x / scale)
    if term.symmetry in (Symmetry.ABSOLUTE, Symmetry.HOMOGENEOUS) and lead:
        scale = lead if term.symmetry is Symmetry.ABSOLUTE else abs(lead)
    apart = offset * (1 / scale) if blind else ZERO
    image = term.image if label == CONSTANT else ""
    key = ("moved", way, label, ratio / scale, apart, image)
    return {book.number(key): abs(scale)}, ZERO if blind else offset


def _normalised(book: Book, term: Term, feature: int, form: Form) -> Form:
    """`(x - mean) / sqrt(variance + epsilon)`; an irrational root is a symbol."""
    moments, (row, bias) = term.moments, form
    assert moments is not None
    bias += Shift(-Fraction(float(moments.mean[feature])))
    square = Fraction(float(moments.variance[feature])) + moments.epsilon
    if square <= 0:
        raise Refused("", term.source, "a variance is not positive")
    root = Fraction(math.isqrt(square.numerator), math.isqrt(square.denominator))
    if root * root == square:
        return {label: weight / root for label, weight in row.items()}, bias * (1 / root)
    deviation, parts = 1 / math.sqrt(square), dict[int, Fraction]()
    for part, weight in ((None, bias.rational), *bias.parts):
        symbol = book.number(("deviation", square, part))
        book.known[symbol] = (1.0 if part is None else book.known[part]) * deviation
        parts[symbol] = weight
    own = {book.number(("deviation", square, label)): weight for label, weight in row.items()}
    return own, Shift.of(Fraction(0), parts)


def _join(book: Book, layer: Layer, feature: int, chosen: list[list[int]]) -> Fact:
    """A function of several operands: products know ratios, others the ratio all have in common."""
    assert isinstance(layer, Join)
    operands: list[Fact] = []
    for term, sources in zip(layer.terms, chosen, strict=True):
        fact = book.facts[term.source][sources[0]]
        row, offset = _read(book, term, feature, 0, fact)
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
