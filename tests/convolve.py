"""Convolutions in float64, a tap at a time; features lie along the last axis throughout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import NodeProto, helper

from lumpcli.ir import Array


@dataclass(frozen=True)
class Geometry:
    """Where the taps of a kernel lie: per axis, and in front of the image."""

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]
    transposed: bool

    def offsets(self) -> list[tuple[int, ...]]:
        """The places of the taps, in the order in which weights are stored."""
        return [
            tuple(k * d for k, d in zip(tap, self.dilations, strict=True))
            for tap in np.ndindex(*self.kernel)
        ]


def geometry(
    node: NodeProto, kernel: Sequence[int], image: Sequence[int], result: Sequence[int]
) -> Geometry:
    """What a node's attributes say, for an image and a result of these sizes."""
    given: dict[str, Any] = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    rank = len(kernel)
    strides = tuple(given.get("strides", [1] * rank))
    dilations = tuple(given.get("dilations", [1] * rank))
    transposed = node.op_type == "ConvTranspose"
    extent = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    pads = list(given.get("pads", [0] * (2 * rank)))
    automatic = given.get("auto_pad", b"NOTSET").decode()
    if automatic.startswith("SAME") or given.get("output_shape"):
        pads = []
        extra = given.get("output_padding", [0] * rank)
        for axis in range(rank):
            small, large = image[axis], result[axis]
            if transposed:
                total = strides[axis] * (small - 1) + extra[axis] + extent[axis] - large
            else:
                total = (large - 1) * strides[axis] + extent[axis] - small
            total = max(total, 0)
            first = total // 2 if automatic != "SAME_LOWER" else total - total // 2
            if transposed and automatic == "NOTSET":
                first = total - total // 2
            pads.append((first, total - first))
        pads = [p[0] for p in pads] + [p[1] for p in pads]
    return Geometry(
        tuple(kernel), strides, dilations, tuple(pads[:rank]), tuple(pads[rank:]), transposed
    )


def _place(offset: int, stride: int, count: int) -> slice:
    return slice(offset, offset + stride * (count - 1) + 1, stride)


def convolve(
    x: Array, weight: Array, shape: Geometry, result: Sequence[int], *, depthwise: bool = False
) -> Array:
    """`x` (N, *image, n), weights (rows, n, taps), or (n, taps) depthwise; (N, *result, rows)."""
    weight = weight.astype(np.float64)
    rank = len(shape.kernel)
    pads = [(0, 0), *zip(shape.before, shape.after, strict=True), (0, 0)]

    def through(part: Array, tap: int) -> Array:
        return part * weight[:, tap] if depthwise else part @ weight[:, :, tap].T

    if not shape.transposed:
        image = np.pad(x, pads)
        total = np.zeros((len(x), *result, len(weight)))
        for tap, offset in enumerate(shape.offsets()):
            places = tuple(map(_place, offset, shape.strides, result))
            total += through(image[(slice(None), *places)], tap)
        return total
    size = [b + r + a for b, r, a in zip(shape.before, result, shape.after, strict=True)]
    reach = [
        s * (n - 1) + (k - 1) * d + 1
        for s, n, k, d in zip(
            shape.strides, x.shape[1:-1], shape.kernel, shape.dilations, strict=True
        )
    ]
    total = np.zeros((len(x), *map(max, size, reach), len(weight)))
    for tap, offset in enumerate(shape.offsets()):
        places = tuple(map(_place, offset, shape.strides, x.shape[1:-1]))
        total[(slice(None), *places)] += through(x, tap)
    inside = tuple(slice(shape.before[a], shape.before[a] + result[a]) for a in range(rank))
    return total[(slice(None), *inside)]
