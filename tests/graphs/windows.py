"""Kernels, strides and pads, and the sizes that come out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from tests.graphs.spec import Rng


@dataclass(frozen=True)
class Window:
    """What a convolution or pool slides over an image; `pads` are all beginnings, then all ends."""

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    pads: tuple[int, ...]
    auto: str
    out: tuple[int, ...]

    @property
    def padded(self) -> bool:
        """Whether it reads outside the image, as far as one can tell without its size."""
        return any(self.pads) or self.auto.startswith("SAME")

    @property
    def taps(self) -> int:
        """How many positions it reads at once."""
        return math.prod(self.kernel)

    def attributes(self, rng: Rng, dilated: bool = True) -> dict[str, Any]:
        """As ONNX attributes, what is the default sometimes left out."""
        found: dict[str, Any] = {"kernel_shape": list(self.kernel)}
        if self.auto != "NOTSET":
            found["auto_pad"] = self.auto
        elif any(self.pads) or rng.random() < 0.5:
            found["pads"] = list(self.pads)
        if set(self.strides) != {1} or rng.random() < 0.5:
            found["strides"] = list(self.strides)
        if dilated and (set(self.dilations) != {1} or rng.random() < 0.3):
            found["dilations"] = list(self.dilations)
        return found


def draw(
    rng: Rng,
    spatial: tuple[int, ...],
    *,
    same: bool = False,
    dilated: bool = True,
    kernels: tuple[int, ...] = (1, 2, 3, 3),
) -> Window:
    """A random window that fits; `same`: the image keeps its size."""
    auto = str(rng.choice(["NOTSET", "NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"]))
    if same and auto == "VALID":
        auto = "NOTSET"
    columns = [_axis(rng, size, same, auto, dilated, kernels) for size in spatial]
    kernel, strides, dilations, begins, ends, out = zip(*columns, strict=True)
    return Window(kernel, strides, dilations, (*begins, *ends), auto, out)


def _axis(
    rng: Rng, size: int, same: bool, auto: str, dilated: bool, kernels: tuple[int, ...]
) -> tuple[int, int, int, int, int, int]:
    """Kernel, stride, dilation, pads and the size that comes out, along one axis."""
    free = auto in ("NOTSET", "VALID")
    kernel = int(rng.choice([k for k in kernels if k <= size or same] or [1]))
    dilation = 2 if dilated and free and rng.random() < 0.2 else 1
    reach = (kernel - 1) * dilation + 1
    if reach > size and not same:
        dilation, reach = 1, kernel
    stride = 1 if same or rng.random() < 0.7 else 2
    if not free:
        stride = min(stride, kernel)  # onnxruntime 1.31 pads some pools by -1 otherwise
        out = -(-size // stride)
        total = max((out - 1) * stride + reach - size, 0)
        begin = total // 2 if auto == "SAME_UPPER" else total - total // 2
        return kernel, stride, dilation, begin, total - begin, out
    if same:
        begin = int(rng.integers(0, reach)) if rng.random() < 0.2 else (reach - 1) // 2
        return kernel, stride, dilation, begin, reach - 1 - begin, size
    most = 0 if auto == "VALID" or rng.random() < 0.5 else min(1, kernel - 1)
    begin, end = (int(rng.integers(0, most + 1)) for _ in range(2))
    return kernel, stride, dilation, begin, end, (size + begin + end - reach) // stride + 1


def draw_transposed(rng: Rng, spatial: tuple[int, ...]) -> tuple[Window, tuple[int, ...]]:
    """A random window for a ConvTranspose, and its output padding."""
    columns = []
    for size in spatial:
        kernel = int(rng.choice([1, 2, 2, 3]))
        stride = int(rng.choice([1, 2])) if size < 5 else 1
        begin, end = (int(rng.integers(0, 2)) if kernel > 1 else 0 for _ in range(2))
        if (size - 1) * stride + kernel - begin - end < 1:
            begin = end = 0
        extra = int(stride > 1 and rng.random() < 0.3)
        out = (size - 1) * stride + kernel - begin - end + extra
        columns.append((kernel, stride, 1, begin, end, out, extra))
    kernel_, strides, dilations, begins, ends, out_, extras = zip(*columns, strict=True)
    return Window(kernel_, strides, dilations, (*begins, *ends), "NOTSET", out_), extras
