"""Room for results: in memory, or, for large ones, in a file without a name.

What is written to a file can leave memory before it is read again, so that a reduced model of any
size needs no more memory than its largest layer.
"""

from __future__ import annotations

import math
import mmap
import os
import tempfile
from collections.abc import Sequence
from typing import Any

import numpy as np

from lumpcli.ir.exact import Array

_LARGE = 32 << 20  # bytes


def room(shape: Sequence[int], dtype: np.dtype[Any], by_rows: bool = True) -> Array:
    """An array with any numbers in it; a matrix that is not `by_rows` lies column by column."""
    if not by_rows:
        return room(shape[::-1], dtype).T
    size = math.prod(shape) * dtype.itemsize
    if size < _LARGE:
        return np.empty(shape, dtype)
    try:
        with tempfile.TemporaryFile(prefix="lumpcli-") as file:
            # else a full disk would end the process at the first write, without an error
            os.posix_fallocate(file.fileno(), 0, size)
            mapped = mmap.mmap(file.fileno(), size)
    except (OSError, AttributeError):  # a full disk; not on every system
        return np.empty(shape, dtype)
    found: Array = np.frombuffer(mapped, dtype).reshape(shape)
    return found
