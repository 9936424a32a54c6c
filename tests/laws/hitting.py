"""The smallest set of indices that meets every one of some sets: by reduction, then by search."""

from __future__ import annotations

from collections.abc import Iterable


def smallest(demands: Iterable[set[int]]) -> set[int]:
    """A hitting set with as few members as possible."""
    return _search(_reduced([frozenset(d) for d in demands]), None) or set()


def _reduced(demands: list[frozenset[int]]) -> list[frozenset[int]]:
    """The demands without those that others imply, over indices that no other one replaces."""
    while True:
        unique = sorted(set(demands), key=lambda d: (len(d), sorted(d)))
        kept: list[frozenset[int]] = []
        for demand in unique:
            if not any(other <= demand for other in kept):
                kept.append(demand)
        meets: dict[int, frozenset[int]] = {}
        for index in sorted({i for d in kept for i in d}):
            meets[index] = frozenset(k for k, d in enumerate(kept) if index in d)
        useful: list[int] = []
        for index in sorted(meets, key=lambda i: (-len(meets[i]), i)):
            if not any(meets[index] <= meets[other] for other in useful):
                useful.append(index)
        smaller = [d & frozenset(useful) for d in kept]
        if smaller == demands:
            return smaller
        demands = smaller


def _search(demands: list[frozenset[int]], limit: int | None) -> set[int] | None:
    """A smallest hitting set of fewer than `limit` members, or None."""
    if not demands:
        return set() if limit is None or limit > 0 else None
    apart: set[int] = set()
    bound = 0
    for demand in demands:  # pairwise disjoint demands need a member each
        if not demand & apart:
            apart |= demand
            bound += 1
    if limit is not None and bound >= limit:
        return None
    best: set[int] | None = None
    for index in sorted(min(demands, key=lambda d: (len(d), sorted(d)))):
        rest = _reduced([d for d in demands if index not in d])
        found = _search(rest, None if limit is None else limit - 1)
        if found is not None:
            best = {index, *found}
            limit = len(best)
    return best
