"""Operators on integers, and roundings between layers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import ModelProto, NodeProto

from lumpcli.api import reduce
from lumpcli.ir import Array
from lumpcli.loader import load
from tests.evaluate import run
from tests.loader.checks import same_outputs, shrinks, stays
from tests.models import build, info, integers, names, node, planted, reader, weight

ROWS = planted(dtype=np.int8)[0]
ROWS[3] = 2 * ROWS[2]
BIAS = planted(dtype=np.int32)[1]
SCALES = np.array([0.5, 0.5, 0.5, 0.25, 1, 2], "f4")  # then 3 is 2 in other units
HALF = np.array(0.5, "f4")
COLUMNS = reader(dtype=np.int8)
OVERFLOW = "a folded weight would overflow its stored type, or not be an integer"
IMAGE = (2, 5, 4, 4)
CLOSE = 1e-6  # onnxruntime divides by scales in float32
Weights = dict[str, Array]

QUANTIZE = node("QuantizeLinear", ["x", "xs", "xz"], ["q"])
DEQUANTIZE = node("DequantizeLinear", ["z", "ys", "yz"], ["y"])
LEVELS = {
    "xs": np.array(1, "f4"),
    "xz": np.array(9, "u1"),
    "ys": HALF,
    "yz": np.array(7, "u1"),
    "s": HALF,
    "zero": np.array(0, "i1"),
}


def _linear(
    kind: str,
    read: tuple[str, str, str],
    weights: tuple[str, str, str],
    output: str,
    bias: str = "",
    **attributes: Any,
) -> NodeProto:
    """An operator on integers that makes integers of scale ys and zero yz."""
    result = ["ys", "yz"]
    if kind == "QGemm":
        inputs = [*read, *weights, bias, *result]
        return node(kind, inputs, [output], domain="com.microsoft", **attributes)
    return node(kind, [*read, *weights, *result, *([bias] if bias else [])], [output], **attributes)


def _chain(
    kind: str,
    rows: Array,
    weights: Weights,
    columns: Array,
    first: dict[str, Any] | None = None,
    second: dict[str, Any] | None = None,
    inputs: tuple[int | str, ...] = ("N", 5),
) -> ModelProto:
    """x is quantised, goes through two operators, and is dequantised; r is between them.

    `weights` may hold ws, wz and b of the first operator and c, the second one's bias.
    """
    numbers = {**LEVELS, "w": rows, "v": columns, "ws": HALF, "wz": LEVELS["zero"], **weights}
    b, c = ("b" if "b" in weights else ""), ("c" if "c" in weights else "")
    nodes = [QUANTIZE, _linear(kind, ("q", "xs", "xz"), ("w", "ws", "wz"), "r", b, **first or {})]
    nodes.append(_linear(kind, ("r", "ys", "yz"), ("v", "s", "zero"), "z", c, **second or {}))
    domains = ["com.microsoft"] if kind == "QGemm" else []
    return build([*nodes, DEQUANTIZE], numbers, inputs={"x": inputs}, domains=domains)


def _matrix(rows: Array, kind: str) -> Array:
    """Rows (n, read) as an operator stores them."""
    return rows.reshape(*rows.shape, 1, 1) if "Conv" in kind else rows.T.copy()


def _shapes(model: ModelProto) -> dict[str, tuple[int, ...]]:
    return {name: weight(model, name).shape for name in names(model)}


KINDS = ("QLinearConv", "QLinearMatMul", "QGemm")


@pytest.mark.parametrize("shape", [(), (1,)])
@pytest.mark.parametrize("kind", KINDS)
def test_equal_rows_with_one_scale(kind, shape):
    """Rounding lets only equal rows through."""
    weights = {"ws": np.full(shape, 0.5, "f4"), "wz": np.zeros(shape, "i1")}
    inputs = IMAGE if kind == "QLinearConv" else ("N", 5)
    columns = _matrix(COLUMNS.T, kind)
    model = _chain(kind, _matrix(ROWS, kind), weights, columns, inputs=inputs)
    reduced = shrinks(model, after=5, tolerance=CLOSE)
    assert len(reduced.graph.node) == len(model.graph.node)
    assert (weight(reduced, "w").dtype, weight(reduced, "v").dtype) == (np.int8, np.int8)
    assert weight(reduced, "ws").shape == shape


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("zero", [0, 5, 128])
@pytest.mark.parametrize("kind", KINDS)
def test_rows_in_other_units(kind, zero, bias):
    dtype = np.uint8 if zero == 128 else np.int8
    weights: Weights = {"ws": SCALES, "wz": np.full(6, zero, dtype)}
    if bias and kind != "QLinearMatMul":
        weights |= {"b": BIAS, "c": np.array([1, 2, 3], "i4")}
    rows = _matrix((ROWS.astype(int) + zero).astype(dtype), kind)
    inputs = IMAGE if kind == "QLinearConv" else ("N", 5)
    model = _chain(kind, rows, weights, _matrix(COLUMNS.T, kind), inputs=inputs)
    reduced = shrinks(model, tolerance=CLOSE)
    shapes = _shapes(reduced)
    assert (shapes["ws"], shapes["wz"]) == ((4,), (4,))
    assert np.array_equal(weight(reduced, "ws"), SCALES[[0, 2, 4, 5]])
    assert shapes.get("b", (4,)) == (4,)
    assert weight(reduced, "w").dtype == dtype
    assert weight(reduced, "v").astype(int).sum() == COLUMNS.astype(int).sum()


def test_a_bias_that_differs_keeps_rows_apart():
    bias = BIAS.copy()
    bias[1] += 8
    weights = {"ws": SCALES, "wz": np.zeros(6, "i1"), "b": bias}
    columns = _matrix(COLUMNS.T, "QGemm")
    shrinks(_chain("QGemm", ROWS.T.copy(), weights, columns), after=5, tolerance=CLOSE)


@pytest.mark.parametrize(("most", "after"), [(63, 5), (64, 6)])
@pytest.mark.parametrize("kind", KINDS)
def test_columns_are_merged_while_their_sums_fit(kind, most, after):
    columns = _matrix(np.full((3, 6), most, "i1"), kind)
    inputs = IMAGE if kind == "QLinearConv" else ("N", 5)
    model = _chain(kind, _matrix(ROWS, kind), {}, columns, inputs=inputs)
    if after == 5:
        shrinks(model, after=5, tolerance=CLOSE)
        return
    result = reduce(model)
    assert not result.changed
    assert OVERFLOW in {layer.declined for layer in result.layers}


@pytest.mark.parametrize("kind", ["QLinearMatMul", "QGemm"])
def test_unread_columns_and_constant_rows(kind):
    """1 is 0, 3 is 2, 4 is constant and 5 is not read; 4 goes into the bias of z, if it may."""
    rows, columns = ROWS.copy(), COLUMNS.copy()
    rows[4], columns[5] = 0, 0
    weights: Weights = {"ws": SCALES, "wz": np.zeros(6, "i1")}
    if kind == "QGemm":
        weights["b"] = BIAS * 16
    model = _chain(kind, rows.T.copy(), weights, columns)
    reduced = shrinks(model, after=2, tolerance=CLOSE)
    assert len(names(reduced)) - len(names(model)) == (1 if kind == "QGemm" else 0)


@pytest.mark.parametrize("zero", [0, 3])
@pytest.mark.parametrize("pads", [[0] * 4, [1] * 4])
def test_padding_is_zero_whatever_the_zero_point(pads, zero):
    """A constant feature is none where the next operator reads beyond the border."""
    rng = np.random.default_rng(0)
    rows = rng.integers(-3, 4, (6, 5, 3, 3)).astype("i1")
    rows[1], rows[3], rows[4] = rows[0], 2 * rows[2], 0
    columns = rng.integers(1, 4, (3, 6, 3, 3)).astype("i1")
    weights = {"ws": SCALES, "wz": np.full(6, zero, "i1"), "b": BIAS * 16}
    attributes = {"pads": pads}
    stored = (rows + zero).astype("i1")
    image = (2, 5, 6, 6)
    model = _chain("QLinearConv", stored, weights, columns, attributes, attributes, image)
    shrinks(model, after=4 if any(pads) else 3, tolerance=CLOSE)


def test_depthwise():
    rng = np.random.default_rng(0)
    kernels = rng.integers(1, 3, (6, 1, 3, 3)).astype("i1")
    kernels[1], kernels[3] = kernels[0], kernels[2]
    depthwise = _linear(
        "QLinearConv", ("d", "ys", "yz"), ("k", "ks", "kz"), "r", group=6, pads=[1] * 4
    )
    nodes = [QUANTIZE, _linear("QLinearConv", ("q", "xs", "xz"), ("w", "ws", "wz"), "d"), depthwise]
    nodes += [_linear("QLinearConv", ("r", "ys", "yz"), ("v", "s", "zero"), "z"), DEQUANTIZE]
    per_row = {"ws": SCALES, "wz": np.zeros(6, "i1"), "kz": np.zeros(6, "i1")}
    numbers = {**LEVELS, **per_row, "ks": np.full(6, 0.125, "f4"), "k": kernels}
    numbers |= {"w": _matrix(ROWS, "Conv"), "v": _matrix(COLUMNS.T, "Conv")}
    reduced = shrinks(build(nodes, numbers, inputs={"x": IMAGE}), ("d", "r"), tolerance=CLOSE)
    assert _shapes(reduced)["k"] == (4, 1, 3, 3)
    assert (_shapes(reduced)["ks"], _shapes(reduced)["kz"]) == ((4,), (4,))
    assert [a.i for a in reduced.graph.node[2].attribute if a.name == "group"] == [4]


@pytest.mark.parametrize("copies", [{1: 0}, {1: 0, 4: 3}])
def test_groups(copies):
    """As many features stay in each group."""
    rows = np.random.default_rng(1).choice([-3, -2, -1, 1, 2, 3], (6, 2, 3, 3)).astype("i1")
    for copy, original in copies.items():
        rows[copy] = rows[original]
    columns = _matrix(COLUMNS.T, "Conv")
    model = _chain("QLinearConv", rows, {}, columns, {"group": 2}, None, (2, 4, 6, 6))
    if len(copies) == 2:
        shrinks(model, tolerance=CLOSE)
    else:
        stays(model, tolerance=CLOSE)


def _sums(kind: str, rows: Array, zeros: list[str], **attributes: Any) -> ModelProto:
    """Sums of integers, scaled as floats."""
    nodes = [QUANTIZE, node(kind, ["q", "w", *zeros], ["i"], **attributes)]
    nodes += [node("Cast", ["i"], ["f"], to=1), node("Mul", ["f", "s"], ["h"])]
    nodes += [node("Relu", ["h"], ["r"]), node(kind[:-7], ["r", "v"], ["y"])]
    numbers = {**LEVELS, "wz": np.array(100, rows.dtype), "w": rows}
    numbers["v"] = _matrix(reader().T, kind)
    inputs = IMAGE if kind == "ConvInteger" else ("N", 5)
    return build(nodes, numbers, inputs={"x": inputs})


@pytest.mark.parametrize("kind", ["ConvInteger", "MatMulInteger"])
@pytest.mark.parametrize("zeros", [[], ["xz"], ["", "wz"], ["xz", "wz"]])
@pytest.mark.parametrize("signed", [True, False])
def test_sums_of_integers(kind, zeros, signed):
    """Unsigned weights have to have a zero, since some are negative."""
    zeros = zeros if signed or "wz" in zeros else [*(zeros or [""]), "wz"]
    dtype = np.int8 if signed else np.uint8
    point = 100 if "wz" in zeros else 0
    rows = _matrix((ROWS.astype(int) + point).astype(dtype), kind)
    model = _sums(kind, rows, zeros)
    result = reduce(model).model
    assert weight(result, "w").dtype == dtype
    assert weight(result, "w").size < rows.size
    same_outputs(model, result)


@pytest.mark.parametrize("name", ["w", "ws", "wz", "b", "xs", "xz", "ys", "yz"])
@pytest.mark.parametrize("kind", ["QLinearConv", "QGemm"])
def test_what_a_caller_may_override_is_not_taken_as_absent(kind, name):
    weights = {"ws": SCALES, "wz": np.zeros(6, "i1"), "b": BIAS}
    inputs = IMAGE if kind == "QLinearConv" else ("N", 5)
    rows, columns = _matrix(ROWS, kind), _matrix(COLUMNS.T, kind)
    model = _chain(kind, rows, weights, columns, inputs=inputs)
    given = weight(model, name)
    model.graph.input.append(info(name, given.shape, given.dtype))
    result = reduce(model).model
    assert _shapes(result)[name] == given.shape
    more = np.arange(1, given.size + 1).reshape(given.shape)
    told = {name: np.asarray(given + more.astype(given.dtype))}
    for seed in range(3):
        feeds = integers(model, seed=seed) | told
        assert np.array_equal(run(model, feeds)["y"], run(result, feeds)["y"])


@pytest.mark.parametrize("name", ["b", "wz"])
def test_what_is_computed_is_not_taken_as_absent(name):
    rows, bias, zeros = ROWS.copy(), BIAS * 16, np.full(6, 2, "i1")
    rows[4] = 2
    bias[1] += 9
    weights = {"ws": SCALES, "wz": zeros, "b": bias}
    model = _chain("QGemm", rows.T.copy(), weights, COLUMNS)
    given = next(t for t in model.graph.initializer if t.name == name)
    given.name = "made"
    model.graph.node.insert(0, node("Abs" if name == "wz" else "Neg", ["made"], [name]))
    same_outputs(model, reduce(model).model)


@pytest.mark.parametrize("name", ["w", "ws", "wz", "b"])
def test_numbers_through_an_identity(name):
    weights = {"ws": SCALES, "wz": np.zeros(6, "i1"), "b": BIAS}
    model = _chain("QGemm", ROWS.T.copy(), weights, COLUMNS)
    next(t for t in model.graph.initializer if t.name == name).name = "stored"
    model.graph.node.insert(0, node("Identity", ["stored"], [name]))
    shrinks(model, tolerance=CLOSE)


@pytest.mark.parametrize("alpha", [1.0, 0.25, 3.0])
def test_alpha_of_a_gemm(alpha):
    """It scales constants as well, which go into the next bias."""
    rows = ROWS.copy()
    rows[4] = 0
    weights = {"ws": SCALES, "wz": np.zeros(6, "i1"), "b": BIAS * 16}
    attributes = {"alpha": alpha}
    model = _chain("QGemm", rows.T.copy(), weights, COLUMNS, attributes, attributes)
    shrinks(model, after=3, tolerance=CLOSE)


def test_zero_points_that_differ_are_declined():
    weights = {"ws": SCALES, "wz": np.array([0, 0, 0, 0, 0, 1], "i1")}
    stays(_chain("QLinearMatMul", ROWS.T.copy(), weights, COLUMNS), tolerance=CLOSE)


def test_groups_that_become_depthwise():
    """One channel per group is left."""
    rows = ROWS[[0, 0, 0, 2, 2, 2]]
    columns = np.arange(1, 13, dtype="i1").reshape(4, 3, 1, 1)
    model = _chain(
        "QLinearConv", _matrix(rows, "Conv"), {}, columns, None, {"group": 2}, inputs=IMAGE
    )
    reduced = reduce(model).model
    assert load(reduced).net["r"].width == 2
    same_outputs(model, reduced)
