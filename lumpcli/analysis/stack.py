"""Rows of several layers that read the same classes, one below the other."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lumpcli.analysis.columns import Columns, Floats
from lumpcli.ir import Array, Exact, below, spread, zeros


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

    def floats(self, rows: Array, first: int, last: int) -> Floats | None:
        """The same as `block`, where float64 holds it without rounding; else None."""
        values, told = [], dict[int, int]()
        narrow = True
        for number, own in self._split(rows):
            places = self._places[number]
            begin, end = np.searchsorted(places, [first, last])
            value = np.zeros((len(own), last - first))
            if begin < end:
                found = self.parts[number][0].floats(own, int(begin), int(end))
                if found is None:
                    return None
                here = (places[begin:end] - first).tolist()
                for place, d in zip(here, found.denominator or (1,) * len(here), strict=True):
                    if told.setdefault(place, d) != d:
                        return None
                value[:, here] = found.value
                narrow &= found.narrow
            values.append(value)
        denominator = tuple(told.get(place, 1) for place in range(last - first))
        return Floats(np.concatenate(values), denominator, narrow)

    def bias_floats(self, rows: Array) -> Floats | None:
        """The same as `bias`, where that is what is stored; else None."""
        found = [self.parts[number][0].bias_floats(own) for number, own in self._split(rows)]
        known = [part for part in found if part is not None]
        if len(known) < len(found):
            return None
        value = np.concatenate([part.value for part in known])
        return Floats(value, None, all(part.narrow for part in known))

    @property
    def by_rows(self) -> bool:
        """Whether weights lie in memory row by row."""
        return all(columns.by_rows for columns, _ in self.parts)

    def _split(self, rows: Array) -> list[tuple[int, Array]]:
        found, begin = [], 0
        for number, (_, chosen) in enumerate(self.parts):
            here = rows[(rows >= begin) & (rows < begin + len(chosen))]
            if len(here):
                found.append((number, chosen[here - begin]))
            begin += len(chosen)
        return found
