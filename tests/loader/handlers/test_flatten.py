"""Flatten, Squeeze, Unsqueeze: axes of features and positions merged, gone, or new."""

from __future__ import annotations

import numpy as np
import pytest

from lumpcli.api import reduce
from lumpcli.loader import load
from tests.loader.checks import same_outputs, shrinks, stays
from tests.models import PLANTED, around, build, node, planted, reader, weight

ROWS, BIAS = planted()
DENSE = [node("MatMul", ["x", "w"], ["m"]), node("Add", ["m", "b"], ["p"])]
WEIGHTS = {"w": ROWS.T.copy(), "b": BIAS}


def _moved(*nodes, shape=("N", 5), extra=None, **options):
    """A dense p, moved by the nodes to h, then Relu and a reader of its last axis."""
    inputs = {"x": shape} if isinstance(shape, tuple) else shape
    return around([*DENSE, *nodes], {**WEIGHTS, **(extra or {})}, inputs=inputs, **options)


MERGES = "{} 'h' (it may merge or split the feature axis)"


@pytest.mark.parametrize(
    ("shape", "axis"),
    [(("N", 5), 1), (("N", 5), -1), (("N", 2, 5), 2), ((2, 2, 3, 5), -1), ((5,), 0), ((5,), -1)],
)
def test_flatten_that_keeps_the_last_axis(shape, axis):
    shrinks(_moved(node("Flatten", ["p"], ["h"], axis=axis), shape=shape))


def test_flatten_is_at_axis_1_by_default():
    shrinks(_moved(node("Flatten", ["p"], ["h"])))


@pytest.mark.parametrize(("shape", "axis", "columns"), [((2, 3, 5), 1, 18), ((2, 2, 3, 5), 2, 18)])
def test_flatten_that_merges_features_with_positions(shape, axis, columns):
    """Every place of the merged positions has a block of features; all are cut alike."""
    nodes = [
        *DENSE,
        node("Flatten", ["p"], ["h"], axis=axis),
        node("Relu", ["h"], ["r"]),
        node("MatMul", ["r", "v"], ["y"]),
    ]
    columns_of_v = np.arange(1, 3 * columns + 1, dtype="f4").reshape(columns, 3)
    model = build(nodes, {**WEIGHTS, "v": columns_of_v}, inputs={"x": shape})
    shrinks(model, ("p",))
    assert load(reduce(model).model).net["r"].width == columns * 4 // 6


def test_flatten_to_a_new_axis_of_length_one():
    """(2, 6) to (1, 12)."""
    nodes = [
        *DENSE,
        node("Flatten", ["p"], ["h"], axis=0),
        node("Relu", ["h"], ["r"]),
        node("MatMul", ["r", "v"], ["y"]),
    ]
    columns = np.arange(1, 37, dtype="f4").reshape(12, 3)
    model = build(nodes, {**WEIGHTS, "v": columns}, inputs={"x": (2, 5)})
    reduced = shrinks(model, ("p",))
    assert weight(reduced, "v").shape == (8, 3)


@pytest.mark.parametrize("positions", [(7,), (2, 3), (1, 4), (3, 1)])
def test_flatten_of_channels_and_an_image(positions):
    """(N, 6, H, W) to (N, 6 H W): a block of columns for every feature."""
    size = int(np.prod(positions))
    nodes = [
        node("Conv", ["x", "w", "b"], ["p"]),
        node("Flatten", ["p"], ["h"]),
        node("Relu", ["h"], ["r"]),
        node("MatMul", ["r", "v"], ["y"]),
    ]
    kernel = ROWS.reshape(6, 5, *(1 for _ in positions))
    columns = np.arange(1, 18 * size + 1, dtype="f4").reshape(6 * size, 3)
    weights = {"w": kernel, "b": BIAS, "v": columns}
    model = build(nodes, weights, inputs={"x": ("N", 5, *positions)})
    reduced = shrinks(model, ("p",))
    kept = columns.reshape(6, size, 3)[[0, 2, 4, 5]]
    added = weight(reduced, "v").reshape(4, size, 3)
    np.testing.assert_array_equal(added[2:], kept[2:])
    np.testing.assert_array_equal(added[0], columns.reshape(6, size, 3)[:2].sum(axis=0))


