"""Dialects of affine operators: the numbers are exact, and what is odd is declined."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import NodeProto

from lumpcli.bounds import lower
from lumpcli.loader import load
from tests.models import build, node

X = np.arange(1.0, 7.0).reshape(1, 2, 3)
WEIGHTS = {
    "two": np.array(2.0, np.float32),
    "row": np.array([1, -2, 4], np.float32),
    "matrix": np.arange(12, dtype=np.float32).reshape(1, 3, 4),
    "left": np.array([[1, -1], [0, 2]], np.float32),
    "stack": np.ones((2, 3, 3), np.float32),
    "vector": np.ones(3, np.float32),
    "ones": np.ones(2, np.float32),
    "minus": -np.ones(2, np.float32),
}
EXACT: dict[str, tuple[NodeProto, Any]] = {
    "Mul by a constant on the left": (node("Mul", ["two", "x"], ["z"]), 2 * X),
    "Mul that broadcasts x": (
        node("Mul", ["x", "stack"], ["z"]),
        None,
    ),
    "Div": (node("Div", ["x", "row"], ["z"]), X / [1, -2, 4]),
    "Sub from a constant": (node("Sub", ["row", "x"], ["z"]), [1, -2, 4] - X),
    "Sum of three": (node("Sum", ["x", "row", "x"], ["z"]), 2 * X + [1, -2, 4]),
    "Add that broadcasts x": (node("Add", ["x", "tall"], ["z"]), X + np.ones((1, 1, 1))),
    "MatMul by a stack of one": (
        node("MatMul", ["x", "matrix"], ["z"]),
        X @ np.arange(12.0).reshape(1, 3, 4),
    ),
    "MatMul from the left": (node("MatMul", ["left", "x"], ["z"]), [[1, -1], [0, 2]] @ X),
    "ReduceSum of all": (node("ReduceSum", ["x"], ["z"]), X.sum(keepdims=True)),
    "ReduceMean over none": (
        node("ReduceSum", ["x", "none"], ["z"], noop_with_empty_axes=1),
        X,
    ),
}
EXACT["Mul that broadcasts x"] = (node("Mul", ["x", "tall"], ["z"]), X * np.ones((1, 1, 1)))


@pytest.mark.parametrize("name", EXACT)
def test_values_are_exact_on_small_integers(name: str) -> None:
    changed, wanted = EXACT[name]
    weights = {**WEIGHTS, "tall": np.ones((1, 1, 1), np.float32), "none": np.zeros(0, np.int64)}
    model = build([changed, node("Relu", ["z"], ["y"])], weights, inputs={"x": (1, 2, 3)})
    program = lower(load(model))
    target = program.targets["z"]
    found = program.evaluate({"x": X[None]})[target.step].reshape(target.shape)
    assert found.tolist() == np.asarray(wanted).tolist()


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        (node("Gemm", ["t", "b"], ["z"], transA=1), "transA"),
        (node("MatMul", ["x", "stack"], ["z"]), "no matrix"),
        (node("MatMul", ["x", "vector"], ["z"]), "no matrix"),
        (node("MatMul", ["x", "x"], ["z"]), "computed"),
        (node("Div", ["row", "x"], ["z"]), "computed"),
        (node("Add", ["x", "row"], ["z"], axis=1), "'axis'"),
        (node("Conv", ["x", "image"], ["z"]), "Conv with weights that do not fit"),
        (
            node("BatchNormalization", ["x", "ones", "ones", "ones", "minus"], ["z"]),
            "not positive",
        ),
        (
            node(
                "BatchNormalization", ["x", "ones", "ones", "ones", "ones"], ["z"], training_mode=1
            ),
            "in training",
        ),
    ],
)
def test_what_is_not_followed(changed: NodeProto, reason: str) -> None:
    weights = {**WEIGHTS, "b": np.ones((2, 3), "f"), "image": np.ones((3, 4, 1), "f")}
    nodes = [node("Squeeze", ["x"], ["t"]), changed, node("Relu", ["z"], ["y"])]
    program = lower(load(build(nodes, weights, inputs={"x": (1, 2, 3)})))
    assert reason in program.unbounded["z"]
