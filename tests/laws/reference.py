"""How small a network can become (docs/theory.md, 1 to 3): liveness, then the fewest indices.

Deliberate limits, as in the issue: those of the facts, and a feature has one carrier. Where some
reader has no place for a bias, features with different offsets do not share one.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from fractions import Fraction

from tests.laws.facts import ONE, Facts, Value, combine, constant, frozen, reads, times, varying
from tests.laws.hitting import smallest
from tests.laws.spec import Layer, Network


def carried(network: Network, facts: Facts, name: str) -> list[Hashable]:
    """What has to be carried of every feature of a layer; None: nothing, a bias can take it.

    Where some reader has no place for a bias, a class is split by offset, and constants count.
    """
    locked = any(r.kind == "dense" and not r.place for r in network.readers(name))
    keys: list[Hashable] = []
    for value in facts.values[name]:
        moving, still = varying(value), constant(value)
        if moving:
            ((label, ratio),) = moving.items()
            keys.append((label, frozen(times(1 / ratio, still))) if locked else label)
        else:
            keys.append(ONE if locked and still else None)
    return keys


def _row_reads(facts: Facts, reader: Layer, i: int, keys: list[Hashable]) -> set[Hashable]:
    """The keys whose folded weight is not zero in a row of a dense reader."""
    values = facts.values[reader.sources[0]]
    sums: dict[Hashable, Value] = {}
    for _, j, factor in reads(reader, i):
        key = keys[j]
        if key is not None and (key != ONE or not reader.place):
            part = values[j] if key == ONE else varying(values[j])
            sums[key] = combine([(Fraction(1), sums.get(key, {})), (factor, part)])
    return {key for key, total in sums.items() if total}


@dataclass(frozen=True)
class Expected:
    """The width of every layer after reduction.

    `widths` counts every row of a group as read. What only rows read that go may
    go as well, which depends on the indices that are kept; `fewest` counts only rows that any
    choice keeps. A reduction lies between the two, which are nearly always the same.
    """

    widths: dict[str, int]
    fewest: dict[str, int]
    facts: Facts


def expected(network: Network, signs: bool = True) -> Expected:
    """What the rules leave of a network."""
    facts = Facts(network, signs)
    keys = {layer.name: carried(network, facts, layer.name) for layer in network.layers}
    most = _widths(network, facts, keys, False)
    return Expected(most, _widths(network, facts, keys, True), facts)


def _widths(
    network: Network, facts: Facts, keys: dict[str, list[Hashable]], certain: bool
) -> dict[str, int]:
    """The widths when every row that may be needed counts, or (`certain`) what surely is read."""
    group_of = {layer.name: group for group in network.groups for layer in group}
    needed: dict[str, set[int]] = {layer.name: set() for layer in network.layers}
    read: dict[str, set[Hashable]] = {layer.name: set() for layer in network.layers}
    for layer in reversed(network.layers):
        name = layer.name
        if name in network.outputs or layer.kind == "input":
            needed[name] = set(range(layer.width))
        needed[name] |= {i for i, key in enumerate(keys[name]) if key in read[name]}
        rows = needed[name]
        if layer.kind == "dense":
            (source,) = layer.sources
            used = {i: _row_reads(facts, layer, i, keys[source]) for i in rows}
            if certain and not network.fixed(group_of[name]):
                # whichever index is kept for a demand, what all of them read is read
                read[source] |= {
                    key
                    for demand in _demands(group_of[name], keys, read)
                    for key in set.intersection(*(used.get(i, set()) for i in demand))
                }
            else:
                read[source] |= set().union(*used.values())
        else:
            for i in rows:
                for source, j, _ in reads(layer, i):
                    needed[source].add(j)
    widths = {}
    for group in network.groups:
        fixed = network.fixed(group)
        count = group[0].width if fixed else len(smallest(_demands(group, keys, read)))
        widths.update({layer.name: max(count, 1) for layer in group})
    return widths


def _demands(
    group: list[Layer], keys: dict[str, list[Hashable]], read: dict[str, set[Hashable]]
) -> list[set[int]]:
    """The sets of indices of which one each has to be kept."""
    return [
        {i for i, key in enumerate(keys[layer.name]) if key == wanted}
        for layer in group
        for wanted in read[layer.name]
    ]
