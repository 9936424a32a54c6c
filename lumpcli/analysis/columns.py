"""The rows of a dense layer, rewritten over the classes of what it reads.

`Columns` says which stored columns belong together; `block` folds some of them for some rows,
exactly. The matrix of folded rows is never made as a whole.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Protocol

import numpy as np

from lumpcli.analysis.facts import INSIDE, ONE, LayerValues
from lumpcli.ir import (
    BITS,
    Array,
    Exact,
    Factors,
    Layer,
    Term,
    by_rows,
    factors_of,
    fold,
    integers,
    moderate,
    significant_bits,
    sums,
)


@dataclass(frozen=True)
class Floats:
    """Folded columns that float64 holds: `value[i, k] / denominator[k]` (None: all 1).

    `narrow`: entries are so short that the product of two of them fits float64, too.
    """

    value: Array
    denominator: tuple[int, ...] | None
    narrow: bool

    def at(self, row: int, column: int) -> Fraction:
        """One entry as a fraction."""
        denominator = 1 if self.denominator is None else self.denominator[column]
        return Fraction(float(self.value[row, column])) / denominator

    def exact(self) -> Exact:
        """The same in integers."""
        mantissa, exponent = integers(self.value)
        return Exact(mantissa, exponent, self.denominator or (1,) * self.value.shape[1])


class FoldedRows(Protocol):
    """Rows folded over the same columns: those of a layer, or of several."""

    @property
    def keys(self) -> Array:
        """What the folded columns are over (3, columns): is its value known, class, tap; sorted."""

    @property
    def width(self) -> int:
        """How many rows there are."""

    def functions(self) -> list[Hashable]:
        """What each row's activation is (width,)."""

    def block(self, rows: Array, first: int, last: int) -> Exact:
        """Folded columns `first` to `last` (exclusive) of the given rows, exact."""

    def bias(self, rows: Array) -> Exact:
        """The folded bias of the given rows, one column: bias plus what constant sources add."""

    def floats(self, rows: Array, first: int, last: int) -> Floats | None:
        """The same as `block`, where float64 holds it without rounding; else None."""

    def bias_floats(self, rows: Array) -> Floats | None:
        """The same as `bias`, where that is what is stored; else None."""

    @property
    def by_rows(self) -> bool:
        """Whether weights lie in memory row by row."""


