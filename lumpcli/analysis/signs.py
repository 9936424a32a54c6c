"""Between which ends values lie, for every input: so some ReLUs are linear, or zero.

No box is needed: what a ReLU returns is never negative, a sigmoid lies in [0, 1], and so on:
docs/theory.md section 2. Ends are float64, rounded outwards, and the errors of sums are added.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator
from fractions import Fraction

import numpy as np

from lumpcli.analysis.columns import Columns
from lumpcli.analysis.facts import INSIDE
from lumpcli.ir import Array, End, Interval, Layer, nearest, slope, sum_range, value_range

_FIRST_BLOCK, _LARGEST_BLOCK = 16, 1 << 20
_FEW = 1 << 14  # entries that are summed as rationals
_UNIT = 2.0**-53
_SMALLEST = 5e-324

Ends = tuple[Array, Array]  # lower and upper


class Ranges:
    """The interval of each class's values; classes not told of may have any."""

    def __init__(self) -> None:
        self._ends = np.full((2, 256), math.inf)
        self._ends[0] = -math.inf

    def tell(self, labels: Array, low: Array, high: Array) -> None:
        """The intervals of some classes (k,)."""
        most = int(labels.max(initial=0))
        if most >= self._ends.shape[1]:
            wider = np.full((2, 2 * most), math.inf)
            wider[0] = -math.inf
            wider[:, : self._ends.shape[1]] = self._ends
            self._ends = wider
        self._ends[0, labels], self._ends[1, labels] = low, high

    def tell_one(self, label: int, interval: Interval) -> None:
        """The interval of one class."""
        low, high = outwards(interval)
        self.tell(np.array([label]), np.array([low]), np.array([high]))

    def of(self, labels: Array) -> tuple[Array, Array]:
        """Lower and upper ends (k,) of some classes."""
        known = (labels >= 0) & (labels < self._ends.shape[1])
        low, high = np.full(len(labels), -math.inf), np.full(len(labels), math.inf)
        low[known], high[known] = self._ends[:, labels[known]]
        low[labels == INSIDE], high[labels == INSIDE] = 0.0, 1.0
        return low, high

    def interval(self, label: int) -> Interval:
        """The interval of one class, with exact ends."""
        low, high = self.of(np.array([label]))
        return end_of(float(low[0])), end_of(float(high[0]))


def end_of(number: float) -> End:
    """An end as an exact number; infinite ones stay floats."""
    return number if math.isinf(number) else Fraction(number)


def outwards(interval: Interval) -> tuple[float, float]:
    """Float64 ends that leave nothing out."""
    low, high = (e if isinstance(e, float) else nearest(e) for e in interval)
    if low > interval[0]:
        low = math.nextafter(low, -math.inf)
    return low, math.nextafter(high, math.inf) if high < interval[1] else high


def row_ranges(columns: Columns, ranges: Ranges) -> tuple[Array, Array]:
    """Between which ends each row (n,) of a dense layer lies, before its activation."""
    low, high = np.full(columns.width, -math.inf), np.full(columns.width, math.inf)
    ends = ranges.of(columns.classes)
    if any(t.padded for t in columns.layer.terms):
        ends = np.minimum(ends[0], 0.0), np.maximum(ends[1], 0.0)
    rows = _bounded(columns, ends)
    if len(rows):
        exact = len(rows) * len(columns.classes) <= _FEW
        low[rows], high[rows] = (_exact if exact else _rounded)(columns, rows, ends)
    return low, high


def _bounded(columns: Columns, ends: Ends) -> Array:
    """The rows that have a lower or an upper end, told by the signs of their numbers."""
    known = np.isfinite(ends[0]) | np.isfinite(ends[1])
    open_ = np.full((2, columns.width), bool(known.any()))
    for rows, first, last in _blocks(columns, lambda: np.flatnonzero(open_.any(axis=0))):
        value = _folded(columns, rows, first, last)
        below, above = (~np.isfinite(end[first:last]) for end in ends)
        positive, negative = value > 0, value < 0
        open_[0, rows] &= ~(positive[:, below].any(axis=1) | negative[:, above].any(axis=1))
        open_[1, rows] &= ~(positive[:, above].any(axis=1) | negative[:, below].any(axis=1))
    return np.flatnonzero(open_.any(axis=0))


