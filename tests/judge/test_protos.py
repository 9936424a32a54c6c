from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper

from lumpcli.judge.protos import all_graphs, all_nodes, all_tensors
from tests.judge.models import node, save, tensor


def branch(name):
    inner = helper.make_graph([], f"{name} inner", [], [])
    nodes = [
        node("Constant", [], [name], value=numpy_helper.from_array(np.ones(1), f"{name} t")),
        node("If", ["c"], [f"{name} o"], then_branch=inner, else_branch=inner),
    ]
    return helper.make_graph(
        nodes, name, [], [], [numpy_helper.from_array(np.ones(1), f"{name} i")]
    )


def test_walks_reach_nested_graphs_functions_and_attributes(tmp_path):
    nodes = [node("If", ["c"], ["y"], then_branch=branch("a"), else_branch=branch("b"))]
    ports = [tensor("c", (1,), bool)], [tensor("y", (1,))]
    model = onnx.load(save(tmp_path / "m.onnx", nodes, *ports, {"w": np.ones(2)}))
    sparse = helper.make_sparse_tensor(
        numpy_helper.from_array(np.ones(1), "sv"),
        numpy_helper.from_array(np.zeros(1, int), "si"),
        [4],
    )
    model.graph.sparse_initializer.append(sparse)
    body = [node("Constant", [], ["f"], value=numpy_helper.from_array(np.ones(1), "f t"))]
    opset = [helper.make_opsetid("", 17)]
    model.functions.append(helper.make_function("own", "F", [], ["f"], body, opset))
    assert [n.op_type for n in all_nodes(model)] == ["If", *["Constant", "If"] * 2, "Constant"]
    names = {g.name for g in all_graphs(model)}
    assert names == {"g", "a", "a inner", "b", "b inner"}
    assert sorted(t.name for t in all_tensors(model)) == [
        *("a i", "a t", "b i", "b t", "f t", "si", "sv", "w"),
    ]
