"""Pools, reductions, softmaxes over positions: what of a feature's ratio and constants is left."""

from __future__ import annotations

import numpy as np
import pytest

from lumpcli.analysis import values_of
from lumpcli.api import reduce
from lumpcli.loader import load
from tests.evaluate import disagreements
from tests.loader.checks import same_outputs, shrinks, stays
from tests.loader.images import BIAS, ROWS, kernel, through
from tests.models import build, integers, node, reader

ROUNDED = {"tolerance": 1e-6, "apart": 1e-6}

POOLS = [
    *(("MaxPool", {}), ("MaxPool", {"pads": [1, 0, 0, 1]}), ("MaxPool", {"strides": [2, 2]})),
    *(("MaxPool", {"auto_pad": "SAME_UPPER"}), ("MaxPool", {"ceil_mode": 1, "strides": [2, 2]})),
    *(
        ("MaxPool", {"dilations": [2, 1]}),
        ("AveragePool", {}),
        ("AveragePool", {"strides": [2, 1]}),
    ),
    ("AveragePool", {"pads": [1, 0, 0, 1], "count_include_pad": 1}),
]


@pytest.mark.parametrize(("operator", "attributes"), POOLS, ids=str)
def test_pools_hand_on_positive_ratios(operator, attributes):
    shrinks(through(node(operator, ["p"], ["h"], kernel_shape=[2, 2], **attributes)), ("p", "r"))


@pytest.mark.parametrize(
    ("operator", "attributes"),
    [
        ("AveragePool", {"kernel_shape": [2, 2], "pads": [1, 1, 0, 0]}),
        ("AveragePool", {"kernel_shape": [3, 2], "auto_pad": "SAME_LOWER"}),
        ("AveragePool", {"kernel_shape": [3, 3], "ceil_mode": 1, "strides": [2, 2]}),
        ("LpPool", {"kernel_shape": [2, 2]}),
        ("LpPool", {"kernel_shape": [2, 2], "p": 1}),
        ("GlobalAveragePool", {}),
        ("GlobalLpPool", {"p": 2}),
    ],
    ids=str,
)
def test_pools_that_round(operator, attributes):
    shrinks(through(node(operator, ["p"], ["h"], **attributes)), ("p", "r"), **ROUNDED)


def test_global_pools():
    shrinks(through(node("GlobalMaxPool", ["p"], ["h"])), ("p", "r"))
    shrinks(through(node("GlobalAveragePool", ["p"], ["h"]), positions=(4, 2)), ("p", "r"))
    one = through(node("GlobalAveragePool", ["p"], ["h"]), positions=(8,))
    shrinks(one, ("p", "r"))


def _opposite():
    """Feature 1 is minus feature 0, feature 3 is minus twice feature 2."""
    rows, bias = ROWS.copy(), BIAS.copy()
    for numbers in (rows, bias):
        numbers[1], numbers[3] = -numbers[0], -2 * numbers[2]
    return {"w": rows.reshape(6, 5, 1, 1), "b": bias}


OPPOSITE = [
    *(("MaxPool", {"kernel_shape": [2, 2]}, 6), ("AveragePool", {"kernel_shape": [2, 2]}, 4)),
    *(("GlobalMaxPool", {}, 6), ("LpPool", {"kernel_shape": [2, 2]}, 4), ("GlobalLpPool", {}, 4)),
    *(("ReduceMax", {"axes": [2]}, 6), ("ReduceSum", {}, 4), ("ReduceL1", {"axes": [3]}, 4)),
    *(("ReduceMin", {"axes": [2]}, 6), ("ReduceL2", {"axes": [2]}, 4)),
    *(("ReduceSumSquare", {"axes": [3]}, 6), ("ReduceProd", {"axes": [3]}, 6)),
]


@pytest.mark.parametrize(("operator", "attributes", "after"), OPPOSITE, ids=str)
def test_negative_ratios(operator, attributes, after):
    """The maximum of -x is no multiple of that of x; sums and magnitudes are."""
    extra = _opposite()
    given = ["p"]
    if operator == "ReduceSum":
        given, extra["axes"] = ["p", "axes"], np.array([-1])
    model = through(
        node(operator, given, ["h"], **attributes),
        extra=extra,
        activation="Identity",
        positions=(4, 2),
    )
    if after == 6:
        stays(model, tolerance=1e-6)
    else:
        shrinks(model, ("p", "h"), after=4, **ROUNDED)


@pytest.mark.parametrize(("operator", "after"), [("ReduceProd", 5), ("ReduceSumSquare", 5)])
def test_reductions_of_which_nothing_is_known_keep_equal_features(operator, after):
    """Feature 3 doubles feature 2: its square is four times as large, which nobody looks for."""
    model = through(node(operator, ["p"], ["h"], axes=[2]), positions=(2, 3))
    shrinks(model, ("p", "r"), after=after)


