"""A folded row written out in fractions: slow, short, and shares no code with the search."""

from __future__ import annotations

from fractions import Fraction

from lumpcli.analysis import CONSTANT, Values
from lumpcli.ir import Layer

Row = dict[tuple[int, int], Fraction]  # (class, tap) -> weight; zeros left out


def folded_row(layer: Layer, feature: int, values: Values) -> tuple[Row, Fraction]:
    """What a feature computes before its activation: weights on classes, and a constant."""
    row: Row = {}
    constant = Fraction(0)
    if layer.bias is not None:
        constant = Fraction(float(layer.bias[feature])) * layer.bias_scale
    for term in layer.terms:
        facts = values[term.source]
        if term.diagonal:
            entries = [(feature, 0, term.factor(feature))]
        else:
            flat = term.flat[feature]
            entries = [
                (j // term.taps, j % term.taps, Fraction(float(flat[j])) * term.scale)
                for j in range(len(flat))
                if flat[j]
            ]
        for j, tap, weight in entries:
            constant += weight * facts.offset[j].rational
            for known, part in facts.offset[j].parts:
                row[known, tap] = row.get((known, tap), Fraction(0)) + weight * part
            label = int(facts.class_of[j])
            if label != CONSTANT:
                key = (label, tap)
                row[key] = row.get(key, Fraction(0)) + weight * facts.ratio[j]
    return {key: weight for key, weight in row.items() if weight}, constant
