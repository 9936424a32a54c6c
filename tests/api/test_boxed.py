from __future__ import annotations

import numpy as np
import pytest
from onnx.helper import make_node

from lumpcli.api import Granted, reduce
from lumpcli.api.boxed import bounded, bounds_on, facts_in
from lumpcli.box import Box
from lumpcli.errors import UsageError
from lumpcli.loader import load
from tests.models import build

ROWS = np.array([[1, 2], [-1, -1], [1, -1], [2, 0]], "f4")
BIAS = np.array([1, -1, 0, 3], "f4")


@pytest.fixture
def model():
    """On [0, 1]: z in [1, 4], [-3, -1], [-1, 1], [3, 5]."""
    nodes = [
        make_node("Gemm", ["x", "w", "b"], ["z"], transB=1),
        make_node("Relu", ["z"], ["h"]),
        make_node("Gemm", ["h", "v", "c"], ["y"], transB=1),
    ]
    weights = {"w": ROWS, "b": BIAS, "v": np.array([[1, 2, 3, 4]], "f4"), "c": np.ones(1, "f4")}
    return build(nodes, weights, inputs={"x": ("N", 2)})


def test_layers_know_what_they_lie_between(model):
    host = load(model)
    box, phases = bounds_on(host, Granted(("0,1",)), 1)
    net = bounded(host, host.net, box, phases)
    x, hidden = net.layers[0], net.dense_layers[0]
    assert x.between.tolist() == [[0, 0], [1, 1]]
    low, high = hidden.between
    assert (low <= [1, -3, -1, 3]).all()
    assert (high >= [4, -1, 1, 5]).all()
    assert np.abs(hidden.between - [[1, -3, -1, 3], [4, -1, 1, 5]]).max() < 1e-12
    found = facts_in(box, phases)
    assert (found.inputs, found.inactive, found.active, found.unknown) == (2, 1, 2, 1)


def test_reduce_in_a_box(model):
    """One neuron is 0, two are linear: of one reader, so they become one."""
    result = reduce(model, granted=Granted(("0,1",)))
    (hidden, _) = result.layers
    assert (hidden.features.before, hidden.features.after) == (4, 2)
    assert (hidden.constant, hidden.linear) == (1, 1)
    assert result.box is not None
    assert result.lower_bound is None
    assert not reduce(model).changed


def test_a_box_as_an_object(model):
    box = Box({"x": (np.zeros((1, 2)), np.ones((1, 2)))})
    assert reduce(model, granted=Granted(box)).features.after == 2


def test_a_box_that_does_not_fit(model):
    with pytest.raises(UsageError, match="no input 'z'"):
        reduce(model, granted=Granted(("z=0,1",)))
