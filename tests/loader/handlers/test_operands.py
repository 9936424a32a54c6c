"""Operands that meet element by element: as many features, one for all, tables, sources."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import numpy_helper

from lumpcli.api import reduce
from lumpcli.loader import load
from tests.loader.checks import shrinks, stays
from tests.models import PLANTED, around, build, info, node, planted, reader, weight

ROWS, BIAS = planted()
MATMUL = node("MatMul", ["x", "w"], ["m"])


SHAPES = [(3, PLANTED), (3, 1), (PLANTED, 1), (2, 3, PLANTED)]


def _varying(operator, constant, **options):
    """h = operator(m, c), of a constant that is not one number per feature."""
    batch = 6 if constant.shape == (PLANTED, 1) else 3
    nodes = [MATMUL, node(operator, ["m", "c"], ["h"])]
    return around(nodes, {"w": ROWS.T.copy(), "c": constant}, inputs={"x": (batch, 5)}, **options)


@pytest.mark.parametrize("operator", ["Add", "Sub", "Mul", "Div"])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_constant_that_varies_along_another_axis(operator, shape):
    """Features that a constant tells apart stay; one number per position tells none apart.

    Feature 3 is twice feature 2 only where the constant multiplies.
    """
    model = _varying(operator, np.arange(1, np.prod(shape) + 1, dtype="f4").reshape(shape))
    if shape[-1] == 1:
        shrinks(model, ("m", "r"), after=4 if operator == "Mul" else 5, tolerance=1e-6)
    else:
        assert set(stays(model, tolerance=1e-6)) == {"graph input", "a constant", "graph output"}


@pytest.mark.parametrize("shape", [(3, PLANTED), (2, 3, PLANTED), (1, 3, PLANTED)])
@pytest.mark.parametrize("operator", ["Add", "Sub", "Mul"])
def test_a_constant_that_varies_is_cut_with_its_features(operator, shape):
    """Its columns for 1 and 3 are what those features are to 0 and 2."""
    constant = np.arange(1, np.prod(shape) + 1, dtype="f4").reshape(shape)
    constant[..., 1] = constant[..., 0]
    constant[..., 3] = constant[..., 2] * (1 if operator == "Mul" else 2)
    reduced = shrinks(_varying(operator, constant), ("m", "r"))
    np.testing.assert_array_equal(weight(reduced, "c"), constant[..., [0, 2, 4, 5]])


def test_a_constant_that_varies_is_not_copied_when_that_takes_more_bytes():
    constant = np.repeat(np.arange(3, dtype="f4")[:, None], PLANTED, axis=1)
    model = _varying("Add", constant)
    model.graph.node.append(node("TopK", ["c", "k"], ["top", "which"]))
    model.graph.initializer.append(numpy_helper.from_array(np.array([2]), "k"))
    model.graph.output.append(info("top", None))
    stays(model)
    assert "the file would grow" in (reduce(model).why_unchanged or "")


@pytest.mark.parametrize("size", [4, PLANTED])
def test_a_constant_read_along_two_axes(size):
    """Columns for the features of one layer, rows for those of another, even where it is square."""
    nodes = [
        MATMUL,
        node("Add", ["m", "c"], ["h"]),
        node("MatMul", ["u", "t"], ["n"]),
        node("Add", ["n", "c"], ["z"]),
    ]
    constant = np.arange(size * PLANTED, dtype="f4").reshape(size, PLANTED)
    weights = {"w": ROWS.T.copy(), "c": constant, "u": np.ones((size, 5), "f4")}
    inputs = {"x": (size, 5), "t": (5, PLANTED)}
    model = build(nodes, weights, inputs=inputs, outputs=["h", "z"])
    assert "graph output" in stays(model)


@pytest.mark.parametrize("operator", ["Add", "Sub", "Mul", "Div", "Sum"])
def test_a_tensor_that_is_no_layer_is_a_source_of_as_many_features(operator):
    """Nothing is known of it, so no feature of the result goes, nor of what it is tied to."""
    nodes = [MATMUL, node(operator, ["m", "u"], ["h"])]
    model = around(nodes, {"w": ROWS.T.copy()}, inputs={"x": ("N", 5), "u": ("N", 6)})
    reasons = stays(model, runs=operator != "Div")
    assert reasons.count("graph input") == 2
    (change,) = [c for c in reduce(model).layers if c.name == "m"]
    assert change.pinned == "tied to u: graph input"


@pytest.mark.parametrize("operator", ["Sum", "Max"])
def test_a_constant_beside_what_is_declined_stays(operator):
    nodes = [node("Mystery", ["x"], ["u"], domain="nowhere"), MATMUL]
    nodes.append(node(operator, ["m", "c", "u"], ["h"]))
    constant = np.arange(18, dtype="f4").reshape(3, 6)
    inputs = {"x": (3, 5)}
    model = around(nodes, {"w": ROWS.T.copy(), "c": constant}, domains=["nowhere"], inputs=inputs)
    stays(model, runs=False)


@pytest.mark.parametrize("operator", ["Add", "Sub", "Mul", "Div", "Sum"])
def test_a_tensor_of_unknown_shape_is_declined(operator):
    nodes = [node("Mystery", ["x"], ["u"], domain="nowhere"), MATMUL]
    nodes.append(node(operator, ["m", "u"], ["h"]))
    model = around(nodes, {"w": ROWS.T.copy()}, domains=["nowhere"])
    reasons = stays(model, runs=False)
    assert any(r.startswith(f"{operator} 'h' (it is combined with a tensor") for r in reasons)


SEVERAL = ["Add", "Sub", "Mul", "Div", "Max", "Min", "Pow", "Sum"]


@pytest.mark.parametrize("operator", SEVERAL)
@pytest.mark.parametrize("where", ["layer", "graph input"])
def test_one_feature_against_six(operator, where):
    """(N, 1) broadcasts against (N, 6): all read the one feature, which stays."""
    nodes = [MATMUL, node(operator, ["m", "a"], ["h"])]
    weights, inputs = {"w": ROWS.T.copy()}, {"x": ("N", 5)}
    if where == "layer":
        nodes[1:1] = [node("MatMul", ["x", "u"], ["n"]), node("Abs", ["n"], ["a"])]
        weights["u"] = np.ones((5, 1), "f4")
    else:
        inputs["a"] = ("N", 1)
    model = around(nodes, weights, inputs=inputs)
    after = 4 if operator == "Mul" else 5
    if operator in ("Pow", "Div"):  # of numbers that are negative, or zero
        assert load(reduce(model).model).net["r"].width == after
    else:
        shrinks(model, ("m", "h", "r"), after=after)


@pytest.mark.parametrize("operator", ["Add", "Mul", "Max"])
def test_six_features_against_a_tensor_without_their_axis(operator):
    """(3, 2) against (4, 6, 3, 2): one number per position for all features."""
    nodes = [
        node("MatMul", ["w", "x"], ["m"]),
        node("Unsqueeze", ["m", "last"], ["n"]),
        node(operator, ["n", "u"], ["h"]),
        node("ReduceSum", ["h", "last"], ["s"], keepdims=0),
        node("Relu", ["s"], ["r"]),
        node("MatMul", ["v", "r"], ["y"]),
    ]
    weights = {"w": ROWS, "v": reader().T.copy(), "last": np.array([3])}
    model = build(nodes, weights, inputs={"x": (4, 5, 3), "u": (3, 2)})
    shrinks(model, ("m", "h", "r"), after=4 if operator == "Mul" else 5)


def test_two_features_against_six_are_declined():
    """Not that a valid model has such."""
    nodes = [MATMUL, node("MatMul", ["x", "u"], ["n"]), node("Add", ["m", "n"], ["h"])]
    model = around(nodes, {"w": ROWS.T.copy(), "u": np.ones((5, 2), "f4")})
    reasons = stays(model, runs=False)
    assert any(r.startswith("Add 'h' (it is combined with a tensor") for r in reasons)


@pytest.mark.parametrize("positions", [(1, 5), (3, 5)])
def test_positions_that_broadcast(positions):
    """(1, 6) or (3, 6) against (2, 3, 6): the same features at repeated positions."""
    nodes = [
        node("Gemm", ["x", "w", "b"], ["p"], transB=1),
        node("MatMul", ["u", "wt"], ["q"]),
        node("Add", ["p", "q"], ["h"]),
    ]
    other = planted(seed=3)[0].T.copy()
    model = around(
        nodes, {"w": ROWS, "b": BIAS, "wt": other}, inputs={"x": positions, "u": (2, 3, 5)}
    )
    shrinks(model, ("p", "q", "r"))


def test_positions_that_broadcast_are_not_taken_for_the_same():
    """p + p.T of features at other positions is not 2 p, although both hold the same features."""
    nodes = [
        node("Gemm", ["x", "w", "b"], ["p"], transB=1),
        node("Unsqueeze", ["p", "first"], ["q"]),
        node("Unsqueeze", ["p", "second"], ["o"]),
        node("Sub", ["q", "o"], ["h"]),
    ]
    extra = {"w": ROWS, "b": BIAS, "first": np.array([0]), "second": np.array([1])}
    shrinks(around(nodes, extra, inputs={"x": (3, 5)}), ("p", "h", "r"))


def test_layers_along_different_axes_are_declined():
    nodes = [
        node("MatMul", ["x", "w"], ["p"]),
        node("MatMul", ["u", "x"], ["q"]),
        node("Add", ["p", "q"], ["y"]),
    ]
    weights = {"w": planted(6)[0].T.copy(), "u": planted(6, seed=1)[0]}
    model = build(nodes, weights, inputs={"x": (6, 6)})
    assert any(r.startswith("Add 'y' (it is combined with") for r in stays(model))


@pytest.mark.parametrize("operator", ["Max", "Sum"])
def test_a_constant_that_is_read_twice_by_one_node(operator):
    """What is cut is cut for both."""
    constant = np.arange(18, dtype="f4").reshape(3, PLANTED)
    constant[:, 1], constant[:, 3] = constant[:, 0], 2 * constant[:, 2]
    nodes = [MATMUL, node(operator, ["c", "m", "c"], ["h"])]
    model = around(nodes, {"w": ROWS.T.copy(), "c": constant}, inputs={"x": (3, 5)})
    assert weight(shrinks(model, ("m", "r")), "c").shape == (3, 4)
