"""Operators that pass features on: where the features are afterwards, and what may be cut."""

from __future__ import annotations

import numpy as np
import pytest

from lumpcli.loader import load
from tests.evaluate import disagreements
from tests.loader.checks import shrinks, stays
from tests.models import PLANTED, around, build, integers, node, planted, reader, weight

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


@pytest.mark.parametrize(
    ("shape", "axis"),
    [(("N", 5), 1), (("N", 5), -1), (("N", 2, 5), 2), ((2, 2, 3, 5), -1), ((5,), 0), ((5,), -1)],
)
def test_flatten_that_keeps_the_last_axis(shape, axis):
    shrinks(_moved(node("Flatten", ["p"], ["h"], axis=axis), shape=shape))


def test_flatten_is_at_axis_1_by_default():
    shrinks(_moved(node("Flatten", ["p"], ["h"])))


@pytest.mark.parametrize(
    ("shape", "axis", "columns"),
    [((2, 5), 0, 12), ((2, 3, 5), 1, 18), ((2, 5), 2, 1), ((5,), 1, 1)],
)
def test_flatten_that_merges_or_splits_features_off_is_declined(shape, axis, columns):
    nodes = [
        *DENSE,
        node("Flatten", ["p"], ["h"], axis=axis),
        node("Relu", ["h"], ["r"]),
        node("MatMul", ["r", "v"], ["y"]),
    ]
    weights = {**WEIGHTS, "v": np.ones((columns, 3), "f4")}
    model = build(nodes, weights, inputs={"x": shape})
    assert "Flatten 'h' (it merges the features with other axes)" in stays(model)


def test_flatten_of_one_axis_then_a_constant():
    """(6,) becomes (6, 1), and with a constant (6, 6): rows and columns are easily mixed up."""
    nodes = [
        *DENSE,
        node("Flatten", ["p"], ["f"]),
        node("Add", ["f", "c"], ["h"]),
    ]
    model = around(nodes, {**WEIGHTS, "c": BIAS}, inputs={"x": (5,)})
    assert disagreements(load(model), integers(model)) == []
    stays(model)


KEEPING = [
    *(((-1, PLANTED), ("N", 5)), ((0, -1), ("N", 5)), ((1, -1), (1, 5)), ((0, 0), ("N", 5))),
    *(((-1, PLANTED), ("N", 2, 5)), ((-1, 0), ("N", 5)), ((3, PLANTED), (3, 5))),
    *(((0, 0, -1), ("N", 2, 5)), ((0, -1, PLANTED), (2, 3, 5)), ((-1, 0, 6), ("N", 2, 5))),
    *(((PLANTED,), (1, 5)), ((-1,), (1, 5)), ((1, PLANTED), (5,)), ((1, 1, -1), (1, 5))),
    *(((2, 2, PLANTED), (4, 5)), ((0, -1), (2, 1, 5)), ((3, -1), (3, 5))),
]


@pytest.mark.parametrize(("target", "shape"), KEEPING)
def test_reshapes_that_keep_the_last_axis(target, shape):
    """A width in the target shape is rewritten."""
    reduced = shrinks(_reshaped(target, shape))
    wanted = [*target[:-1], 4 if target[-1] == PLANTED else target[-1]]
    assert weight(reduced, "s").tolist() == wanted


def test_reshape_to_all_positive_entries_with_allowzero():
    shrinks(_reshaped([-1, PLANTED], ("N", 5), allowzero=1))


SPLITTING = [
    *(((-1, 3), ("N", 5), 3), ((0, -1), ("N", 2, 5), 12), ((0, 2, 3), ("N", 5), 3)),
    *(((-1,), (2, 5), 12), ((1, -1), (2, 5), 12), ((4, -1), (2, 5), 3), ((-1, 12), (2, 5), 12)),
    *(((0, -1, 1), ("N", 5), 1), ((-1, 2), (1, 5), 2), ((-1, 0, 1), (2, 5), 1)),
    *(((0, 0, 1), ("N", 5), 1), ((PLANTED, -1), (3, 5), 3)),
]


@pytest.mark.parametrize(("target", "shape", "columns"), SPLITTING)
def test_reshapes_that_split_or_merge_are_declined(target, shape, columns):
    nodes = [
        *DENSE,
        node("Reshape", ["p", "s"], ["h"]),
        node("Relu", ["h"], ["r"]),
        node("MatMul", ["r", "v"], ["y"]),
    ]
    weights = {**WEIGHTS, "s": np.array(target), "v": np.ones((columns, 3), "f4")}
    model = build(nodes, weights, inputs={"x": shape})
    assert "Reshape 'h' (it may merge or split the feature axis)" in stays(model)


def test_a_square_reshape_knows_which_axis_is_which():
    """(6, 6) to (6, 6) keeps the last axis; a Transpose between would not."""
    shrinks(_reshaped([-1, 6], (6, 5)))
    nodes = [
        node("Transpose", ["p"], ["t"]),
        node("Reshape", ["t", "s"], ["h"]),
    ]
    model = _moved(*nodes, shape=(6, 5), extra={"s": np.array([6, 6])})
    assert "its output is read by Transpose 't'" in stays(model)


def test_a_reshape_with_zero_and_allowzero_is_declined():
    model = _reshaped([0, -1], ("N", 5), allowzero=1)
    assert any("merge or split" in r for r in stays(model, runs=False))


def test_a_reshape_to_a_computed_shape_is_declined():
    nodes = [node("Shape", ["p"], ["s"]), node("Reshape", ["p", "s"], ["h"])]
    reasons = stays(_moved(*nodes))
    assert "Reshape 'h' (its shape is computed)" in reasons


def test_a_reshape_target_shared_by_two_layers():
    """One layer is cut, the other not: the target is copied."""
    nodes = [
        node("Reshape", ["p", "s"], ["h"]),
        node("MatMul", ["x", "k"], ["q"]),
        node("Reshape", ["q", "s"], ["z"]),
    ]
    columns = np.eye(5, 6, dtype="f4") + 1
    extra = {"s": np.array([-1, 6]), "k": columns}
    model = _moved(*nodes, extra=extra, outputs=["y", "z"])
    reduced = shrinks(model)
    targets = [
        weight(reduced, n.input[1]).tolist() for n in reduced.graph.node if n.op_type == "Reshape"
    ]
    assert sorted(targets) == [[-1, 4], [-1, 6]]


def test_a_reshape_over_weights_on_the_left_is_declined():
    nodes = [
        node("MatMul", ["w", "x"], ["p"]),
        node("Reshape", ["p", "s"], ["h"]),
        node("MatMul", ["v", "h"], ["y"]),
    ]
    weights = {"w": ROWS, "s": np.array([6, 7]), "v": reader().T.copy()}
    model = build(nodes, weights, inputs={"x": (5, 7)})
    assert any("merge or split" in r for r in stays(model))


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
