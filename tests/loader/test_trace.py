"""The walk: which nodes become one layer, which tensors hold it, and who pins it."""

from __future__ import annotations

import numpy as np
import pytest

from lumpcli.api import reduce
from lumpcli.loader import Weights, load
from lumpcli.loader.graph import index
from lumpcli.loader.trace import Trace
from tests.loader.checks import same_outputs, shrinks, stays
from tests.models import around, build, info, mlp, node, planted, reader

ROWS, BIAS = planted()
DENSE = [node("MatMul", ["x", "w"], ["m"]), node("Add", ["m", "b"], ["p"])]
WEIGHTS = {"w": ROWS.T.copy(), "b": BIAS, "v": reader()}
LAST = node("MatMul", ["r", "v"], ["y"])


def _layers(nodes, weights=WEIGHTS, **options):
    net = load(build(nodes, weights, **options)).net
    return {layer.name: layer.operators for layer in net.layers if layer.terms}


def test_bias_and_activation_join_the_layer():
    nodes = [*DENSE, node("Relu", ["p"], ["r"]), LAST]
    assert _layers(nodes) == {"r": ("MatMul", "Add", "Relu"), "y": ("MatMul",)}


def test_after_an_activation_a_new_layer_begins():
    nodes = [*DENSE, node("Relu", ["p"], ["q"]), node("Abs", ["q"], ["r"]), LAST]
    assert list(_layers(nodes)) == ["q", "r", "y"]


def test_what_has_two_readers_stays_a_layer():
    nodes = [*DENSE, node("Relu", ["p"], ["r"]), LAST, node("Neg", ["m"], ["z"])]
    assert list(_layers(nodes, outputs=["y", "z"])) == ["m", "r", "y", "z"]


def test_a_graph_output_stays_a_layer():
    nodes = [*DENSE, node("Relu", ["p"], ["r"]), LAST]
    model = build(nodes, WEIGHTS, outputs=["y", "m"])
    net = load(model).net
    assert [layer.name for layer in net.layers] == ["x", "m", "r", "y"]
    assert net["m"].pinned == "graph output"
    assert {(o.tensor, o.layer) for o in net.outputs} == {("y", "y"), ("m", "m")}
    stays(model)


def test_a_graph_output_behind_an_identity():
    nodes = [*DENSE, node("Relu", ["p"], ["r"]), LAST, node("Identity", ["p"], ["z"])]
    model = build(nodes, WEIGHTS, outputs=["y", "z"])
    net = load(model).net
    assert {(o.tensor, o.layer) for o in net.outputs} == {("y", "y"), ("z", "p")}
    assert net["p"].pinned == "graph output"
    stays(model)


def test_a_graph_output_that_is_an_input_or_unknown():
    nodes = [*DENSE, node("Softmax", ["p"], ["y"])]
    net = load(build(nodes, WEIGHTS, outputs=["y", "x"])).net
    assert [(o.tensor, o.layer) for o in net.outputs] == [("x", "x")]
    assert net["p"].pinned == "its output is read by Softmax 'y' (it mixes the features)"


def test_the_first_reason_to_pin_stays():
    nodes = [
        *DENSE,
        node("Softmax", ["p"], ["a"], name="soft"),
        node("TopK", ["p", "k"], ["y", "z"], name="top"),
    ]
    model = build(
        [*nodes, node("Abs", ["a"], ["o"])], WEIGHTS | {"k": np.array([2])}, outputs=["y", "o"]
    )
    wanted = "its output is read by Softmax 'soft' (it mixes the features)"
    assert load(model).net["p"].pinned == wanted
    stays(model, tolerance=1e-6)


def test_sources_say_what_they_are():
    nodes = [
        node("Softmax", ["x"], ["s"]),
        node("MatMul", ["s", "w"], ["p"]),
        node("MatMul", ["x", "w"], ["q"]),
        node("Add", ["p", "q"], ["y"]),
    ]
    net = load(build(nodes, WEIGHTS)).net
    assert net["x"].pinned == "graph input"
    assert net["s"].pinned == "not made by a layer"
    assert [t.source for t in net["y"].terms] == ["p", "q"]


