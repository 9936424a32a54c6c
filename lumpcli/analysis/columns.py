"""The rows of a dense layer, rewritten over the classes of what it reads.

`Columns` says which stored columns belong together; `block` folds some of them for some rows,
exactly. The matrix of folded rows is never made as a whole. A `Stack` is the rows of several layers
that read the same classes, one below the other.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Protocol

import numpy as np

from lumpcli.analysis.facts import INSIDE, LayerValues
from lumpcli.ir import Array, Exact, Layer, Term, below, fold, spread, zeros


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
        return [self.layer.activation.key(i) for i in range(self.width)]

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


@dataclass(frozen=True)
class Stack:
    """Chosen rows of several layers, one below the other, over all columns any of them has."""

    parts: Sequence[tuple[Columns, Array]]

    @cached_property
    def keys(self) -> Array:
        """What the columns of all parts are over (3, columns)."""
        every = np.concatenate([columns.keys for columns, _ in self.parts], axis=1)
        return np.unique(every, axis=1)  # sorted by the first row, then the second, ...

    @cached_property
    def _places(self) -> list[Array]:
        """Per part, where its columns are among all (rising)."""
        order = {key: place for place, key in enumerate(map(tuple, self.keys.T.tolist()))}
        return [
            np.array([order[key] for key in map(tuple, columns.keys.T.tolist())], np.int64)
            for columns, _ in self.parts
        ]

    @property
    def width(self) -> int:
        """How many rows there are."""
        return sum(len(rows) for _, rows in self.parts)

    def functions(self) -> list[Hashable]:
        """What each row's activation is (width,)."""
        return [p.layer.activation.key(i) for p, rows in self.parts for i in rows.tolist()]

    def block(self, rows: Array, first: int, last: int) -> Exact:
        """Folded columns `first` to `last` (exclusive) of the given rows (rising), exact."""
        blocks = []
        for number, own in self._split(rows):
            places = self._places[number]
            begin, end = np.searchsorted(places, [first, last])
            if begin == end:
                blocks.append(zeros(len(own), last - first))
                continue
            block = self.parts[number][0].block(own, int(begin), int(end))
            blocks.append(spread(block, places[begin:end] - first, last - first))
        return below(blocks)

    def bias(self, rows: Array) -> Exact:
        """The folded bias of the given rows (rising), one column."""
        return below([self.parts[number][0].bias(own) for number, own in self._split(rows)])

    def _split(self, rows: Array) -> list[tuple[int, Array]]:
        found, begin = [], 0
        for number, (_, chosen) in enumerate(self.parts):
            here = rows[(rows >= begin) & (rows < begin + len(chosen))]
            if len(here):
                found.append((number, chosen[here - begin]))
            begin += len(chosen)
        return found


# term, column, (is known, class, tap), coefficient
_Entry = tuple[Array, Array, Array, list[Fraction]]


def columns_of(layer: Layer, sources: Mapping[str, LayerValues]) -> Columns:
    """Group the stored columns of a dense layer by the class they multiply.

    `sources` are the facts on the layers it reads. Irrational parts of offsets have columns too.
    """
    table: list[_Entry] = []
    shifts: list[tuple[int, int, Fraction]] = []
    for index, term in enumerate(layer.terms):
        facts = sources[term.source]
        varying = np.flatnonzero(facts.class_of >= 0)
        ratios = [facts.ratio[i] for i in varying]
        table.append(_entry(index, term, varying, facts.class_of[varying], ratios))
        offsets = [(i, offset) for i, offset in enumerate(facts.offset) if offset]
        parts = [(i, label, k) for i, offset in offsets for label, k in offset.parts]
        rational = [(i, INSIDE, offset.rational) for i, offset in offsets if offset.rational]
        if term.padded:
            parts += rational
        else:
            shifts += [
                (index, i * term.taps + tap, value * term.scale)
                for i, _, value in rational
                for tap in range(term.taps)
            ]
        features = np.array([i for i, _, _ in parts], np.int64)
        labels = np.array([label for _, label, _ in parts], np.int64)
        # behind padding nothing has one value: it is 0 outside the image
        factors = [k for _, _, k in parts]
        table.append(_entry(index, term, features, labels, factors, known=not term.padded))
    terms, columns, keys = (np.concatenate([e[k] for e in table], axis=-1) for k in range(3))
    ratios = [ratio for entry in table for ratio in entry[3]]
    order = np.lexsort(keys[::-1])
    keys = keys[:, order]
    new = np.ones(len(order), bool)
    new[1:] = (keys[:, 1:] != keys[:, :-1]).any(axis=0)
    starts = np.flatnonzero(new)
    sorted_ratios = None if all(r == 1 for r in ratios) else [ratios[i] for i in order]
    return Columns(
        layer, terms[order], columns[order], sorted_ratios, starts, keys[:, starts], shifts
    )


def _entry(
    index: int,
    term: Term,
    features: Array,
    label: Array,
    factors: Sequence[Fraction],
    known: bool = False,
) -> _Entry:
    """The columns of some source features, one per tap."""
    tap = np.arange(term.taps)
    column = (features[:, None] * term.taps + tap).reshape(-1)
    flag = np.full(len(column), int(known))
    key = np.stack([flag, label.repeat(term.taps), np.tile(tap, len(features))])
    ratio = [factor * term.scale for factor in factors for _ in range(term.taps)]
    return np.full(len(column), index), column, key, ratio
