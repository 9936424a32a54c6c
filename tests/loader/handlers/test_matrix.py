"""Weights and biases behind DequantizeLinear: read as integers with scales, written as integers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import ModelProto, NodeProto, numpy_helper

from lumpcli.api import reduce
from lumpcli.ir import Array
from lumpcli.loader import load
from tests.evaluate import run
from tests.loader.checks import same_outputs, shrinks, stays
from tests.models import build, info, integers, names, node, planted, reader, weight

ROWS = planted(dtype=np.int8)[0]
BIAS = planted(dtype=np.int32)[1]
HALF = np.array(0.5, "f4")
SCALES = np.array([0.5, 0.5, 1, 0.5, 0.25, 2], "f4")  # 3 has half the scale of 2
SCALED = ROWS.copy()
SCALED[3] = 4 * ROWS[2]  # so it is twice feature 2
SCALED_BIAS = BIAS.copy()
SCALED_BIAS[3] = 4 * BIAS[2]
OVERFLOW = "a folded weight would overflow its stored type, or not be an integer"
Weights = dict[str, Array]


def _dq(name: str, *, zero: bool = False, **attributes: Any) -> NodeProto:
    """`name` from integers `name`q, scaled by `name`s."""
    inputs = [f"{name}q", f"{name}s", *([f"{name}z"] if zero else [])]
    return node("DequantizeLinear", inputs, [name], **attributes)


def _model(
    first: list[NodeProto], weights: Weights, columns: Array | None = None, **options: Any
) -> ModelProto:
    """`first` makes h of x; what reads it has integers too."""
    tail = [node("Relu", ["h"], ["r"]), _dq("v"), node("MatMul", ["r", "v"], ["y"])]
    given = reader(dtype=np.int8) if columns is None else columns
    return build([*first, *tail], {"vq": given, "vs": HALF, **weights}, **options)


def _declined(model: ModelProto) -> dict[str, str]:
    """Why layers were not cut although they might be."""
    result = reduce(model)
    assert len(result.model.graph.node) == len(model.graph.node)
    same_outputs(model, result.model)
    return {layer.name: layer.declined or "" for layer in result.layers}


@pytest.mark.parametrize("shape", [(), (1,)])
@pytest.mark.parametrize("trans_b", [0, 1])
def test_one_scale(shape, trans_b):
    gemm = node("Gemm", ["x", "w", "b"], ["h"], transB=trans_b)
    scale = np.full(shape, 0.5, "f4")
    weights = {"wq": ROWS if trans_b else ROWS.T.copy(), "ws": scale, "bq": BIAS, "bs": scale / 2}
    model = _model([_dq("w"), _dq("b"), gemm], weights)
    reduced = shrinks(model)
    assert len(reduced.graph.node) == len(model.graph.node)
    assert names(reduced) == names(model)
    expected = ("i1", "f4", "i1", "f4", "i4", "f4")
    kinds = {name: weight(reduced, name).dtype for name in names(reduced)}
    assert kinds == {n: np.dtype(t) for n, t in zip(kinds, expected, strict=True)}
    assert np.array_equal(weight(reduced, "ws"), scale)
    assert weight(reduced, "bq").shape == (4,)


@pytest.mark.parametrize(("trans_b", "axis"), [(1, 0), (1, -2), (0, 1), (0, -1), (0, None)])
def test_a_scale_per_row(trans_b, axis):
    gemm = node("Gemm", ["x", "w", "b"], ["h"], transB=trans_b)
    nodes = [_dq("w", **({} if axis is None else {"axis": axis})), _dq("b", axis=0), gemm]
    rows = SCALED if trans_b else SCALED.T.copy()
    weights = {"wq": rows, "ws": SCALES, "bq": SCALED_BIAS, "bs": SCALES / 4}
    reduced = shrinks(_model(nodes, weights))
    kept = [i for i in range(6) if i not in (1, 3)]
    assert np.array_equal(weight(reduced, "bs"), SCALES[kept] / 4)
    assert np.array_equal(weight(reduced, "ws"), SCALES[kept])
    found = weight(reduced, "wq")
    assert np.array_equal(found if trans_b else found.T, SCALED[kept])


def test_the_same_number_in_other_units():
    """Rows doubled with half the scale are equal, so any function of them is."""
    rows, scales = ROWS.copy(), np.full(6, 0.5, "f4")
    rows[3], scales[3] = 2 * rows[2], 0.25
    nodes = [_dq("w", axis=0), node("Gemm", ["x", "w"], ["g"], transB=1)]
    nodes.append(node("Floor", ["g"], ["h"]))
    shrinks(_model(nodes, {"wq": rows, "ws": scales}))


def test_equal_integers_with_other_scales_are_multiples():
    rows = ROWS.copy()
    rows[3] = rows[2]
    scales = np.array([1, 1, 0.5, 1, 1, 1], "f4")
    nodes = [_dq("w", axis=0), node("Gemm", ["x", "w"], ["g"], transB=1)]
    shrinks(_model([*nodes, node("Relu", ["g"], ["h"])], {"wq": rows, "ws": scales}))
    floor = [*nodes, node("Floor", ["g"], ["h"])]
    shrinks(_model(floor, {"wq": rows, "ws": scales}), after=5)


def test_a_scale_along_the_columns_is_declined():
    scales = np.array([1, 2, 1, 0.5, 1], "f4")
    nodes = [_dq("w", axis=1), node("Gemm", ["x", "w"], ["h"], transB=1)]
    reasons = stays(_model(nodes, {"wq": ROWS, "ws": scales}))
    assert "Gemm 'h' ('w' is scaled along another axis than its rows')" in reasons


@pytest.mark.parametrize("per_row", [False, True])
def test_zero_points(per_row):
    zero, scale = np.full(6 if per_row else (), 128, np.uint8), SCALES if per_row else HALF
    rows = SCALED if per_row else ROWS
    weights = {"wq": (rows.astype(int) + 128).astype("u1"), "ws": scale, "wz": zero}
    nodes = [_dq("w", zero=True, axis=0), node("Gemm", ["x", "w"], ["h"], transB=1)]
    reduced = shrinks(_model(nodes, weights))
    found = weight(reduced, "wq")
    assert found.dtype == np.uint8
    assert np.array_equal(found.astype(int) - 128, rows[[0, 2, 4, 5]])
    assert weight(reduced, "wz").shape == ((4,) if per_row else ())


def test_columns_are_added_about_the_zero_point():
    columns = (reader().astype(int) + 128).astype("u1")
    nodes = [_dq("w"), node("Gemm", ["x", "w"], ["h"], transB=1), node("Relu", ["h"], ["r"])]
    nodes += [_dq("v", zero=True), node("MatMul", ["r", "v"], ["y"])]
    weights = {"wq": ROWS, "ws": HALF, "vq": columns, "vs": HALF, "vz": np.array(128, "u1")}
    reduced = shrinks(build(nodes, weights))
    merged = weight(reduced, "vq").astype(int) - 128
    old = columns.astype(int) - 128
    assert np.array_equal(merged[0], old[0] + old[1])
    assert np.array_equal(merged[1], old[2] + 2 * old[3])


def test_zero_points_that_differ_are_declined():
    weights = {"wq": ROWS, "ws": SCALES, "wz": np.array([0, 0, 0, 0, 0, 1], "i1")}
    nodes = [_dq("w", zero=True, axis=0), node("Gemm", ["x", "w"], ["h"], transB=1)]
    assert any("'w' is computed, or stored" in reason for reason in stays(_model(nodes, weights)))


@pytest.mark.parametrize("axis", [0, 1])
def test_a_transpose_behind(axis):
    rows = SCALED if axis == 0 else SCALED.T.copy()
    nodes = [node("DequantizeLinear", ["wq", "ws"], ["d"], axis=axis)]
    nodes.append(node("Transpose", ["d"], ["w"], perm=[1, 0]))
    last = node("MatMul", ["x", "w"], ["h"])
    if axis == 1:
        last = node("Gemm", ["x", "w"], ["h"], transB=1)
    reduced = shrinks(_model([*nodes, last], {"wq": rows, "ws": SCALES}))
    assert weight(reduced, "wq").shape == ((4, 5) if axis == 0 else (5, 4))


def test_weights_on_the_left():
    nodes = [_dq("w", axis=0), node("MatMul", ["w", "x"], ["h"]), node("Relu", ["h"], ["r"])]
    nodes += [_dq("v"), node("MatMul", ["v", "r"], ["y"])]
    weights = {"wq": SCALED, "ws": SCALES, "vq": reader(dtype="i1").T.copy(), "vs": HALF}
    shrinks(build(nodes, weights, inputs={"x": (5, 7)}))


def _shared(unread: int | None) -> ModelProto:
    """Two layers that read the same weights; the second's feature `unread` is not read."""
    nodes, columns = [_dq("w", axis=0)], reader()
    for k in ("", "2"):
        nodes.append(node("Gemm", ["x" + k, "w"], ["h" + k], transB=1))
        nodes += [node("Relu", ["h" + k], ["r" + k]), node("MatMul", ["r" + k, "v" + k], ["y" + k])]
    weights = {"wq": SCALED, "ws": SCALES, "v": columns, "v2": columns.copy()}
    if unread is not None:
        weights["v2"][unread] = 0
    inputs = {"x": ("N", 5), "x2": ("N", 5)}
    return build(nodes, weights, inputs=inputs, outputs=["y", "y2"])


