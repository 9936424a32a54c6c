"""Attention as exporters write it, with queries or keys that are multiples of one another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto

from lumpcli.api import reduce
from tests.evaluate import run
from tests.models import Array, build, integers, node, weight

HEADS, SIZE, LENGTH, READ = 2, 4, 5, 6
WIDTH = HEADS * SIZE
OUTPUTS = ("scores", "y")

# row -> (factor, row it is a multiple of)
Multiples = Mapping[int, tuple[float, int]]


def typed(model: ModelProto) -> ModelProto:
    """The model with the shapes of its outputs told."""
    inferred = onnx.shape_inference.infer_shapes(model).graph.output
    del model.graph.output[:]
    model.graph.output.extend(inferred)
    onnx.checker.check_model(model)
    return model


class Drawn:
    """Weights and biases in the making; those of multiples are even, so that halves are whole."""

    def __init__(self, bias: bool, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.bias = bias
        self.numbers: dict[str, Array] = {}

    def projection(self, name: str, multiples: Multiples | None = None, width: int = WIDTH) -> None:
        """`w<name>` for MatMul, and `b<name>`."""
        rows = self.rng.choice([-6, -4, -2, 2, 4, 6], (READ + 1, width)).astype("f4")
        for row, (factor, of) in (multiples or {}).items():
            rows[:, row] = factor * rows[:, of]
        self.numbers[f"w{name}"] = rows[:READ].copy()
        if self.bias:
            self.numbers[f"b{name}"] = rows[READ].copy()

    def project(self, name: str) -> tuple[list[Any], str]:
        """The nodes that make one of `x`, and the tensor."""
        nodes = [node("MatMul", ["x", f"w{name}"], [f"{name}_m"], name=f"/{name}/MatMul")]
        if not self.bias:
            return nodes, f"{name}_m"
        return [*nodes, node("Add", [f"b{name}", f"{name}_m"], [f"{name}_a"])], f"{name}_a"


def attention(
    q: Multiples | None = None,
    k: Multiples | None = None,
    bias: bool = True,
    scale: str = "Div",
    heads: int = HEADS,
    dtype: str = "f4",
) -> ModelProto:
    """MatMul and Add, Reshape, Transpose, MatMul, scale, Softmax, MatMul, and all the way back."""
    drawn = Drawn(bias)
    nodes = []
    for name, multiples in (("q", q), ("k", k), ("v", None)):
        drawn.projection(name, multiples)
        made, tensor = drawn.project(name)
        nodes += made
        perm = [0, 2, 3, 1] if name == "k" else [0, 2, 1, 3]
        if scale == "both" and name in "qk":
            nodes.append(node("Mul", [tensor, "half"], [f"{name}_scaled"]))
            tensor = f"{name}_scaled"
        if heads > 1:
            nodes.append(node("Reshape", [tensor, f"shape_{name}"], [f"{name}_h"]))
            nodes.append(node("Transpose", [f"{name}_h"], [f"{name}_t"], perm=perm))
            drawn.numbers[f"shape_{name}"] = np.array([0, 0, heads, WIDTH // heads], np.int64)
        elif name == "k":
            nodes.append(node("Transpose", [tensor], ["k_t"], perm=[0, 2, 1]))
        else:
            nodes.append(node("Identity", [tensor], [f"{name}_t"]))
    nodes.append(node("MatMul", ["q_t", "k_t"], ["scores"]))
    scaled = "scores"
    if scale in ("Mul", "Div"):
        nodes.append(node(scale, ["scores", "two"], ["scaled"]))
        scaled = "scaled"
    nodes += [node("Softmax", [scaled], ["p"], axis=-1), node("MatMul", ["p", "v_t"], ["o"])]
    out = "o"
    if heads > 1:
        nodes.append(node("Transpose", ["o"], ["o_t"], perm=[0, 2, 1, 3]))
        nodes.append(node("Reshape", ["o_t", "shape_o"], ["o_r"]))
        drawn.numbers["shape_o"] = np.array([0, 0, WIDTH], np.int64)
        out = "o_r"
    nodes.append(node("MatMul", [out, "wo"], ["y"]))
    drawn.numbers["wo"] = drawn.rng.choice([-2, -1, 1, 2], (WIDTH, 3)).astype("f4")
    drawn.numbers |= {"two": np.array(2, "f4"), "half": np.array(0.5, "f4")}
    numbers = {n: a.astype(dtype) if a.dtype == "f4" else a for n, a in drawn.numbers.items()}
    inputs = {"x": ("N", LENGTH, READ)}
    return typed(build(nodes, numbers, inputs=inputs, outputs=OUTPUTS, dtype=np.dtype(dtype)))


def equal(model: ModelProto, small: ModelProto, scores: str = "scores") -> None:
    """The scores bit for bit, what follows Softmax closely."""
    for seed in range(3):
        inputs = integers(model, batch=2, seed=seed)
        before, after = run(model, inputs), run(small, inputs)
        assert np.isfinite(before[scores]).all()
        assert abs(before[scores]).max() < 2**24
        np.testing.assert_array_equal(after[scores], before[scores])
        np.testing.assert_allclose(after["y"], before["y"], rtol=1e-5, atol=1e-4)


def cut_to(model: ModelProto, width: int, level: Any = "exact") -> ModelProto:
    """Reduce: queries and keys are left with so many features, the rest is equal and final."""
    result = reduce(model, level=level)
    small = result.model
    onnx.checker.check_model(small)
    equal(model, small)
    for name in "qk":
        assert weight(small, f"w{name}").shape == (READ, width)
    assert weight(small, "wv").shape == (READ, WIDTH)
    again = reduce(small, level=level)
    assert not again.changed
    assert again.model.SerializeToString() == small.SerializeToString()
    return small


def fused(multiples: Multiples) -> ModelProto:
    """Queries, keys and values by one MatMul, split as GPT-2 does."""
    drawn = Drawn(True)
    drawn.projection("a", multiples, 3 * WIDTH)
    nodes, tensor = drawn.project("a")
    nodes.append(node("Split", [tensor, "sizes"], ["q", "k", "v"], axis=-1))
    for name, perm in (("q", [0, 2, 1, 3]), ("k", [0, 2, 3, 1]), ("v", [0, 2, 1, 3])):
        nodes.append(node("Reshape", [name, "shape"], [f"{name}_h"]))
        nodes.append(node("Transpose", [f"{name}_h"], [f"{name}_t"], perm=perm))
    nodes += [node("MatMul", ["q_t", "k_t"], ["scores"]), node("Softmax", ["scores"], ["p"])]
    nodes += [
        node("MatMul", ["p", "v_t"], ["o"]),
        node("Transpose", ["o"], ["t"], perm=[0, 2, 1, 3]),
    ]
    nodes += [node("Reshape", ["t", "whole"], ["r"]), node("MatMul", ["r", "wo"], ["y"])]
    numbers = drawn.numbers | {
        "sizes": np.array([WIDTH] * 3, np.int64),
        "shape": np.array([0, 0, HEADS, -1], np.int64),
        "whole": np.array([0, 0, -1], np.int64),
        "wo": drawn.rng.choice([-2, -1, 1, 2], (WIDTH, 3)).astype("f4"),
    }
    return typed(build(nodes, numbers, inputs={"x": ("N", LENGTH, READ)}, outputs=OUTPUTS))


def stored_anew(model: ModelProto, name: str, numbers: Array) -> None:
    """Give an initializer other numbers of its own type."""
    tensor = next(t for t in model.graph.initializer if t.name == name)
    dtype = onnx.numpy_helper.to_array(tensor).dtype
    tensor.CopyFrom(onnx.numpy_helper.from_array(numbers.astype(dtype), name))