def test_flatten_with_a_reader_that_tells_places_apart():
    """Feature 5 is read at place 0 alone, feature 4 nowhere: only 4 goes, in all of its places."""
    nodes = [
        node("Conv", ["x", "w"], ["p"]),
        node("Flatten", ["p"], ["r"]),
        node("MatMul", ["r", "v"], ["y"]),
    ]
    columns = np.zeros((6, 2, 3), "f4")
    columns[:4] = np.arange(1, 25, dtype="f4").reshape(4, 2, 3)
    columns[5, 0] = 1
    rows = np.concatenate([np.eye(5), np.ones((1, 5))])[:, :, None].astype("f4")
    weights = {"w": rows, "v": columns.reshape(12, 3)}
    model = build(nodes, weights, inputs={"x": ("N", 5, 2)})
    reduced = reduce(model).model
    same_outputs(model, reduced)
    assert weight(reduced, "v").shape == (10, 3)


def test_flatten_of_one_axis_then_a_constant():
    """(6,) becomes (6, 1), and with a constant (6, 6): rows and columns are easily mixed up."""
    nodes = [
        *DENSE,
        node("Flatten", ["p"], ["f"]),
        node("Add", ["f", "c"], ["h"]),
    ]
    model = around(nodes, {**WEIGHTS, "c": BIAS}, inputs={"x": (5,)})
    assert "MatMul 'y' reads it along another axis" in stays(model)


def _squeezing(operator, axes, opset):
    """The node, with its axes as an attribute or an input, and the input."""
    if opset < 13:
        return node(operator, ["p"], ["h"], axes=axes), {}
    return node(operator, ["p", "axes"], ["h"]), {"axes": np.array(axes)}


@pytest.mark.parametrize("opset", [12, 13])
@pytest.mark.parametrize(
    ("operator", "axes", "shape"),
    [
        ("Unsqueeze", [0], ("N", 5)),
        ("Unsqueeze", [1], ("N", 5)),
        ("Unsqueeze", [0, 2], (2, 5)),
        ("Squeeze", [1], ("N", 1, 5)),
        ("Squeeze", [0], (1, 5)),
        ("Squeeze", [0, 1], (1, 1, 5)),
    ],
)
def test_axes_of_length_one(operator, axes, shape, opset):
    squeeze, extra = _squeezing(operator, axes, opset)
    shrinks(_moved(squeeze, shape=shape, extra=extra, opset=opset))


def test_axes_after_the_features():
    """(N, 6) to (N, 6, 1), which weights on the left then read; negative axes."""
    nodes = [
        *DENSE,
        node("Unsqueeze", ["p", "axes"], ["h"]),
        node("Relu", ["h"], ["a"]),
        node("MatMul", ["u", "a"], ["q"]),
        node("Squeeze", ["q", "axes"], ["r"]),
        node("MatMul", ["r", "v"], ["y"]),
    ]
    weights = {"u": planted(PLANTED, seed=2)[0], "v": reader(), "axes": np.array([-1])}
    shrinks(build(nodes, {**WEIGHTS, **weights}), ("p", "a", "q", "r"))


def test_squeezing_the_features_or_unknown_axes_is_declined():
    weights = {"w": np.ones((5, 1), "f4"), "b": np.ones(1, "f4"), "axes": np.array([1])}
    model = build([*DENSE, node("Squeeze", ["p", "axes"], ["y"])], weights)
    assert "Squeeze 'y' (it acts on the feature axis)" in stays(model)
    model = _moved(node("Squeeze", ["p"], ["h"]), shape=("N", 1, 5))
    assert "Squeeze 'h' (its axes are not known)" in stays(model)
    model = _moved(
        node("Squeeze", ["p", "axes"], ["h"]), shape={"x": (2, 1, 5), "axes": (1,)}, opset=13
    )
    model.graph.input[1].type.tensor_type.elem_type = 7
    assert "Squeeze 'h' (its axes are not known)" in stays(model, runs=False)
