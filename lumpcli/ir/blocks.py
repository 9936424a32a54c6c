"""Looking at large arrays block by block: what is compared or tested makes no other large array."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
_NUMBERS = 1 << 18  # in a block


def blocks(first: Array, *others: Array) -> Iterator[tuple[Array, ...]]:
    """The blocks of arrays of one shape, side by side, in the order the first is stored in."""
    arrays = (first, *others)
    if first.size <= _NUMBERS or first.ndim == 0:
        yield arrays
        return
    axes = sorted(range(first.ndim), key=lambda axis: -abs(first.strides[axis]))
    arrays = tuple(array.transpose(axes) for array in arrays)
    row = first.size // len(arrays[0])
    if row > _NUMBERS:
        for index in range(len(arrays[0])):
            yield from blocks(*(array[index] for array in arrays))
        return
    step = _NUMBERS // row
    for start in range(0, len(arrays[0]), step):
        yield tuple(array[start : start + step] for array in arrays)


def all_finite(array: Array) -> bool:
    """Whether an array of floats of any type has neither NaN nor infinite entries.

    Seen from their sum, mostly.
    """
    native = array.dtype.kind == "f"  # numpy has no bfloat16 of its own
    with np.errstate(over="ignore", invalid="ignore"):
        if native and np.isfinite(array.sum()):
            return True
    return all(
        bool(np.isfinite(block if native else block.astype(np.float64)).all())
        for (block,) in blocks(array)
    )


def equal(a: Array, b: Array) -> bool:
    """Whether two arrays have one shape and equal numbers; NaN equals nothing."""
    if a.shape != b.shape:
        return False
    return all(bool(np.all(x == y)) for x, y in blocks(a, b))


def same_bits(a: Array, b: Array) -> bool:
    """Whether two arrays are of one shape and type and would be stored as the same bytes.

    Unlike numbers, -0.0 and 0.0 are told apart there, and NaN is what it is.
    """
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    a, b = np.asarray(a), np.asarray(b)
    if a.strides == b.strides and a.ctypes.data == b.ctypes.data:
        return True  # one and the same view of stored numbers: nothing needs to be read
    return all(bool((_bits(x) == _bits(y)).all()) for x, y in blocks(a, b))


def _bits(a: Array) -> Array:
    return np.ascontiguousarray(a).view(f"u{a.dtype.itemsize}")
