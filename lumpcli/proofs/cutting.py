"""Why a cut changes no output: what readers lose by it folds to zero, and all they use is right.

A kept feature is *right* when it has its old value for every input, before numbers are rounded.
Going back from the outputs, each row whose feature must be right is compared with the row of the
reduced net: what it read of `x[j] - ratio * x[carrier] - offset` must be zero, by the facts.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from lumpcli.ir import ZERO, Array, Join, Layer, LayerCut, Shift, Symmetry, Term
from lumpcli.proofs.book import CONSTANT, Book, Refused
from lumpcli.proofs.reading import Form, add, read
from lumpcli.proofs.rows import Columns

_BLOCK = 1 << 20  # entries at a time
_LONGEST = 1 << 12  # bits


def check_numbers(book: Book, layer: str, cut: LayerCut) -> None:
    """Refused unless ratios and offsets of a cut are what the facts make them; offsets may be 0.

    So what is folded by them later is no larger than the models make it, whoever chose them.
    """
    facts = book.facts[layer]
    for j, k in enumerate(cut.carrier.tolist()):
        ratio, added = cut.ratio[j], cut.offset[j]
        if k == j and ratio == 1 and not added:
            continue
        label, own, offset = facts[j]
        apart = offset.near(book.known)
        if k >= 0:
            other, weight, shift = facts[k]
            apart -= shift.near(book.known) * ratio
            same = (other, weight * ratio) == (label, own) and label != CONSTANT
            if not same and not (label == other == CONSTANT and apart == added):
                raise Refused(layer, layer, f"feature {j} is no such multiple of its carrier")
        free = k < 0 and label != CONSTANT  # of a class that cancels, any number may be taken away
        long = max(added.numerator.bit_length(), added.denominator.bit_length()) > _LONGEST
        if added and (long if free else added != apart):
            raise Refused(layer, layer, f"feature {j} has another offset")


def check_lost(
    book: Book, layer: Layer, number: int, cut: LayerCut, rows: Array, near: set[tuple[str, int]]
) -> None:
    """Refused unless what the given rows no longer read of a source is zero, for every input.

    Adds to `near` the features whose irrational offset is taken to float64.
    """
    columns = Columns.of(layer, _lost(book, layer.terms[number], number, cut, near))
    if columns.reached(rows).any():
        told = "what its rows read of features that are cut is not what takes their place"
        raise Refused(layer.name, layer.terms[number].source, told)


def _lost(
    book: Book, term: Term, number: int, cut: LayerCut, near: set[tuple[str, int]]
) -> Iterator[tuple[int, int, Form]]:
    """What stored columns of a term multiply that the reduced net does not."""
    facts, kept = book.facts[term.source], np.isin(np.arange(len(cut.carrier)), cut.keep)
    for j, (k, ratio, added) in enumerate(
        zip(cut.carrier.tolist(), cut.ratio, cut.offset, strict=True)
    ):
        if term.frozen:  # its columns stay as they are
            k, ratio = (j if kept[j] else -1), Fraction(1)
        if k == j and ratio == 1 and not added:
            continue
        label, own, offset = facts[j]
        other, weight, shift = facts[k] if k >= 0 else (CONSTANT, Fraction(0), ZERO)
        offset = offset - shift * ratio
        inside = Fraction(0) if term.padded else added
        near_ = j in cut.irrational and bool(offset.parts)
        if near_ and offset.near(book.known) == inside:
            near.add((term.source, j))
            offset = Shift(inside)
        for tap in range(term.taps):
            form = read(book, term, (label, own, offset), tap)
            form = add(form, read(book, term, (other, weight, ZERO), tap), -ratio)
            yield number, j * term.taps + tap, add(form, ({}, Shift(added)), Fraction(-1))


def used(
    layer: Layer, number: int, reduced: Term, cut: LayerCut | None, rows: Array, at: Array
) -> Array:
    """The kept features of a source that some rows read after the cut (kept,) bool.

    `rows` of the layer are `at` places of the reduced one. What folds to zero is not read; what is
    only rounded to zero is.
    """
    term, found = layer.terms[number], np.zeros(reduced.by_tap.shape[1], bool)
    step = max(1, _BLOCK // max(reduced.flat.shape[1], 1))
    for first in range(0, len(at), step):
        found |= (reduced.by_tap[at[first : first + step]] != 0).any(axis=(0, 2))
    if cut is None or term.frozen:
        return found
    open_ = set(cut.keep[~found].tolist())
    forms = (
        (number, j * term.taps + tap, ({k * term.taps + tap: cut.ratio[j]}, ZERO))
        for j, k in enumerate(cut.carrier.tolist())
        if k in open_
        for tap in range(term.taps)
    )
    columns = Columns.of(layer, forms)
    return found | np.isin(cut.keep, columns.label[columns.reached(rows)] // term.taps)


def reached(book: Book, layer: Layer, number: int, live: Array) -> Array:
    """The features of a source that must be right for some features (n,) bool of a layer to be.

    A product with a factor that is 0 is 0 whatever the others are: they need not be right.
    """
    term = layer.terms[number]
    if isinstance(layer, Join) and layer.function == "Mul":
        live = live.copy()
        own = _zeros(book, layer, term)
        for other, factor in enumerate(layer.terms):
            moved = bool(factor.via) and factor.symmetry is not Symmetry.LINEAR  # 0 may be another
            if other != number and factor.moments is None and not moved:
                # of two factors that are 0, the first has to be
                live &= ~_zeros(book, layer, factor) | (own & (number < other))
    return term.reaches(live, len(book.facts[term.source]))


def _zeros(book: Book, layer: Layer, factor: Term) -> Array:
    """Of which features (n,) a factor of a product is 0."""
    facts, chosen = book.facts[factor.source], factor.selected(layer.width)[:, 0]
    return np.array([facts[j][0] == CONSTANT and not facts[j][2] for j in chosen.tolist()], bool)
