"""Rows of weights over the classes of what they read, folded exactly, a few rows at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import lcm

import numpy as np

from lumpcli.ir import Array, Exact, Layer, Shift, Symmetry, Term, fold, scaled
from lumpcli.proofs.book import Book, Refused, Row
from lumpcli.proofs.reading import Form, read

_BLOCK = 1 << 21  # stored entries folded at a time
_BIAS = -1  # the "term" of stored biases
_VARIES, _SYMBOL, _RATIONAL = 0, 1, 2  # what a folded column is over
_Member = tuple[int, int, int, int, Fraction]  # what, class, term, stored column, coefficient


@dataclass(frozen=True)
class Columns:
    """The stored columns of a layer (members,), grouped by what they multiply (groups,).

    Coefficients have one common `denominator`; those here are what they are times that.
    """

    layer: Layer
    what: Array
    label: Array
    starts: Array
    term: Array
    column: Array
    coefficient: list[Fraction]
    denominator: int

    @staticmethod
    def of(layer: Layer, forms: Iterable[tuple[int, int, Form]], bias: bool = False) -> Columns:
        """What a layer makes of forms: (term, stored column, what that column multiplies).

        `bias`: the layer's own bias is added.
        """
        found: list[_Member] = [(_RATIONAL, 0, _BIAS, 0, layer.bias_scale)] if bias else []
        for term, column, (row, offset) in forms:
            scale = layer.terms[term].scale
            parts = ((_VARIES, row.items()), (_SYMBOL, offset.parts))
            every = [(what, label, k) for what, some in parts for label, k in some if k]
            every += [(_RATIONAL, 0, offset.rational)] if offset.rational else []
            found += [(what, label, term, column, k * scale) for what, label, k in every]
        found.sort(key=lambda member: member[:2])
        common = lcm(*(member[4].denominator for member in found))
        what, label, terms, columns = np.array([m[:4] for m in found], np.int64).reshape(-1, 4).T
        new = (np.diff(what, prepend=-1) != 0) | (np.diff(label, prepend=-9) != 0)
        starts = np.flatnonzero(new)
        factors = [member[4] * common for member in found]
        return Columns(layer, what[new], label[new], starts, terms, columns, factors, common)

    def gathered(self, rows: Array, entries: Callable[[Term | None, Array], Array]) -> Array:
        """What `entries` gives for the columns of each term, None for biases (rows, members)."""
        block = np.empty((len(rows), len(self.column)))
        for index in np.unique(self.term).tolist():
            mine = self.term == index
            term = None if index == _BIAS else self.layer.terms[index]
            block[:, mine] = entries(term, self.column[mine])
        return block

    def stored(self, rows: Array) -> Array:
        """The entries of some rows (rows, members) in float64, in order."""

        def entries(term: Term | None, columns: Array) -> Array:
            return self.layer.biases(rows)[:, None] if term is None else term.entries(rows, columns)

        block = self.gathered(rows, entries)
        if not np.isfinite(block).all():
            raise Refused(self.layer.name, self.layer.name, "a weight is not finite")
        return block

    def blocks(self, rows: Array) -> Iterator[tuple[Array, Exact]]:
        """Rows, some at a time, and their folds (some, groups), times the common denominator."""
        step = max(1, _BLOCK // max(1, len(self.column)))
        for first in range(0, len(rows) if len(self.column) else 0, step):
            some = rows[first : first + step]
            yield some, fold(self.stored(some), self.coefficient, self.starts)

    def reached(self, rows: Array) -> Array:
        """Which groups are not zero in all of some rows (groups,) bool."""
        found = np.zeros(len(self.what), bool)
        for _, folded in self.blocks(rows):
            found |= (folded.mantissa != 0).any(axis=0)
        return found

    def bias(self, folded: Exact, row: int) -> Shift:
        """What a folded row adds up to but for what varies."""
        unit = Fraction(1, self.denominator)
        rest = [k for k in np.flatnonzero(self.what != _VARIES).tolist() if folded.mantissa[row, k]]
        values = [(k, folded.value(row, k) * unit) for k in rest]
        parts = {int(self.label[k]): value for k, value in values if self.what[k] == _SYMBOL}
        return Shift.of(sum(v for k, v in values if self.what[k] == _RATIONAL) + Fraction(0), parts)


def columns_of(book: Book, layer: Layer) -> Columns:
    """The columns of a layer with rows of weights, over the classes of what it reads."""

    def forms() -> Iterator[tuple[int, int, Form]]:
        for number, term in enumerate(layer.terms):
            if term.diagonal or term.weight is None or term.symmetry is not Symmetry.LINEAR:
                raise Refused(layer.name, term.source, "it is not read through a matrix")
            for j, fact in enumerate(book.facts[term.source]):
                for tap in range(term.taps):
                    yield number, j * term.taps + tap, read(book, term, fact, tap)

    return Columns.of(layer, forms(), bias=True)


def folded_rows(columns: Columns, rows: Array) -> Iterator[tuple[int, Row]]:
    """Some rows over classes, in lowest terms."""
    varying = int((columns.what == _VARIES).sum())
    for some, folded in columns.blocks(rows):
        wide = folded.mantissa[:, :varying]
        divisors = np.gcd.reduce(wide, axis=1)
        for k, i in enumerate(some.tolist()):
            bias = columns.bias(folded, k)
            if not divisors[k]:
                yield i, Row.of({}, bias)
                continue
            (present,) = np.nonzero(wide[k])
            whole, factor = wide[k, present], int(divisors[k])
            factor = factor if whole[0] > 0 else -factor
            scale = scaled(factor, int(folded.exponent[k])) / columns.denominator
            yield i, Row(columns.label[present], whole // factor, scale, bias)
