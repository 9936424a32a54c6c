"""A network of small integers whose ReLUs bend where slices can be cut."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnxruntime
from onnx import ModelProto

from lumpcli.box import Box
from tests.models import Array, Shape, build, info, node

ROWS = np.array([[1, 0], [0, 1], [1, 1], [1, -1], [2, 0], [1, 1]])
BIAS = np.array([0, -1, 0, 0, 16, -16])  # of the last two one is active, one inactive in the box
COLUMNS = np.array([[1, 2, -1], [3, 1, 1], [2, -1, 1], [1, 1, -2], [-1, 2, 1], [5, 5, 5]])


def bends(shape: Shape = ("N", 2), dtype: Any = np.float32, **options: Any) -> ModelProto:
    """x -> Gemm -> Relu -> MatMul -> y (N, 3); on [-4, 4]^2 four of six ReLUs are open."""
    nodes = [
        node("Flatten", ["x"], ["f"]),
        node("Gemm", ["f", "w", "b"], ["h"], transB=1),
        node("Relu", ["h"], ["r"]),
        node("MatMul", ["r", "v"], ["y"]),
    ]
    weights = {"w": ROWS.astype(dtype), "b": BIAS.astype(dtype), "v": COLUMNS.astype(dtype)}
    return build(nodes, weights, inputs={"x": shape}, dtype=dtype, **options)


def square(shape: Sequence[int] = (1, 2), end: float = 4.0) -> Box:
    """[-end, end] for each element of x."""
    return Box({"x": (np.full(shape, -end), np.full(shape, end))})


def run(model: ModelProto, feeds: dict[str, Array]) -> list[Array]:
    """What onnxruntime makes of it."""
    session = onnxruntime.InferenceSession(model.SerializeToString())
    found: list[Array] = session.run(None, feeds)
    return found


def shaped(model: ModelProto, *shape: int | str) -> ModelProto:
    """The model, its first output of that shape, as onnx's checker wants it."""
    (first, *others) = model.graph.output
    described = info(first.name, shape, np.float32)
    del model.graph.output[:]
    model.graph.output.extend([described, *others])
    return model
