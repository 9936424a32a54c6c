"""Which rows of a dense layer are multiples of one another: refinement by blocks of columns.

All rows start in one block of the partition; a few columns at a time split it, and a row that is
alone is never looked at again. Columns are compared in normal form, a primitive integer vector and
a scale, so equality of normal forms *is* proportionality: nothing is guessed and checked later.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from lumpcli.analysis.columns import FoldedRows
from lumpcli.ir import Array, Exact, Symmetry, scaled

_FIRST_BLOCK = 16
_LARGEST_BLOCK = 1 << 20  # entries


@dataclass(frozen=True)
class Rows:
    """A partition of rows. `label` (n,): rows with equal labels are multiples of one another.

    The ratio of two such rows is the ratio of their `lead`s (1 where the row is all zero).
    `entries` counts the non-zero folded weights over classes that vary, exact up to 1 and at least
    2 above. `single` names that weight where it is the only one: (folded column, weight).
    """

    label: Array
    lead: tuple[Fraction, ...]
    entries: Array
    single: dict[int, tuple[int, Fraction]]


class _Refinement:
    def __init__(self, columns: FoldedRows, symmetry: Symmetry) -> None:
        self.columns = columns
        self.symmetry = symmetry
        width = columns.width
        self.lead: list[Fraction | None] = [None] * width
        self.entries = np.zeros(width, np.int64)
        self.single: dict[int, tuple[int, Fraction]] = {}
        functions: dict[Hashable, int] = {}
        keys = columns.functions()
        self.label = np.array([functions.setdefault(k, len(functions)) for k in keys], np.int64)
        self.next_label = len(functions)

    def undecided(self) -> Array:
        """Rows that are not alone, or that may still turn out constant or passed-on values."""
        _, inverse, counts = np.unique(self.label, return_inverse=True, return_counts=True)
        few = 2 if self.symmetry is Symmetry.LINEAR else 1
        return np.flatnonzero((counts[inverse] > 1) | (self.entries < few))

    def split(self, rows: Array, block: Exact) -> None:
        """Tell rows apart by more columns."""
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
                scale = scaled(int(sign[k] * divisor[k]), int(block.exponent[k]))
                lead = self.lead[row]
                if lead is None:
                    lead = self.lead[row] = self.symmetry.normaliser(scale)
                vector = normal[k]
                shape = tuple(vector) if vector.dtype == object else vector.tobytes()
                key = (int(self.label[row]), shape, scale / lead)
            self.label[row] = found.setdefault(key, self.next_label + len(found))
        self.next_label += len(found)

    def count(self, rows: Array, block: Exact, first: int) -> None:
        """Count non-zero weights, and remember the only one."""
        present = block.mantissa != 0
        added = present.sum(axis=1)
        if self.symmetry is Symmetry.LINEAR:
            alone = np.flatnonzero((added == 1) & (self.entries[rows] == 0))
            for k in alone.tolist():
                column = int(present[k].argmax())
                label = int(self.columns.keys[1, first + column])
                self.single[int(rows[k])] = (label, block.value(k, column))
        self.entries[rows] += added


def refine(columns: FoldedRows, symmetry: Symmetry) -> Rows:
    """Partition the rows of a dense layer, exactly.

    Linear layers are compared without their bias and what constants add, which make an offset.
    """
    state = _Refinement(columns, symmetry)
    rows = np.arange(columns.width)
    if symmetry is not Symmetry.LINEAR:
        state.split(rows, columns.bias(rows))
    ordinary, total = int((columns.keys[0] == 0).sum()), columns.keys.shape[1]
    if symmetry is Symmetry.LINEAR:
        total = ordinary
    first, width = 0, _FIRST_BLOCK
    while first < total:
        rows = state.undecided()
        if not len(rows):
            break
        # no block lies across the border to the columns of known classes
        end = ordinary if first < ordinary else total
        last = min(first + width, end)
        block = columns.block(rows, first, last)
        if first < ordinary:
            state.count(rows, block, first)
        state.split(rows, block)
        first = last
        width = max(_FIRST_BLOCK, min(2 * width, _LARGEST_BLOCK // len(rows)))
    single = {i: s for i, s in state.single.items() if state.entries[i] == 1}
    lead = tuple(Fraction(1) if x is None else x for x in state.lead)
    return Rows(state.label, lead, state.entries, single)