CONSTANTS = [
    *(("MaxPool", {"kernel_shape": [2, 2], "pads": [1, 0, 0, 0]}, True), ("ReduceMax", {}, True)),
    *(("AveragePool", {"kernel_shape": [2, 2], "pads": [1, 0, 0, 0]}, True),),
    ("AveragePool", {"kernel_shape": [2, 2], "pads": [1, 0, 0, 0], "count_include_pad": 1}, False),
    *(("ReduceMean", {}, True), ("ReduceSum", {}, False), ("ReduceL2", {}, False)),
    *(("GlobalAveragePool", {}, True), ("GlobalMaxPool", {}, True), ("GlobalLpPool", {}, False)),
    *(("LpPool", {"kernel_shape": [2, 2]}, False), ("ReduceProd", {}, False)),
]


@pytest.mark.parametrize(("operator", "attributes", "constant"), CONSTANTS, ids=str)
def test_constants(operator, attributes, constant):
    """Features 0 and 1 are 3 everywhere; features 2 and 3 are x and x + 3."""
    rows, bias = ROWS.copy(), BIAS.copy()
    rows[:2], bias[:2] = 0, 3
    rows[3], bias[3] = rows[2], bias[2] + 3
    given, extra = ["p"], {"w": rows.reshape(6, 5, 1, 1), "b": bias}
    if operator.startswith("Reduce"):
        if operator == "ReduceSum":
            given, extra["axes"] = ["p", "axes"], np.array([2, 3])
        else:
            attributes = {"axes": [2, 3]}
    model = through(node(operator, given, ["h"], **attributes), extra=extra, activation="Identity")
    host = load(model)
    facts = values_of(host.net)["h"]
    assert (facts.class_of[0] == -1) == constant
    assert facts.class_of[0] == facts.class_of[1]
    assert disagreements(host, integers(model), 1e-6) == []
    same_outputs(model, reduce(model).model, apart=1e-6)


def _two_images(*nodes, across=None, **options):
    """p of an image, q of a smaller one; the nodes make h of both, whose axes 2 and 3 are 1."""
    first = [
        node("Conv", ["x", "w", "b"], ["p0"]),
        node("Relu", ["p0"], ["p"]),
        node("Conv", ["z", "u", "d"], ["q0"]),
        node("Relu", ["q0"], ["q"]),
    ]
    last = [node("Conv", ["h", "v", "c"], ["y"])]
    rows = np.concatenate([np.zeros((1, 5)), ROWS[2:3]]).astype("f4").reshape(2, 5, 1, 1)
    weights = {"w": rows, "b": np.array([3, 1], "f4"), "v": across, "c": np.ones(2, "f4")}
    weights |= {"u": 2 * rows, "d": np.array([3, 2], "f4")}
    inputs = {"x": (2, 5, 8, 8), "z": (2, 5, 4, 4)}
    return build([*first, *nodes, *last], weights | options.pop("extra", {}), inputs=inputs)


@pytest.mark.parametrize("how", ["AveragePool", "Conv", "depthwise", "ReduceSum"])
def test_constants_behind_padding_in_images_of_two_sizes(how):
    """The mean over three everywhere but at the border depends on how much border there is."""
    extra = {"k": kernel(np.array([[1, 0], [0, 1]], "f4"), 3, 3), "a": np.array([2, 3])}
    extra["e"] = np.arange(1, 19, dtype="f4").reshape(2, 1, 3, 3)
    extra |= {"kp": extra["k"], "kq": extra.pop("k"), "ep": extra["e"], "eq": extra.pop("e")}
    nodes = []
    for read in "pq":
        if how == "AveragePool":
            options = {"kernel_shape": [3, 3], "pads": [1] * 4, "count_include_pad": 1}
            nodes.append(node("AveragePool", [read], [read + "1"], **options))
        elif how == "ReduceSum":
            nodes.append(node("ReduceSum", [read, "a"], [read + "1"]))
        else:
            options = {"group": 2} if how == "depthwise" else {}
            given = [read, ("e" if options else "k") + read]
            nodes.append(node("Conv", given, [read + "1"], pads=[1] * 4, **options))
        nodes.append(node("GlobalAveragePool", [read + "1"], [read + "2"]))
    nodes.append(node("Concat", ["p2", "q2"], ["h"], axis=1))
    across = np.arange(1, 9, dtype="f4").reshape(2, 4, 1, 1)
    model = _two_images(*nodes, across=across, extra=extra)
    assert disagreements(load(model), integers(model), 1e-5) == []
    same_outputs(model, reduce(model).model, apart=1e-5)


REDUCTIONS = ["ReduceMean", "ReduceMax", "ReduceMin", "ReduceL1", "ReduceL2", "ReduceSum"]


