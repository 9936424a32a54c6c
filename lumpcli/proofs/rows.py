"""Local rules for layers with rows of weights: one row is a multiple of another, or reads no class.

Rows are rewritten over the classes of what they read, exactly, a few at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np

from lumpcli.ir import (
    BITS,
    Array,
    Exact,
    Layer,
    Shift,
    Symmetry,
    factors_of,
    fold,
    moderate,
    significant_bits,
    sums,
    two_product,
)
from lumpcli.proofs.book import CONSTANT, INSIDE, Book, Fact, Refused

VARIES, SYMBOL, RATIONAL = 0, 1, 2  # what a folded column is over
_BLOCK = 1 << 19  # stored entries folded at a time
_WORD = 62  # bits
# term, what (kind, way of reading, class, tap), stored column, coefficient
Parts = list[tuple[int, Array, Array, list[Fraction]]]


@dataclass(frozen=True)
class Columns:
    """The stored columns of a layer, grouped by what they multiply; the bias is column -1.

    `keys` (4, columns): kind, way of reading, class, tap. Behind padding constants vary.
    """

    layer: Layer
    keys: Array
    starts: Array
    term: Array
    column: Array
    coefficient: list[Fraction]

    @cached_property
    def varying(self) -> int:
        """How many columns, the first, are over what varies."""
        return int((self.keys[0] == VARIES).sum())

    def stored(self, rows: Array) -> Array:
        """The entries of some rows (rows, members) in float64, in order."""
        block = np.empty((len(rows), len(self.column)))
        for index in np.unique(self.term).tolist():
            of_term = self.term == index
            if index < 0:
                block[:, of_term] = self.layer.biases(rows)[:, None]
            else:
                block[:, of_term] = self.layer.terms[index].entries(rows, self.column[of_term])
        if not np.isfinite(block).all():
            raise Refused(self.layer.name, self.layer.name, "a weight is not finite")
        return block

    def fold(self, rows: Array) -> Exact:
        """Some rows (rows, columns), exactly."""
        return fold(self.stored(rows), self.coefficient, self.starts)

    @cached_property
    def bits(self) -> int:
        """How long the mantissas of stored entries are at most."""
        kept = [t.weight for t in self.layer.terms if t.weight is not None and t.row_scale is None]
        plain = len(kept) == len(self.layer.terms) and self.layer.bias_units is None
        arrays = kept if self.layer.bias is None else [*kept, self.layer.bias]
        return max(map(significant_bits, arrays)) if plain else BITS


def columns_of(book: Book, layer: Layer) -> Columns:
    """The columns of a layer with rows of weights, over the classes of what it reads."""
    parts: Parts = []
    for index, term in enumerate(layer.terms):
        if term.diagonal or term.weight is None or term.symmetry is not Symmetry.LINEAR:
            raise Refused(layer.name, term.source, "it is not read through a matrix")
        facts = book.facts[term.source]
        image = term.image if term.padded else ""
        way = book.number(("way", term.weight.shape[2:], term.padded, term.via, image))
        varying = np.flatnonzero(facts.class_of != CONSTANT)
        found = [(i, VARIES, int(facts.class_of[i]), facts.ratio[i]) for i in varying.tolist()]
        for i, offset in enumerate(facts.offset):
            if not offset:
                continue
            kinds = (VARIES, VARIES) if term.padded else (RATIONAL, SYMBOL)
            if offset.rational:
                found.append((i, kinds[0], INSIDE if term.padded else 0, offset.rational))
            found += [(i, kinds[1], label, weight) for label, weight in offset.parts]
        features, kind, label = (np.array([f[k] for f in found], np.int64) for k in range(3))
        taps = term.taps
        tap = np.tile(np.arange(taps), len(found))
        what = np.stack([kind, np.where(kind == VARIES, way, 0), label]).repeat(taps, axis=1)
        what = np.vstack([what, np.where(what[0] == VARIES, tap, 0)])
        factors = [f[3] * term.scale for f in found for _ in range(taps)]
        parts.append((index, what, features.repeat(taps) * taps + tap, factors))
    bias = np.array([[RATIONAL], [0], [0], [0]])
    parts.append((-1, bias, np.zeros(1, np.int64), [layer.bias_scale]))
    keys = np.concatenate([p[1] for p in parts], axis=1)
    order = np.lexsort(keys[::-1])
    keys = keys[:, order]
    new = np.append(True, (keys[:, 1:] != keys[:, :-1]).any(axis=0))
    factors = [f for p in parts for f in p[3]]
    return Columns(
        layer,
        keys[:, new],
        np.flatnonzero(new),
        np.concatenate([np.full(len(p[2]), p[0]) for p in parts])[order],
        np.concatenate([p[2] for p in parts])[order],
        [factors[k] for k in order.tolist()],
    )


def bias_of(columns: Columns, row: Exact, place: int) -> Shift:
    """What a folded row adds up to but for what varies."""
    rest = range(columns.varying, columns.keys.shape[1] - 1)
    parts = {int(columns.keys[2, k]): row.value(place, k) for k in rest}
    return Shift.of(row.value(place, columns.keys.shape[1] - 1), parts)


def reads_little(book: Book, columns: Columns, rows: Array) -> list[Fact]:
    """The facts on rows that read no class, or hand one on; Refused for others."""
    layer, found = columns.layer, list[Fact]()
    step = max(1, _BLOCK // len(columns.column))
    for first in range(0, len(rows), step):
        some = rows[first : first + step]
        folded = columns.fold(some)
        for k, i in enumerate(some.tolist()):
            bias = bias_of(columns, folded, k)
            (read,) = np.nonzero(folded.mantissa[k, : columns.varying])
            if not len(read):
                found.append(book.constant(layer, i, bias))
                continue
            label = int(columns.keys[2, read[0]])
            plain = all(t.taps == 1 and not t.padded and not t.via for t in layer.terms)
            if len(read) > 1 or not plain or layer.symmetry is not Symmetry.LINEAR:
                raise Refused(layer.name, layer.name, f"row {i} is not constant or handed on")
            found.append((label, folded.value(k, int(read[0])), bias))
    return found


def multiples(
    book: Book, columns: Columns, rows: Sequence[int], of: Columns, others: Sequence[int]
) -> list[Fact]:
    """The facts on rows (k,), each a multiple of another one (k,) by a ratio its function allows.

    Refused where it is not. The facts on the other rows must be known.
    """
    layer, symmetry = columns.layer, columns.layer.symmetry
    found = list[Fact]()
    facts = book.facts[of.layer.name]
    if symmetry is not of.layer.symmetry:
        raise Refused(layer.name, of.layer.name, "the two layers are other functions")
    step = max(1, _BLOCK // max(len(columns.column), len(of.column)))
    linear = symmetry is Symmetry.LINEAR
    for first in range(0, len(rows), step):
        some, to = np.array(rows[first : first + step]), np.array(others[first : first + step])
        ratios = _ratios(columns, some, of, to, linear)
        for k, (i, j) in enumerate(zip(some.tolist(), to.tolist(), strict=True)):
            ratio, shift = ratios[k]
            same = layer.activation.key(i) == of.layer.activation.key(j)
            if ratio is None or symmetry.normaliser(ratio) != ratio or not same:
                told = f"row {i} is no multiple of row {j} of {of.layer.name} that it allows"
                raise Refused(layer.name, layer.name, told)
            label, own, offset = facts[j]
            by = symmetry.value_ratio(ratio)
            found.append((label, own * by, offset * by + shift))
    return found


def _ratios(
    columns: Columns, rows: Array, of: Columns, others: Array, linear: bool
) -> list[tuple[Fraction | None, Shift]]:
    """Per pair of rows their ratio (None: there is none), and the offset between linear ones."""
    zero = Shift()
    if columns is of and not linear:
        quick = _in_floats(columns, rows, others)
        if quick is not None:
            return [(ratio, zero) for ratio in quick]
    every, which = np.unique(others, return_inverse=True)
    a, b = columns.fold(rows), of.fold(every)
    places_a, places_b, count = _aligned(columns, of, linear)
    left = _spread(a.mantissa, places_a, count)
    right = _spread(b.mantissa, places_b, count)[which]
    down_a, down_b = _denominators(a, places_a, count), _denominators(b, places_b, count)
    found: list[tuple[Fraction | None, Shift]] = []
    for k in range(len(rows)):
        (present,) = np.nonzero(right[k])
        c = int(present[0]) if len(present) else 0
        if not len(present) or not left[k, c]:
            found.append((None, zero))
            continue
        # left * 2^e / down_a == ratio * right * 2^f / down_b, in every column
        up = Fraction(int(left[k, c]) * down_b[c], int(right[k, c]) * down_a[c])
        p, q = up.numerator, up.denominator
        shift = int(a.exponent[k]) - int(b.exponent[which[k]])
        ratio = up * (Fraction(2) ** shift)
        if not _equal(left[k], [q * d for d in down_b], right[k], [p * d for d in down_a]):
            found.append((None, zero))
            continue
        apart = zero
        if linear:
            apart = bias_of(columns, a, k) - bias_of(of, b, int(which[k])) * ratio
        found.append((ratio, apart))
    return found


def _equal(left: Array, factors: list[int], right: Array, others: list[int]) -> bool:
    """Whether `left * factors == right * others`, entry by entry."""
    if all(f == factors[0] for f in factors) and all(f == others[0] for f in others):
        factors, others = factors[:1], others[:1]
    bits = 0
    for numbers, by in ((left, factors), (right, others)):
        large = max(abs(f) for f in by).bit_length()
        wide = _WORD if numbers.dtype == object else int(np.abs(numbers).max()).bit_length()
        bits = max(bits, wide + large)
    kind = np.int64 if bits <= _WORD else object
    a = left.astype(kind) * np.array(factors, kind)
    return bool((a == right.astype(kind) * np.array(others, kind)).all())


def _in_floats(columns: Columns, rows: Array, others: Array) -> list[Fraction | None] | None:
    """The ratios of pairs of rows of one layer, in float64 where that loses nothing; else None."""
    every, which = np.unique(np.append(rows, others), return_inverse=True)
    factors = factors_of(columns.coefficient, columns.starts)
    if factors.whole is None:
        return None
    block = columns.stored(every)
    sum_ = sums(block, factors.whole, factors.bits + columns.bits, columns.starts)
    if sum_ is None or sum_.lost.any() or not moderate(sum_.value):
        return None
    left, right = sum_.value[which[: len(rows)]], sum_.value[which[len(rows) :]]
    place = (right != 0).argmax(axis=1)
    a, b = (v[np.arange(len(rows)), place][:, None] for v in (left, right))
    one, other = two_product(left, b), two_product(right, a)
    same = ((one[0] == other[0]) & (one[1] == other[1])).all(axis=1)
    same &= ((a != 0) & (b != 0))[:, 0]
    return [
        Fraction(float(a[k, 0])) / Fraction(float(b[k, 0])) if same[k] else None
        for k in range(len(rows))
    ]


def _aligned(columns: Columns, of: Columns, linear: bool) -> tuple[Array, Array, int]:
    """Where the columns of two layers are among those of both (but for biases, if linear)."""
    keys = [c.keys[:, : c.varying if linear else None] for c in (columns, of)]
    every = np.concatenate(keys, axis=1)
    unique, inverse = np.unique(every, axis=1, return_inverse=True)
    inverse = inverse.reshape(-1)
    return inverse[: keys[0].shape[1]], inverse[keys[0].shape[1] :], unique.shape[1]


def _spread(mantissa: Array, places: Array, count: int) -> Array:
    wide = np.zeros((len(mantissa), count), mantissa.dtype)
    wide[:, places] = mantissa[:, : len(places)]
    return wide


def _denominators(exact: Exact, places: Array, count: int) -> list[int]:
    found = dict(zip(places.tolist(), exact.denominator, strict=False))
    return [found.get(k, 1) for k in range(count)]
