"""What stored types can hold: who should carry a class, and which classes cannot merge."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from lumpcli.ir.exact import Array
from lumpcli.ir.folding import Rounding, fold_term
from lumpcli.ir.net import Layer, Net
from lumpcli.ir.quotient import LayerCut
from lumpcli.ir.table import Table

_OVERFLOW = "a folded weight would overflow its stored type, or not be an integer"
_ROUNDED = "a folded weight would have to be rounded (level strict)"
_MOST_CARRIERS = 8  # tried per class


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
        ratio = tuple(r / table.ratio[carrier] for r in table.ratio)
        cut = LayerCut(np.array([carrier]), chosen, ratio, tuple(table.offset), ())
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
        ratios = [abs(r) for r in table.ratio if r]
        growth = self.layer.width * max(ratios, default=1) / Fraction(min(ratios, default=1))
        weights = [reader.terms[index].weight for reader, index in self.readers]
        return any(
            Fraction(float(np.abs(w).max(initial=0))) * growth >= _limit(w.dtype)
            for w in weights
            if w is not None
        )

    def take_apart(self, table: Table) -> None:
        """Split classes whose folded columns cannot be stored, each into few parts that can."""
        if not self.may_fail(table):
            return
        for members in table.classes():
            if self.best_carrier(table, members, members)[1] < np.inf:
                continue
            table.declined = _ROUNDED if self.strict else _OVERFLOW
            parts: list[list[int]] = []
            for i in members:
                for part in parts:
                    if self.best_carrier(table, [*part, i], [*part, i])[1] < np.inf:
                        part.append(i)
                        break
                else:
                    parts.append([i])
            for part in parts[1:]:
                table.part(part)

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
        for members in table.classes():
            if len({table.ratio[i] for i in members}) == 1:
                continue
            costs: dict[Fraction, float] = {}
            for i in members:
                ratio = table.ratio[i]
                settled = len(costs) == _MOST_CARRIERS or (alone and 0 in costs.values())
                if ratio not in costs and not settled:
                    costs[ratio] = min(self.cost(table, members, i), 1e300)
                preference[i] = costs.get(ratio, max(costs.values()) + alone)
        return preference


def _limit(dtype: np.dtype[Any]) -> Fraction:
    """A bound that no stored number of a type exceeds by much."""
    if dtype.kind == "f":
        return Fraction(float(np.finfo(dtype).max))
    return Fraction(float(np.finfo(np.float32).max)) / 256  # bfloat16