def test_shared_by_two_readers_that_are_cut_alike():
    reduced = shrinks(_shared(None), ("r", "r2"))
    assert weight(reduced, "wq").shape == (4, 5)


def test_shared_by_two_readers_that_would_be_cut_otherwise():
    """There is no place for other integers, and none may be added."""
    model = _shared(5)
    reduced = reduce(model).model
    assert len(reduced.graph.node) == len(model.graph.node)
    same_outputs(model, reduced)


def test_read_as_a_graph_output_too():
    model = _model([_dq("w"), node("Gemm", ["x", "w"], ["h"], transB=1)], {"wq": ROWS, "ws": HALF})
    model.graph.output.append(info("w", (6, 5)))
    reduced = reduce(model).model
    same_outputs(model, reduced)
    assert np.array_equal(weight(reduced, "wq"), ROWS)


@pytest.mark.parametrize("name", ["wq", "ws", "bq", "bs"])
def test_what_a_caller_may_override_is_declined(name):
    gemm = node("Gemm", ["x", "w", "b"], ["h"], transB=1)
    weights = {"wq": ROWS, "ws": HALF, "bq": BIAS, "bs": HALF}
    model = _model([_dq("w"), _dq("b"), gemm], weights)
    model.graph.input.append(info(name, weights[name].shape, weights[name].dtype))
    assert any("computed, or stored" in reason for reason in stays(model))


