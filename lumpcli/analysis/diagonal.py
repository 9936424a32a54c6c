"""Facts on layers that read feature by feature: sources, moved features, sums, scales, products."""

from __future__ import annotations

from fractions import Fraction

from lumpcli.analysis.facts import CONSTANT
from lumpcli.analysis.numbering import ONE, Fact, Numbering
from lumpcli.analysis.shift import ZERO, Shift
from lumpcli.ir import Join, Layer


def source(numbering: Numbering, layer: Layer) -> list[Fact]:
    """Nothing is known of a layer that reads nothing: every feature is a class."""
    return [(numbering.fresh(), ONE, ZERO) for _ in range(layer.width)]


def moved(numbering: Numbering, layer: Layer) -> list[Fact]:
    """The features of the source at other positions: the same facts, on classes of their own."""
    term = layer.terms[0]
    facts = numbering.layers[term.source]
    labels = [
        c if c == CONSTANT else numbering.number(("moved", term.via, c))
        for c in facts.class_of.tolist()
    ]
    return list(zip(labels, facts.ratio, facts.offset, strict=True))


def diagonal(numbering: Numbering, layer: Layer) -> list[Fact]:
    """A function of a sum of multiples of the sources' features."""
    return [_feature(numbering, layer, i) for i in range(layer.width)]


def _feature(numbering: Numbering, layer: Layer, feature: int) -> Fact:
    bias = ZERO
    if layer.bias is not None:
        bias = Shift(Fraction(float(layer.bias[feature])) * layer.bias_scale)
    row: dict[int, Fraction] = {}
    for term in layer.terms:
        factor = term.factor(feature)
        facts = numbering.layers[term.source]
        label = int(facts.class_of[feature])
        bias += facts.offset[feature] * factor
        if label != CONSTANT:
            row[label] = row.get(label, Fraction(0)) + factor * facts.ratio[feature]
    return numbering.combination(layer, feature, row, bias)


def join(numbering: Numbering, layer: Join) -> list[Fact]:
    """Products know their factors' ratios; other functions of two only whether both are equal."""
    return [_joined(numbering, layer, i) for i in range(layer.width)]


def _joined(numbering: Numbering, layer: Join, feature: int) -> Fact:
    facts = [numbering.layers[t.source] for t in layer.terms]
    operands = [(int(f.class_of[feature]), f.ratio[feature], f.offset[feature]) for f in facts]
    if layer.function != "Mul":
        return numbering.number((layer.function, *operands)), ONE, ZERO
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
