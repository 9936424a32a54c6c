"""Concat along the feature axis: every part is cut on its own, and shared classes fold."""

from __future__ import annotations

import numpy as np
import pytest

from lumpcli.api import reduce
from lumpcli.loader import load
from tests.evaluate import disagreements
from tests.loader.checks import same_outputs, stays
from tests.models import build, info, integers, node, planted, weight

ROWS, BIAS = planted()
OTHER, SHIFT = planted(seed=1)
ACROSS = np.arange(-17, 19, dtype="f4").reshape(12, 3)


def _branches(*nodes, extra=None, across=ACROSS, **options):
    """Two dense layers r and s of 6 features each, then the nodes, then a matrix over j."""
    made = [
        node("Gemm", ["x", "w", "b"], ["p"], transB=1),
        node("Relu", ["p"], ["r"]),
        node("Gemm", ["x", "v", "c"], ["q"], transB=1),
        node("Relu", ["q"], ["s"]),
        *nodes,
        node("MatMul", ["j", "m"], ["y"]),
    ]
    weights = {"w": ROWS, "b": BIAS, "v": OTHER, "c": SHIFT, "m": across, **(extra or {})}
    return build(made, weights, **options)


def _reduced(model, bits=True):
    host = load(model)
    assert disagreements(host, integers(model), 1e-6) == []
    result = reduce(model)
    assert disagreements(load(result.model), integers(model), 1e-6) == []
    if bits:
        same_outputs(model, result.model)
    assert not reduce(result.model).changed
    return {layer.name: layer.features.after for layer in result.layers}, result.model


@pytest.mark.parametrize("axis", [1, -1])
def test_both_parts_are_cut(axis):
    found, small = _reduced(_branches(node("Concat", ["r", "s"], ["j"], axis=axis)))
    assert (found["r"], found["s"]) == (4, 4)
    (matrix,) = [t for t in small.graph.initializer if t.name == "m"]
    assert list(matrix.dims) == [8, 3]


def test_equal_parts_share_classes():
    # the matrix reads r and, with the opposite sign, its copy: nothing of either is needed
    across = np.concatenate([ACROSS[:6], -ACROSS[:6]])
    nodes = [node("Concat", ["r", "r"], ["j"], axis=1)]
    found, _ = _reduced(_branches(*nodes, across=across))
    assert found["r"] == 1


def test_a_part_that_is_no_layer():
    across = np.arange(11 * 3, dtype="f4").reshape(11, 3) - 16
    found, _ = _reduced(_branches(node("Concat", ["x", "r"], ["j"], axis=1), across=across))
    assert found["r"] == 4


def test_a_concatenation_of_concatenations_under_other_names():
    across = np.arange(18 * 3, dtype="f4").reshape(18, 3) - 25
    nodes = [
        node("Concat", ["r", "s"], ["k"], axis=1),
        node("Identity", ["k"], ["l"]),
        node("Concat", ["l", "r"], ["j"], axis=1),
    ]
    found, _ = _reduced(_branches(*nodes, across=across))
    assert (found["r"], found["s"]) == (4, 4)


def test_the_stated_shape_of_the_join_is_mended():
    values = [info("j", ("N", 12)), info("r", ("N", 6))]
    nodes = [node("Concat", ["r", "s"], ["j"], axis=1)]
    _, small = _reduced(_branches(*nodes, values=values))
    shapes = {v.name: v.type.tensor_type.shape.dim[1].dim_value for v in small.graph.value_info}
    assert shapes == {"j": 8, "r": 4}


@pytest.mark.parametrize(("operator", "kept"), [("Relu", 4), ("Tanh", 5), ("Neg", 4)])
def test_functions_of_the_join_let_the_parts_be_cut(operator, kept):
    nodes = [node("Concat", ["r", "s"], ["k"], axis=1), node(operator, ["k"], ["j"])]
    found, small = _reduced(_branches(*nodes), bits=operator != "Tanh")
    assert (found["r"], found["s"]) == (kept, kept)
    assert weight(small, "m").shape == (2 * kept, 3)


def test_what_mixes_the_features_of_the_join_pins_all_parts():
    nodes = [node("Concat", ["r", "s"], ["k"], axis=1), node("Softmax", ["k"], ["j"])]
    model = _branches(*nodes)
    stays(model, tolerance=1e-5)
    reason = "its output is read by Softmax 'j' (it mixes the features)"
    found = {layer.name: layer.pinned for layer in reduce(model).layers}
    assert found["r"] == found["s"] == f"tied to k: {reason}"


