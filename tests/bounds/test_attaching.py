"""What bounds say of layers: over all positions, with the ends of inputs."""

from __future__ import annotations

import numpy as np

from lumpcli.bounds import bounded, ladder
from lumpcli.box import Box
from lumpcli.loader import load
from tests.models import build, node


def on_box(nodes, weights, shape, ends):
    host = load(build(nodes, weights, inputs={"x": shape}))
    box = Box({"x": tuple(np.array(end, float).reshape([1, *shape[1:]]) for end in ends)})
    found = bounded(host, host.net, box, ladder(host, box, rungs=("interval",)))
    return {layer.name: layer.between for layer in found.layers}


def test_rows_of_a_matrix():
    nodes = [node("Gemm", ["x", "w", "b"], ["z"], transB=1), node("Relu", ["z"], ["h"])]
    weights = {"w": np.array([[1, 2], [-1, -1]], "f4"), "b": np.array([1, -1], "f4")}
    nodes.append(node("Gemm", ["h", "w", "b"], ["y"], transB=1))
    found = on_box(nodes, weights, ("N", 2), ([0, 0], [1, 2]))
    assert found["x"].tolist() == [[0, 0], [1, 2]]
    assert np.abs(found["h"] - [[1, -4], [6, -1]]).max() < 1e-12
    assert found["y"] is None


def test_channels_of_images():
    """Ends over all positions; a phase that is known is an end at 0."""
    nodes = [node("Conv", ["x", "w"], ["z"]), node("Relu", ["z"], ["y"])]
    weights = {"w": np.array([[[[1.0]]], [[[-1.0]]]], "f4")}
    found = on_box(nodes, weights, ("N", 1, 1, 2), ([0, 1], [3, 2]))
    assert found["x"].tolist() == [[0], [3]]
    assert np.abs(found["y"] - [[0, -3], [3, 0]]).max() < 1e-12
    assert (found["y"][0, 0], found["y"][1, 1]) == (0, 0)


def test_sources_that_are_no_inputs():
    """What lies between an input and the first layer has ends, even if no activation follows."""
    weights = {"m": np.array([1, -1], "f4"), "v": np.eye(2, dtype="f4")}
    nodes = [
        node("Sub", ["x", "m"], ["d"]),
        node("Flatten", ["d"], ["f"]),
        node("Gemm", ["f", "v"], ["y"]),
    ]
    found = on_box(nodes, weights, ("N", 1, 2), ([0, 0], [1, 2]))
    assert np.abs(found["f"] - [[-1, 1], [0, 3]]).max() < 1e-12
    assert found["y"] is None