@pytest.mark.parametrize("keepdims", [0, 1])
@pytest.mark.parametrize("opset", [11, 13, 18])
@pytest.mark.parametrize("operator", REDUCTIONS)
def test_axes_of_reductions(operator, opset, keepdims):
    """As an attribute, or an input: since opset 13 for sums, since opset 18 for the others."""
    extra, given, options = {}, ["p"], {"keepdims": keepdims}
    if opset >= (13 if operator == "ReduceSum" else 18):
        given, extra["axes"] = ["p", "axes"], np.array([-1, 2])
    else:
        options["axes"] = [-1, 2]
    nodes = [
        node("MatMul", ["w", "x"], ["m"]),
        node(
            "Unsqueeze",
            ["m", "o"] if opset >= 13 else ["m"],
            ["p"],
            **({} if opset >= 13 else {"axes": [3]}),
        ),
        node(operator, given, ["h"], **options),
        node("Relu", ["h"], ["r"]),
        *(
            [
                node(
                    "Squeeze",
                    ["r", "s"] if opset >= 13 else ["r"],
                    ["t"],
                    **({} if opset >= 13 else {"axes": [2, 3]}),
                )
            ]
            if keepdims
            else []
        ),
        node("Gemm", ["t" if keepdims else "r", "v", "c"], ["y"]),
    ]
    weights = {"w": ROWS, "v": reader(), "c": np.ones(3, "f4"), **extra}
    if opset >= 13:
        weights |= {"o": np.array([3]), "s": np.array([2, 3])}
    model = build(nodes, weights, inputs={"x": (2, 5, 4)}, opset=opset)
    shrinks(model, ("m", "h", "r"), **ROUNDED)


def test_reductions_over_features_are_declined():
    for axes in ([1], [1, 2], [-3], None):
        options = {} if axes is None else {"axes": axes}
        model = through(node("ReduceMean", ["p"], ["h"], **options), columns=1)
        assert "ReduceMean 'h' (it reduces over the features)" in stays(model, tolerance=1e-5)


def test_reductions_over_no_axis():
    options = {"noop_with_empty_axes": 1}
    model = through(node("ReduceSum", ["p"], ["h"], **options))
    shrinks(model, ("p",))
    model = through(node("ReduceSum", ["p"], ["h"]), columns=1)
    assert "ReduceSum 'h' (it reduces over the features)" in stays(model)


def test_axes_that_are_computed_are_declined():
    model = through(
        node("ReduceSum", ["p", "axes"], ["h"]),
        inputs={"x": ("N", 5, 4, 5), "axes": (1,)},
    )
    model.graph.input[1].type.tensor_type.elem_type = 7
    assert "ReduceSum 'h' (its axes are not constant)" in stays(model, runs=False)


def test_indices_of_maxima_are_declined():
    pool = node("MaxPool", ["p"], ["h", "which"], kernel_shape=[2, 2])
    model = through(pool, outputs=["y", "which"])
    model.graph.output[1].type.tensor_type.elem_type = 7
    assert "MaxPool 'h' (its indices are used)" in stays(model)
    shrinks(through(node("MaxPool", ["p"], ["h", ""], kernel_shape=[2, 2])), ("p", "r"))


def test_pools_along_the_features_are_declined():
    """Features of a MatMul lie along the last axis, where a pool has positions."""
    nodes = [
        node("MatMul", ["x", "w"], ["p"]),
        node("MaxPool", ["p"], ["h"], kernel_shape=[2]),
        node("MatMul", ["h", "v"], ["y"]),
    ]
    weights = {"w": ROWS.T.copy(), "v": np.ones((5, 2), "f4")}
    model = build(nodes, weights, inputs={"x": ("N", 3, 5)})
    assert "MaxPool 'h' (it acts along another axis than the features')" in stays(model)


@pytest.mark.parametrize("operator", ["Softmax", "LogSoftmax", "Hardmax"])
def test_softmax_along_positions(operator):
    """Equal features stay equal; feature 3 is lost, as twice feature 2 has another softmax."""
    model = through(node(operator, ["p"], ["h"], axis=2))
    shrinks(model, ("p", "h"), after=5, **ROUNDED)
    for axis in (1, -3):
        model = through(node(operator, ["p"], ["h"], axis=axis))
        assert f"{operator} 'h' (it mixes the features)" in stays(model, tolerance=1e-5)


def test_softmax_before_opset_13_mixes_all_axes_from_one_on():
    model = through(node("Softmax", ["p"], ["h"], axis=2), opset=12)
    assert "Softmax 'h' (it mixes the features)" in stays(model, tolerance=1e-5)


@pytest.mark.parametrize("axis", [2, -1])
def test_running_sums_along_positions(axis):
    """Feature 3, twice feature 2, stays: nothing is known of what it does but that it is one."""
    model = through(node("CumSum", ["p", "axis"], ["h"]), extra={"axis": np.array(axis)})
    shrinks(model, ("p", "r"), after=5)


@pytest.mark.parametrize("axis", [1, -3])
def test_running_sums_over_features_are_declined(axis):
    model = through(node("CumSum", ["p", "axis"], ["h"]), extra={"axis": np.array(axis)})
    assert "CumSum 'h' (it mixes the features)" in stays(model)


def test_running_sums_along_different_axes_are_different():
    nodes = [
        node("CumSum", ["p", "two"], ["q"]),
        node("CumSum", ["p", "three"], ["s"]),
        node("Sub", ["q", "s"], ["h"]),
    ]
    extra = {"two": np.array(2), "three": np.array(3)}
    model = through(*nodes, extra=extra)
    assert disagreements(load(model), integers(model)) == []
    same_outputs(model, reduce(model).model)
