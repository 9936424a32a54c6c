"""Layers tied by diagonal terms, and which of their features are kept or cut together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lumpcli.ir.net import Array, Layer, Net


@dataclass(frozen=True)
class Group:
    """Layers that are cut together, in topological order.

    A *slot* is a set of features that stay or go together: feature i of a layer is in slot
    `slots[layer][i]`, of `count`. Slots are numbered by their first feature.
    """

    layers: tuple[Layer, ...]
    slots: dict[str, Array]
    count: int

    @cached_property
    def forced(self) -> Array:
        """The slots (count,) that stay because some layer they are in is pinned."""
        forced = np.zeros(self.count, bool)
        for layer in self.layers:
            if layer.pinned is not None:
                forced[self.slots[layer.name]] = True
        return forced

    @property
    def pinned(self) -> bool:
        """Whether nothing may be cut."""
        return bool(self.forced.all())

    def pin_of(self, layer: Layer) -> tuple[Layer, str] | None:
        """Who pins the whole of a layer, with the reason: itself, or the one that pins most of it.

        None when some of its features may be cut.
        """
        own = self.slots[layer.name]
        if layer.pinned is not None:
            return layer, layer.pinned
        if not self.forced[own].all():
            return None
        pinned = [other for other in self.layers if other.pinned is not None]
        return max(
            ((other, other.pinned or "") for other in pinned),
            key=lambda entry: int(np.isin(own, self.slots[entry[0].name]).sum()),
        )

    def kept(self, keep: Iterable[tuple[Layer, Array]]) -> Array:
        """The slots (count,) in which some layer keeps a feature."""
        kept = np.zeros(self.count, bool)
        for layer, indices in keep:
            kept[self.slots[layer.name][indices]] = True
        return kept


class _Slots:
    """Sets of features that are merged as ties are found."""

    def __init__(self) -> None:
        self.parent: list[int] = []

    def fresh(self, count: int) -> Array:
        first = len(self.parent)
        self.parent.extend(range(first, first + count))
        return np.arange(first, first + count)

    def root(self, slot: int) -> int:
        while self.parent[slot] != slot:
            self.parent[slot] = self.parent[self.parent[slot]]
            slot = self.parent[slot]
        return slot

    def join(self, left: Array, right: Array) -> None:
        for a, b in zip(left.tolist(), right.tolist(), strict=True):
            first, second = self.root(a), self.root(b)
            self.parent[max(first, second)] = min(first, second)

    def roots(self) -> Array:
        """The root of every slot; roots come before what points to them."""
        roots = np.array(self.parent, np.int64)
        while (roots[roots] != roots).any():
            roots = roots[roots]
        return roots


def _slots_of(slots: _Slots, layer: Layer, known: dict[str, Array]) -> Array:
    own = np.full(layer.width, -1)
    for term in layer.terms:
        if not term.tied:
            continue
        chosen = term.selected(layer.width)
        if term.select is None or term.select.ndim == 1:
            chosen = chosen[:, :1]
        for column in chosen.T:
            read = np.flatnonzero(column >= 0)
            found = known[term.source][column[read]]
            both = own[read] >= 0
            if not np.array_equal(own[read[both]], found[both]):
                slots.join(own[read[both]], found[both])
            own[read[~both]] = found[~both]
    missing = np.flatnonzero(own < 0)
    own[missing] = slots.fresh(len(missing))
    if layer.tied is not None:
        _, first, inverse = np.unique(layer.tied, return_index=True, return_inverse=True)
        slots.join(own, own[first[inverse]])
    return own


def groups(net: Net) -> list[Group]:
    """The layers of the net, tied ones together, groups and members in topological order."""
    slots = _Slots()
    own: dict[str, Array] = {}
    together = _Slots()
    place = {layer.name: i for i, layer in enumerate(net.layers)}
    together.fresh(len(net.layers))
    for layer in net.layers:
        own[layer.name] = _slots_of(slots, layer, own)
        for term in layer.terms:
            if term.diagonal and not term.broadcast:
                together.join(np.array([place[layer.name]]), np.array([place[term.source]]))
    roots = slots.roots()
    found: dict[int, list[Layer]] = {}
    for layer, group in zip(net.layers, together.roots().tolist(), strict=True):
        found.setdefault(group, []).append(layer)
    return [
        _group(layers, {m.name: roots[own[m.name]] for m in layers}) for layers in found.values()
    ]


def _group(layers: Sequence[Layer], slots: dict[str, Array]) -> Group:
    every, inverse = np.unique(np.concatenate(list(slots.values())), return_inverse=True)
    ends = np.cumsum([layer.width for layer in layers])[:-1]
    numbered = dict(zip(slots, np.split(inverse, ends), strict=True))
    return Group(tuple(layers), numbered, len(every))
