"""Gemm and MatMul: what is understood, what is declined."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from lumpcli.loader import load
from tests.evaluate import disagreements
from tests.loader.checks import shrinks, stays
from tests.models import PLANTED, around, build, integers, node, planted, reader

ROWS, BIAS = planted()


@pytest.mark.parametrize("trans_b", [0, 1])
@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 1.0), (2.0, 0.5), (-0.25, 1.0), (1.0, -4.0)])
def test_gemm_is_cut_whatever_its_scales(trans_b, alpha, beta):
    gemm = node("Gemm", ["x", "w", "b"], ["h"], transB=trans_b, alpha=alpha, beta=beta)
    model = around([gemm], {"w": ROWS if trans_b else ROWS.T.copy(), "b": BIAS})
    shrinks(model)
    layer = load(model).net["r"]
    assert (layer.terms[0].scale, layer.bias_scale) == (Fraction(alpha), Fraction(beta))


@pytest.mark.parametrize("opset", [7, 9, 11, 13, 22])
def test_gemm_is_cut_in_every_opset(opset):
    shrinks(
        around(
            [node("Gemm", ["x", "w", "b"], ["h"], transB=1)], {"w": ROWS, "b": BIAS}, opset=opset
        )
    )


@pytest.mark.parametrize("shape", [(PLANTED,), (1, PLANTED)])
def test_gemm_bias_per_feature(shape):
    gemm = node("Gemm", ["x", "w", "b"], ["h"], transB=1)
    reduced = shrinks(around([gemm], {"w": ROWS, "b": BIAS.reshape(shape)}))
    assert list(reduced.graph.initializer[1].dims) == [*shape[:-1], 4]


@pytest.mark.parametrize("shape", [(), (1,), (1, 1)])
def test_gemm_bias_of_one_number(shape):
    """Feature 1 is still a duplicate; feature 3 would need a doubled bias."""
    gemm = node("Gemm", ["x", "w", "b"], ["h"], transB=1)
    reduced = shrinks(around([gemm], {"w": ROWS, "b": np.full(shape, 3, "f4")}), after=5)
    assert list(reduced.graph.initializer[1].dims) == list(shape)


@pytest.mark.parametrize("inputs", [["x", "w"], ["x", "w", ""]])
def test_gemm_without_bias(inputs):
    shrinks(around([node("Gemm", inputs, ["h"], transB=1)], {"w": ROWS}))


def test_a_bias_times_zero_is_declined():
    """Nothing of it is read, but onnxruntime wants its shape to fit."""
    gemm = node("Gemm", ["x", "w", "b"], ["h"], transB=1, beta=0.0)
    model = around([gemm], {"w": ROWS, "b": np.arange(PLANTED, dtype="f4")})
    assert any("beta is 0" in reason for reason in stays(model))
    model.graph.node[0].input.pop()
    shrinks(model)
    assert load(model).net["r"].bias_fixed


def test_alpha_zero_leaves_only_the_bias():
    gemm = node("Gemm", ["x", "w", "b"], ["h"], transB=1, alpha=0.0)
    tail = [node("Relu", ["h"], ["r"]), node("Gemm", ["r", "v", "c"], ["y"])]
    weights = {"w": ROWS, "b": BIAS, "v": reader(), "c": np.ones(3, "f4")}
    shrinks(build([gemm, *tail], weights), after=1)


@pytest.mark.parametrize("constant_first", [False, True])
@pytest.mark.parametrize("shape", [(PLANTED,), (1, PLANTED), (1, 1, PLANTED)])
def test_matmul_and_add(constant_first, shape):
    add = node("Add", ["b", "m"] if constant_first else ["m", "b"], ["h"])
    nodes = [node("MatMul", ["x", "w"], ["m"]), add]
    model = around(nodes, {"w": ROWS.T.copy(), "b": BIAS.reshape(shape)})
    shrinks(model)
    assert load(model).net["r"].operators == ("MatMul", "Add", "Relu")


def test_matmul_without_bias():
    shrinks(around([node("MatMul", ["x", "w"], ["h"])], {"w": ROWS.T.copy()}))


@pytest.mark.parametrize("shape", [(5,), (2, 5), ("N", 4, 5), (2, "N", 3, 5)])
def test_features_are_the_last_axis_whatever_the_rank(shape):
    nodes = [node("MatMul", ["x", "w"], ["m"]), node("Add", ["m", "b"], ["h"])]
    shrinks(around(nodes, {"w": ROWS.T.copy(), "b": BIAS}, inputs={"x": shape}))


@pytest.mark.parametrize("shape", [(5,), (5, 1), (5, 7), (5, "N"), ("N", 5, 7)])
def test_weights_on_the_left(shape):
    """W @ x: features lie along the last axis but one, or the only one."""
    rank = len(shape)
    bias = BIAS if rank == 1 else BIAS[:, None]
    nodes = [
        node("MatMul", ["w", "x"], ["m"]),
        node("Add", ["m", "b"], ["h"]),
        node("Relu", ["h"], ["r"]),
        node("MatMul", ["v", "r"], ["y"]),
    ]
    weights = {"w": ROWS, "b": bias, "v": reader().T.copy()}
    reduced = shrinks(build(nodes, weights, inputs={"x": shape}))
    dims = {t.name: list(t.dims) for t in reduced.graph.initializer}
    assert dims == {"w": [4, 5], "b": [4] if rank == 1 else [4, 1], "v": [3, 4]}


def test_a_layer_read_along_its_other_axis_is_kept():
    """(3, 6) is read as 6 features by `v`, as 3 by `u`."""
    nodes = [
        node("MatMul", ["x", "w"], ["h"]),
        node("MatMul", ["h", "v"], ["y"]),
        node("MatMul", ["u", "h"], ["z"]),
    ]
    weights = {"w": ROWS.T.copy(), "v": reader(), "u": np.ones((2, 3), "f4")}
    model = build(nodes, weights, inputs={"x": (3, 5)}, outputs=["y", "z"])
    assert any("another axis" in reason for reason in stays(model))


def test_two_linear_layers_without_an_activation_between():
    nodes = [
        node("Gemm", ["x", "w", "b"], ["h"], transB=1),
        node("Gemm", ["h", "v", "c"], ["y"]),
    ]
    weights = {"w": ROWS, "b": BIAS, "v": reader(), "c": np.ones(3, "f4")}
    shrinks(build(nodes, weights), ("h",))


@pytest.mark.parametrize("dtype", [np.float64, np.float16])
def test_other_types_of_numbers(dtype):
    rows, bias = planted(dtype=dtype)
    nodes = [node("MatMul", ["x", "w"], ["m"]), node("Add", ["m", "b"], ["h"])]
    shrinks(around(nodes, {"w": rows.T.copy(), "b": bias}, dtype=dtype))


def test_one_input_feature():
    rows, bias = planted(read=1)
    gemm = node("Gemm", ["x", "w", "b"], ["h"], transB=1)
    rows[[0, 2, 4, 5], 0] = 1, 2, 3, 3
    bias[[0, 2, 4, 5]] = 1, -1, 2, 1
    rows[1], rows[3], bias[1], bias[3] = rows[0], 2 * rows[2], bias[0], 2 * bias[2]
    shrinks(around([gemm], {"w": rows, "b": bias}, inputs={"x": ("N", 1)}))


def _gemm(**attributes):
    return node("Gemm", ["x", "w", "b"], ["h"], **attributes)


def test_trans_a_is_declined():
    model = around([_gemm(transA=1)], {"w": ROWS.T.copy(), "b": BIAS}, inputs={"x": (5, 3)})
    assert "Gemm 'h' (transA is set)" in stays(model)


def test_a_bias_per_sample_is_declined():
    bias = np.arange(18, dtype="f4").reshape(3, 6)
    model = around([_gemm()], {"w": ROWS.T.copy(), "b": bias}, inputs={"x": (3, 5)})
    assert any("'b' of shape [3, 6] is not one number per feature" in r for r in stays(model))


@pytest.mark.parametrize("rows", [3, PLANTED])
def test_a_bias_along_the_other_axis_is_declined(rows):
    bias = np.arange(rows, dtype="f4").reshape(rows, 1)
    model = around([_gemm()], {"w": ROWS.T.copy(), "b": bias}, inputs={"x": (rows, 5)})
    assert any(f"'b' of shape [{rows}, 1]" in reason for reason in stays(model))


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite_are_declined(broken):
    rows = ROWS.copy()
    rows[5, 2] = broken
    model = around([_gemm(transB=1)], {"w": rows, "b": BIAS})
    assert "Gemm 'h' ('w' has NaN or infinite entries)" in stays(model)
    bias = BIAS.copy()
    bias[5] = broken
    model = around([_gemm(transB=1)], {"w": ROWS, "b": bias})
    assert "Gemm 'h' ('b' has NaN or infinite entries)" in stays(model)


def test_integer_weights_are_declined():
    nodes = [node("MatMul", ["x", "w"], ["m"]), node("MatMul", ["m", "v"], ["y"])]
    weights = {"w": ROWS.T.astype("i4"), "v": reader(dtype="i4")}
    reasons = stays(build(nodes, weights, dtype="i4"))
    assert "MatMul 'm' ('w' is of type int32)" in reasons


def test_computed_weights_are_declined():
    nodes = [node("Exp", ["w"], ["e"]), node("MatMul", ["x", "e"], ["h"])]
    model = around(nodes, {"w": np.zeros((5, 6), "f4")})
    assert "MatMul 'h' (both of its operands are computed)" in stays(model)
    model = build([node("MatMul", ["x", "z"], ["y"])], inputs={"x": (3, 5), "z": (5, 6)})
    assert "MatMul 'y' (both of its operands are computed)" in stays(model)


@pytest.mark.parametrize("shape", [(6,), (2, 5, 6)])
def test_weights_of_another_rank_are_declined(shape):
    inputs = {"x": (2, 3, shape[-2] if len(shape) > 1 else 6)}
    model = build([node("MatMul", ["x", "w"], ["y"])], {"w": np.ones(shape, "f4")}, inputs=inputs)
    assert any(f"its weights have shape {list(shape)}" in r for r in stays(model))


def test_a_product_of_constants_is_declined():
    nodes = [node("MatMul", ["a", "w"], ["c"]), node("MatMul", ["x", "c"], ["h"])]
    model = around(nodes, {"a": np.eye(5, dtype="f4"), "w": ROWS.T.copy()})
    assert any("both operands are constants" in reason for reason in stays(model))


def test_weights_on_the_left_of_an_unknown_rank_are_declined():
    model = build([node("MatMul", ["w", "x"], ["y"])], {"w": ROWS}, inputs={"x": (5,)})
    model.graph.input[0].type.tensor_type.ClearField("shape")
    assert any("the rank of 'x' is not known" in reason for reason in stays(model, runs=False))


def test_the_guard_notices_a_wrong_weight():
    """The comparison with onnxruntime can fail."""
    model = around([_gemm(transB=1)], {"w": ROWS, "b": BIAS})
    host = load(model)
    host.model.graph.initializer[0].raw_data = (ROWS + np.eye(6, 5)).astype("f4").tobytes()
    assert disagreements(host, integers(model)) != []


def test_scales_that_are_not_finite_and_empty_weights_are_declined():
    model = around([_gemm(transB=1, alpha=float("inf"))], {"w": ROWS, "b": BIAS})
    assert any("not finite" in reason for reason in stays(model, runs=False))
    gemm = node("Gemm", ["x", "w"], ["y"])
    for shape in ((5, 0), (5, 6, 1)):
        model = build([gemm], {"w": np.ones(shape, "f4")})
        assert any(f"its weights have shape {list(shape)}" in r for r in stays(model, runs=False))
