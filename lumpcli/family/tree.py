"""The tree of cuts: which slice of a box an input lies in.

A cut compares one element of one input with a threshold. Elements above it are on the high side,
all else on the low one: a face between two slices belongs to both, and the first is taken.
Thresholds are numbers that the input's type represents, so that every runtime decides alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lumpcli.box import Array, Box
from lumpcli.errors import InputError


@dataclass(frozen=True)
class Cut:
    """`element` (of the input, flat) above `threshold`: go `high`, else `low`.

    Both are the number of a later cut, or, below 0, `~` the number of a slice.
    """

    input: str
    element: int
    threshold: float
    low: int
    high: int


@dataclass(frozen=True)
class Tree:
    """Cuts, the first one first; none where there is one slice.

    Raises InputError unless each later cut and each slice 0, 1, ... is reached in one way.
    """

    cuts: tuple[Cut, ...]

    def __post_init__(self) -> None:
        reached = sorted(side for cut in self.cuts for side in (cut.low, cut.high))
        count = len(self.cuts)
        forward = all(min(c.low, c.high) > k or min(c.low, c.high) < 0 for k, c in self._numbered)
        forward &= all(side < 0 or side > k for k, c in self._numbered for side in (c.low, c.high))
        if count and (reached != [*range(-count - 1, 0), *range(1, count)] or not forward):
            raise InputError("the cuts are no tree in which each slice is reached in one way")

    @property
    def _numbered(self) -> list[tuple[int, Cut]]:
        return list(enumerate(self.cuts))

    @property
    def slices(self) -> int:
        """How many slices there are."""
        return len(self.cuts) + 1

    @cached_property
    def depth(self) -> int:
        """The most cuts on the way to a slice."""
        depths = [0] * len(self.cuts)
        for number, cut in self._numbered:
            for side in (cut.low, cut.high):
                if side >= 0:
                    depths[side] = depths[number] + 1
        return max(depths, default=-1) + 1

    def locate(self, points: Mapping[str, Array]) -> Array:
        """The slice (samples,) of each of several inputs (samples, *shape)."""
        count = len(next(iter(points.values())))
        if not self.cuts:
            return np.zeros(count, np.int64)
        starts, parts, width = {}, [], 0
        for name, values in points.items():
            starts[name] = width
            parts.append(values.reshape(count, -1).astype(np.float64))
            width += parts[-1].shape[1]
        flat = np.concatenate(parts, axis=1)
        places = np.array([starts[c.input] + c.element for c in self.cuts])
        thresholds = np.array([c.threshold for c in self.cuts])
        sides = np.array([(c.low, c.high) for c in self.cuts])
        at = np.zeros(count, np.int64)
        for _ in range(self.depth):
            left = np.flatnonzero(at >= 0)
            cut = at[left]
            at[left] = sides[cut, (flat[left, places[cut]] > thresholds[cut]).astype(np.int64)]
        found: Array = ~at
        return found

    def domains(self, box: Box) -> list[Box]:
        """The part of the box that is each slice; neighbours share a face."""
        found = [box] * self.slices
        parts = [box, *[box] * (len(self.cuts) - 1)]
        for number, cut in self._numbered:
            halves = halve(parts[number], cut.input, cut.element, cut.threshold)
            for side, half in zip((cut.low, cut.high), halves, strict=True):
                if side < 0:
                    found[~side] = half
                else:
                    parts[side] = half
        return found


def halve(box: Box, name: str, element: int, threshold: float) -> tuple[Box, Box]:
    """Both parts of a box, which meet where an element of an input is the threshold."""
    lower, upper = box.ranges[name]
    low, high = upper.copy(), lower.copy()
    low.reshape(-1)[element] = high.reshape(-1)[element] = threshold
    return Box({**box.ranges, name: (lower, low)}), Box({**box.ranges, name: (high, upper)})
