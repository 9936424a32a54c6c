"""Why a cut changes no output: what readers lose by it folds to zero, and all they use is right.

A kept feature is *right* when it has its old value for every input, before numbers are rounded.
Going back from the outputs, each row whose feature must be right is compared with the row of the
reduced net: what it read of `x[j] - ratio * x[carrier] - offset` must be zero, by the facts.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from lumpcli.ir import ZERO, Array, Join, Layer, LayerCut, Symmetry, Term, fold
from lumpcli.proofs.book import CONSTANT, INSIDE, Book, Refused

_BLOCK = 1 << 20  # entries at a time
_Key = tuple[int, int]  # class (or -1: the bias), tap (-1: at all of them alike)


def check_numbers(book: Book, layer: str, cut: LayerCut) -> None:
    """Refused unless ratios and offsets of a cut are what the facts make them; offsets may be 0.

    So what is folded by them later is no larger than the models make it, whoever chose them.
    """
    facts = book.facts[layer]
    for j, k in enumerate(cut.carrier.tolist()):
        ratio, added = cut.ratio[j], cut.offset[j]
        if k == j and not added:
            continue
        label, own, offset = facts[j]
        apart = offset.near(book.known)
        if k >= 0:
            other, weight, shift = facts[k]
            apart -= shift.near(book.known) * ratio
            same = (other, weight * ratio) == (label, own) and label != CONSTANT
            if not same and not (label == other == CONSTANT and apart == added):
                raise Refused(layer, layer, f"feature {j} is no such multiple of its carrier")
        if added and added != apart:
            raise Refused(layer, layer, f"feature {j} has another offset")


def lost(
    book: Book, term: Term, cut: LayerCut, rounded: set[tuple[str, int]]
) -> dict[_Key, list[tuple[int, Fraction]]]:
    """What a term no longer reads, by class and tap: stored columns and coefficients.

    Adds to `rounded` the features whose irrational offset is taken to float64.
    """
    facts, taps = book.facts[term.source], range(term.taps)
    found: dict[_Key, list[tuple[int, Fraction]]] = {}

    def add(label: int, feature: int, weight: Fraction, everywhere: bool) -> None:
        for tap in taps:
            key = (label, -1 if everywhere else tap)
            found.setdefault(key, []).append((feature * term.taps + tap, weight))

    kept = np.isin(np.arange(len(cut.carrier)), cut.keep)
    for j, (carrier, ratio, added) in enumerate(
        zip(cut.carrier.tolist(), cut.ratio, cut.offset, strict=True)
    ):
        if term.frozen:  # its columns stay as they are
            carrier, ratio = (j if kept[j] else -1), Fraction(1)
        if carrier == j and ratio == 1 and not added:
            continue
        label, own, offset = facts[j]
        row = {} if label == CONSTANT else {label: own}
        if carrier >= 0:
            other, weight, shift = facts[carrier]
            offset = offset - shift * ratio
            if other != CONSTANT:
                row[other] = row.get(other, Fraction(0)) - weight * ratio
        in_bias = Fraction(0) if term.padded else added
        near = j in cut.irrational and bool(offset.parts)
        if near and offset.near(book.known) == in_bias:
            rounded.add((term.source, j))
            offset, in_bias = ZERO, Fraction(0)
        for label, weight in row.items():
            if weight:
                add(label, j, weight, False)
        for label, weight in offset.parts:
            add(label, j, weight, not term.padded)
        if term.padded:
            if offset.rational:
                add(INSIDE, j, offset.rational, False)
            if added:
                add(-1, j, added, True)
        elif offset.rational != in_bias:
            add(-1, j, offset.rational - in_bias, True)
    return found


def check_lost(
    book: Book, layer: Layer, term: Term, cut: LayerCut, rows: Array, rounded: set[tuple[str, int]]
) -> None:
    """Refused unless what the given rows no longer read is zero, for every input."""
    missing = lost(book, term, cut, rounded)
    if not missing or not len(rows):
        return
    members = [member for group in missing.values() for member in group]
    starts = np.cumsum([0, *(len(group) for group in missing.values())])[:-1]
    columns = np.array([column for column, _ in members], np.int64)
    step = max(1, _BLOCK // len(columns))
    for first in range(0, len(rows), step):
        block = term.entries(rows[first : first + step], columns).astype(np.float64)
        finite = np.isfinite(block).all()
        if not finite or fold(block, [weight for _, weight in members], starts).mantissa.any():
            told = "what its rows read of features that are cut is not what takes their place"
            raise Refused(layer.name, term.source, told)


def used(term: Term, reduced: Term, cut: LayerCut | None, rows: Array, places: Array) -> Array:
    """The kept features of a source that some rows read after the cut (kept,) bool.

    `rows` of the layer are at `places` of the reduced one. What folds to zero is not read; what is
    only rounded to zero is.
    """
    found = np.zeros(reduced.by_tap.shape[1], bool)
    step = max(1, _BLOCK // max(reduced.flat.shape[1], 1))
    for first in range(0, len(places), step):
        found |= (reduced.by_tap[places[first : first + step]] != 0).any(axis=(0, 2))
    if cut is None or term.frozen:
        return found
    for k in np.flatnonzero(~found).tolist():
        members = np.flatnonzero(cut.carrier == cut.keep[k])
        for tap in range(term.taps if len(members) else 0):
            block = term.by_tap[:, :, tap][np.ix_(rows, members)]
            factors = [cut.ratio[j] for j in members.tolist()]
            if block.any() and fold(block, factors, np.zeros(1, np.int64)).mantissa.any():
                found[k] = True
                break
    return found


def reached(book: Book, layer: Layer, number: int, live: Array) -> Array:
    """The features of a source that must be right for some features (n,) bool of a layer to be.

    A product with a factor that is 0 is 0 whatever the others are: they need not be right.
    """
    term = layer.terms[number]
    if isinstance(layer, Join) and layer.function == "Mul":
        live = live.copy()
        for other, factor in enumerate(layer.terms):
            facts, chosen = book.facts[factor.source], factor.selected(layer.width)[:, 0]
            zero = [facts[j][0] == CONSTANT and not facts[j][2] for j in chosen.tolist()]
            moved = bool(factor.via) and factor.symmetry is not Symmetry.LINEAR  # 0 may be another
            if other == number or factor.moments is not None or moved:
                continue
            # of two factors that are 0, the first has to be
            own, peer = term.selected(layer.width)[:, 0], book.facts[term.source]
            nought = [peer[j][0] == CONSTANT and not peer[j][2] for j in own.tolist()]
            live &= ~np.array(zero, bool) | (np.array(nought, bool) & (number < other))
    return term.reaches(live, len(book.facts[term.source].class_of))
