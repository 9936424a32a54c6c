"""Roundings of activations and of stored floats: QuantizeLinear, DequantizeLinear, QONNX's Quant.

onnxruntime does not know QONNX's operators: models with them are evaluated here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import ModelProto, NodeProto, helper, numpy_helper

from lumpcli.api import reduce
from lumpcli.ir import Array
from lumpcli.loader import load
from tests.loader.checks import misread, same_outputs, shrinks, stays, widths
from tests.models import build, integers, node, planted, reader, weight

ROWS, BIAS = planted()
HALF = np.array(0.5, "f4")
CLOSE = 1e-6
QONNX = "qonnx.custom_op.general"
Weights = dict[str, Array]


def _rounded(
    zero: Array | None, scale: Array = HALF, last: str = "MatMul", **attributes: Any
) -> ModelProto:
    """x -> Gemm -> QuantizeLinear -> DequantizeLinear -> MatMul, or Gemm with a bias."""
    point = [] if zero is None else ["z"]
    nodes = [node("Gemm", ["x", "w", "b"], ["h"], transB=1)]
    nodes.append(node("QuantizeLinear", ["h", "s", *point], ["q"], **attributes))
    nodes.append(node("DequantizeLinear", ["q", "s", *point], ["r"], **attributes))
    nodes.append(node(last, ["r", "v", *(["c"] if last == "Gemm" else [])], ["y"]))
    weights = {"w": ROWS, "b": BIAS, "s": scale, "v": reader(), "c": np.ones(3, "f4")}
    if zero is not None:
        weights["z"] = zero
    return build(nodes, weights, opset=21, ir=10)


@pytest.mark.parametrize("dtype", [None, "u1", "i1", "i2", "u2"])
@pytest.mark.parametrize("scale", [0.5, 0.1, 3.0])
def test_only_equal_rows_round_alike(dtype, scale):
    zero = None if dtype is None else np.array(3, dtype)
    model = _rounded(zero, np.array(scale, "f4"))
    reduced = shrinks(model, ("q", "r"), after=5, tolerance=CLOSE)
    assert len(reduced.graph.node) == len(model.graph.node)


def test_one_scale_of_one_axis():
    shrinks(_rounded(np.array([3], "i1"), np.array([0.5], "f4")), after=5, tolerance=CLOSE)


def test_scales_per_feature_are_declined():
    model = _rounded(np.zeros(6, "i1"), np.full(6, 0.5, "f4"), axis=1)
    reasons = stays(model, tolerance=CLOSE)
    assert any("its scale and zero are not one constant number each" in r for r in reasons)


@pytest.mark.parametrize("bias", [0.3, 7.1, 900.0, -900.0, 0.25, 0.75, 29998.5005])
@pytest.mark.parametrize("dtype", ["u1", "i1", "i2"])
def test_constants_are_rounded_as_onnxruntime_does(bias, dtype):
    """Also beyond the range. What is a tie in float32 may be none for fractions: those stay."""
    model = _rounded(np.array(3, dtype), last="Gemm")
    rows, biases = ROWS.copy(), BIAS.copy()
    rows[4], biases[4] = 0, bias
    for name, numbers in (("w", rows), ("b", biases)):
        given = next(t for t in model.graph.initializer if t.name == name)
        given.CopyFrom(numpy_helper.from_array(numbers, name))
    result = reduce(model)
    assert result.changed
    same_outputs(model, result.model)


def _conv(scale: Array, kernels: Array, channels: int, **attributes: Any) -> ModelProto:
    nodes = [node("DequantizeLinear", ["wq", "ws"], ["w"], axis=0)]
    nodes.append(node("Conv", ["x", "w"], ["h"], **attributes))
    nodes.append(node("Relu", ["h"], ["r"]))
    nodes += [node("DequantizeLinear", ["vq", "s"], ["v"]), node("Conv", ["r", "v"], ["y"])]
    columns = reader(dtype="i1").T.reshape(3, 6, 1, 1).copy()
    weights = {"wq": kernels, "ws": scale, "vq": columns, "s": HALF}
    return build(nodes, weights, inputs={"x": (2, channels, 5, 5)})


@pytest.mark.parametrize("per_row", [False, True])
@pytest.mark.parametrize("groups", [1, 2])
def test_convolutions(groups, per_row):
    kernels = np.random.default_rng(1).choice([-2, -1, 1, 2], (6, 2, 3, 3)).astype("i1")
    kernels[1], kernels[4 if groups > 1 else 3] = kernels[0], 2 * kernels[3 if groups > 1 else 2]
    scale = np.array([0.5, 0.5, 0.5, 0.5, 0.25, 1], "f4") if per_row else HALF
    model = _conv(scale, kernels, 2 * groups, group=groups, pads=[1] * 4)
    reduced = shrinks(model)
    assert weight(reduced, "wq").dtype == np.int8
    assert weight(reduced, "ws").shape == ((4,) if per_row else ())


@pytest.mark.parametrize("per_row", [False, True])
def test_depthwise_convolutions(per_row):
    kernels = np.random.default_rng(1).choice([-2, -1, 1, 2], (6, 1, 3, 3)).astype("i1")
    kernels[1], kernels[3] = kernels[0], kernels[2]
    scale = np.array([1, 1, 1, 0.5, 1, 2], "f4") if per_row else HALF
    model = _conv(scale, kernels, 6, group=6, pads=[1] * 4)
    before = model.graph.input[0].type.tensor_type.shape.dim[1]
    before.dim_value = 5
    rows = node("Conv", ["x", "u"], ["d"])
    model.graph.node.insert(0, rows)
    model.graph.node[2].input[0] = "d"
    first = planted()[0].reshape(6, 5, 1, 1)
    model.graph.initializer.append(numpy_helper.from_array(first, "u"))
    reduced = shrinks(model, ("d", "r"))
    assert weight(reduced, "wq").shape == (4, 1, 3, 3)
    assert weight(reduced, "ws").shape == ((4,) if per_row else ())


# --- QONNX


def _quant(source: str, name: str, domain: str = QONNX, **attributes: Any) -> NodeProto:
    """`name`: `source` with scale `name`s, zero `name`z and `name`b bits."""
    inputs = [source, *(f"{name}{what}" for what in "szb")]
    return node("Quant", inputs, [name], domain=domain, **attributes)


def _told(name: str, scale: float, zero: float, bits: float) -> Weights:
    return {
        f"{name}{k}": np.array(n, "f4") for k, n in zip("szb", (scale, zero, bits), strict=True)
    }


def _run(model: ModelProto, x: Array) -> Array:
    """The output y, by numpy."""
    known = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer} | {"x": x}
    for n in model.graph.node:
        read = [known[name] for name in n.input]
        told = {a.name: helper.get_attribute_value(a) for a in n.attribute}
        if n.op_type == "Quant":
            scale, zero, bits = read[1:]
            signed = told.get("signed", 1)
            low = told.get("narrow", 0) - 2 ** (bits - 1) if signed else 0
            high = 2 ** (bits - 1) - 1 if signed else 2**bits - 1 - told.get("narrow", 0)
            mode = told.get("rounding_mode", b"ROUND")
            function = {b"ROUND": np.rint, b"FLOOR": np.floor, b"CEIL": np.ceil}[mode]
            value = (function(np.clip(read[0] / scale + zero, low, high)) - zero) * scale
        elif n.op_type == "BipolarQuant":
            value = np.where(read[0] >= 0, read[1], -read[1])
        elif n.op_type == "Relu":
            value = np.maximum(read[0], 0)
        else:
            value = read[0] @ read[1] if n.op_type == "MatMul" else read[0] + read[1]
        known[n.output[0]] = value.astype("f4")
    return known["y"]


def _model(
    activation: NodeProto,
    rows: Array = ROWS,
    weights: tuple[float, float, float] = (0.5, 0, 8),
    more: Weights | None = None,
    domain: str = QONNX,
    columns_bits: float = 8,
    **attributes: Any,
) -> ModelProto:
    """Stored floats are rounded by Quant, before and after an activation."""
    nodes = [_quant("w0", "w", domain, **attributes), node("MatMul", ["x", "w"], ["h"]), activation]
    nodes += [_quant("v0", "v", domain), node("MatMul", ["r", "v"], ["y"])]
    numbers = {"w0": rows.T / 2, "v0": reader() / 2, **_told("w", *weights)}
    numbers |= {**_told("v", 0.5, 0, columns_bits), **(more or {})}
    return build(nodes, {n: a.astype("f4") for n, a in numbers.items()}, domains=[domain])


def _left(model: ModelProto) -> int:
    """How wide r stays, after checking that y does."""
    assert misread(load(model)) == []
    reduced = reduce(model).model
    assert len(reduced.graph.node) == len(model.graph.node)
    for seed in range(4):
        x = integers(model, seed=seed)["x"]
        assert np.array_equal(_run(model, x), _run(reduced, x))
    return widths(load(reduced).net)["r"]


RELU = node("Relu", ["h"], ["r"])


@pytest.mark.parametrize(
    ("weights", "attributes", "left"),
    [
        ((0.5, 0, 8), {}, 4),
        ((0.5, 0, 4), {"narrow": 1}, 4),
        ((0.5, 2, 8), {}, 4),
        ((0.5, 0, 3), {"signed": 0}, None),
        ((0.5, 0, 2), {}, None),  # clipped: other rows may become equal
        ((1.0, 0, 8), {}, None),  # rounded, ties to even
        ((0.5, 0, 2.5), {}, 6),  # its limits are no integers: not understood
        ((0.5, 0.5, 8), {}, 6),
    ],
)
@pytest.mark.parametrize("domain", [QONNX, "onnx.brevitas"])
def test_stored_floats_are_what_they_are_rounded_to(weights, attributes, left, domain):
    found = _left(_model(RELU, weights=weights, domain=domain, **attributes))
    assert found == left or left is None


def test_rows_that_round_to_the_same_are_equal():
    rows = ROWS + np.linspace(-0.1, 0.1, 6, dtype="f4")[:, None]
    assert _left(_model(RELU, rows)) == 4


@pytest.mark.parametrize(("bits", "left"), [(3, 6), (4, 5), (5, 4)])
def test_merged_columns_have_to_fit_the_bits(bits, left):
    model = _model(RELU, columns_bits=bits)
    assert _left(model) == left
    declined = {layer.declined for layer in reduce(model).layers} - {None}
    reason = "a folded weight would overflow its stored type, or not be an integer"
    assert declined == (set() if left == 4 else {reason})


@pytest.mark.parametrize("mode", ["ROUND", "FLOOR", "CEIL"])
def test_quant_of_activations(mode):
    activation = _quant("h", "r", rounding_mode=mode, signed=0)
    assert _left(_model(activation, more=_told("r", 0.5, 0, 4))) == 5


@pytest.mark.parametrize(("scale", "left"), [((), 5), ((6,), 6)])
def test_bipolar_quant(scale, left):
    """One scale for all, or one each."""
    activation = node("BipolarQuant", ["h", "rs"], ["r"], domain=QONNX)
    assert _left(_model(activation, more={"rs": np.full(scale, 0.5)})) == left


def test_other_domains_have_other_operators():
    """Who knows what they do."""
    model = _model(RELU, domain="their.own")
    assert not reduce(model).changed
