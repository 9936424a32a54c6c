"""Constants that broadcast along the feature axis: one number, or one per feature."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lumpcli.ir import Array
from lumpcli.loader.trace import Trace
from lumpcli.loader.weights import Stored


@dataclass(frozen=True)
class Spread:
    """A constant as one number per feature: `values` (width,), a view where it is stored so."""

    stored: Stored
    values: Array

    @property
    def is_scalar(self) -> bool:
        """Whether one stored number serves all features."""
        return self.stored.array.size == 1


def per_feature(trace: Trace, name: str, axis: int, width: int) -> Spread | str:
    """A constant read along a feature axis; the reason where it varies along another one."""
    stored = trace.numbers(name)
    if stored is None:
        return trace.why_no_numbers(name)
    array = stored.array
    if array.size == 1:
        return Spread(stored, np.broadcast_to(array.reshape(1), (width,)))
    if array.ndim < -axis or array.shape[axis] != width or array.size != width:
        return f"{name!r} of shape {list(array.shape)} is not one number per feature"
    return Spread(stored, array.reshape(width))
