"""Small convolutional models: six planted channels, what is done to them, and a reader."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto

from tests.models import PLANTED, Array, build, node, planted

ROWS, BIAS = planted()


def kernel(rows: Array, *sizes: int) -> Array:
    """Rows (n, m) as a kernel (n, m, *sizes): multiples stay multiples, taps differ."""
    taps = np.arange(1, int(np.prod(sizes)) + 1, dtype=rows.dtype).reshape(sizes)
    return np.multiply.outer(rows, taps).astype(rows.dtype)


def through(
    *nodes: NodeProto,
    extra: Mapping[str, Array] | None = None,
    positions: Sequence[int | str] = (4, 5),
    activation: str = "Relu",
    columns: int = PLANTED,
    **options: Any,
) -> ModelProto:
    """p is a 1 x 1 convolution of x; the nodes make h of p, an activation r of h, another one y.

    `columns` is how many features the reader sees, which has a bias.
    """
    rank = options.pop("rank", len(positions))
    ones = (1,) * len(positions)
    last = np.random.default_rng(3).integers(1, 4, (3, columns)).astype(np.float32)
    weights = {
        "w": ROWS.reshape(*ROWS.shape, *ones),
        "b": BIAS,
        "v": last.reshape(3, columns, *(1,) * rank),
        "last": np.array([1, 2, 3], np.float32),
        **(extra or {}),
    }
    first = node("Conv", ["x", "w", "b"], ["p"])
    tail = [node(activation, ["h"], ["r"]), node("Conv", ["r", "v", "last"], ["y"])]
    options.setdefault("inputs", {"x": ("N", ROWS.shape[1], *positions)})
    return build([first, *nodes, *tail], weights, **options)
