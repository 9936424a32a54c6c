"""Parameters, multiplications, features and bytes, counted by hand."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from lumpcli.loader import load
from lumpcli.measures import features, file_bytes, net_macs, parameters
from lumpcli.measures.count import hidden, layer_macs, layer_parameters
from tests.models import build, info, mlp, node
from tests.nets import dense, each, net, source, times


def test_a_layer():
    layer = dense("h", "x", np.ones((3, 4)), [1, 2, 3])
    assert (layer_parameters(layer), layer_macs(layer)) == (15, 12)
    layer = dense("h", ["x", "z"], [np.ones((3, 4)), np.ones((3, 2))])
    assert (layer_parameters(layer), layer_macs(layer)) == (18, 18)


def test_a_diagonal_layer_has_no_multiplications_of_matrices():
    layer = each("h", 3, times("x", [1, 2, 3]), "z", bias=[1, 1, 1])
    assert (layer_parameters(layer), layer_macs(layer)) == (6, 0)


def test_a_net():
    made = net(
        source("x", 4),
        dense("h", "x", np.ones((3, 4))),
        each("s", 3, "h"),
        dense("y", "s", np.ones((2, 3))),
    )
    assert net_macs(made) == 12 + 6
    assert [layer.name for layer in hidden(made)] == ["h"]
    assert features(made) == 3
    smaller = net(
        source("x", 4),
        dense("h", "x", np.ones((1, 4))),
        each("s", 1, "h"),
        dense("y", "s", np.ones((2, 1))),
    )
    assert features(made, smaller) == 1


def extra():
    """The planted network with numbers that no layer reads."""
    model = mlp()
    graph = model.graph
    graph.initializer.append(numpy_helper.from_array(np.ones((2, 5), np.float64), "unused"))
    graph.initializer.append(numpy_helper.from_array(np.ones(7, np.int64), "integers"))
    graph.initializer.append(helper.make_tensor("words", TensorProto.STRING, [1], [b"a"]))
    value = numpy_helper.from_array(np.ones(11, np.float32))
    graph.node.append(node("Constant", [], ["loose"], value=value))
    whole = numpy_helper.from_array(np.ones(13, np.int32))
    graph.node.append(node("Constant", [], ["whole"], value=whole))
    return model


def test_every_floating_point_number_is_a_parameter():
    assert parameters(load(mlp())) == 6 * 5 + 6 + 6 * 3
    assert parameters(load(extra())) == 6 * 5 + 6 + 6 * 3 + 10 + 11


def test_shared_numbers_count_once():
    nodes = [
        node("MatMul", ["x", "w"], ["h"]),
        node("Relu", ["h"], ["r"]),
        node("MatMul", ["r", "w"], ["y"]),
    ]
    host = load(build(nodes, {"w": np.ones((5, 5), np.float32)}))
    assert parameters(host) == 25
    assert net_macs(host.net) == 50


def test_numbers_inside_a_subgraph():
    """An If whose branches hold 4 and 7 numbers, one of them in a Constant node."""
    value = numpy_helper.from_array(np.ones((1, 4), np.float32))
    then = helper.make_graph(
        [node("Constant", [], ["t"], value=value)], "then", [], [info("t", None)]
    )
    stored = numpy_helper.from_array(np.ones(7, np.float32), "e0")
    other = helper.make_graph([node("Neg", ["e0"], ["e"])], "else", [], [info("e", None)], [stored])
    nodes = [
        node("ReduceSum", ["x"], ["sum"], keepdims=0),
        node("Cast", ["sum"], ["c"], to=TensorProto.BOOL),
        node("If", ["c"], ["y"], then_branch=then, else_branch=other),
    ]
    assert parameters(load(build(nodes))) == 11


@pytest.mark.parametrize("names", [[], ["a.bin"], ["a.bin", "b.bin"]])
def test_bytes(tmp_path, names):
    (tmp_path / "m.onnx").write_bytes(bytes(10))
    for name in names:
        (tmp_path / name).write_bytes(bytes(100))
    files = [tmp_path / name for name in names]
    assert file_bytes(tmp_path / "m.onnx", files) == 10 + 100 * len(names)