@dataclass(frozen=True)
class Columns:
    """Stored columns of one layer, sorted by what they multiply.

    Member m is column `column[m]` of term `term[m]`'s flat weight, times `coefficient[m]` (None:
    all ones). Folded column k, over `keys[:, k]`, is the sum of the members from `starts[k]` on.
    `shifts` are (term, column, offset): what adds to the bias.
    """

    layer: Layer
    term: Array
    column: Array
    coefficient: list[Fraction] | None
    starts: Array
    keys: Array
    shifts: list[tuple[int, int, Fraction]]

    @property
    def width(self) -> int:
        """How many rows there are."""
        return self.layer.width

    @property
    def classes(self) -> Array:
        """The class of every folded column."""
        classes: Array = self.keys[1]
        return classes

    @property
    def ordinary(self) -> int:
        """How many folded columns are over classes whose value varies; they come first."""
        return int((self.keys[0] == 0).sum())

    def functions(self) -> list[Hashable]:
        """What each row's activation is (width,)."""
        if self.layer.activation.slopes is None:
            return [self.layer.activation.key(0)] * self.width
        return [self.layer.activation.key(i) for i in range(self.width)]

    @property
    def by_rows(self) -> bool:
        """Whether weights lie in memory row by row."""
        return all(by_rows(term.flat) for term in self.layer.terms)

    @cached_property
    def _factors(self) -> Factors | None:
        return None if self.coefficient is None else factors_of(self.coefficient, self.starts)

    @cached_property
    def _bits(self) -> int:
        """How long entries times their factors are at most."""
        bits = 0
        for term in self.layer.terms:
            if term.weight is not None and not term.diagonal:
                scaled_by = 0 if term.row_scale is None else significant_bits(term.row_scale)
                bits = max(bits, significant_bits(term.weight) + scaled_by)
        return bits + (0 if self._factors is None else self._factors.bits)

    def floats(self, rows: Array, first: int, last: int) -> Floats | None:
        """The same as `block`, where float64 holds it without rounding; else None."""
        members = slice(
            int(self.starts[first]),
            int(self.starts[last]) if last < len(self.starts) else len(self.column),
        )
        stored = self._stored(rows, self.term[members], self.column[members])
        whole, denominator = None, None
        if self._factors is not None:
            if self._factors.whole is None:
                return None
            part = self._factors.part(members, slice(first, last))
            whole, denominator = part.whole, part.denominator
        found = sums(stored, whole, self._bits, self.starts[first:last] - members.start)
        if found is None or found.lost.any():
            return None
        alone = last - first == members.stop - members.start
        return Floats(found.value, denominator, alone and self._bits <= BITS // 2)

    def bias_floats(self, rows: Array) -> Floats | None:
        """The same as `bias`, where that is what is stored; else None."""
        if self.shifts or self.layer.bias_scale != 1:
            return None
        bias = self.layer.biases(rows)[:, None]
        stored = self.layer.bias
        units = self.layer.bias_units is not None
        narrow = stored is None or (not units and significant_bits(stored) <= BITS // 2)
        return Floats(bias, None, narrow) if moderate(bias) else None

    def block(self, rows: Array, first: int, last: int) -> Exact:
        """Folded columns `first` to `last` (exclusive) of the given rows, exact."""
        begin = int(self.starts[first])
        end = int(self.starts[last]) if last < len(self.starts) else len(self.column)
        coefficient = self.coefficient[begin:end] if self.coefficient is not None else None
        stored = self._stored(rows, self.term[begin:end], self.column[begin:end])
        return fold(stored, coefficient, self.starts[first:last] - begin)

    def bias(self, rows: Array) -> Exact:
        """The folded bias of the given rows, one column: bias plus what constant sources add."""
        terms = np.array([t for t, _, _ in self.shifts], np.int64)
        columns = np.array([c for _, c, _ in self.shifts], np.int64)
        bias = self.layer.biases(rows)[:, None]
        block = np.concatenate([bias, self._stored(rows, terms, columns)], axis=1)
        coefficient = [self.layer.bias_scale, *(offset for _, _, offset in self.shifts)]
        return fold(block, coefficient, np.zeros(1, np.int64))

    def _stored(self, rows: Array, terms: Array, columns: Array) -> Array:
        if len(self.layer.terms) == 1 and len(columns):
            return self.layer.terms[0].entries(rows, columns)
        stored = np.empty((len(rows), len(columns)), np.float64)
        for index in np.unique(terms):
            of_term = np.flatnonzero(terms == index)
            stored[:, of_term] = self.layer.terms[index].entries(rows, columns[of_term])
        return stored


# term, column, (is known, class, tap), coefficient (None: all 1)
_Entry = tuple[Array, Array, Array, list[Fraction] | None]


def columns_of(layer: Layer, sources: Mapping[str, LayerValues]) -> Columns:
    """Group the stored columns of a dense layer by the class they multiply.

    `sources` are the facts on the layers it reads. Irrational parts of offsets have columns too.
    """
    table: list[_Entry] = []
    shifts: list[tuple[int, int, Fraction]] = []
    for index, term in enumerate(layer.terms):
        facts = sources[term.source]
        varying = np.flatnonzero(facts.class_of >= 0)
        ratios = [facts.ratio[i] for i in varying.tolist()] if facts.scaled else None
        table.append(_entry(index, term, varying, facts.class_of[varying], ratios))
        offsets = [(i, facts.offset[i]) for i in facts.shifted.tolist()]
        parts = [(i, label, k) for i, offset in offsets for label, k in offset.parts]
        rational = [(i, INSIDE, offset.rational) for i, offset in offsets if offset.rational]
        if term.padded:
            parts += rational
        else:
            taps = term.taps
            shifts += [
                (index, i * taps + tap, value * term.scale)
                for i, _, value in rational
                for tap in range(taps)
            ]
        features = np.array([i for i, _, _ in parts], np.int64)
        labels = np.array([label for _, label, _ in parts], np.int64)
        # behind padding nothing has one value: it is 0 outside the image
        factors = [k for _, _, k in parts] or None
        table.append(_entry(index, term, features, labels, factors, known=not term.padded))
    terms, columns, keys = (np.concatenate([e[k] for e in table], axis=-1) for k in range(3))
    order = np.lexsort(keys[::-1])
    keys = keys[:, order]
    new = np.ones(len(order), bool)
    new[1:] = (keys[:, 1:] != keys[:, :-1]).any(axis=0)
    starts = np.flatnonzero(new)
    coefficient = None
    if any(entry[3] is not None for entry in table):
        ratios = [r for e in table for r in (e[3] if e[3] is not None else [ONE] * len(e[1]))]
        coefficient = [ratios[i] for i in order.tolist()]
    return Columns(
        layer, terms[order], columns[order], coefficient, starts, keys[:, starts], shifts
    )


def _entry(
    index: int,
    term: Term,
    features: Array,
    label: Array,
    factors: Sequence[Fraction] | None,
    known: bool = False,
) -> _Entry:
    """The columns of some source features, one per tap; no `factors` means all are 1."""
    taps = term.taps
    tap = np.arange(taps)
    column = (features[:, None] * taps + tap).reshape(-1)
    flag = np.full(len(column), int(known))
    key = np.stack([flag, label.repeat(taps), np.tile(tap, len(features))])
    ratio = None
    if term.scale != 1 or factors is not None:
        own = [ONE] * len(features) if factors is None else factors
        ratio = [f for factor in own for f in [factor * term.scale] * taps]
    return np.full(len(column), index), column, key, ratio
