"""What a Slice is told, in attributes or inputs; and what is no constant."""

from __future__ import annotations

import numpy as np
import pytest

from lumpcli.loader import Weights
from lumpcli.loader.graph import index
from lumpcli.loader.handlers.limits import slice_limits
from lumpcli.loader.trace import Trace
from tests.models import build, node

GIVEN = {
    "starts": np.array([1, 0]),
    "ends": np.array([3, -1], np.int32),
    "axes": np.array([1, -1]),
    "steps": np.array([2, 1]),
    "one": np.array([1]),
    "reals": np.array([1.0, 2.0]),
}


def _limits(given, opset=13, **attributes):
    slice_ = node("Slice", ["x", *given], ["y"], **attributes)
    model = build([slice_], GIVEN, inputs={"x": (4, 5), "free": (2,)}, opset=opset)
    graph = index(model, ())
    trace = Trace(graph, Weights(graph))
    trace.number = 0
    return slice_limits(trace)


def test_inputs():
    every = ["starts", "ends", "axes", "steps"]
    assert _limits(every) == ([1, 0], [3, -1], [1, -1], [2, 1])
    assert _limits(every[:3]) == ([1, 0], [3, -1], [1, -1], [1, 1])
    assert _limits(every[:2]) == ([1, 0], [3, -1], [0, 1], [1, 1])
    assert _limits(["starts", "ends", "", "steps"]) == ([1, 0], [3, -1], [0, 1], [2, 1])


def test_attributes_before_opset_10():
    assert _limits([], 9, starts=[1], ends=[9]) == ([1], [9], [0], [1])
    assert _limits([], 9, starts=[1], ends=[9], axes=[1]) == ([1], [9], [1], [1])


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (["free", "ends"], "its limits are not constant"),
        (["starts", "free"], "its limits are not constant"),
        (["starts", "one"], "its limits are not constant"),
        (["reals", "ends"], "its limits are not constant"),
        (["starts", "ends", "free"], "its axes or steps are not constant"),
        (["starts", "ends", "one"], "its axes or steps are not constant"),
        (["starts", "ends", "axes", "free"], "its axes or steps are not constant"),
    ],
)
def test_what_is_no_list_of_limits(given, reason):
    assert _limits(given) == reason
