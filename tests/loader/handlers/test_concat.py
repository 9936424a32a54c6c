"""Concat along the feature axis: every part is cut on its own, and shared classes fold."""

from __future__ import annotations

import numpy as np
import pytest

from lumpcli.api import reduce
from lumpcli.loader import load
from tests.evaluate import disagreements
from tests.loader.checks import same_outputs, stays
from tests.models import build, info, integers, node, planted

ROWS, BIAS = planted()
OTHER, SHIFT = planted(seed=1)
ACROSS = np.arange(-17, 19, dtype="f4").reshape(12, 3)


def _branches(*nodes, extra=None, across=ACROSS, inputs=None, values=()):
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
    return build(made, weights, inputs=inputs, values=values)


def _reduced(model):
    host = load(model)
    assert not disagreements(host, integers(model), 1e-6)
    result = reduce(model)
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


@pytest.mark.parametrize("operator", ["Relu", "Softmax", "Tanh"])
def test_what_reads_the_join_otherwise_pins_all_parts(operator):
    nodes = [node("Concat", ["r", "s"], ["k"], axis=1), node(operator, ["k"], ["j"])]
    model = _branches(*nodes)
    stays(model, tolerance=1e-5)
    net = load(model).net
    assert net["r"].pinned is not None
    assert net["r"].pinned == net["s"].pinned
    assert operator in net["r"].pinned


def test_joining_along_another_axis_is_declined():
    model = _branches(node("Concat", ["r", "s"], ["j"], axis=0), across=ACROSS[:6])
    reasons = stays(model)
    assert any("does not join features" in reason for reason in reasons)


def test_a_constant_part_is_declined():
    nodes = [node("Concat", ["r", "k"], ["j"], axis=1)]
    constant = np.ones((3, 6), "f4")
    model = _branches(*nodes, extra={"k": constant}, inputs={"x": (3, 5)})
    assert "something of unknown width" in (load(model).net["r"].pinned or "")
