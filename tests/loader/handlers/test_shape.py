"""Operators that pass features on: where the features are afterwards, and what may be cut."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto

from lumpcli.analysis import values_of
from lumpcli.loader import load
from tests.evaluate import disagreements
from tests.loader.checks import shrinks, stays
from tests.models import around, build, integers, node, planted, reader, weight

ROWS, BIAS = planted()
DENSE = [node("MatMul", ["x", "w"], ["m"]), node("Add", ["m", "b"], ["p"])]
WEIGHTS = {"w": ROWS.T.copy(), "b": BIAS}


def _moved(*nodes, shape=("N", 5), extra=None, **options):
    """A dense p, moved by the nodes to h, then Relu and a reader of its last axis."""
    inputs = {"x": shape} if isinstance(shape, tuple) else shape
    return around([*DENSE, *nodes], {**WEIGHTS, **(extra or {})}, inputs=inputs, **options)


def _reshaped(target, shape, **attributes):
    reshape = node("Reshape", ["p", "s"], ["h"], **attributes)
    return _moved(reshape, shape=shape, extra={"s": np.array(target, np.int64)})


@pytest.mark.parametrize("opset", [7, 10, 12, 13, 17])
@pytest.mark.parametrize("operator", ["Identity", "Dropout"])
def test_identity_and_dropout(operator, opset):
    shrinks(_moved(node(operator, ["p"], ["h"]), opset=opset))


def test_dropout_before_opset_7_in_test_mode():
    nodes = [
        node("Gemm", ["x", "w", "b"], ["p"], transB=1, broadcast=1),
        node("Dropout", ["p"], ["q"], is_test=1),
        node("Relu", ["q"], ["r"]),
        node("Gemm", ["r", "v", "c"], ["y"], broadcast=1),
    ]
    weights = {"w": ROWS, "b": BIAS, "v": reader(), "c": np.ones(3, "f4")}
    model = build(nodes, weights, opset=6)
    assert load(model).net["r"].pinned is None
    nodes[1] = node("Dropout", ["p"], ["q"])
    reasons = stays(build(nodes, weights, opset=6), runs=False)
    assert "Dropout 'q' (it may be in training mode)" in reasons


@pytest.mark.parametrize("mode", [None, False, True])
def test_dropout_in_training_mode_is_declined(mode):
    given = ["p", "", "" if mode is None else "mode"]
    model = _moved(node("Dropout", given, ["h"]), extra={"mode": np.array(bool(mode))}, opset=13)
    if mode:
        assert "Dropout 'h' (it may be in training mode)" in stays(model, runs=False)
    else:
        shrinks(model)


def test_dropout_in_a_mode_the_caller_chooses_is_declined():
    model = _moved(node("Dropout", ["p", "", "x2"], ["h"]), shape={"x": ("N", 5), "x2": ()})
    model.graph.input[1].type.tensor_type.elem_type = 9
    assert "Dropout 'h' (it may be in training mode)" in stays(model, runs=False)


def test_dropout_whose_mask_is_used_is_declined():
    nodes = [node("Dropout", ["p"], ["h", "mask"])]
    shrinks(_moved(*nodes))
    model = _moved(*nodes, outputs=["y", "mask"])
    model.graph.output[1].type.tensor_type.elem_type = 9
    assert "Dropout 'h' (its mask is used)" in stays(model)


# --- Transpose


@pytest.mark.parametrize("perm", [[0, 2, 1], [2, 0, 1], None, [1, 2, 0]])
def test_transposes_move_the_features(perm):
    """To axis perm says; a Transpose back is read by the last matrix."""
    order = perm or [2, 1, 0]
    back = [order.index(axis) for axis in range(3)]
    nodes = [
        node("Transpose", ["p"], ["t"], **({} if perm is None else {"perm": perm})),
        node("Neg", ["t"], ["n"]),
        node("Transpose", ["n"], ["h"], perm=back),
    ]
    shrinks(_moved(*nodes, shape=(3, 4, 5)), ("p", "n", "r"))


def test_a_transpose_is_read_by_weights_on_the_left():
    nodes = [
        *DENSE,
        node("Transpose", ["p"], ["t"]),
        node("Relu", ["t"], ["r"]),
        node("MatMul", ["v", "r"], ["y"]),
    ]
    model = build(nodes, {**WEIGHTS, "v": reader().T.copy()}, inputs={"x": (7, 5)})
    reduced = shrinks(model, ("p", "r"))
    assert weight(reduced, "v").shape == (3, 4)


def test_a_transpose_of_features_and_positions_of_one_size():
    """(6, 6): what lies along the last axis then are positions."""
    nodes = [node("Transpose", ["p"], ["h"])]
    model = _moved(*nodes, shape=(6, 5))
    assert "MatMul 'y' reads it along another axis" in stays(model)


def test_positions_in_another_order_are_other_positions():
    """x + x.T of positions: features are equal if they are in both."""
    nodes = [node("Transpose", ["p"], ["t"], perm=[1, 0, 2]), node("Sub", ["p", "t"], ["h"])]
    model = _moved(*nodes, shape=(3, 3, 5))
    assert load(model).net["t"].terms[0].via == "transpose positions [1, 0]"
    shrinks(model, ("p", "t", "r"))


def test_twice_the_same_transpose_is_the_same():
    nodes = [
        node("Transpose", ["p"], ["t"], perm=[1, 0, 2]),
        node("Transpose", ["p"], ["u"], perm=[1, 0, 2]),
        node("Sub", ["t", "u"], ["h"]),
    ]
    host = load(_moved(*nodes, shape=(3, 3, 5)))
    facts = values_of(host.net)
    assert facts["r"].class_of.tolist() == [-1] * 6
    assert disagreements(host, integers(host.model)) == []


def test_from_channels_first_to_channels_last_and_back():
    """As exporters from TensorFlow write it; the matrix reads the last axis."""
    nodes = [
        node("Conv", ["x", "k", "b"], ["p"]),
        node("Transpose", ["p"], ["t"], perm=[0, 2, 3, 1]),
        node("Mul", ["t", "s"], ["m"]),
        node("Relu", ["m"], ["r"]),
        node("MatMul", ["r", "v"], ["d"]),
        node("Transpose", ["d"], ["y"], perm=[0, 3, 1, 2]),
    ]
    scale = np.array([2, 2, 3, 3, 1, 4], "f4")
    weights = {"k": ROWS.reshape(6, 5, 1, 1), "b": BIAS, "s": scale, "v": reader()}
    model = build(nodes, weights, inputs={"x": ("N", 5, 2, 3)})
    reduced = shrinks(model, ("p", "r"))
    assert weight(reduced, "s").shape == (4,)


def test_a_transpose_that_fits_no_rank_is_declined():
    nodes = [node("Mystery", ["x"], ["z"], domain="nowhere"), node("MatMul", ["z", "w"], ["p"])]
    nodes.append(node("Transpose", ["p"], ["y"]))
    model = build(nodes, WEIGHTS, domains=["nowhere"])
    assert "Transpose 'y' (its rank is not known)" in stays(model, runs=False)


# --- Cast


def test_a_cast_of_a_layer_to_a_narrower_float_is_a_function_of_each():
    nodes = [
        *DENSE,
        node("Cast", ["p"], ["c"], to=TensorProto.FLOAT16),
        node("Cast", ["c"], ["r"], to=TensorProto.FLOAT),
        node("MatMul", ["r", "v"], ["y"]),
    ]
    model = build(nodes, {**WEIGHTS, "v": reader()})
    assert load(model).net["c"].activation.name == "Cast"
    shrinks(model, ("c",), after=5)
