"""Which slots a group keeps: all classes are hit, no layer is emptied, blocks stay of one size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from lumpcli.ir.balance import balanced
from lumpcli.ir.exact import Array
from lumpcli.ir.groups import Group
from lumpcli.ir.hitting import hitting_set
from lumpcli.ir.net import Layer, Net


def choose(
    net: Net,
    group: Group,
    demands: Sequence[tuple[Array, Array]],
    among: Array,
    preference: Array,
) -> Array:
    """Slots (count,) bool that hit every class; classes in several blocks where that costs less."""
    first = hitting_set(demands, group.forced, preference)
    parts = [group.slots[layer.name].reshape(number, -1) for layer, number in _blocks(net, group)]
    even = balanced(demands, first, group.forced, parts, preference)
    some = [first] if np.array_equal(first, even) else [first, even]
    complete = [_complete(net, group, kept, among, preference) for kept in some]
    return min(complete, key=lambda kept: int(kept.sum()))


def _complete(net: Net, group: Group, kept: Array, among: Array, preference: Array) -> Array:
    """Some more slots, so that no layer is left without features, nor blocks of unequal size."""
    loose = [(n, t) for n in group.layers for t in n.terms if t.diagonal and t.blocks > 1]
    for layer, term in reversed(loose):  # what a kept multiple is made of
        own, sources = group.slots[layer.name], group.slots[term.source]
        kept[sources[kept[own.reshape(len(sources), -1)].any(axis=1)]] = True
    empty = [layer for layer in group.layers if not kept[group.slots[layer.name]].any()]
    if empty:
        every = [
            (slots, np.where(among[slots], 0, -1))
            for slots in (group.slots[layer.name] for layer in empty)
        ]
        kept = hitting_set(every, kept, preference)
    blocks = list(_blocks(net, group))
    count = -1
    while count != (count := int(kept.sum())):
        for layer, number in blocks:
            parts = group.slots[layer.name].reshape(number, -1)
            _fill(kept, parts, among, preference)
        for layer, term in loose:
            own, sources = group.slots[layer.name], group.slots[term.source]
            parts = own.reshape(len(sources), -1)
            active = kept[sources] | kept[parts].any(axis=1)
            kept[sources[active]] = True
            _fill(kept, parts[active], among, preference)
    return kept


def _fill(kept: Array, parts: Array, among: Array, preference: Array) -> None:
    """Keep as many slots in each part as in the fullest one, and at least one."""
    wanted = max(1, int(kept[parts].sum(axis=1).max()))
    for part in parts:
        for slot in sorted(part[among[part]].tolist(), key=lambda s: (preference[s], s)):
            if int(kept[part].sum()) >= wanted:
                break
            kept[slot] = True


def _blocks(net: Net, group: Group) -> Iterator[tuple[Layer, int]]:
    """The layers of which as many features have to stay in each of some blocks."""
    for layer in group.layers:
        counts = {term.blocks for term in layer.terms if not term.diagonal}
        counts |= {r.terms[t].blocks for r, t in net.dense_readers(layer.name)}
        counts.add(layer.parts)
        yield from ((layer, count) for count in sorted(counts - {1}))
