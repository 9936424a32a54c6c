"""Add, Sub, Mul, Div, Neg, Sum: with constants per feature, and of two layers."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from lumpcli.ir import Join
from lumpcli.loader import load
from tests.loader.checks import shrinks, stays
from tests.models import PLANTED, around, build, info, node, planted, reader, unflattened

ROWS, BIAS = planted()
# per feature, so that features 0 and 1, and 2 and 3 keep their ratios
SCALE = np.array([2, 2, 0.5, 0.5, -1, 4], "f4")
MATMUL = node("MatMul", ["x", "w"], ["m"])


def _after(operator, first, second, constant, **options):
    """h = operator(m, c) or operator(c, m), of a dense m."""
    nodes = [MATMUL, node(operator, [first, second], ["h"])]
    return around(nodes, {"w": ROWS.T.copy(), "c": constant}, **options)


@pytest.mark.parametrize("shape", [(PLANTED,), (1, PLANTED)])
@pytest.mark.parametrize(
    ("operator", "first", "second", "constant"),
    [
        ("Add", "m", "c", BIAS),
        ("Add", "c", "m", BIAS),
        ("Sub", "m", "c", BIAS),
        ("Sub", "c", "m", BIAS),
        ("Mul", "m", "c", SCALE),
        ("Mul", "c", "m", SCALE),
        ("Div", "m", "c", SCALE),
    ],
)
def test_a_constant_per_feature(operator, first, second, constant, shape):
    reduced = shrinks(_after(operator, first, second, constant.reshape(shape)))
    dims = {t.name: list(t.dims) for t in reduced.graph.initializer}
    assert dims["c"] == [*shape[:-1], 4]


@pytest.mark.parametrize("shape", [(), (1,), (1, 1)])
@pytest.mark.parametrize(
    ("operator", "first", "second"), [("Mul", "m", "c"), ("Mul", "c", "m"), ("Div", "m", "c")]
)
def test_a_constant_scale_of_one_number(operator, first, second, shape):
    model = _after(operator, first, second, np.full(shape, -0.5, "f4"))
    reduced = shrinks(model)
    assert list(reduced.graph.initializer[1].dims) == list(shape)
    factor = Fraction(-1, 2) if operator == "Mul" else Fraction(-2)
    assert load(model).net["r"].terms[0].scale == factor


@pytest.mark.parametrize(
    ("operator", "first", "second"), [("Add", "m", "c"), ("Sub", "m", "c"), ("Sub", "c", "m")]
)
def test_a_constant_shift_of_one_number(operator, first, second):
    """Feature 3 doubles feature 2 no longer; Relu lets no other pair be merged."""
    shrinks(_after(operator, first, second, np.array(2, "f4")), after=5)


def test_a_constant_of_higher_rank():
    nodes = [MATMUL, node("Mul", ["m", "c"], ["p"]), node("Add", ["d", "p"], ["h"])]
    weights = {"w": ROWS.T.copy(), "c": SCALE.reshape(1, 1, 6), "d": BIAS.reshape(1, 6)}
    shrinks(around(nodes, weights))


def test_a_scale_after_an_activation():
    nodes = [
        MATMUL,
        node("Relu", ["m"], ["a"]),
        node("Mul", ["a", "c"], ["h"]),
        node("MatMul", ["h", "v"], ["y"]),
    ]
    shrinks(build(nodes, {"w": ROWS.T.copy(), "c": SCALE, "v": reader()}), ("a", "h"))


def test_negation():
    shrinks(around([MATMUL, node("Neg", ["m"], ["h"])], {"w": ROWS.T.copy()}))


def test_normalised_inputs():
    """(x - mean) / deviation before the first layer, as exporters write it."""
    nodes = [
        node("Sub", ["x", "mean"], ["d"]),
        node("Div", ["d", "deviation"], ["z"]),
        node("MatMul", ["z", "w"], ["h"]),
    ]
    mean, deviation = np.arange(5, dtype="f4"), np.array([1, 2, 4, 0.5, 1], "f4")
    shrinks(around(nodes, {"w": ROWS.T.copy(), "mean": mean, "deviation": deviation}))


def test_a_second_bias():
    nodes = [MATMUL, node("Add", ["m", "b"], ["n"]), node("Add", ["n", "c"], ["h"])]
    shrinks(around(nodes, {"w": ROWS.T.copy(), "b": BIAS, "c": -2 * BIAS}))


def test_a_bias_after_a_gemm_without_one():
    gemm = node("Gemm", ["x", "w"], ["m"], transB=1, beta=0.5)
    model = around([gemm, node("Add", ["m", "b"], ["h"])], {"w": ROWS, "b": BIAS})
    shrinks(model)
    assert load(model).net["r"].bias_scale == 1


def _branches(*last, extra=None):
    """Two dense layers of x, p and q, whose rows are alike; `last` makes h of them."""
    nodes = [
        node("Gemm", ["x", "w", "b"], ["p"], transB=1),
        node("Gemm", ["x", "u", "c"], ["q"], transB=1),
        *last,
    ]
    weights = {"w": ROWS, "b": BIAS, "u": 3 * ROWS, "c": BIAS}
    weights["u"] = planted(seed=3)[0]
    weights["c"] = planted(seed=3)[1]
    return around(nodes, weights | (extra or {}))


@pytest.mark.parametrize("operator", ["Add", "Sub"])
def test_a_residual_sum_of_two_dense_layers_is_cut_jointly(operator):
    shrinks(_branches(node(operator, ["p", "q"], ["h"])), ("p", "q", "r"))


def test_a_skip_around_a_dense_layer():
    """t = p + f(p): p, its branch and the sum are one group."""
    nodes = [
        node("Relu", ["p"], ["a"]),
        node("MatMul", ["a", "k"], ["f"]),
        node("Add", ["f", "p"], ["h"]),
    ]
    columns = planted(PLANTED, seed=4)[0].T.copy()
    shrinks(_branches(*nodes, extra={"k": columns}), ("p", "a", "f", "r"))


@pytest.mark.parametrize("count", [1, 2, 3])
def test_sum(count):
    shrinks(_branches(node("Sum", ["p", "q", "p"][:count], ["h"])), ("p", "r"))


def test_a_layer_added_to_itself():
    shrinks(_branches(node("Add", ["p", "p"], ["h"])), ("p", "r"))


@pytest.mark.parametrize("operator", ["Mul", "Div", "Max", "Min"])
def test_products_of_two_layers_keep_duplicates(operator):
    """Feature 1 goes; feature 3 is another function than twice feature 2 in both factors."""
    model = _branches(node(operator, ["p", "q"], ["h"]))
    layer = load(model).net["h"]
    assert isinstance(layer, Join)
    assert layer.function == operator
    host = load(model)
    assert {t.source for t in host.net["h"].terms} == {"p", "q"}


def test_a_product_is_cut():
    """SiLU as a product: only equal rows stay equal."""
    nodes = [
        node("Gemm", ["x", "w", "b"], ["p"], transB=1),
        node("Abs", ["p"], ["q"]),
        node("Mul", ["p", "q"], ["h"]),
    ]
    rows, bias = ROWS.copy(), BIAS.copy()
    rows[3], bias[3] = rows[2], bias[2]
    shrinks(around(nodes, {"w": rows, "b": bias}), ("p", "q", "h"))


def test_several_readers():
    """Each merges what it can; p keeps apart what one of them needs apart."""
    nodes = [
        node("Gemm", ["x", "w", "b"], ["p"], transB=1),
        node("Relu", ["p"], ["r"]),
        node("MatMul", ["r", "v"], ["y"]),
        node("MatMul", ["r", "u"], ["z"]),
        node("Round", ["p"], ["t"]),
        node("MatMul", ["t", "k"], ["o"]),
    ]
    rows, bias = ROWS.copy(), BIAS.copy()
    weights = {"w": rows, "b": bias, "v": reader(), "u": reader(seed=2), "k": reader(seed=3)}
    model = build(nodes, weights, outputs=["y", "z"])
    shrinks(model, ("p", "r"))
    shrinks(build(nodes, weights, outputs=["y", "z", "o"]), ("p", "r", "t"), after=5)
    rows[3], bias[3] = rows[2], bias[2]
    shrinks(build(nodes, weights, outputs=["y", "z", "o"]), ("p", "r", "t"))


def test_dividing_a_constant_is_declined():
    reasons = stays(_after("Div", "c", "m", SCALE), runs=False)
    assert "Div 'h' (a constant is divided by it)" in reasons


def test_dividing_by_zero_is_declined():
    divisor = SCALE.copy()
    divisor[5] = 0
    assert "Div 'h' ('c' has zeros to divide by)" in stays(_after("Div", "m", "c", divisor))


def test_a_constant_that_is_not_finite_is_declined():
    reasons = stays(_after("Mul", "m", "c", np.where(SCALE < 0, np.inf, SCALE).astype("f4")))
    assert "Mul 'h' ('c' has NaN or infinite entries)" in reasons


def test_broadcasting_along_an_axis_before_opset_7_is_declined():
    nodes = [MATMUL, node("Add", ["m", "c"], ["h"], axis=1, broadcast=1)]
    model = around(nodes, {"w": ROWS.T.copy(), "c": BIAS}, opset=6)
    assert any("before opset 7" in reason for reason in stays(model, runs=False))


def test_an_operator_of_another_domain_with_the_same_name_is_declined():
    nodes = [MATMUL, node("Add", ["m", "c"], ["h"], domain="nowhere")]
    model = around(nodes, {"w": ROWS.T.copy(), "c": BIAS}, domains=["nowhere"])
    model.graph.value_info.append(info("h", ("N", 6)))
    host = load(model)
    assert host.net["m"].pinned == "its output is read by nowhere.Add 'h'"
    stays(model, runs=False)


@pytest.mark.parametrize(
    ("operator", "first", "second"),
    [
        ("Add", "t", "c0"),
        ("Sub", "t", "c0"),
        ("Sub", "c0", "t"),
        ("Mul", "t", "c0"),
        ("Div", "t", "c0"),
    ],
)
@pytest.mark.parametrize("shape", [(PLANTED, 1), (1, PLANTED, 1)])
def test_a_constant_per_channel_of_a_vector_that_became_an_image(operator, first, second, shape):
    """Offsets are doubled where the channel is, so that it stays the other's double."""
    constant = SCALE if operator in ("Mul", "Div") else BIAS
    model = unflattened(
        node(operator, [first, second], ["r"]), extra={"c0": constant.reshape(shape)}
    )
    reduced = shrinks(model)
    dims = {t.name: list(t.dims) for t in reduced.graph.initializer}
    assert dims["c0"] == [4 if size == PLANTED else 1 for size in shape]
    assert (dims["w"], dims["k"]) == ([8, 5], [3, 4, 1])
