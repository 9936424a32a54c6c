"""Shapes before and after an operator: which axes hold the same elements."""

from __future__ import annotations

from collections.abc import Sequence

Dim = int | str | None  # a size, a symbol for one, or nothing known
Axes = tuple[list[int], list[int]]  # before, after


def matching_axes(
    before: Sequence[Dim], after: Sequence[Dim], features: Sequence[int]
) -> list[Axes]:
    """Groups of axes that hold the same elements, when elements stay in order.

    Matched from both ends; what cannot be told apart is one group in the middle. The axes of
    `features` before are in one group, even where their length is 1.
    """
    front, i, j = _match(before, after)
    back, k, m = _match(before[i:][::-1], after[j:][::-1])
    ends = [
        ([len(before) - 1 - a for a in reversed(old)], [len(after) - 1 - a for a in reversed(new)])
        for old, new in reversed(back)
    ]
    middle = ([*range(i, len(before) - k)], [*range(j, len(after) - m)])
    groups = [*front, *([middle] if middle[0] or middle[1] else []), *ends]
    for axis in features:
        if before[axis] == 1:
            _move(axis, groups, features, before)
    return [group for group in groups if group[0] or group[1]]


def _move(axis: int, groups: list[Axes], features: Sequence[int], before: Sequence[Dim]) -> None:
    """Put a feature axis of length 1 into the group of the others, or one that can hold it."""
    own = next(g for g in groups if axis in g[0])
    others = [g for g in groups if any(a in g[0] and before[a] != 1 for a in features)]
    if not others and own[1]:
        return
    to = others[0] if others else groups[max(groups.index(own) - 1, 0)]
    own[0].remove(axis)
    to[0].append(axis)
    to[0].sort()


def with_ones(new: list[int], groups: Sequence[Axes], after: Sequence[Dim]) -> list[int]:
    """Axes after, and those of length 1 that follow them, which leave their groups.

    Features along `[n, 1]` may have lain along `[n, m]` before they were cut.
    """
    found = list(new)
    while found and found[-1] + 1 < len(after) and after[found[-1] + 1] == 1:
        found.append(found[-1] + 1)
    for _, axes in groups:
        axes[:] = [axis for axis in axes if axis not in found or axis in new]
    return found


def _match(before: Sequence[Dim], after: Sequence[Dim]) -> tuple[list[Axes], int, int]:
    """Groups of equal size from the front, as long as sizes are known; and how far they reach."""
    groups: list[Axes] = []
    i = j = 0
    while i < len(before) and j < len(after):
        if before[i] is None or after[j] is None:
            break
        old, new = [i], [j]
        left, right = before[i], after[j]
        while left != right:
            if not isinstance(left, int) or not isinstance(right, int) or 0 in (left, right):
                return groups, i, j
            own, shape = (old, before) if left < right else (new, after)
            place = own[-1] + 1
            size = shape[place] if place < len(shape) else None
            if not isinstance(size, int):
                return groups, i, j
            own.append(place)
            left, right = (left * size, right) if own is old else (left, right * size)
        groups.append((old, new))
        i, j = old[-1] + 1, new[-1] + 1
    return groups, i, j


def axis_after(squeeze: bool, place: int, rank: int, axes: Sequence[int]) -> int | None:
    """Where an axis is after a Squeeze or an Unsqueeze, counted from the end; None when gone."""
    if squeeze:
        gone = {a % rank for a in axes}
        return None if place in gone else -sum(1 for a in range(place, rank) if a not in gone)
    total = rank + len(axes)
    new = {a % total for a in axes}
    return [a for a in range(total) if a not in new][place] - total
