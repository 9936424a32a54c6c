"""Samples of a box: inside, on faces and at corners; the same whatever the batch they are in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from lumpcli.box import Box
from lumpcli.errors import UsageError

_MOST = 96  # samples of one block
_ELEMENTS = 2**20  # of one block, about: a million samples of few elements have to be cheap
Kind = tuple[tuple[int, ...], np.dtype[Any]]


class BoxSamples:
    """Samples number 0, 1, ... of a box; a third is inside, on faces and at corners each.

    `kinds`: the shape and the type of a sample, of each input to draw. Bounds of size 1 along an
    axis hold all along it. Bounds that are no numbers of the type are rounded inward.
    """

    def __init__(self, box: Box, kinds: Mapping[str, Kind], seed: int) -> None:
        """Raise UsageError where shapes do not fit, or no number of a type is in the box."""
        ranges = {name: _spread(box, name, shape) for name, (shape, _) in kinds.items()}
        self._box = Box(ranges).inward({name: type_ for name, (_, type_) in kinds.items()})
        self._seed = seed
        self._length = max(3, min(_MOST, _ELEMENTS // max(self._box.size, 1)))
        self._number = -1
        self._block: dict[str, np.ndarray] = {}

    def __contains__(self, name: object) -> bool:
        return name in self._box.ranges

    def one(self, name: str, number: int) -> np.ndarray:
        """A sample of one input, in float64; rounded to its type, it is in the box."""
        block, place = divmod(number, self._length)
        if block != self._number:
            rng = np.random.default_rng([self._seed, block])
            self._number, self._block = block, self._box.sample(rng, self._length)
        return np.asarray(self._block[name][place])


def demand_inside(box: Box, name: str, array: np.ndarray) -> None:
    """Raise UsageError unless all samples in an array, along its first axis, lie in the box."""
    lower, upper = box.ranges[name]
    rows = array.reshape(-1, *lower.shape[:1], *array.shape[1:]).astype(np.float64)
    try:
        fits = bool(((lower <= rows) & (rows <= upper)).all())
    except ValueError:
        fits = False
    if not fits:
        raise UsageError(f"the array given for input {name} is not inside the box")


def _spread(box: Box, name: str, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    lower, upper = box.ranges[name]
    try:
        return np.broadcast_to(lower, shape), np.broadcast_to(upper, shape)
    except ValueError:
        raise UsageError(
            f"input {name}: bounds of shape {lower.shape} do not fit samples of {shape}"
        ) from None
