"""Which elements a sliding window sees: convolutions and pools become indices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lumpcli.bounds.affine import Unbounded
from lumpcli.bounds.rounding import Array


def windows(
    index: Array, kernel: Sequence[int], attributes: Mapping[str, Any]
) -> tuple[Array, tuple[int, ...]]:
    """Windows (N, C, positions, taps) over `index` (N, C, *spatial), and the spatial shape after.

    `index` holds numbers of elements; -1 stands for padding. Raises Unbounded for options that
    are not followed.
    """
    rank = len(kernel)
    if index.ndim != rank + 2:
        raise Unbounded(f"a window of {rank} dimensions over a tensor of {index.ndim}")
    if attributes.get("ceil_mode"):
        raise Unbounded("ceil_mode is not followed")
    strides = [int(s) for s in attributes.get("strides") or [1] * rank]
    dilations = [int(d) for d in attributes.get("dilations") or [1] * rank]
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    pads = _pads(attributes, index.shape[2:], strides, reach)
    padded = np.pad(index, [(0, 0), (0, 0), *pads], constant_values=-1)
    seen = np.lib.stride_tricks.sliding_window_view(padded, reach, axis=tuple(range(2, rank + 2)))
    steps = tuple(slice(None, None, s) for s in strides)
    taps = tuple(slice(None, None, d) for d in dilations)
    seen = seen[(slice(None), slice(None), *steps, *taps)]
    after = seen.shape[2 : 2 + rank]
    return seen.reshape(*index.shape[:2], int(np.prod(after)), -1), after


def _pads(
    attributes: Mapping[str, Any], before: Sequence[int], strides: Sequence[int], reach: list[int]
) -> list[tuple[int, int]]:
    """What is added before and after each spatial axis."""
    mode = attributes.get("auto_pad", b"NOTSET")
    mode = mode.decode() if isinstance(mode, bytes) else mode
    rank = len(before)
    if mode in ("NOTSET", ""):
        pads = [int(p) for p in attributes.get("pads") or [0] * (2 * rank)]
        if min(pads) < 0:
            raise Unbounded("negative pads are not followed")
        return list(zip(pads[:rank], pads[rank:], strict=True))
    if mode == "VALID":
        return [(0, 0)] * rank
    totals = [
        max(0, (-(-size // stride) - 1) * stride + far - size)
        for size, stride, far in zip(before, strides, reach, strict=True)
    ]
    if mode == "SAME_UPPER":
        return [(total // 2, total - total // 2) for total in totals]
    if mode == "SAME_LOWER":
        return [(total - total // 2, total // 2) for total in totals]
    raise Unbounded(f"auto_pad {mode!r} is not followed")
