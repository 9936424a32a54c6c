"""Reshape: where features go, what may be cut of them, and what is written then."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import numpy_helper

from tests.loader.checks import shrinks, stays
from tests.models import PLANTED, around, build, node, planted, reader, weight

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


def _left(*nodes, width=7, extra=None, **options):
    """p = w @ x, (6, 7) or with batches in front: features before the positions; y has a bias."""
    first = [node("MatMul", ["w", "x"], ["p"])]
    weights = {"w": ROWS, **(extra or {})}
    options.setdefault("inputs", {"x": (5, width)})
    return build([*first, *nodes], weights, **options)


MERGES = "{} 'h' (it may merge or split the feature axis)"


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


def test_a_shape_as_an_attribute_before_opset_5_is_declined():
    model = build(
        [
            node("Gemm", ["x", "w", "b"], ["p"], transB=1, broadcast=1),
            node("Reshape", ["p"], ["h"], shape=[-1, PLANTED]),
            node("Relu", ["h"], ["r"]),
            node("Gemm", ["r", "v", "c"], ["y"], broadcast=1),
        ],
        {"w": ROWS, "b": BIAS, "v": reader(), "c": np.ones(3, "f4")},
        opset=4,
    )
    assert "Reshape 'h' (its shape cannot be changed)" in stays(model, runs=False)


FLATTENING = [
    *(((0, -1), ("N", 2, 5)), ((-1,), (2, 5)), ((-1, 12), ("N", 2, 5)), ((3, 12), (3, 2, 5))),
    *(((3, -1), (3, 2, 5)), ((0, -1), (2, 2, 1, 5)), ((12,), (2, 5)), ((-1, 1, 12), ("N", 2, 5))),
    *(((1, -1), (2, 5)), ((-1, 12), (2, 5))),
]


@pytest.mark.parametrize(("target", "shape"), FLATTENING)
def test_reshapes_that_merge_positions_into_features(target, shape):
    columns = np.arange(1, 37, dtype="f4").reshape(12, 3)
    nodes = [
        *DENSE,
        node("Reshape", ["p", "s"], ["h"]),
        node("Relu", ["h"], ["r"]),
        node("MatMul", ["r", "v"], ["y"]),
    ]
    weights = {**WEIGHTS, "s": np.array(target), "v": columns}
    model = build(nodes, weights, inputs={"x": shape})
    reduced = shrinks(model, ("p",))
    assert weight(reduced, "s").tolist() == [8 if entry == 12 else entry for entry in target]
    assert weight(reduced, "v").shape == (8, 3)


SPLITTING = [
    *(((-1, 3), ("N", 5), 3), ((4, -1), (2, 5), 3), ((PLANTED, -1), (3, 5), 3)),
]


@pytest.mark.parametrize(("target", "shape", "columns"), SPLITTING)
def test_reshapes_that_move_features_among_positions_are_declined(target, shape, columns):
    nodes = [
        *DENSE,
        node("Reshape", ["p", "s"], ["h"]),
        node("Relu", ["h"], ["r"]),
        node("MatMul", ["r", "v"], ["y"]),
    ]
    weights = {**WEIGHTS, "s": np.array(target), "v": np.ones((columns, 3), "f4")}
    assert MERGES.format("Reshape") in stays(build(nodes, weights, inputs={"x": shape}))


def test_one_feature_that_is_merged_with_the_batch_is_declined():
    """(N, 1) to (N): whose axis it is cannot be told."""
    nodes = [
        node("MatMul", ["x", "w"], ["p"]),
        node("Reshape", ["p", "s"], ["h"]),
        node("Relu", ["h"], ["y"]),
    ]
    model = build(nodes, {"w": np.ones((5, 1), "f4"), "s": np.array([-1])})
    assert MERGES.format("Reshape") in stays(model)


@pytest.mark.parametrize("target", [(0, 1, 1), (-1, 1), (0, 1), (-1, 1, 1)])
def test_one_feature_may_be_reshaped(target):
    """All axes of one feature have length 1: whichever it is said to be, nothing can be cut."""
    nodes = [
        *DENSE,
        node("Relu", ["p"], ["r"]),
        node("MatMul", ["r", "one"], ["q"]),
        node("Reshape", ["q", "s"], ["h"]),
        node("Abs", ["h"], ["y"]),
    ]
    weights = {**WEIGHTS, "one": reader(1), "s": np.array(target)}
    shrinks(build(nodes, weights))


def test_a_size_that_is_copied_to_another_axis_is_declined():
    """(1, 6, 6) to (6, 6, 1), where 0 takes the second size from the features' axis."""
    nodes = [node("Reshape", ["p", "s"], ["y"])]
    for target, declines in (([6, 0, 1], True), ([6, 6, 1], False), ([6, -1, 1], False)):
        inputs = {"x": (1, 5, 6)}
        model = _left(*nodes, inputs=inputs, extra={"s": np.array(target)})
        model.graph.node.append(node("ReduceSum", ["y", "ones"], ["z"], keepdims=0))
        model.graph.initializer.append(numpy_helper.from_array(np.array([0]), "ones"))
        model.graph.output[0].name = "z"
        copied = "Reshape 'y' (it copies the size of the feature axis to another place)"
        assert (copied in stays(model)) == declines


def test_a_square_reshape_knows_which_axis_is_which():
    """(6, 6) to (6, 6) keeps both axes; after a Transpose features are the first one."""
    shrinks(_reshaped([-1, 6], (6, 5)))
    nodes = [
        node("Transpose", ["p"], ["t"]),
        node("Reshape", ["t", "s"], ["h"]),
        node("Relu", ["h"], ["r"]),
        node("MatMul", ["u", "r"], ["y"]),
    ]
    weights = {**WEIGHTS, "s": np.array([6, 6]), "u": reader().T.copy()}
    reduced = shrinks(build([*DENSE, *nodes], weights, inputs={"x": (6, 5)}))
    assert weight(reduced, "s").tolist() == [4, 6]


def test_a_reshape_with_zero_and_allowzero_is_declined():
    model = _reshaped([0, -1], ("N", 5), allowzero=1)
    assert "Reshape 'h' (it makes an empty tensor)" in stays(model, runs=False)


@pytest.mark.parametrize(
    ("target", "after"), [((6, 7), (4, 7)), ((-1, 7), (-1, 7)), ((0, -1), (0, -1))]
)
def test_a_reshape_over_weights_on_the_left(target, after):
    nodes = [node("Reshape", ["p", "s"], ["r"]), node("MatMul", ["v", "r"], ["y"])]
    model = _left(*nodes, extra={"s": np.array(target), "v": reader().T.copy()})
    assert weight(shrinks(model), "s").tolist() == list(after)


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
