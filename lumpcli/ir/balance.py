"""Which of several slots to keep where as many have to stay in each of some parts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from lumpcli.ir.exact import Array
from lumpcli.ir.hitting import Pair

Move = tuple[int, int]  # a slot that goes, the one that is kept instead


def balanced(
    demands: Sequence[tuple[Array, Array]],
    kept: Array,
    forced: Array,
    parts: Sequence[Array],
    preference: Array,
) -> Array:
    """As many slots (count,) bool as `kept`, for the same demands, spread more evenly over parts.

    `demands` is what `hitting_set` got, `kept` what it gave; of `parts` (number, size) the fullest
    gives slots away as long as it can. One layer, one way to part it: then no choice has a fullest
    part with fewer slots (a semi-matching is optimal when no path lowers its largest load).
    """
    if not len(parts):
        return kept
    covers: dict[int, set[Pair]] = {}
    for number, (slots, labels) in enumerate(demands):
        for slot, label in zip(slots.tolist(), labels.tolist(), strict=True):
            if label >= 0:
                covers.setdefault(slot, set()).add((number, label))
    order = sorted(covers, key=lambda slot: (preference[slot], slot))
    found = kept
    for part in parts:
        place = {slot: p for p, members in enumerate(part.tolist()) for slot in members}
        inside = {slot: covers[slot] for slot in order if slot in place}
        while True:
            moved = found.copy()
            for gone, instead in _path(inside, place, len(part), found, forced):
                moved[gone], moved[instead] = False, True
            if np.array_equal(moved, found) or not _hits(covers, moved):
                break
            found = moved
    return found


def _path(
    covers: dict[int, set[Pair]], place: dict[int, int], number: int, kept: Array, forced: Array
) -> list[Move]:
    """Moves from the fullest part, over others, to one that has at least two slots less; or none.

    A slot moves to one that covers all it covers alone. The first of `covers` are preferred.
    """
    load = Counter(dict.fromkeys(range(number), 0))
    load.update(place[slot] for slot in np.flatnonzero(kept).tolist() if slot in place)
    fullest = max(range(number), key=lambda part: load[part])
    if load[fullest] - min(load.values()) < 2:
        return []
    counts = Counter(pair for slot, pairs in covers.items() if kept[slot] for pair in pairs)
    spare: dict[Pair, dict[int, None]] = {}  # in order of preference
    for slot, pairs in covers.items():
        for pair in () if kept[slot] else pairs:
            spare.setdefault(pair, {})[slot] = None
    movable: dict[int, list[int]] = {}
    for slot in covers:
        if kept[slot] and not forced[slot]:
            movable.setdefault(place[slot], []).append(slot)
    came: dict[int, list[Move]] = {fullest: []}
    waiting = [fullest]
    for part in waiting:
        for gone in movable.get(part, ()):
            alone = [pair for pair in covers[gone] if counts[pair] == 1]
            for instead in spare.get(alone[0], {}) if alone else ():
                there = place[instead]
                if there in came or not covers[instead].issuperset(alone):
                    continue
                came[there] = [*came[part], (gone, instead)]
                if load[there] <= load[fullest] - 2:
                    return came[there]
                waiting.append(there)
    return []


def _hits(covers: dict[int, set[Pair]], kept: Array) -> bool:
    """Whether every pair is covered by a kept slot."""
    every = set[Pair]().union(*covers.values())
    return every == set[Pair]().union(*(pairs for slot, pairs in covers.items() if kept[slot]))
