"""Facts on layers that read feature by feature: sources, moved features, sums, scales, products."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction

import numpy as np

from lumpcli.analysis.facts import CONSTANT, ONE
from lumpcli.analysis.moved import Sum, gathered, read
from lumpcli.analysis.numbering import Fact, Numbering
from lumpcli.analysis.signs import end_of
from lumpcli.errors import InternalError
from lumpcli.ir import ZERO, Join, Layer, Shift, Symmetry, Term


def source(numbering: Numbering, layer: Layer) -> list[Fact]:
    """A layer that reads nothing: every feature is a class, unless only one value is granted."""
    if layer.between is None:
        return [(numbering.fresh(), ONE, ZERO) for _ in range(layer.width)]
    found: list[Fact] = []
    for low, high in layer.between.T.tolist():
        if low == high:
            found.append((CONSTANT, Fraction(0), Shift(Fraction(low))))
            continue
        label = numbering.fresh()
        numbering.ranges.tell_one(label, (end_of(low), end_of(high)))
        found.append((label, ONE, ZERO))
    return found


def diagonal(numbering: Numbering, layer: Layer) -> list[Fact]:
    """A function of a sum of multiples of the sources' features."""
    chosen = [term.selected(layer.width).tolist() for term in layer.terms]
    if layer.bias is None and layer.activation.is_identity and all(map(_hands_on, layer.terms)):
        read = sum((np.array(c)[:, 0] >= 0).astype(int) for c in chosen)
        if np.all(read == 1):
            return _handed_on(numbering, layer, chosen)
    return [_feature(numbering, layer, i, [c[i] for c in chosen]) for i in range(layer.width)]


def _hands_on(term: Term) -> bool:
    """Whether a term passes features on as they are, at most to other places."""
    plain = term.weight is None and term.moments is None and not term.via and not term.gathers
    return plain and term.scale == 1 and term.at is None


def _handed_on(numbering: Numbering, layer: Layer, chosen: list[list[list[int]]]) -> list[Fact]:
    """The facts on features each of which is one of a source, as in a Concat or a Slice."""
    facts: list[Fact] = [(CONSTANT, ONE, ZERO)] * layer.width
    for term, sources in zip(layer.terms, chosen, strict=True):
        for i, source in enumerate(sources):
            if source[0] >= 0:
                facts[i] = numbering.fact(term.source, source[0])
    return facts


def _feature(numbering: Numbering, layer: Layer, feature: int, chosen: list[list[int]]) -> Fact:
    total = Sum()
    if layer.bias is not None:
        stored = float(layer.biases(np.array([feature]))[0])
        total.bias = Shift(Fraction(stored) * layer.bias_scale)
    for term, sources in zip(layer.terms, chosen, strict=True):
        if term.gathers:
            facts = [numbering.fact(term.source, source) for source in sources]
            found = gathered(numbering, term, facts)
            total.bias += found.bias
            for label, weight in found.row.items():
                total.add(label, weight)
            continue
        for tap, source in enumerate(sources):
            if source < 0:
                continue
            factor = term.factor(feature, tap)
            found = read(numbering, term, feature, tap, numbering.fact(term.source, source))
            total.bias += found.bias * factor
            for label, weight in found.row.items():
                total.add(label, weight * factor)
    return numbering.combination(layer, feature, total.row, total.bias)


def join(numbering: Numbering, layer: Join) -> list[Fact]:
    """Products know their factors' ratios, other functions what ratio all operands have in common.

    InternalError where an operand is computed on the way.
    """
    chosen = [term.selected(layer.width)[:, 0].tolist() for term in layer.terms]
    facts = []
    for i in range(layer.width):
        operands = []
        for term, sources in zip(layer.terms, chosen, strict=True):
            found = read(numbering, term, i, 0, numbering.fact(term.source, sources[i]))
            operands.append(_one(found))
        facts.append(
            _product(numbering, operands)
            if layer.function == "Mul"
            else _function(numbering, layer, operands)
        )
    return facts


_CHOICES: dict[str, Callable[[Iterable[Fraction]], Fraction]] = {"Max": max, "Min": min}


def _one(operand: Sum) -> Fact:
    """A sum of at most one class as a fact."""
    if len(operand.row) > 1:
        raise InternalError("an operand of a product is a sum of several classes")
    for label, weight in operand.row.items():
        return label, weight, operand.bias
    return CONSTANT, Fraction(0), operand.bias


def _function(numbering: Numbering, layer: Join, operands: list[Fact]) -> Fact:
    """A function of operands, each divided by the ratio the function hands on."""
    if layer.function in _CHOICES:
        if all(operand == operands[0] for operand in operands):
            return operands[0]
        if all(label == CONSTANT and not offset.parts for label, _, offset in operands):
            chosen = _CHOICES[layer.function](offset.rational for _, _, offset in operands)
            return CONSTANT, Fraction(0), Shift(chosen)
    scale = ONE
    if layer.common is not Symmetry.NONE:
        first = next((o[1] or o[2].rational for o in operands if o[1] or o[2].rational), ONE)
        scale = layer.common.normaliser(first)
    scaled = tuple(
        (c, ratio / scale, offset * (1 / scale), term.image if c == CONSTANT else "")
        for (c, ratio, offset), term in zip(operands, layer.terms, strict=True)
    )
    return numbering.number((layer.function, *scaled)), scale, ZERO


def _product(numbering: Numbering, operands: list[Fact]) -> Fact:
    scale = ONE
    others: list[Fact] = []  # whatever is not a rational constant
    for label, ratio, offset in operands:
        if label == CONSTANT and not offset.parts:
            scale *= offset.rational
        else:
            others.append((label, ratio, offset))
    if scale == 0 or not others:
        return CONSTANT, Fraction(0), Shift(scale)
    if len(others) == 1:
        label, ratio, offset = others[0]
        return label, scale * ratio, offset * scale
    if all(label == CONSTANT for label, _, _ in others):
        told = sorted((offset.rational, offset.parts) for _, _, offset in others)
        label = numbering.number(("Mul of constants", *told, scale))
        product = scale
        for _, _, offset in others:
            product *= offset.near(numbering.known)
        numbering.known[label] = float(product)
        return CONSTANT, Fraction(0), Shift(Fraction(0), ((label, ONE),))
    factors = []
    for label, ratio, offset in others:
        if label != CONSTANT:
            scale *= ratio
            offset = offset * (1 / ratio)
        factors.append((label, offset.rational, offset.parts))
    return numbering.number(("Mul", *sorted(factors))), scale, ZERO