@pytest.mark.parametrize("shape", [(), (1,)])
@pytest.mark.parametrize("quantised", [False, True])
def test_a_bias_that_is_not_one_per_row_is_not_forgotten(shape, quantised):
    """Feature 3 is twice feature 2 only without its bias."""
    gemm = node("Gemm", ["x", "w", "b"], ["h"], transB=1)
    weights: Weights = {"bq": np.full(shape, 7, "i4"), "bs": HALF}
    weights |= {"wq": ROWS, "ws": HALF} if quantised else {"w": ROWS.astype("f4")}
    model = _model([*([_dq("w")] if quantised else []), _dq("b"), gemm], weights)
    for seed in range(4):
        inputs = integers(model, seed=seed)
        before, after = run(model, inputs), run(reduce(model).model, inputs)
        assert np.array_equal(before["y"], after["y"])
    assert load(model).notes or load(model).net["r"].bias is not None


def test_float_weights_with_a_bias_of_integers():
    nodes = [_dq("b", axis=0), node("Gemm", ["x", "w", "b"], ["h"], transB=1)]
    rows = (ROWS * SCALES[:, None]).astype("f4")
    rows[1], rows[3] = rows[0], 2 * rows[2]
    bias = BIAS.copy()
    bias[3] = 4 * bias[2]
    reduced = shrinks(_model(nodes, {"w": rows, "bq": bias, "bs": SCALES}))
    assert weight(reduced, "bq").dtype == np.int32


def test_constants_do_not_go_into_a_bias_of_integers():
    """0, 1 and 4 are constants: one of them stays to carry what they add to y."""
    rows = ROWS.copy()
    rows[[0, 1, 4]] = 0
    nodes = [_dq("w"), _dq("b"), node("Gemm", ["x", "w", "b"], ["h"], transB=1)]
    nodes += [node("Relu", ["h"], ["r"]), _dq("v"), _dq("c"), node("Gemm", ["r", "v", "c"], ["y"])]
    weights = {"wq": rows, "ws": HALF, "bq": abs(BIAS), "bs": HALF, "vq": reader(dtype="i1")}
    weights |= {"vs": HALF, "cq": np.array([1, 2, 3], "i4"), "cs": HALF / 4}
    weights["bq"][1] = weights["bq"][0]
    weights["bq"][3] = 2 * weights["bq"][2]
    reduced = shrinks(build(nodes, weights), after=3)
    assert np.array_equal(weight(reduced, "cq"), weights["cq"])


@pytest.mark.parametrize(("most", "after"), [(42, 4), (43, 5), (63, 5), (64, 6), (127, 6)])
def test_columns_are_merged_while_their_sums_fit(most, after):
    """0 + 1 is at most 127 up to 63 each, 2 + 2 * 3 up to 42."""
    columns = np.full((6, 3), most, "i1")
    nodes = [_dq("w"), node("Gemm", ["x", "w"], ["h"], transB=1)]
    model = _model(nodes, {"wq": ROWS, "ws": HALF}, columns)
    if after < 6:
        shrinks(model, after=after)
    if after > 4:
        assert _declined(model)["r"] == OVERFLOW


def test_the_initializers_stay_of_their_types():
    """int8 stays int8 also where int16 would do."""
    nodes = [_dq("w"), node("Gemm", ["x", "w"], ["h"], transB=1)]
    reduced = shrinks(_model(nodes, {"wq": ROWS, "ws": HALF}))
    kinds = {t.name: numpy_helper.to_array(t).dtype for t in reduced.graph.initializer}
    assert (kinds["wq"], kinds["vq"]) == (np.int8, np.int8)
