"""What terms make of features, over classes: moved, made of several positions, or normalised."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import replace
from fractions import Fraction

from lumpcli.ir import EVERYTHING, ZERO, Interval, Shift, Symmetry, Term, hull, sum_range
from lumpcli.proofs.book import CONSTANT, INSIDE, ONE, Book, Fact, Refused

Form = tuple[dict[int, Fraction], Shift]  # a sum of multiples of classes, and a constant


def add(total: Form, other: Form, factor: Fraction = ONE) -> Form:
    """`total + factor * other`."""
    row = dict(total[0])
    for label, weight in other[0].items():
        row[label] = row.get(label, Fraction(0)) + weight * factor
    return row, total[1] + other[1] * factor


def read(book: Book, term: Term, fact: Fact, tap: int, feature: int = 0) -> Form:
    """What a term reads of a source feature at a tap, but for its weight.

    `feature` is the one of the layer for which it is read; a matrix reads the same for all.
    """
    label, ratio, offset = fact
    form: Form = ({} if label == CONSTANT else {label: ratio}), offset
    if not term.diagonal:
        if term.via or term.padded or term.taps > 1:
            assert term.weight is not None
            form = _moved(book, term, (term.via, term.weight.shape[2:], term.padded, tap), fact)
    elif term.via:
        place = tap if term.at is None else int(term.at[feature])
        form = _moved(book, term, (term.via, place), fact)
    return form if term.moments is None else _normalised(book, term, feature, form)


def gathered(book: Book, term: Term, facts: Sequence[Fact]) -> Form:
    """One source feature per position; an offset is a constant only if all positions share it."""
    same = all(offset == facts[0][2] for _, _, offset in facts)
    form: Form = {}, facts[0][2] if same else ZERO
    behind = replace(term, padded=True)  # what is no constant everywhere
    for tap, (label, ratio, offset) in enumerate(facts):
        own = label, ratio, ZERO if same else offset
        form = add(form, _moved(book, behind, (term.via, tap), own))
    return form


def span(book: Book, term: Term, facts: Sequence[Fact]) -> Interval:
    """Where a feature lies that at each position is one of some source features."""
    if not term.hull or any(offset.parts for _, _, offset in facts):
        return EVERYTHING
    ends = [sum_range([(r, book.range(label))], s.rational) for label, r, s in facts]
    return min(low for low, _ in ends), max(high for _, high in ends)


def _moved(book: Book, term: Term, way: Hashable, fact: Fact) -> Form:
    """A function of the positions. Linear ones know sums, others know ratios, the rest nothing.

    Behind padding a constant is a multiple of "one inside the image", of one image size.
    """
    label, ratio, offset = fact
    if term.symmetry is Symmetry.LINEAR:
        row = {} if label == CONSTANT else {_atom(book, term, way, label): ratio}
        if not term.padded:
            return row, offset
        inside = {_atom(book, term, way, part, term.image): k for part, k in offset.parts}
        if offset.rational:
            inside[_atom(book, term, way, INSIDE, term.image)] = offset.rational
        return add((row, ZERO), (inside, ZERO))
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
    read_ = sum_range([(ratio / scale, book.range(label))], apart.rational)
    within = EVERYTHING if label == CONSTANT or apart.parts else _hull(term, read_)
    return {book.number(key, within): abs(scale)}, ZERO if blind else offset


def _atom(book: Book, term: Term, way: Hashable, label: int, image: str = "") -> int:
    """The class of another one at other positions, or of sums over them."""
    key = ("moved", way, label, *([image] if image else []))
    found = book.number(key, _hull(term, book.range(label)))
    if term.padded and (term.hull or not term.diagonal):
        known, _ = book.behind.setdefault(found, ((way, term.image), label))
        if known != (way, term.image):  # what is inside of one image may be outside of the other
            book.behind[found] = None, found
        if image:
            book.ones.add(found)
    return found


def _hull(term: Term, interval: Interval) -> Interval:
    """Where what a term reads lies, if it is read at other positions; 0 is outside the image."""
    if term.diagonal and not term.hull:
        return EVERYTHING
    return hull(interval) if term.padded else interval


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
