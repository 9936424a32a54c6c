"""Which indices to keep: a small set that hits every class of every layer of a group."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lumpcli.ir.exact import Array


def hitting_set(labels: Sequence[Array], preference: Array) -> Array:
    """Indices (rising) such that each label >= 0 of each layer occurs among them.

    `labels` has one (n,) array per layer of the group; -1 asks for nothing. One layer: the set is
    the smallest. More layers: forced and dominated indices are settled first, then the greedy
    choice, and no index is kept that the others make superfluous. Among equals the lowest
    `preference` (n,) wins, then the lowest index.
    """
    if not labels:
        return np.zeros(0, np.int64)
    owners: dict[tuple[int, ...], int] = {}
    for i in sorted(range(len(preference)), key=lambda i: (preference[i], i)):
        signature = tuple(int(layer[i]) for layer in labels)
        if any(label >= 0 for label in signature):
            owners.setdefault(signature, i)
    covers = {
        i: {(layer, label) for layer, label in enumerate(signature) if label >= 0}
        for signature, i in owners.items()
    }
    kept = _cover(covers) if len(labels) > 1 else list(covers)
    return np.array(sorted(kept), np.int64)


def _cover(covers: dict[int, set[tuple[int, int]]]) -> list[int]:
    """A small subset of the indices that covers what all of them cover; none is superfluous."""
    by_pair: dict[tuple[int, int], set[int]] = {}
    for i, pairs in covers.items():
        for pair in pairs:
            by_pair.setdefault(pair, set()).add(i)
    open_pairs = {i: set(pairs) for i, pairs in covers.items()}
    rank = {i: place for place, i in enumerate(covers)}
    kept: list[int] = []
    forced = [pair for pair, who in by_pair.items() if len(who) == 1]
    while by_pair:
        while forced and forced[-1] not in by_pair:
            forced.pop()
        if forced:
            (chosen,) = by_pair[forced.pop()]
        else:
            chosen = max(open_pairs, key=lambda i: (len(open_pairs[i]), -rank[i]))
        kept.append(chosen)
        for pair in open_pairs.pop(chosen):
            for other in by_pair.pop(pair) - {chosen}:
                open_pairs[other].discard(pair)
        forced += _drop_dominated(open_pairs, by_pair, rank)
    return _irredundant(kept, covers)


def _drop_dominated(
    open_pairs: dict[int, set[tuple[int, int]]],
    by_pair: dict[tuple[int, int], set[int]],
    rank: dict[int, int],
) -> list[tuple[int, int]]:
    """Forget indices that cover no more than another one; return the pairs that leaves to one."""
    forced = []
    for i in sorted(open_pairs, key=lambda i: -rank[i]):
        pairs = open_pairs[i]
        rivals = set.intersection(*(by_pair[p] for p in pairs)) - {i} if pairs else {i}
        if rivals:
            del open_pairs[i]
            for pair in pairs:
                by_pair[pair].discard(i)
                if len(by_pair[pair]) == 1:
                    forced.append(pair)
    return forced


def _irredundant(kept: list[int], covers: dict[int, set[tuple[int, int]]]) -> list[int]:
    counts: dict[tuple[int, int], int] = {}
    for i in kept:
        for pair in covers[i]:
            counts[pair] = counts.get(pair, 0) + 1
    result = []
    for i in reversed(kept):
        if all(counts[pair] > 1 for pair in covers[i]):
            for pair in covers[i]:
                counts[pair] -= 1
        else:
            result.append(i)
    return result
