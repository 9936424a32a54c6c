"""Bounds of features: over all positions, and only where the features lie along one axis."""

from __future__ import annotations

import numpy as np
import pytest

from lumpcli.bounds import feature_bounds, ladder
from lumpcli.box import Box
from lumpcli.loader import load
from tests.models import build, node

# five features: always 2; at most -1; between -1 and 1; 0.25 or more; constant 0
ROWS = np.array([[0, 0, 0], [0, 0, 1], [1, 0, 0], [0, 1, 0], [0, 0, 0]], np.float32)
BIAS = np.array([2, -2, 0, 1.25, 0], np.float32)
WANTED = [1, -1, 0, 1, 1]


def test_features_of_a_dense_layer() -> None:
    nodes = [node("Gemm", ["x", "w", "b"], ["z"], transB=1), node("Relu", ["z"], ["r"])]
    last = node("MatMul", ["r", "v"], ["y"])
    weights = {"w": ROWS, "b": BIAS, "v": np.ones((5, 2), np.float32)}
    host = load(build([*nodes, last], weights, inputs={"x": ("N", 3)}))
    phases = ladder(host, Box.everywhere(-1.0, 1.0, {"x": (1, 3)}))
    found = feature_bounds(host, "r", phases)
    assert found.phase.tolist() == WANTED
    assert found.lower == pytest.approx([2, -3, -1, 0.25, 0], abs=1e-12)
    assert found.upper == pytest.approx([2, -1, 1, 2.25, 0], abs=1e-12)
    unknown = feature_bounds(host, "y", phases)
    assert (unknown.phase.tolist(), unknown.upper.tolist()) == ([0, 0], [np.inf, np.inf])
    with pytest.raises(KeyError):
        feature_bounds(host, "z", phases)


@pytest.mark.parametrize("turned", [False, True])
def test_features_of_images_hold_at_every_position(turned: bool) -> None:
    """A pixel of the second row is negative: then the third channel is not always active."""
    nodes = [
        node("Conv", ["x", "w", "b"], ["c"]),
        node("Transpose", ["c"], ["t"], perm=[0, 2, 3, 1]),
        node("Relu", ["t" if turned else "c"], ["r"]),
        node("ReduceMean", ["r"], ["y"], axes=[1, 2] if turned else [2, 3]),
    ]
    weights = {"w": ROWS.reshape(5, 3, 1, 1), "b": BIAS}
    model = build(nodes, weights, inputs={"x": ("N", 3, 2, 2)})
    host = load(model)
    lower, upper = np.zeros((1, 3, 2, 2)), np.ones((1, 3, 2, 2))
    found = feature_bounds(host, "r", ladder(host, Box({"x": (lower, upper)})))
    assert found.phase.tolist() == [1, -1, 1, 1, 1]
    lower[0, 0, 1, 0] = -0.25
    found = feature_bounds(host, "r", ladder(host, Box({"x": (lower, upper)})))
    assert found.phase.tolist() == [1, -1, 0, 1, 1]
    assert found.lower == pytest.approx([2, -2, -0.25, 1.25, 0], abs=1e-12)


def test_features_that_an_activation_reads_from_another_layer() -> None:
    """The pre-activation has two readers, so the activation is a layer of its own."""
    nodes = [
        node("Gemm", ["x", "w", "b"], ["z"], transB=1),
        node("Relu", ["z"], ["r"]),
        node("Add", ["z", "r"], ["y"]),
    ]
    host = load(build(nodes, {"w": ROWS, "b": BIAS}, inputs={"x": ("N", 3)}))
    phases = ladder(host, Box.everywhere(-1.0, 1.0, {"x": (1, 3)}))
    assert feature_bounds(host, "r", phases).phase.tolist() == WANTED
    assert not feature_bounds(host, "y", phases).phase.any()  # nothing is applied to it
