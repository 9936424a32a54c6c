"""What stored types can hold: which member should carry a class, and which classes cannot merge."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from lumpcli.ir.exact import Array
from lumpcli.ir.folding import Rounding, fold_term
from lumpcli.ir.net import Layer, Net
from lumpcli.ir.quotient import LayerCut

_OVERFLOW = "a folded weight would overflow its stored type"
_ROUNDED = "a folded weight would have to be rounded (level strict)"
_MOST_CARRIERS = 8  # tried per class


@dataclass
class Table:
    """What is claimed of one layer: label (-1: needs no carrier), ratio, offset and kind, (n,)."""

    label: Array
    ratio: list[Fraction]
    offset: list[Fraction]
    kind: list[str]
    declined: str | None = None


def _members(table: Table) -> list[list[int]]:
    found: dict[int, list[int]] = {}
    for i, label in enumerate(table.label.tolist()):
        if label >= 0:
            found.setdefault(label, []).append(i)
    return [m for m in found.values() if len(m) > 1]


def _cost(
    net: Net, layer: Layer, table: Table, members: list[int], carrier: int, strict: bool
) -> float:
    """How many folded weights are rounded when one member carries the class; inf: not allowed."""
    chosen = np.full(layer.width, -1)
    chosen[members] = carrier
    ratio = [r / table.ratio[carrier] for r in table.ratio]
    cut = LayerCut(np.array([carrier]), chosen, tuple(ratio), tuple(table.offset), ())
    tally = Rounding()
    for reader, index in net.dense_readers(layer.name):
        folded = fold_term(reader.terms[index], np.arange(reader.width), cut, tally)
        if not np.isfinite(folded.astype(np.float64)).all():
            return np.inf
    return np.inf if strict and tally.rounded else tally.rounded


def _carriers(table: Table, members: list[int]) -> list[int]:
    """Members that would give different folded columns: the first of each ratio, a few at most."""
    first: dict[Fraction, int] = {}
    for i in members:
        first.setdefault(table.ratio[i], i)
    return list(first.values())[:_MOST_CARRIERS]


def keep_unstorable(net: Net, layer: Layer, table: Table, strict: bool) -> None:
    """Take classes apart whose folded columns the stored type cannot hold."""
    if not (strict or _may_overflow(net, layer, table)):
        return
    for members in _members(table):
        if _storable(net, layer, table, members, strict):
            continue
        table.declined = _ROUNDED if strict else _OVERFLOW
        together = members[:1]
        for i in members[1:]:
            if _storable(net, layer, table, [*together, i], strict):
                together.append(i)
            else:
                table.label[i] = 4 * layer.width + 2 + i


def _storable(net: Net, layer: Layer, table: Table, members: list[int], strict: bool) -> bool:
    carriers = _carriers(table, members)
    return any(_cost(net, layer, table, members, c, strict) < np.inf for c in carriers)


def _may_overflow(net: Net, layer: Layer, table: Table) -> bool:
    """A cheap bound: could any sum of multiples of a reader's weights leave its type's range?"""
    largest = max((abs(r) for r in table.ratio if r), default=Fraction(1))
    smallest = min((abs(r) for r in table.ratio if r), default=Fraction(1))
    growth = float(min(layer.width * largest / smallest, Fraction(10**300)))
    for reader, index in net.dense_readers(layer.name):
        weight = reader.terms[index].weight
        if weight is None:
            continue
        peak = float(np.abs(weight).max(initial=0))
        limit = (
            3e38 if weight.dtype.itemsize == 4 else 1.7e308 if weight.dtype == np.float64 else 6e4
        )
        if peak * growth >= limit:
            return True
    return False


def preference_of(net: Net, layer: Layer, table: Table, strict: bool) -> Array:
    """The fewer roundings a carrier causes the better; members that cause the same are equal."""
    preference = np.zeros(layer.width)
    for members in _members(table):
        carriers = _carriers(table, members)
        if len(carriers) == 1:
            continue
        cost = {table.ratio[c]: _cost(net, layer, table, members, c, strict) for c in carriers}
        for i in members:
            preference[i] = min(cost.get(table.ratio[i], np.inf), 1e300)
    return preference