def test_a_source_read_along_two_axes_is_two_layers():
    nodes = [
        node("MatMul", ["x", "w"], ["p"]),
        node("MatMul", ["u", "x"], ["q"]),
        node("MatMul", ["x", "w"], ["o"]),
        node("MatMul", ["u", "x"], ["z"]),
    ]
    weights = WEIGHTS | {"u": np.ones((2, 4), "f4")}
    model = build(nodes, weights, inputs={"x": (4, 5)}, outputs=["p", "q", "o", "z"])
    net = load(model).net
    assert [layer.name for layer in net.layers] == ["x", "p", "x (axis -2)", "q", "o", "z"]
    stays(model)


def test_axes_of_tensors_count_from_the_end():
    nodes = [
        node("MatMul", ["w", "x"], ["p"]),
        node("Relu", ["p"], ["r"]),
        node("Identity", ["r"], ["i"]),
        node("MatMul", ["v", "i"], ["y"]),
    ]
    host = load(build(nodes, {"w": ROWS, "v": reader().T.copy()}, inputs={"x": (3, 5, 2)}))
    layers = {"x": "x", "p": "r", "r": "r", "i": "r", "y": "y"}
    places = {tensor: (layer, -2) for tensor, layer in layers.items()}
    assert host.axes == places


def test_names_of_nodes_and_layers():
    layer = load(mlp()).net["r"]
    assert (layer.name, layer.nodes, layer.operators) == ("r", ("first",), ("Gemm", "Relu"))


def test_unnamed_outputs_are_no_names():
    """An optional output left out is an empty name, several times."""
    nodes = [*DENSE, node("Dropout", ["p"], ["q", ""]), node("Dropout", ["q"], ["h", ""])]
    shrinks(around(nodes, {n: WEIGHTS[n] for n in "wb"}))


def _trace(model):
    graph = index(model, ())
    return Trace(graph, Weights(graph))


def test_ranks_and_types_are_inferred():
    model = mlp()
    trace = _trace(model)
    assert [trace.rank(name) for name in ("x", "h", "y", "w", "b", "nothing")] == [
        2,
        2,
        2,
        2,
        1,
        None,
    ]
    assert trace.dtype("r") == np.float32
    assert trace.dtype("nothing") is None


def test_stale_shapes_of_inner_tensors_are_not_believed():
    """With another rank the features of W @ x would lie elsewhere."""
    nodes = [*DENSE, node("Abs", ["p"], ["r"]), LAST]
    trace = _trace(build(nodes, WEIGHTS, values=[info("r", (9,)), info("m", (1, 2, 3))]))
    assert (trace.rank("r"), trace.rank("m")) == (2, 2)


def test_shapes_that_cannot_be_inferred_are_no_error():
    nodes = [node("MatMul", ["x", "w"], ["h"]), node("Mystery", ["h"], ["y"], domain="nowhere")]
    model = build(nodes, WEIGHTS, inputs={"x": (3, 4)}, domains=["nowhere"])
    assert load(model).net["h"].width == 6


@pytest.mark.parametrize(
    ("question", "reason"),
    [
        ("w", "'w' is computed, or stored in a way lumpcli does not read"),
        ("i", "'i' is of type int64"),
        ("n", "'n' has NaN or infinite entries"),
    ],
)
def test_why_there_are_no_numbers(question, reason):
    nodes = [node("Exp", ["e"], ["w"]), node("MatMul", ["x", "w"], ["y"])]
    weights = {"e": ROWS.T.copy(), "i": np.ones(6, "i8"), "n": np.full(6, np.nan, "f4")}
    trace = _trace(build(nodes, weights))
    assert trace.numbers(question) is None
    assert trace.why_no_numbers(question) == reason


ODD = ["c (constant, axis -1)", "positions of c", "x (axis -1)", "x (for all features)"]


@pytest.mark.parametrize("name", ODD)
def test_tensors_with_odd_names(name):
    """Named like layers that lumpcli makes up."""
    constant = np.arange(18, dtype="f4").reshape(3, 6)
    nodes = [
        node("MatMul", ["x", "w"], [name]),
        node("Add", [name, "c"], ["h"]),
        node("Add", ["h", "t"], ["o"]),
        node("MatMul", ["u", "x"], ["z"]),
        node("Relu", ["o"], ["r"]),
        LAST,
    ]
    weights = {**WEIGHTS, "c": constant, "u": np.ones((2, 3), "f4")}
    inputs = {"x": (3, 5), "t": (3, 1)}
    model = build(nodes, weights, inputs=inputs, outputs=["y", "z"])
    same_outputs(model, reduce(model).model)
