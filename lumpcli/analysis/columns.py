"""The rows of a dense layer, rewritten over the classes of what it reads.

`Columns` says which stored columns belong together; `block` folds some of them for some rows,
exactly. The matrix of folded rows is never made as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from lumpcli.analysis.facts import LayerValues
from lumpcli.ir import Array, Exact, Layer, fold

_ONE = Fraction(1)


@dataclass(frozen=True)
class Columns:
    """Stored columns sorted by what they multiply.

    Member m is column `column[m]` of term `term[m]`'s flat weight, times `coefficient[m]` (None:
    all ones). Folded column k, over the class `classes[k]`, is the sum of the members from
    `starts[k]` on. The last `known` folded columns are of classes with one (known) value.
    """

    layer: Layer
    term: Array
    column: Array
    coefficient: list[Fraction] | None
    starts: Array
    classes: Array
    known: int
    shifts: list[tuple[int, int, Fraction]]  # (term, column, offset): what adds to the bias

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def ordinary(self) -> int:
        """How many folded columns are over classes whose value varies."""
        return len(self.starts) - self.known

    def block(self, rows: Array, first: int, last: int) -> Exact:
        """Folded columns `first` to `last` (exclusive) of the given rows, exact."""
        begin = int(self.starts[first])
        end = int(self.starts[last]) if last < len(self.starts) else len(self.column)
        coefficient = self.coefficient[begin:end] if self.coefficient is not None else None
        stored = self._stored(rows, self.term[begin:end], self.column[begin:end])
        return fold(stored, coefficient, self.starts[first:last] - begin)

    def bias(self, rows: Array) -> Exact:
        """The folded bias of the given rows, one column: bias plus what constant sources add."""
        layer = self.layer
        bias = np.zeros(layer.width) if layer.bias is None else layer.bias
        terms = np.array([t for t, _, _ in self.shifts], np.int64)
        columns = np.array([c for _, c, _ in self.shifts], np.int64)
        stored = self._stored(rows, terms, columns)
        block = np.concatenate([bias[rows, None].astype(np.float64), stored], axis=1)
        coefficient = [layer.bias_scale, *(offset for _, _, offset in self.shifts)]
        return fold(block, coefficient, np.zeros(1, np.int64))

    def _stored(self, rows: Array, terms: Array, columns: Array) -> Array:
        if len(self.layer.terms) == 1 and len(columns):
            only: Array = self.layer.terms[0].flat[np.ix_(rows, columns)]
            return only
        stored = np.empty((len(rows), len(columns)), np.float64)
        for index in np.unique(terms):
            of_term = np.flatnonzero(terms == index)
            flat = self.layer.terms[index].flat
            stored[:, of_term] = flat[np.ix_(rows, columns[of_term])]
        return stored


def columns_of(
    layer: Layer, sources: Mapping[str, LayerValues], known: Mapping[int, float]
) -> Columns:
    """Group the stored columns of a dense layer by the class they multiply.

    `sources` are the facts on the layers it reads; `known` the classes that have one value.
    """
    parts: list[tuple[Array, Array, Array, list[Fraction]]] = []
    shifts: list[tuple[int, int, Fraction]] = []
    for index, term in enumerate(layer.terms):
        facts = sources[term.source]
        taps, scale = term.taps, term.scale
        tap = np.arange(taps)
        varying = np.flatnonzero(facts.class_of >= 0)
        column = (varying[:, None] * taps + tap).reshape(-1)
        key = np.stack([facts.class_of[varying].repeat(taps), np.tile(tap, len(varying))])
        ratio = [facts.ratio[i] * scale for i in varying for _ in range(taps)]
        parts.append((np.full(len(column), index), column, key, ratio))
        shifts += [
            (index, i * taps + t, offset * scale)
            for i, offset in enumerate(facts.offset)
            if offset
            for t in range(taps)
        ]
    term_of = np.concatenate([p[0] for p in parts])
    column_of = np.concatenate([p[1] for p in parts])
    keys = np.concatenate([p[2] for p in parts], axis=1)
    ratios = [r for p in parts for r in p[3]]
    last = np.isin(keys[0], np.fromiter(known, np.int64, len(known)))
    order = np.lexsort((keys[1], keys[0], last))
    keys = keys[:, order]
    new = np.ones(len(order), bool)
    new[1:] = (keys[:, 1:] != keys[:, :-1]).any(axis=0)
    starts = np.flatnonzero(new)
    trivial = all(r is _ONE or r == 1 for r in ratios)
    return Columns(
        layer,
        term_of[order],
        column_of[order],
        None if trivial else [ratios[i] for i in order],
        starts,
        keys[0, starts],
        int(last[order][starts].sum()),
        shifts,
    )
