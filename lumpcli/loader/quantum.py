"""Constants of quantised models: integers, and how they stand for numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
QONNX = ("onnx.brevitas", "qonnx.custom_op.general")  # the domains of Quant
_MOST_BITS = 29  # products with a float32 scale then are exact in float64


@dataclass(frozen=True)
class Quantum:
    """Integers that stand for `(stored - zero) * scale`.

    `scale` is one number, or (n,) along `axis` of the array; `limits` are those of `stored - zero`;
    `node` is the number of the node that says so. Where that node rounds stored floats itself
    (Quant), `rounds` is set, and the root holds multiples of the scale.
    """

    node: int
    scale: Array
    axis: int
    zero: int
    limits: tuple[int, int]
    stored: np.dtype[Any]
    rounds: bool = False

    def at_root(self, value: Array) -> Array:
        """What is stored for integers with the zero taken away."""
        if self.rounds:
            return np.asarray(value * float(self.scale.item())).astype(self.stored)
        return np.asarray(value + self.zero).astype(self.stored)

    def per_row(self, axis: int, rows: int) -> Array | None:
        """The scale of every index along an axis (rows,); None when it varies along another one."""
        if self.scale.size == 1:
            return np.full(rows, self.scale.item(), self.scale.dtype)
        fits = self.axis == axis and len(self.scale) == rows
        return np.asarray(self.scale) if fits else None


def dequantized(
    node: int, stored: Array, scale: Array, zero: Array | None, axis: int
) -> tuple[Array, Quantum] | None:
    """The integers of a DequantizeLinear, zero taken away; None when they are of no such kind."""
    if stored.dtype.kind not in "iu" or scale.dtype != np.float32 or scale.ndim > 1:
        return None
    if not np.isfinite(scale).all() or (scale <= 0).any():
        return None
    points = np.zeros(1, np.int64) if zero is None else zero.reshape(-1).astype(np.int64)
    if (points != points[0]).any():
        return None
    point = int(points[0])
    whole = stored.astype(np.int64) - point
    if np.abs(whole).max(initial=0) >= 1 << _MOST_BITS:
        return None
    most = np.iinfo(stored.dtype)
    limits = int(most.min) - point, int(most.max) - point
    axis = axis % max(stored.ndim, 1)
    return whole.astype(_small(whole)), Quantum(node, scale, axis, point, limits, stored.dtype)


def _small(numbers: Array) -> np.dtype[Any]:
    return np.dtype(np.int16 if np.abs(numbers).max(initial=0) < 1 << 15 else np.int32)


def rounded(
    node: int, told: Sequence[Array], attributes: dict[str, Any]
) -> tuple[Array, Quantum] | None:
    """The integers of a QONNX Quant of stored floats, zero taken away; None for other kinds.

    It is told those floats, their scale, their zero and the number of bits.
    """
    if len(told) != 4:
        return None
    stored, scale, zero, bits = told
    if stored.dtype != np.float32 or scale.size != 1 or zero.size != 1 or bits.size != 1:
        return None
    limits = quant_limits(float(bits.reshape(-1)[0]), attributes)
    step, point = scale.reshape(-1)[0], float(zero.reshape(-1)[0])
    if limits is None or not np.isfinite(step) or step <= 0 or point != int(point):
        return None
    if attributes.get("rounding_mode", b"ROUND") != b"ROUND" or not np.isfinite(stored).all():
        return None
    whole = np.clip(np.rint(stored / step + np.float32(point)), *limits) - point
    own = limits[0] - int(point), limits[1] - int(point)
    integers = whole.astype(np.int64)
    quantum = Quantum(node, scale.reshape(-1), 0, 0, own, stored.dtype, rounds=True)
    return integers.astype(_small(integers)), quantum


def quant_limits(width: float, attributes: dict[str, Any]) -> tuple[int, int] | None:
    """The smallest and largest integer of a QONNX Quant of so many bits; None for odd ones."""
    bits = int(width)
    if bits != width or not 1 <= bits <= 16:
        return None
    narrow = int(attributes.get("narrow", 0))
    if attributes.get("signed", 1):
        return -(1 << (bits - 1)) + narrow, (1 << (bits - 1)) - 1
    return 0, (1 << bits) - 1 - narrow
