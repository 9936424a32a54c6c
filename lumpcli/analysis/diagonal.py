"""Facts on layers that read feature by feature: sources, moved features, sums, scales, products."""

from __future__ import annotations

from fractions import Fraction

from lumpcli.analysis.facts import CONSTANT
from lumpcli.analysis.numbering import ONE, ZERO, Fact, Numbering
from lumpcli.ir import Join, Layer


def source(numbering: Numbering, layer: Layer) -> list[Fact]:
    """Nothing is known of a layer that reads nothing: every feature is a class."""
    return [(numbering.fresh(), ONE, ZERO) for _ in range(layer.width)]


def moved(numbering: Numbering, layer: Layer) -> list[Fact]:
    """The features of the source at other positions: the same facts, on classes of their own."""
    term = layer.terms[0]
    facts = numbering.layers[term.source]
    labels = [
        c if c == CONSTANT or c in numbering.known else numbering.number(("moved", term.via, c))
        for c in facts.class_of.tolist()
    ]
    return list(zip(labels, facts.ratio, facts.offset, strict=True))


def diagonal(numbering: Numbering, layer: Layer) -> list[Fact]:
    """A function of a sum of multiples of the sources' features."""
    return [_feature(numbering, layer, i) for i in range(layer.width)]


def _feature(numbering: Numbering, layer: Layer, feature: int) -> Fact:
    bias = ZERO
    if layer.bias is not None:
        bias = Fraction(float(layer.bias[feature])) * layer.bias_scale
    row: dict[int, Fraction] = {}
    for term in layer.terms:
        factor = term.factor(feature)
        facts = numbering.layers[term.source]
        label = int(facts.class_of[feature])
        bias += factor * facts.offset[feature]
        if label != CONSTANT:
            row[label] = row.get(label, ZERO) + factor * facts.ratio[feature]
    return numbering.combination(layer, feature, {c: w for c, w in row.items() if w}, bias)


def join(numbering: Numbering, layer: Join) -> list[Fact]:
    """Products know their factors' ratios; other functions of two only whether both are equal."""
    return [_joined(numbering, layer, i) for i in range(layer.width)]


def _joined(numbering: Numbering, layer: Join, feature: int) -> Fact:
    facts = [numbering.layers[t.source] for t in layer.terms]
    operands = [(int(f.class_of[feature]), f.ratio[feature], f.offset[feature]) for f in facts]
    if layer.function != "Mul":
        return numbering.number((layer.function, *operands)), ONE, ZERO
    scale = ONE
    varying: list[Fact] = []
    for operand in operands:
        if operand[0] == CONSTANT:
            scale *= operand[2]
        else:
            varying.append(operand)
    if scale == 0 or not varying:
        return CONSTANT, ZERO, scale
    if len(varying) == 1:
        label, ratio, offset = varying[0]
        return label, scale * ratio, scale * offset
    factors = []
    for label, ratio, offset in varying:
        scale *= ratio
        factors.append((label, offset / ratio))
    return numbering.number(("Mul", *sorted(factors))), scale, ZERO
