"""Bounds on the outputs of whole models: what is followed, what is not, what cannot be known."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
from onnx import ModelProto, numpy_helper

from lumpcli.analysis import Grants
from lumpcli.api import reduce, stats
from lumpcli.ir import Fold, Rounding, apply_fold
from lumpcli.loader import load
from lumpcli.measures import lower_bound, rounding_bounds
from lumpcli.pipeline import plan
from lumpcli.promises import LowerBound, RoundingBound
from lumpcli.results import Level
from tests.e2e.attention import READ, WIDTH, attention, stored_anew
from tests.models import build, info, node

UP = 1 + 2.0**-40


def rounded(*after: str, outputs: tuple[str, ...] = ("y",), third: float = 3.0) -> ModelProto:
    """Features that are f and `third` * f: 1 + 3 * 0.1 is rounded. `after`: more operators."""
    weights = {
        "w": np.array([[1, third], [2, 2 * third]], "f4"),
        "v": np.array([[1, 2, 5], [0.1, 4, 0.7]], "f4"),
    }
    nodes = [node("MatMul", ["x", "w"], ["a"]), node("Relu", ["a"], ["h"])]
    nodes.append(node("MatMul", ["h", "v"], ["y"]))
    tensors = ["y", "z", "u"]
    nodes += [node(op, [tensors[k]], [tensors[k + 1]]) for k, op in enumerate(after)]
    return build(nodes, weights, inputs={"x": ("N", 2)}, outputs=outputs)


def bounds(model: ModelProto, level: Level = "exact") -> tuple[RoundingBound, ...]:
    result = reduce(model, level=level)
    assert result.layers[0].features.after == 1
    return result.rounding


def test_one_rounding():
    (bound,) = bounds(rounded())
    assert (bound.tensor, bound.roundings, bound.reason) == ("y", 1, None)
    assert 2.0**-25 < bound.relative <= 2.0**-24 * UP


def test_no_rounding_is_zero_for_outputs_that_are_not_followed_too():
    found = bounds(rounded("Softmax", outputs=("y", "z"), third=0.0))
    assert found == (RoundingBound("y", 0.0, 0, None), RoundingBound("z", 0.0, 0, None))


def test_beyond_what_is_followed():
    for outputs in (("z",), ("z", "y")):
        beyond, known = bounds(rounded("Softmax", outputs=outputs))
        assert (beyond.tensor, beyond.relative) == ("z", None)
        assert beyond.reason == "Softmax 'z' is not followed"
        assert known == bounds(rounded())[0]
    # two steps beyond, nothing is said of what is in between
    (beyond,) = bounds(rounded("Softmax", "Relu", outputs=("u",)))
    assert beyond.relative is None


def test_inputs_and_constants_met_on_the_way():
    """They depend on nothing that is rounded; a tensor that is not followed might."""
    model = rounded(outputs=("t",))
    model.graph.input.append(info("z", ("N", 3)))
    model.graph.initializer.append(numpy_helper.from_array(np.eye(4, 3, dtype="f4"), "places"))
    model.graph.node.extend([node("Add", ["y", "z"], ["s"]), node("Add", ["s", "places"], ["t"])])
    wanted = bounds(rounded())[0]
    assert bounds(model) == (replace(wanted, tensor="t"),)
    model.graph.node[3].input[1] = "m"
    model.graph.node.insert(0, node("Softmax", ["z"], ["m"]))
    (bound,) = bounds(model)
    assert bound.reason == "what m depends on is not known"


def test_steps():
    (bound,) = bounds(rounded("Sign", outputs=("z",)))
    assert bound.relative is None
    assert bound.reason == "Sign of z may turn a small change into a large one"


def test_levels():
    assert bounds(rounded(), "rounding") == ()
    result = reduce(rounded(), level="strict")
    assert result.rounding == (RoundingBound("y", 0.0, 0, None),)


def test_irrational_constants():
    """What a sigmoid of a constant is off by may be all that is left in the bias."""
    weights = {"w": np.array([[0, 1], [0, 2]], "f4"), "b": np.array([1, 2], "f4")}
    weights["v"] = np.array([[1, 2], [3, 4]], "f4")
    nodes = [node("Gemm", ["x", "w", "b"], ["a"]), node("Sigmoid", ["a"], ["h"])]
    nodes.append(node("Gemm", ["h", "v"], ["y"]))
    (bound,) = bounds(build(nodes, weights, inputs={"x": ("N", 2)}))
    assert bound.reason == "a number of y may be all rounding"


def test_rows_that_take_over_others():
    """Facts about products are those of rows that were rounded before."""
    model = attention(q={0: (3.0, 1), 4: (3.0, 6)})
    odd = 1 + np.random.default_rng(0).integers(1, 2**23, (READ, WIDTH)) * 2.0**-23
    stored_anew(model, "wk", odd)
    result = reduce(model)
    assert result.rounded > 0
    (reason,) = {bound.reason for bound in result.rounding}
    assert reason == "rows that take over others were rounded before they were compared"


def test_the_lower_bound_of_one_hidden_layer():
    """|x| and x, met from both sides: six features, of which three kinds are lumped."""
    weights = {
        "w": np.array([[1, 2, -1, -3, 0, 0], [0, 0, 0, 0, 1, 1]], "f4"),
        "v": np.array([[1, 1, 1, 1, 0.5, 1]], "f4").T,
    }
    nodes = [node("MatMul", ["x", "w"], ["a"]), node("Relu", ["a"], ["h"])]
    model = build([*nodes, node("MatMul", ["h", "v"], ["y"])], weights, inputs={"x": ("N", 2)})
    wanted = LowerBound("h", 3, 3)
    assert reduce(model).lower_bound == stats(model).lower_bound == wanted
    assert reduce(model, exclude=["h"]).lower_bound == replace(wanted, reached=6)
    assert reduce(model, level="rounding").lower_bound is None
    assert reduce(rounded("Softmax", outputs=("z",))).lower_bound is None


def test_there_is_no_lower_bound_of_a_hidden_layer_that_went():
    """The ReLUs of x * x are never negative: a matrix is all that is left."""
    first, second = np.array([[1, 2, 3], [2, 1, 1]], "f4"), np.array([[1], [2], [-1]], "f4")
    nodes = [node("MatMul", ["x", "w"], ["m"]), node("Relu", ["m"], ["h"])]
    nodes.append(node("MatMul", ["h", "v"], ["y"]))
    model = build(nodes, {"w": first, "v": second}, inputs={"x": ("N", 2)})
    net = load(model).net
    assert lower_bound(net, net) == LowerBound("h", 3, 3)
    gone, _ = apply_fold(net, Fold("h", (Fraction(1),) * 3))
    assert lower_bound(net, gone) is None


def test_steps_that_round_one_after_the_other():
    """What was rounded before facts were looked for again is not bounded."""
    host = load(rounded())
    done = plan(host.net, Grants("exact"), ("lumping",))
    cut = done.reduced, done.quotient, done.rounding
    (bound,) = rounding_bounds(host, *cut, before=2)
    assert (bound.relative, bound.roundings) == (None, 0)
    assert "rounded on the way" in (bound.reason or "")
    (bound,) = rounding_bounds(host, done.reduced, done.quotient, Rounding(), before=2)
    assert bound.relative is None
