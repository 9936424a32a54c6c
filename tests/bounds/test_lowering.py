"""Every operator: what it makes is followed, and onnxruntime stays within its bounds."""

from __future__ import annotations

import numpy as np
import pytest

from lumpcli.bounds import input_shapes, ladder, lower
from lumpcli.bounds.lowering import OPERATORS
from lumpcli.box import Box
from lumpcli.loader import load
from tests.bounds.containing import box_for, check
from tests.bounds.operators import FLATS, IMAGES, SMOOTH, between_layers
from tests.models import build, node


@pytest.mark.parametrize("name", [*IMAGES, *FLATS])
@pytest.mark.parametrize("radius", [0.05, 1.0, 30.0])
def test_float32_stays_within_claims_for_float32(name: str, radius: float) -> None:
    rng = np.random.default_rng(len(name))
    model = between_layers(name, rng)
    found = check(model, box_for(model, rng, radius), cells=50)
    assert found.phases.unbounded == {}
    assert {"z", "d"} <= set(found.phases.tensors)
    assert all(np.isfinite(b.lower).all() for b in found.phases.tensors.values())
    assert found.count > 64
    assert found.outside == 0


@pytest.mark.parametrize("name", [*IMAGES, *FLATS, *SMOOTH])
@pytest.mark.parametrize("radius", [0.05, 1.0, 8.0])
def test_float32_stays_near_claims_about_real_numbers(name: str, radius: float) -> None:
    rng = np.random.default_rng(len(name) + 1)
    model = between_layers(name, rng)
    found = check(model, box_for(model, rng, radius), semantics="real", cells=50, tolerance=1e-4)
    assert found.phases.unbounded == {}
    assert found.outside == 0


@pytest.mark.parametrize("name", SMOOTH)
def test_float32_has_no_claims_about_functions_it_is_free_to_compute(name: str) -> None:
    rng = np.random.default_rng(0)
    model = between_layers(name, rng)
    found = check(model, box_for(model, rng), cells=50).phases.tensors
    assert not np.isfinite(found["z"].lower).any()
    assert (found["z"].phase == 0).all()


def test_every_operator_in_the_table_has_a_model() -> None:
    rng = np.random.default_rng(0)
    seen = {
        n.op_type
        for name in (*IMAGES, *FLATS, *SMOOTH)
        for n in between_layers(name, rng).graph.node
    }
    assert set(OPERATORS) - seen == set()


def test_what_is_not_followed_is_named_and_all_else_is_bounded() -> None:
    nodes = [
        node("MatMul", ["x", "w"], ["h"]),
        node("Relu", ["h"], ["r"]),
        node("Softmax", ["r"], ["s"], name="soft"),
        node("Relu", ["s"], ["y"]),
    ]
    model = build(nodes, {"w": np.ones((5, 3), np.float32)})
    phases = ladder(load(model), Box.everywhere(0.0, 1.0, {"x": (1, 5)}))
    assert set(phases.tensors) == {"h"}
    assert (phases.tensors["h"].phase == 1).all()
    assert phases.unbounded["s"] == "Softmax 'soft': the operator is not followed"
    assert "Softmax 'soft'" in phases.unbounded["y"]


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        (node("MaxPool", ["x"], ["z"], kernel_shape=[2, 2], ceil_mode=1), "ceil_mode"),
        (node("Pad", ["x", "p"], ["z"], mode="reflect"), "Pad other than with a constant"),
        (node("Slice", ["x", "e", "s", "a", "b"], ["z"]), "backwards"),
        (node("Reshape", ["x", "p"], ["z"]), "do not fit"),
        (node("Reshape", ["x", "q"], ["z"]), "is computed"),
        (node("Conv", ["x", "q"], ["z"]), "is computed"),
        (node("Mul", ["x", "tiny"], ["z"]), "too small"),
        (node("Mul", ["x", "nan"], ["z"]), "not finite"),
        (node("Div", ["x", "zero"], ["z"]), "by zero"),
        (node("Clip", ["x", "one", "zero"], ["z"]), "above the upper"),
    ],
)
def test_neighbours_that_are_not_followed(changed: object, reason: str) -> None:
    weights = {
        "p": np.array([0, 0, 1, 0, 0, 0, 0, 0]),
        "e": np.array([3]),
        "s": np.array([0]),
        "a": np.array([2]),
        "b": np.array([-1]),
        "tiny": np.array(1e-200),
        "nan": np.array(np.nan),
        "zero": np.array(0.0),
        "one": np.array(1.0),
    }
    inputs = {"x": (1, 1, 4, 4), "q": (4,)}
    nodes = [changed, node("Relu", ["z"], ["y"])]
    program = lower(load(build(nodes, weights, inputs=inputs, dtype=np.float64)))
    assert reason in program.unbounded["z"]
    assert reason in program.unbounded["y"]
    assert program.targets == {}


def test_old_operator_sets_are_not_followed() -> None:
    program = lower(load(build([node("Relu", ["x"], ["y"])], opset=6)))
    assert "below 7" in program.unbounded["y"]


def test_shapes_of_inputs_for_one_sample() -> None:
    shapes = {"a": ("N", 3), "b": (2, 2), "c": ("N", "M"), "d": ()}
    model = build([node("Relu", ["a"], ["y"])], inputs=shapes)
    assert input_shapes(load(model).graph) == {"a": (1, 3), "b": (2, 2), "d": ()}


def test_initializers_that_callers_may_override_are_no_constants() -> None:
    nodes = [node("MatMul", ["x", "w"], ["z"]), node("Relu", ["z"], ["y"])]
    model = build(nodes, {"w": np.ones((5, 3), np.float32)}, listed=True)
    assert "z" in lower(load(model)).unbounded
    assert "z" in lower(load(model, freeze_initializers=True)).targets
