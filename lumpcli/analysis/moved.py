"""Facts on what a diagonal term reads: a source feature at other positions, or normalised."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

from lumpcli.analysis.facts import CONSTANT, INSIDE, ONE
from lumpcli.analysis.numbering import Fact, Numbering
from lumpcli.ir import EVERYTHING, ZERO, Interval, Shift, Symmetry, Term, hull, sum_range


@dataclass
class Sum:
    """A sum of multiples of classes that vary, and a constant."""

    row: dict[int, Fraction] = field(default_factory=dict)
    bias: Shift = ZERO

    def add(self, label: int, weight: Fraction) -> None:
        """Add a multiple of a class."""
        self.row[label] = self.row.get(label, Fraction(0)) + weight


def read(numbering: Numbering, term: Term, feature: int, tap: int, fact: Fact) -> Sum:
    """What a term reads at one tap of a source feature with some fact, but for its weight."""
    if term.at is not None:
        tap = int(term.at[feature])
    if term.via:
        found = _moved(numbering, term, (term.via, tap), fact)
    else:
        label, ratio, offset = fact
        found = Sum({} if label == CONSTANT else {label: ratio}, offset)
    return found if term.moments is None else _normalised(numbering, term, feature, found)


def gathered(numbering: Numbering, term: Term, facts: Sequence[Fact]) -> Sum:
    """What is made of one source feature per position.

    An offset is a constant only where it is the same at all positions.
    """
    same = all(offset == facts[0][2] for _, _, offset in facts)
    found = Sum(bias=facts[0][2] if same else ZERO)
    for tap, (label, ratio, offset) in enumerate(facts):
        one = _moved(
            numbering,
            replace(term, padded=True),
            (term.via, tap),
            (label, ratio, ZERO if same else offset),
        )
        for part, weight in one.row.items():
            found.add(part, weight)
    return found


def _moved(numbering: Numbering, term: Term, way: Hashable, fact: Fact) -> Sum:
    """A function of the positions: linear ones know sums, others know ratios, the rest nothing."""
    label, ratio, offset = fact

    def known(some: int, multiple: Fraction = ONE, plus: Fraction = ZERO.rational) -> Interval:
        if not term.hull:
            return EVERYTHING
        read = sum_range([(multiple, numbering.ranges.interval(some))], plus)
        return hull(read) if term.padded else read

    if term.symmetry is Symmetry.LINEAR:
        found = Sum()
        if label != CONSTANT:
            found.add(numbering.number(("moved", way, label), known(label)), ratio)
        if not term.padded:
            found.bias = offset
            return found
        if offset.rational:
            inside = numbering.number(("moved", way, INSIDE, term.image), known(INSIDE))
            found.add(inside, offset.rational)
        for part, weight in offset.parts:
            moved = numbering.number(("moved", way, part, term.image), known(part))
            found.add(moved, weight)
        return found
    if not term.padded and label == CONSTANT:
        return Sum(bias=offset)
    if label == CONSTANT and not offset and term.symmetry is not Symmetry.NONE:
        return Sum()  # 0, whatever is read beside it
    scale = _common_scale(term.symmetry, ratio if label != CONSTANT else offset.rational)
    if scale == 0:  # an irrational constant
        scale = ONE
    kept_apart = offset if term.padded or term.symmetry is Symmetry.NONE else ZERO
    image = term.image if label == CONSTANT else ""
    key = ("moved", way, label, ratio / scale, kept_apart * (1 / scale), image)
    outside = ZERO if term.padded or term.symmetry is Symmetry.NONE else offset
    within = EVERYTHING
    if label != CONSTANT and not kept_apart.parts:
        within = known(label, ratio / scale, kept_apart.rational / scale)
    return Sum({numbering.number(key, within): abs(scale)}, outside)


def _common_scale(symmetry: Symmetry, ratio: Fraction) -> Fraction:
    """What of a ratio a function of positions hands on: f(r x) = |scale| f(r x / scale)."""
    if symmetry is Symmetry.ABSOLUTE:
        return ratio
    return abs(ratio) if symmetry is Symmetry.HOMOGENEOUS else ONE


def _normalised(numbering: Numbering, term: Term, feature: int, x: Sum) -> Sum:
    """`(x - mean) / sqrt(variance + epsilon)`."""
    moments = term.moments
    assert moments is not None
    x.bias += Shift(-Fraction(float(moments.mean[feature])))
    square = Fraction(float(moments.variance[feature])) + moments.epsilon
    root = Fraction(math.isqrt(square.numerator), math.isqrt(square.denominator))
    if root * root == square:
        return Sum({label: weight / root for label, weight in x.row.items()}, x.bias * (1 / root))
    deviation = 1 / math.sqrt(square)

    def scaled(label: int | None, value: float | None) -> int:
        found = numbering.number(("deviation", square, label))
        if value is not None:
            numbering.known[found] = value
        return found

    found = Sum({scaled(label, None): weight for label, weight in x.row.items()})
    parts = {scaled(None, deviation): x.bias.rational}
    for label, weight in x.bias.parts:
        parts[scaled(label, numbering.known[label] * deviation)] = weight
    found.bias = Shift.of(Fraction(0), parts)
    return found
