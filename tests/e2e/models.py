"""Models that the end-to-end tests need beside those of tests/models.py."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import ModelProto

from tests.models import around, build, mlp, node, planted, reader


def untouched() -> ModelProto:
    """Nothing to merge: random normal weights. 5 -> 6 -> 3."""
    rng = np.random.default_rng(3)
    model = mlp()
    for tensor in model.graph.initializer:
        numbers = rng.standard_normal(tuple(tensor.dims)).astype(np.float32)
        tensor.CopyFrom(onnx.numpy_helper.from_array(numbers, tensor.name))
    return model


def nearly() -> ModelProto:
    """Feature 1 is 0.7 times feature 0 up to rounding; nothing else can go."""
    rng = np.random.default_rng(4)
    rows = rng.standard_normal((6, 5)).astype(np.float32)
    rows[1] = rows[0] * np.float32(0.7)
    return around([node("Gemm", ["x", "w"], ["h"], name="first", transB=1)], {"w": rows})


def without_relu() -> ModelProto:
    """The planted network, every ReLU deleted."""
    model = mlp()
    relu = next(n for n in model.graph.node if n.op_type == "Relu")
    relu.op_type = "Identity"
    return model


def constant() -> ModelProto:
    """The output is [3, -2] whatever the input is."""
    weights = {
        "w": np.zeros((5, 4), np.float32),
        "b": np.array([1, -1, 0, 1], np.float32),
        "v": np.array([[2, -1], [5, 5], [7, 7], [1, -1]], np.float32),
    }
    nodes = [
        node("Gemm", ["x", "w", "b"], ["h"], name="first"),
        node("Relu", ["h"], ["r"]),
        node("MatMul", ["r", "v"], ["y"]),
    ]
    return build(nodes, weights)


def two_layers() -> ModelProto:
    """Both hidden layers have planted features; nodes fc1 and fc2, tensors r1 and r2."""
    rows, bias = planted()
    rng = np.random.default_rng(6)
    second = rng.integers(1, 4, (6, 6)).astype(np.float32)
    second[1] = second[0]
    nodes = [
        node("Gemm", ["x", "w1", "b1"], ["h1"], name="fc1", transB=1),
        node("Relu", ["h1"], ["r1"]),
        node("Gemm", ["r1", "w2"], ["h2"], name="fc2", transB=1),
        node("Relu", ["h2"], ["r2"]),
        node("MatMul", ["r2", "v"], ["y"], name="head"),
    ]
    return build(nodes, {"w1": rows, "b1": bias, "w2": second, "v": reader()})


def custom_end() -> ModelProto:
    """Two features can go, but the output comes from an operator nobody knows."""
    model = mlp(domains=["my.domain"])
    model.graph.node[-1].output[0] = "s"
    model.graph.node.append(node("Foo", ["s"], ["y"], name="foo", domain="my.domain"))
    return model


def random_end(kind: str = "RandomNormalLike") -> ModelProto:
    """The planted network plus random numbers."""
    model = mlp()
    model.graph.node[-1].output[0] = "s"
    model.graph.node.append(node(kind, ["s"], ["noise"]))
    model.graph.node.append(node("Add", ["s", "noise"], ["y"]))
    return model


def overflowing() -> ModelProto:
    """float16, features 0 and 1 equal; the sum of their columns, 120,000, has no float16."""
    rows = np.array([[1, 2, 3, 4, 5], [1, 2, 3, 4, 5], [0, 1, 0, 0, 0]], np.float16)
    columns = np.array([[60000, 1], [60000, 2], [1, 3]], np.float16)
    nodes = [
        node("Gemm", ["x", "w"], ["h"], name="first", transB=1),
        node("Relu", ["h"], ["r"]),
        node("MatMul", ["r", "v"], ["y"]),
    ]
    return build(nodes, {"w": rows, "v": columns}, dtype=np.float16)


def poisoned(value: float, tensor: str) -> ModelProto:
    """The planted network with one NaN or infinite number in `w` or `v`."""
    model = mlp()
    for stored in model.graph.initializer:
        if stored.name == tensor:
            numbers: Any = onnx.numpy_helper.to_array(stored).copy()
            numbers[0, 0] = value
            stored.CopyFrom(onnx.numpy_helper.from_array(numbers, tensor))
    return model
