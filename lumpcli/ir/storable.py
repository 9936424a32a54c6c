"""What stored types can hold: who should carry a class, and which classes cannot merge."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np

from lumpcli.ir.exact import Array, narrow, nearest
from lumpcli.ir.floats import factors_of
from lumpcli.ir.folding import Rounding, fold_term
from lumpcli.ir.net import Layer, Net
from lumpcli.ir.quotient import LayerCut
from lumpcli.ir.rounded import fold_once
from lumpcli.ir.table import Table

_OVERFLOW = "a folded weight would overflow its stored type, or not be an integer"
_ROUNDED = "a folded weight would have to be rounded (level strict)"
_MOST_CARRIERS = 8  # tried per class
_BLOCK = 1 << 17  # entries at a time
_FIRST_ROWS = 4


class Storage:
    """The questions about one layer's readers: what would folding cost, can they store it?

    `strict`: what is rounded cannot be stored.
    """

    def __init__(self, net: Net, layer: Layer, strict: bool) -> None:
        self.layer = layer
        self.strict = strict
        self.readers = list(net.dense_readers(layer.name))

    def cost(self, table: Table, members: Sequence[int], carrier: int) -> float:
        """How many folded weights are rounded when a member carries others; inf: not storable."""
        chosen = np.full(self.layer.width, -1)
        chosen[list(members)] = carrier
        ratio = [Fraction(1)] * self.layer.width
        for i in members:
            ratio[i] = table.ratio[i] / table.ratio[carrier]
        cut = LayerCut(np.array([carrier]), chosen, tuple(ratio), tuple(table.offset), ())
        tally = Rounding()
        for reader, index in self.readers:
            folded = fold_term(reader.terms[index], np.arange(reader.width), cut, tally)
            if tally.impossible or not np.isfinite(folded.astype(np.float64)).all():
                return np.inf
        return np.inf if self.strict and tally.rounded else tally.rounded

    def best_carrier(
        self, table: Table, members: Sequence[int], candidates: Sequence[int]
    ) -> tuple[int, float]:
        """The candidate that carries the members at the least cost, the first of equals."""
        best = candidates[0], np.inf
        tried: set[Fraction] = set()
        for candidate in candidates:
            if table.ratio[candidate] in tried or len(tried) == _MOST_CARRIERS:
                continue
            tried.add(table.ratio[candidate])
            cost = self.cost(table, members, candidate)
            if cost < best[1]:
                best = candidate, cost
            if cost == 0:
                break
        return best

    def may_fail(self, table: Table) -> bool:
        """A cheap bound: could a sum of multiples of a reader's weights not be stored?"""
        if self.strict:
            return True
        if any(reader.terms[index].limits for reader, index in self.readers):
            return True
        # most are one and the same object, and comparing fractions takes time
        ratios = [abs(r) for r in {id(r): r for r in table.ratio}.values() if r]
        growth = self.layer.width * max(ratios, default=1) / Fraction(min(ratios, default=1))
        return any(largest * growth >= limit for largest, limit in self._largest)

    @cached_property
    def _largest(self) -> list[tuple[Fraction, Fraction]]:
        """The largest weight of each reader, and a bound on what its type holds."""
        found = []
        for reader, index in self.readers:
            weight = reader.terms[index].flat
            # no copy of it all for the sizes: of the largest and the smallest one is the largest
            size: float = max((abs(float(f(weight))) for f in (np.max, np.min)), default=0.0)
            finite = size if math.isfinite(size) else float(np.finfo(np.float64).max)
            found.append((Fraction(finite), _limit(weight.dtype)))
        return found

    def take_apart(self, table: Table) -> None:
        """Split classes whose folded columns cannot be stored, each into few parts that can."""
        classes = table.classes()
        if not classes or not self.may_fail(table):
            return
        for members, fits in zip(classes, self._fit(table, classes), strict=True):
            if fits:
                continue
            table.declined = _ROUNDED if self.strict else _OVERFLOW
            for part in self._parts(table, members)[1:]:
                table.part(part)

    def _parts(self, table: Table, members: list[int]) -> list[list[int]]:
        """A class that cannot be stored as a whole in few parts that can."""
        if len(members) == 2:
            return [[i] for i in members]
        parts: list[list[int]] = []
        for i in members:
            for part in parts:
                if self.best_carrier(table, [*part, i], [*part, i])[1] < np.inf:
                    part.append(i)
                    break
            else:
                parts.append([i])
        return parts

    def _fit(self, table: Table, classes: list[list[int]]) -> list[bool]:
        """Whether each class has some carrier with which all readers can store what is folded."""
        if any(reader.terms[index].limits for reader, index in self.readers):
            return [self.best_carrier(table, c, c)[1] < np.inf for c in classes]
        ratios = [_first_of_each([table.ratio[i] for i in c]) for c in classes]
        fits: list[bool] = [False] * len(classes)
        for k in range(_MOST_CARRIERS):
            open_ = [c for c in range(len(classes)) if not fits[c] and len(ratios[c]) > k]
            parts = [
                (classes[c], [table.ratio[i] / ratios[c][k] for i in classes[c]]) for c in open_
            ]
            for place in self._stored(parts):
                fits[open_[place]] = True
        return fits

    def _stored(self, parts: list[tuple[list[int], list[Fraction]]]) -> list[int]:
        """Which groups of features, each times its ratio, sum to what all readers can store."""
        left = list(range(len(parts)))
        for reader, index in self.readers:
            weight = reader.terms[index].by_tap
            step = _FIRST_ROWS  # most of what cannot be stored shows in a few rows
            first = 0
            while first < len(weight) and left:
                order = np.array([i for p in left for i in parts[p][0]], np.int64)
                factors = [r for p in left for r in parts[p][1]]
                starts = np.cumsum([0, *(len(parts[p][0]) for p in left[:-1])])
                block = weight[first : first + step][:, order]
                flat = np.moveaxis(block, 2, 1).reshape(-1, len(order))
                stored, inexact = fold_once(flat, factors, starts, weight.dtype)
                fine: Array = np.asarray(np.isfinite(stored).all(axis=0))
                if self.strict:
                    fine &= ~inexact.any(axis=0)
                left = [p for p, good in zip(left, fine.tolist(), strict=True) if good]
                first += step
                step = max(_FIRST_ROWS, _BLOCK // max(len(order), 1))
        return left

    def split(self, table: Table, members: Sequence[int]) -> None:
        """Give up a class: every member for itself."""
        table.declined = _ROUNDED if self.strict else _OVERFLOW
        for i in members[1:]:
            table.part([i])

    def preference(self, table: Table, alone: bool = True) -> Array:
        """What each feature would cost as the carrier of its class (n,), where that differs.

        `alone`: only this layer has a say, so the first carrier that costs nothing will do.
        """
        preference = np.zeros(self.layer.width)
        classes = [c for c in table.classes() if len({table.ratio[i] for i in c}) > 1]
        if classes and not self.may_fail(table):  # then powers of two change no rounding
            classes = [c for c in classes if len({_odd(table.ratio[i]) for i in c}) > 1]
        tried = [_first_of_each([table.ratio[i] for i in c]) for c in classes]
        for members, ratios, costs in zip(
            classes, tried, self._costs(table, classes, tried), strict=True
        ):
            known = {}
            for ratio, cost in zip(ratios, costs, strict=True):
                known[ratio] = cost
                if alone and cost == 0:
                    break
            for i in members:
                preference[i] = known.get(table.ratio[i], max(known.values()) + alone)
        return preference

    def _costs(
        self, table: Table, classes: list[list[int]], tried: list[list[Fraction]]
    ) -> list[list[float]]:
        """Per class and ratio of a carrier: how many folded weights are rounded; 1e300: too many.

        Estimates in float64, which choose but decide nothing; what has as many bits is counted
        exactly, and so are integers.
        """
        if any(
            reader.terms[index].limits or reader.terms[index].weight_type == np.float64
            for reader, index in self.readers
        ):
            return [
                [min(self.cost(table, c, _carrier_of(table, c, r)), 1e300) for r in ratios]
                for c, ratios in zip(classes, tried, strict=True)
            ]
        order = np.array([i for c in classes for i in c], np.int64)
        if not len(order):
            return []
        starts = np.cumsum([0, *(len(c) for c in classes[:-1])])
        ratio = [table.ratio[i] for i in order.tolist()]
        factors = factors_of(ratio, starts)
        weights = (
            factors.whole if factors.whole is not None else np.array([nearest(r) for r in ratio])
        )
        scale = np.array(factors.denominator if factors.whole is not None else 1.0, np.float64)
        most = max(map(len, tried))
        divisors = np.array([[*map(nearest, r), *[np.nan] * (most - len(r))] for r in tried])
        total = np.zeros(divisors.shape)
        for reader, index in self.readers:
            weight = reader.terms[index].by_tap
            step = max(1, _BLOCK // len(order))
            for tap in range(weight.shape[2]):
                for first in range(0, len(weight), step):
                    block = weight[first : first + step, order, tap].astype(np.float64)
                    summed = np.add.reduceat(block * weights, starts, axis=1)
                    for k in range(most):
                        total[:, k] += _rounded(summed / (scale * divisors[:, k]), weight.dtype)
        if self.strict:
            total[total > 0] = 1e300
        return [
            np.minimum(row[: len(ratios)], 1e300).tolist()
            for row, ratios in zip(total, tried, strict=True)
        ]


def _rounded(folded: Array, dtype: np.dtype[Any]) -> Array:
    """How many entries of each column a type does not hold; infinity where one overflows."""
    stored = narrow(folded, dtype).astype(np.float64)
    count: Array = (stored != folded).sum(axis=0).astype(np.float64)
    count[np.isinf(stored).any(axis=0)] = np.inf
    return count


def _odd(ratio: Fraction) -> tuple[int, int]:
    """A ratio but for its sign and powers of two."""
    n, d = abs(ratio.numerator), ratio.denominator
    return n // (n & -n), d // (d & -d)


def _first_of_each(ratios: list[Fraction]) -> list[Fraction]:
    return list(dict.fromkeys(ratios))[:_MOST_CARRIERS]


def _carrier_of(table: Table, members: Sequence[int], ratio: Fraction) -> int:
    return next(i for i in members if table.ratio[i] == ratio)


def _limit(dtype: np.dtype[Any]) -> Fraction:
    """A bound that no stored number of a type exceeds by much."""
    if dtype.kind == "f":
        return Fraction(float(np.finfo(dtype).max))
    return Fraction(float(np.finfo(np.float32).max)) / 256  # bfloat16