def test_a_scale_and_a_shift_after_the_join():
    """One number per feature of the join: of every part by itself."""
    scale, shift = (np.array(n * 2, "f4") for n in ([1, 1, 2, 2, 3, 4], [5, 5, 1, 2, 0, 1]))
    nodes = [
        node("Concat", ["r", "s"], ["k"], axis=1),
        node("Mul", ["k", "a"], ["l"]),
        node("Add", ["l", "d"], ["j"]),
    ]
    found, small = _reduced(_branches(*nodes, extra={"a": scale, "d": shift}))
    assert (found["r"], found["s"]) == (4, 4)
    assert weight(small, "a").tolist() == [1, 2, 3, 4] * 2


def test_a_part_that_is_another_width_and_comes_twice():
    nodes = [
        node("MatMul", ["r", "n"], ["q2"]),
        node("Concat", ["q2", "r", "q2"], ["j"], axis=-1),
    ]
    across = np.arange(12 * 3, dtype="f4").reshape(12, 3) - 17
    narrow = np.arange(18, dtype="f4").reshape(6, 3) - 7
    found, small = _reduced(_branches(*nodes, extra={"n": narrow}, across=across))
    assert found["r"] == 4
    assert weight(small, "m").shape == (10, 3)


def test_a_sum_of_joins_is_cut_jointly():
    nodes = [
        node("Concat", ["r", "s"], ["k"], axis=1),
        node("Concat", ["s", "r"], ["l"], axis=1),
        node("Add", ["k", "l"], ["j"]),
    ]
    found, _ = _reduced(_branches(*nodes))
    assert found["r"] == found["s"] == 4


def test_joining_positions():
    """Features stay where they are: what every part has is cut from all."""
    nodes = [node("Concat", ["r", "s"], ["j"], axis=0)]
    found, small = _reduced(_branches(*nodes, across=ACROSS[:6]))
    assert (found["r"], found["s"]) == (4, 4)
    assert weight(small, "m").shape == (4, 3)


def test_joining_positions_of_layers_that_agree_on_nothing():
    """Feature 1 is feature 0 in r alone, feature 5 is feature 4 in s alone."""
    rows, bias = OTHER[[0, 2, 4, 5, 1, 1]], SHIFT[[0, 2, 4, 5, 1, 1]]
    nodes = [node("Concat", ["r", "s"], ["j"], axis=0)]
    stays(_branches(*nodes, across=ACROSS[:6], extra={"v": rows, "c": bias}))


def test_joining_positions_with_a_graph_input():
    nodes = [node("Concat", ["r", "u"], ["j"], axis=0)]
    model = _branches(*nodes, across=ACROSS[:6], inputs={"x": ("N", 5), "u": (2, 6)})
    found = {layer.name: layer for layer in reduce(model).layers}
    assert (found["r"].features.after, found["r"].pinned) == (6, "tied to u: graph input")
    assert disagreements(load(model), integers(model)) == []


def test_joining_positions_of_other_features_is_declined():
    """One feature beside six is no valid model."""
    nodes = [node("MatMul", ["r", "n"], ["q1"]), node("Concat", ["r", "q1"], ["j"], axis=0)]
    model = _branches(*nodes, across=ACROSS[:6], extra={"n": ACROSS[:6, :1]})
    reason = "Concat 'j' (its parts do not have the same features)"
    assert reason in load(model).notes
    assert load(model).net["r"].pinned == f"its output is read by {reason}"


def test_a_constant_part():
    """Ones beside the features are constant themselves; a table is a part like any other."""
    nodes = [node("Concat", ["r", "k"], ["j"], axis=1)]
    inputs = {"x": (3, 5)}
    ones = _branches(*nodes, extra={"k": np.ones((3, 6), "f4")}, inputs=inputs)
    found, small = _reduced(ones)
    assert found["r"] == 4
    assert weight(small, "k").shape == (3, 1)
    table = np.arange(18, dtype="f4").reshape(3, 6)
    found, small = _reduced(_branches(*nodes, extra={"k": table}, inputs=inputs))
    assert found["r"] == 4
    np.testing.assert_array_equal(weight(small, "k"), table)
    assert weight(small, "m").shape == (10, 3)


def test_a_part_of_unknown_width_is_declined():
    nodes = [node("Mystery", ["x"], ["k"], domain="nowhere")]
    nodes.append(node("Concat", ["r", "k"], ["j"], axis=1))
    model = _branches(*nodes, domains=["nowhere"])
    assert "something of unknown width" in (load(model).net["r"].pinned or "")


def test_sizes_are_joined_too():
    """What a Reshape is told may be computed from shapes: the width follows by itself."""
    nodes = [
        node("Shape", ["r"], ["size"]),
        node("Gather", ["size", "one"], ["width"]),
        node("Concat", ["minus", "width"], ["to"], axis=0),
        node("Reshape", ["r", "to"], ["j"]),
    ]
    extra = {"one": np.array([1]), "minus": np.array([-1])}
    found, _ = _reduced(_branches(*nodes, across=ACROSS[:6], extra=extra))
    assert found["r"] == 4
