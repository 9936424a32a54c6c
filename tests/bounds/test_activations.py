"""What activations read become targets; on a box of one point, their values are known well."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from lumpcli.bounds import ladder, lower
from lumpcli.bounds.activations import ACTIVATIONS
from lumpcli.box import Box
from lumpcli.loader import load
from tests.models import build, node

AT: dict[str, tuple[dict[str, Any], Any]] = {  # attributes, the function
    "Relu": ({}, lambda x: max(x, 0.0)),
    "Abs": ({}, abs),
    "Sign": ({}, lambda x: math.copysign(1.0, x)),
    "Floor": ({}, math.floor),
    "Ceil": ({}, math.ceil),
    "Sigmoid": ({}, lambda x: 1 / (1 + math.exp(-x))),
    "Tanh": ({}, math.tanh),
    "Erf": ({}, math.erf),
    "Softsign": ({}, lambda x: x / (1 + abs(x))),
    "Softplus": ({}, lambda x: math.log1p(math.exp(x))),
    "Exp": ({}, math.exp),
    "LeakyRelu": ({"alpha": 0.25}, lambda x: max(x, 0.25 * x)),
    "Clip": ({"min": -1.0, "max": 0.5}, lambda x: min(max(x, -1.0), 0.5)),
    "HardSigmoid": ({"alpha": 0.25, "beta": 0.5}, lambda x: min(max(x / 4 + 0.5, 0.0), 1.0)),
    "Elu": ({"alpha": 0.5}, lambda x: x if x > 0 else 0.5 * math.expm1(x)),
    "Gelu": ({}, lambda x: 0.5 * x * (1 + math.erf(x / math.sqrt(2)))),
}


@pytest.mark.parametrize("name", AT)
@pytest.mark.parametrize("x", [-3.5, -0.7, 0.3, 2.25])
def test_values_at_a_point(name: str, x: float) -> None:
    attributes, function = AT[name]
    nodes = [node(name, ["x"], ["z"], **attributes), node("Relu", ["z"], ["y"])]
    opset = 7 if name == "Clip" else 20 if name == "Gelu" else 17
    model = build(nodes, inputs={"x": (1,)}, dtype=np.float64, opset=opset, ir=10)
    found = ladder(load(model), Box.everywhere(x, x, {"x": (1,)}), rungs=("interval",)).tensors
    assert set(found) == {"x", "z"}
    for bound in (found["z"].lower, found["z"].upper):
        assert bound.item() == pytest.approx(function(x), rel=1e-9, abs=1e-11)
    assert found["z"].lower <= function(x) <= found["z"].upper


@pytest.mark.parametrize(
    ("name", "attributes", "reason"),
    [
        ("Gelu", {"approximate": "tanh"}, "approximated"),
        ("Elu", {"alpha": -1.0}, "negative alpha"),
        ("Relu", {"alpha": -1.0}, "'alpha'"),
    ],
)
def test_neighbours_that_are_not_followed(
    name: str, attributes: dict[str, Any], reason: str
) -> None:
    model = build([node(name, ["x"], ["y"], **attributes)], inputs={"x": (1,)}, opset=20, ir=10)
    program = lower(load(model))
    assert reason in program.unbounded["y"]


def test_maxima_are_followed_but_are_no_activations() -> None:
    nodes = [node("GlobalMaxPool", ["x"], ["z"]), node("Relu", ["z"], ["y"])]
    program = lower(load(build(nodes, inputs={"x": (1, 2, 3)})))
    assert set(program.targets) == {"z"}
    assert {"MaxPool", "GlobalMaxPool", "ReduceMax", "PRelu"} == set(ACTIVATIONS) - set(AT)
