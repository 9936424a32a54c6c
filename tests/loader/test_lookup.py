"""Questions about a graph: constants, why they are none, sizes, and how large images are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from onnx import NodeProto

from lumpcli.ir import Array
from lumpcli.loader import Weights
from lumpcli.loader.draft import Draft, View, one_axis
from lumpcli.loader.graph import index
from lumpcli.loader.lookup import Lookup
from lumpcli.loader.sizes import Size
from tests.models import build, node

WEIGHTS = {
    "f": np.ones((2, 3), "f4"),
    "half": np.ones(2, "f2"),
    "i": np.array([[1, -2]], np.int64),
    "u": np.array([1], np.uint8),
    "nan": np.array([1, np.nan], "f4"),
    "q": np.ones((5, 3), np.int8),
    "s": np.array(0.5, "f4"),
}
NODES = (
    node("DequantizeLinear", ["q", "s"], ["w"]),
    node("Relu", ["x"], ["r"]),
    node("Shape", ["r"], ["n"]),
    node("MatMul", ["r", "w"], ["y"]),
)


def _lookup(
    nodes: Sequence[NodeProto] = NODES, number: int = -1, weights: dict[str, Array] = WEIGHTS
) -> Lookup:
    model = build(nodes, weights, inputs={"x": ("N", 5), "z": (2, 5, 4, 7)}, outputs=["y"])
    graph = index(model, ())
    found = Lookup(graph, Weights(graph))
    found.number = number % len(nodes)
    return found


def test_numbers_are_finite_floats():
    lookup = _lookup()
    known = [name for name in [*WEIGHTS, "w", "r", ""] if lookup.numbers(name) is not None]
    assert known == ["f", "half", "s"]
    assert lookup.constant("w") is None  # integers: only layers know how to read them
    assert lookup.constant("") is None


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("i", "'i' is of type int64"),
        ("nan", "'nan' has NaN or infinite entries"),
        ("r", "'r' is computed, or stored in a way lumpcli does not read"),
        ("w", "'w' is computed, or stored in a way lumpcli does not read"),
    ],
)
def test_why_there_are_no_numbers(name, reason):
    assert _lookup().why_no_numbers(name) == reason


def test_what_a_caller_may_override_is_no_constant():
    model = build(NODES, WEIGHTS, listed=True, outputs=["y"])
    graph = index(model, ())
    lookup = Lookup(graph, Weights(graph))
    assert lookup.numbers("f") is None
    assert "may be overridden by the caller" in lookup.why_no_numbers("f")
    frozen = Lookup(graph, Weights(graph, freeze_initializers=True))
    assert frozen.numbers("f") is not None


@pytest.mark.parametrize(
    ("name", "entries"), [("i", [1, -2]), ("f", None), ("u", None), ("r", None), ("", None)]
)
def test_integers(name, entries):
    assert _lookup().integers(name) == entries


def test_ranks_and_types():
    lookup = _lookup()
    assert [lookup.rank(name) for name in ("f", "s", "x", "r", "w", "unknown")] == [
        *(2, 0, 2, 2, 2),
        None,
    ]
    assert lookup.dtype("x") == np.float32
    assert lookup.opset == 17


def test_entries_of_constants_say_where_they_are_written():
    nodes = (*NODES, node("Reshape", ["y", "i"], ["o"]))
    found = _lookup(nodes).sizes_in("i")
    assert found is not None
    assert [entry.value for entry in found] == [1, -2]
    assert [entry.place and (*entry.place[:2], entry.place[3]) for entry in found] == [
        *((4, 1, 0), (4, 1, 1))
    ]
    assert _lookup(nodes).sizes_in("y") is None


def test_sizes_that_follow_a_layer():
    lookup = _lookup()
    layer = Draft("r", 5)
    entries = lookup.sizes_in("n")
    assert entries is not None
    assert [entry.value for entry in entries] == ["N", 5]
    assert [lookup.measured(entry) for entry in entries] == [None, None]  # no layer is there yet
    lookup.views["r"] = one_axis(layer, -1)
    assert [lookup.measured(entry) for entry in entries] == [None, layer]
    assert lookup.measured(Size(5)) is None
    assert lookup.measured(Size(5, None, frozenset({("r", -1), ("x", -1)}))) is None


def test_the_image_is_what_are_no_features():
    lookup = _lookup()
    layer = Draft("l", 5)
    assert lookup.image("z") == "positions of z"  # whose features are not known
    lookup.views["z"] = one_axis(layer, -3)
    assert lookup.image("z") == "[2, 4, 7]"
    lookup.views["x"] = one_axis(layer, -1)
    image = lookup.image("x")
    assert image == "['N']"
    del lookup.views["z"]
    lookup.spreads["z"] = View(layer, (-3, -1))
    assert lookup.image("z") == "[2, 4]"
    lookup.shapes["z"] = [2, None, 4, 7]
    assert lookup.image("z") == "positions of z"
    assert lookup.image("f") == "[2, 3]"
