"""Which slots to keep: a small set that hits every class of every layer of a group."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lumpcli.ir.exact import Array

Pair = tuple[int, int]  # layer, label


def hitting_set(demands: Sequence[tuple[Array, Array]], kept: Array, preference: Array) -> Array:
    """Slots (count,) bool such that each label >= 0 of each layer occurs at one of them.

    `demands` has slots and labels of some features of each layer; -1 asks for nothing. `kept`
    (count,) stay in any case. One layer: the set is the smallest. More layers: forced and dominated
    slots are settled first, then the greedy choice, and no slot is kept that the others make
    superfluous.
    Among equals the lowest `preference` (count,) wins, then the lowest slot.
    """
    chosen = kept.copy()
    asked = [_pairs(slots, labels) for slots, labels in demands]
    for slots, labels in asked:
        chosen[slots[_alone(labels)]] = True
    rank = np.empty(len(kept), np.int64)
    rank[np.lexsort((np.arange(len(kept)), preference))] = np.arange(len(kept))
    open_: list[tuple[int, Array, Array]] = []
    for number, (slots, labels) in enumerate(asked):
        left = ~np.isin(labels, labels[chosen[slots]])
        if left.any():
            open_.append((number, slots[left], labels[left]))
    if len(open_) == 1 and len(np.unique(open_[0][1])) == len(open_[0][1]):
        chosen[_best(*open_[0][1:], rank)] = True
        return chosen
    covers: dict[int, set[Pair]] = {}
    for number, slots, labels in open_:
        for slot, label in zip(slots.tolist(), labels.tolist(), strict=True):
            covers.setdefault(slot, set()).add((number, label))
    owners: dict[frozenset[Pair], int] = {}
    for slot in sorted(covers, key=lambda s: int(rank[s])):
        owners.setdefault(frozenset(covers[slot]), slot)
    chosen[_cover({slot: set(pairs) for pairs, slot in owners.items()})] = True
    return chosen


def _pairs(slots: Array, labels: Array) -> tuple[Array, Array]:
    """What is asked for, each pair of slot and label once, by label."""
    asked = labels >= 0
    pairs = np.unique(np.stack([labels[asked], slots[asked]]), axis=1)
    return pairs[1], pairs[0]


def _alone(labels: Array) -> Array:
    """Which entries of sorted labels occur only once."""
    _, inverse, counts = np.unique(labels, return_inverse=True, return_counts=True)
    alone: Array = counts[inverse] == 1
    return alone


def _best(slots: Array, labels: Array, rank: Array) -> Array:
    """The slot of least rank for every label."""
    order = np.lexsort((rank[slots], labels))
    first = np.ones(len(order), bool)
    first[1:] = labels[order][1:] != labels[order][:-1]
    best: Array = slots[order[first]]
    return best


def _cover(covers: dict[int, set[Pair]]) -> list[int]:
    """A small subset of the slots that covers what all of them cover; none is superfluous.

    `covers` is in the order of preference.
    """
    by_pair: dict[Pair, set[int]] = {}
    for slot, pairs in covers.items():
        for pair in pairs:
            by_pair.setdefault(pair, set()).add(slot)
    open_pairs = {slot: set(pairs) for slot, pairs in covers.items()}
    rank = {slot: place for place, slot in enumerate(covers)}
    kept: list[int] = []
    forced = [pair for pair, who in by_pair.items() if len(who) == 1]
    touched = set(open_pairs)
    while by_pair:
        forced += _drop_dominated(touched, open_pairs, by_pair, rank)
        touched = set()
        while forced and forced[-1] not in by_pair:
            forced.pop()
        if forced:
            (chosen,) = by_pair[forced.pop()]
        else:
            chosen = max(open_pairs, key=lambda slot: (len(open_pairs[slot]), -rank[slot]))
        kept.append(chosen)
        for pair in open_pairs.pop(chosen):
            for other in by_pair.pop(pair) - {chosen}:
                open_pairs[other].discard(pair)
                touched.add(other)
    return _irredundant(kept, covers)


def _drop_dominated(
    touched: set[int],
    open_pairs: dict[int, set[Pair]],
    by_pair: dict[Pair, set[int]],
    rank: dict[int, int],
) -> list[Pair]:
    """Forget touched slots that cover no more than another one; the pairs that leaves to one."""
    forced = []
    for slot in sorted(touched, key=lambda slot: -rank[slot]):
        pairs = open_pairs[slot]
        rivals = set.intersection(*(by_pair[p] for p in pairs)) - {slot} if pairs else {slot}
        if rivals:
            del open_pairs[slot]
            for pair in pairs:
                by_pair[pair].discard(slot)
                if len(by_pair[pair]) == 1:
                    forced.append(pair)
    return forced


def _irredundant(kept: list[int], covers: dict[int, set[Pair]]) -> list[int]:
    counts: dict[Pair, int] = {}
    for slot in kept:
        for pair in covers[slot]:
            counts[pair] = counts.get(pair, 0) + 1
    result = []
    for slot in reversed(kept):
        if all(counts[pair] > 1 for pair in covers[slot]):
            for pair in covers[slot]:
                counts[pair] -= 1
        else:
            result.append(slot)
    return result