def _blocks(columns: Columns, rows: Callable[[], Array]) -> Iterator[tuple[Array, int, int]]:
    """Blocks of columns for the rows that are left, wider when these are few."""
    width, first, total = _FIRST_BLOCK, 0, len(columns.classes)
    while first < total and len(some := rows()):
        last = min(first + width, total)
        yield some, first, last
        first, width = last, max(_FIRST_BLOCK, min(2 * width, _LARGEST_BLOCK // len(some)))


def _folded(columns: Columns, rows: Array, first: int, last: int) -> Array:
    """Folded columns in float64, each number rounded at most twice, none of them to 0."""
    found = columns.floats(rows, first, last)
    if found is not None:
        value = found.value.astype(np.float64, copy=False)
        if found.denominator is None:
            return value
        return np.asarray(value / np.array(found.denominator, np.float64))
    block = columns.block(rows, first, last)
    every = [_near(block.value(k, c)) for k in range(len(rows)) for c in range(last - first)]
    return np.array(every).reshape(len(rows), last - first)


def _near(number: Fraction) -> float:
    near = nearest(number)
    return near if near or not number else math.copysign(_SMALLEST, number)


def _exact(columns: Columns, rows: Array, ends: Ends) -> Ends:
    """The ends of some rows (rows,), without rounding but that of the result."""
    block, bias = columns.block(rows, 0, len(columns.classes)), columns.bias(rows)
    intervals = [(end_of(a), end_of(b)) for a, b in zip(*(e.tolist() for e in ends), strict=True)]
    found = np.empty((2, len(rows)))
    for k in range(len(rows)):
        row = ((block.value(k, c), interval) for c, interval in enumerate(intervals))
        found[:, k] = outwards(sum_range(row, bias.value(k, 0)))
    return found[0], found[1]


@np.errstate(over="ignore", invalid="ignore")
def _rounded(columns: Columns, rows: Array, ends: Ends) -> Ends:
    """The ends of some rows (rows,) in float64, wider by what rounding may have done."""
    bias = columns.bias(rows)
    known = np.array([nearest(bias.value(k, 0)) for k in range(len(rows))])
    sums, sizes = np.stack([known, known]), np.abs(np.stack([known, known]))
    inexact = np.zeros(sums.shape, bool)
    for _, first, last in _blocks(columns, lambda: rows):
        value = _folded(columns, rows, first, last)
        low, high = (end[first:last] for end in ends)
        positive, negative = np.maximum(value, 0.0), np.minimum(value, 0.0)
        for place, pairs in enumerate(
            (((positive, low), (negative, high)), ((positive, high), (negative, low)))
        ):
            for part, end in pairs:
                finite = np.isfinite(end)
                used = finite & (end != 0)
                sums[place] += part[:, used] @ end[used]
                sizes[place] += np.abs(part[:, used]) @ np.abs(end[used])
                inexact[place] |= (part[:, used] != 0).any(axis=1)  # products may underflow
                sums[place, (part[:, ~finite] != 0).any(axis=1)] = math.nan
    count = 2 * len(ends[0]) + 16
    slack = sizes * (count * _UNIT * (1 + 1e-9)) + (count * _SMALLEST) * inexact
    low, high = sums[0] - slack[0], sums[1] + slack[1]
    # infinite ends, and what overflowed, are not known
    return np.where(np.isfinite(low), low, -math.inf), np.where(np.isfinite(high), high, math.inf)


def granted(layer: Layer, low: Array, high: Array) -> Ends:
    """The ends of a layer's rows, or those that are granted where these are narrower."""
    if layer.between is None:
        return low, high
    return np.maximum(low, layer.between[0]), np.minimum(high, layer.between[1])


def phase_of(interval: Interval) -> int:
    """1 for numbers that are never negative, -1 for those that are never positive, else 0."""
    low, high = interval
    return 1 if low >= 0 else -1 if high <= 0 else 0


def phases(layer: Layer, low: Array, high: Array) -> Array:
    """Where rows (n,) that lie between these ends make the layer's function linear.

    1: z >= 0 for every input; -1: z <= 0; 0: unknown, or the function has no such pieces.
    """
    phase = np.zeros(layer.width, np.int8)
    phase[high <= 0] = -1
    phase[low >= 0] = 1
    told = np.flatnonzero(phase)
    unknown = [i for i in told.tolist() if slope(layer.activation.key(i), 1) is None]
    phase[unknown] = 0
    return phase


def values_between(layer: Layer, rows: Array, low: Array, high: Array) -> Ends:
    """Between which ends a layer's function of some rows (k,) lies, given the rows' ends."""
    found: dict[Hashable, tuple[float, float]] = {}
    ends = np.empty((2, len(rows)))
    every = zip(rows.tolist(), low.tolist(), high.tolist(), strict=True)
    for place, (i, a, b) in enumerate(every):
        key = layer.activation.key(i)
        told: Hashable = (key, a, b)
        if told not in found:
            found[told] = outwards(value_range(key, end_of(a), end_of(b)))
        ends[:, place] = found[told]
    return ends[0], ends[1]
