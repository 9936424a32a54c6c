"""Which rows of a dense layer are multiples of one another: refinement by blocks of columns.

All rows start in one block of the partition; a few columns at a time split it, and a row that is
alone is never looked at again. Every split is exact: in float64 where that holds the folded columns
(`analysis.matching`), else by a normal form of integers. Nothing is guessed and checked later.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

import numpy as np

from lumpcli.analysis.columns import Floats, FoldedRows
from lumpcli.analysis.facts import ONE
from lumpcli.analysis.matching import divisors, equal_rows, hashes
from lumpcli.ir import Array, Exact, Symmetry, nearest, scaled

_FIRST_BLOCK, _FEW = 16, 128  # columns; beyond the latter, whole rows are read
_LARGEST_BLOCK = 1 << 20  # entries
_CACHED = 1 << 18  # entries of whole rows, so that what is on the way stays in the cache

Values = Callable[[int, int], Fraction]  # an entry by row and column


@cache
def _power(number: float) -> Fraction:
    return Fraction(number)


class Leads:
    """What each row is divided by before rows are compared: a normaliser of its first entry.

    The ratio of two rows of one class is the ratio of their leads; 1 where the row is all zero.
    `first` are the first non-zero entries (0: none so far; NaN: no float64 holds it).
    """

    def __init__(self, symmetry: Symmetry, width: int) -> None:
        self.symmetry = symmetry
        self.first = np.zeros(width)
        self._told: dict[int, Fraction] = {}

    def __getitem__(self, row: int) -> Fraction:
        if row in self._told:
            return self._told[row]
        first = float(self.first[row])
        return self.symmetry.normaliser(Fraction(first)) if first else Fraction(1)

    def __setitem__(self, row: int, lead: Fraction) -> None:
        self._told[row] = lead

    def ratio(self, row: int, other: int) -> Fraction:
        """The ratio of two rows of one class."""
        if not self._told:
            a, b = float(self.first[row]), float(self.first[other])
            if a == b:
                return ONE
            if b and abs(math.frexp(a / b)[0]) == 0.5 and a / b * b == a:  # a power of two
                return self.symmetry.normaliser(_power(a / b))
        return self[row] / self[other]

    def begin(self, row: int, entry: Fraction) -> None:
        """Tell the first non-zero entry of a row."""
        near = nearest(entry)
        if math.isfinite(near) and Fraction(near) == entry:
            self.first[row] = near
        else:
            self.first[row] = np.nan
            self[row] = self.symmetry.normaliser(entry)

    def copy(self) -> Leads:
        """Leads that may be changed without changing these."""
        other = Leads(self.symmetry, len(self.first))
        other.first[:] = self.first
        other._told |= self._told
        return other

    def chosen(self, rows: Array) -> Leads:
        """The leads of some rows, in their order."""
        other = Leads(self.symmetry, len(rows))
        other.first[:] = self.first[rows]
        if self._told:
            other._told |= {
                k: self._told[i] for k, i in enumerate(rows.tolist()) if i in self._told
            }
        return other

    def put(self, rows: Array, other: Leads) -> None:
        """Take the leads of some rows from others, in their order."""
        self.first[rows] = other.first
        if other.symmetry is self.symmetry:
            self._told |= {int(rows[k]): lead for k, lead in other._told.items()}
        else:
            self._told |= {i: other[k] for k, i in enumerate(rows.tolist())}


@dataclass(frozen=True)
class Rows:
    """A partition of rows. `label` (n,): rows with equal labels are multiples of one another.

    The ratio of two such rows is the ratio of their `lead`s. `entries` counts the non-zero folded
    weights over classes that vary, exact up to 1 and at least 2 above. `single` names that weight
    where it is the only one: (folded column, weight).
    """

    label: Array
    lead: Leads
    entries: Array
    single: dict[int, tuple[int, Fraction]]

    def chosen(self, rows: Array) -> Rows:
        """The same of some rows, in their order."""
        single = {k: self.single[i] for k, i in enumerate(rows.tolist()) if i in self.single}
        return Rows(self.label[rows], self.lead.chosen(rows), self.entries[rows], single)


class _Refinement:
    def __init__(self, columns: FoldedRows, symmetry: Symmetry) -> None:
        self.columns = columns
        self.symmetry = symmetry
        self.lead = Leads(symmetry, columns.width)
        self.narrow = True  # whether products of leads and entries fit float64
        self.entries = np.zeros(columns.width, np.int64)
        self.single: dict[int, tuple[int, Fraction]] = {}
        functions: dict[Hashable, int] = {}
        keys = columns.functions()
        self.label = np.array([functions.setdefault(k, len(functions)) for k in keys], np.int64)
        self.next_label = len(functions)

    def undecided(self, among: Array) -> Array:
        """Rows that are not alone, or that may still turn out constant or passed-on values."""
        _, inverse, counts = np.unique(self.label, return_inverse=True, return_counts=True)
        return np.flatnonzero(among & ((counts[inverse] > 1) | (self.entries < self._few)))

    def whole_classes(self, rows: Array, most: int) -> list[Array]:
        """Parts of the rows, each of whole classes, none much larger than `most`.

        Classes larger than that are in none.
        """
        _, inverse, counts = np.unique(self.label[rows], return_inverse=True, return_counts=True)
        fits = counts <= most
        number = (np.cumsum(np.where(fits, counts, 0)) - 1) // max(most, 1)
        chosen = fits[inverse]
        part = number[inverse[chosen]]
        order = np.argsort(part, kind="stable")
        borders = np.flatnonzero(np.diff(part[order])) + 1
        return [p for p in np.split(rows[chosen][order], borders) if len(p)]

    @property
    def _few(self) -> int:
        return 2 if self.symmetry is Symmetry.LINEAR else 1

    def take(self, rows: Array, first: int, last: int, varying: bool) -> None:
        """Tell rows apart by some columns; count their entries if those are over what varies."""
        found = self.columns.floats(rows, first, last)
        if found is None:
            block = self.columns.block(rows, first, last)
            if varying:
                present = block.mantissa != 0
                self._count(rows, present, first, block.value)
            self.split_exact(rows, block)
            return
        if varying:
            few = np.flatnonzero(self.entries[rows] < self._few)
            present = found.value[few] != 0
            self._count(rows[few], present, first, lambda k, c: found.at(int(few[k]), c))
        self.split(rows, found)

    def split(self, rows: Array, found: Floats) -> None:
        """Tell rows apart by columns that float64 holds."""
        if np.isnan(self.lead.first[rows]).any():
            self.split_exact(rows, found.exact())
            return
        lead = self.lead.first[rows]
        begun = lead != 0
        new = np.flatnonzero(~begun)
        if len(new):
            place = (found.value[new] != 0).argmax(axis=1)
            lead[new] = found.value[new, place]
            self.lead.first[rows[new]] = lead[new]
            self.narrow &= found.narrow
        divisor = divisors(self.symmetry, lead)
        narrow = found.narrow and self.narrow
        open_ = np.arange(len(rows))
        if not len(new):  # most often, nothing new is told: compare with the first of each class
            own = self.label[rows]
            _, first, inverse = np.unique(own, return_index=True, return_inverse=True)
            same = equal_rows(found.value, divisor, open_, first[inverse], narrow)
            self.label[rows[same]] = own[same]
            open_ = open_[~same]
        before = self.label[rows]
        while len(open_):
            key = hashes(found.value[open_], divisor[open_], before[open_])
            _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
            to = open_[first[inverse]]
            same = before[open_] == before[to]
            same &= equal_rows(found.value, divisor, open_, to, narrow)
            self.label[rows[open_[same]]] = self.next_label + inverse[same]
            self.next_label += len(first)
            open_ = open_[~same]

    def split_exact(self, rows: Array, block: Exact) -> None:
        mantissa = block.mantissa
        divisor = np.gcd.reduce(mantissa, axis=1)
        first = (mantissa != 0).argmax(axis=1)
        sign = np.sign(mantissa[np.arange(len(rows)), first])
        normal = (
            mantissa // (np.where(divisor == 0, 1, divisor) * np.where(sign < 0, -1, 1))[:, None]
        )
        found: dict[Hashable, int] = {}
        for k, row in enumerate(rows.tolist()):
            key: Hashable = (int(self.label[row]), None)
            if divisor[k]:
                exponent = int(block.exponent[k])
                if self.lead.first[row] == 0:
                    self.lead.begin(row, scaled(int(mantissa[k, first[k]]), exponent))
                    self.narrow = False
                scale = scaled(int(sign[k] * divisor[k]), exponent)
                vector = normal[k]
                shape = tuple(vector) if vector.dtype == object else vector.tobytes()
                key = (int(self.label[row]), shape, scale / self.lead[row])
            self.label[row] = found.setdefault(key, self.next_label + len(found))
        self.next_label += len(found)

    def _count(self, rows: Array, present: Array, first: int, value: Values) -> None:
        """Count non-zero weights, and remember the only one."""
        added = present.sum(axis=1)
        if self.symmetry is Symmetry.LINEAR:
            alone = np.flatnonzero((added == 1) & (self.entries[rows] == 0))
            for k in alone.tolist():
                column = int(present[k].argmax())
                label = int(self.columns.keys[1, first + column])
                self.single[int(rows[k])] = (label, value(k, column))
        self.entries[rows] += added


def refine(columns: FoldedRows, symmetry: Symmetry) -> Rows:
    """Partition the rows of a dense layer, exactly.

    Linear layers are compared without their bias and what constants add, which make an offset.
    """
    state = _Refinement(columns, symmetry)
    linear = symmetry is Symmetry.LINEAR
    rows = np.arange(columns.width)
    bias = None if linear else columns.bias_floats(rows)
    if bias is not None:
        state.split(rows, bias)
    ordinary, total = int((columns.keys[0] == 0).sum()), columns.keys.shape[1]
    _sweep(state, 0, ordinary, varying=True)
    if not linear:
        _sweep(state, ordinary, total, varying=False)
    if not linear and bias is None:  # sums with many bits: only for rows that all else leaves equal
        rows = state.undecided(np.ones(columns.width, bool))
        if len(rows):
            state.split_exact(rows, columns.bias(rows))
    single = {i: s for i, s in state.single.items() if state.entries[i] == 1}
    return Rows(state.label, state.lead, state.entries, single)


def _sweep(state: _Refinement, first: int, end: int, varying: bool) -> None:
    """Tell rows apart by columns `first` to `end`: by a few at a time, soon by all that are left.

    Reading whole rows is fastest where they lie in one piece; but a class must be read as a whole.
    """
    width = _FIRST_BLOCK
    open_ = np.ones(state.columns.width, bool)
    piecewise = not state.columns.by_rows
    while first < end:
        rows = state.undecided(open_)
        if not len(rows):
            return
        if width > _FEW and not piecewise:
            for part in state.whole_classes(rows, _CACHED // (end - first)):
                state.take(part, first, end, varying)
                open_[part] = False
            piecewise = True  # what is left are classes of very many rows
            continue
        last = min(first + width, end)
        state.take(rows, first, last, varying)
        first = last
        width = max(_FIRST_BLOCK, min(2 * width, _LARGEST_BLOCK // len(rows)))
