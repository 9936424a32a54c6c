"""The graph as an index: names, order, subgraphs; and what is no model or no graph."""

from __future__ import annotations

import time
from itertools import pairwise

import numpy as np
import onnx
import pytest
from onnx import ModelProto, helper, numpy_helper

from lumpcli.errors import InputError
from lumpcli.loader import describe, load, read_model
from tests.evaluate import disagreements
from tests.loader.checks import shrinks, stays
from tests.models import build, info, integers, mlp, node, planted, reader

ROWS, BIAS = planted()


def _read(path, content):
    path.write_bytes(content)
    return read_model(path)


def test_a_file_is_read(tmp_path):
    assert _read(tmp_path / "m.onnx", mlp().SerializeToString()) == (mlp(), None)


def test_what_is_no_file(tmp_path):
    with pytest.raises(InputError, match=r"nothing\.onnx: no such file"):
        read_model(tmp_path / "nothing.onnx")
    with pytest.raises(InputError, match="is a folder, not a file"):
        read_model(tmp_path)
    with pytest.raises(InputError, match="is empty"):
        _read(tmp_path / "m.onnx", b"")


@pytest.mark.parametrize(
    "content",
    [
        b"this is a text file\n",
        b"import onnx\n",
        b"\x89PNG\r\n\x1a\n" + bytes(100),
        bytes(64),
        ModelProto(ir_version=8).SerializeToString(),
        ModelProto(graph=mlp().graph).SerializeToString(),
        helper.make_model(helper.make_graph([], "g", [], [])).SerializeToString(),
        onnx.TensorProto(dims=[2], name="weights").SerializeToString(),
    ],
)
def test_what_is_no_model(tmp_path, content):
    with pytest.raises(InputError, match="is not an ONNX model"):
        _read(tmp_path / "m.onnx", content)


def test_a_truncated_model_is_no_model(tmp_path):
    """Wherever it is cut: also at the border between two fields."""
    content = mlp().SerializeToString()
    for length in range(1, len(content)):
        (tmp_path / "m.onnx").write_bytes(content[:length])
        with pytest.raises(InputError):
            load(tmp_path / "m.onnx")


def test_the_error_names_the_file(tmp_path):
    model = mlp()
    model.graph.node[0].input[0] = "nowhere"
    onnx.save(model, tmp_path / "m.onnx")
    with pytest.raises(InputError, match=r"m\.onnx: .*'nowhere'"):
        load(tmp_path / "m.onnx")


def _broken(edit):
    model = mlp()
    edit(model.graph)
    return model


BROKEN = {
    r"Gemm 'first' reads 'nowhere', which nobody produces": lambda g: g.node[0].input.__setitem__(
        0, "nowhere"
    ),
    "graph output 'z' is produced by nobody": lambda g: g.output.add(name="z"),
    "two initializers are named 'w'": lambda g: g.initializer.append(g.initializer[0]),
    "Relu 'h': the name 'h' is produced twice": lambda g: g.node[1].output.__setitem__(0, "h"),
    "Relu 'w': the name 'w' is produced twice": lambda g: g.node[1].output.__setitem__(0, "w"),
    "Relu 'x': the name 'x' is produced twice": lambda g: g.node[1].output.__setitem__(0, "x"),
    "'x'": lambda g: g.input.append(g.input[0]),
    "Relu 'r' depends on its own output": lambda g: g.node[1].input.__setitem__(0, "r"),
    "depends on its own output": lambda g: g.node[0].input.__setitem__(0, "y"),
}


@pytest.mark.parametrize("message", BROKEN)
def test_a_broken_graph_is_refused(message):
    with pytest.raises(InputError, match=message):
        load(_broken(BROKEN[message]))


@pytest.mark.parametrize("order", [(2, 1, 0), (1, 0, 2), (0, 2, 1)])
def test_nodes_out_of_order(order):
    model = mlp()
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(nodes[k] for k in order)
    host = load(model)
    assert [host.graph.proto.node[k].op_type for k in host.graph.order] == [
        "Gemm",
        "Relu",
        "MatMul",
    ]
    reduced = shrinks(model)
    assert [n.op_type for n in reduced.graph.node] == [n.op_type for n in model.graph.node]


def test_nodes_in_order_are_visited_in_order():
    nodes = [node("Relu", ["x"], [f"a{k}"]) for k in range(5)]
    model = build([*nodes, node("Sum", [f"a{k}" for k in range(5)], ["y"])])
    assert load(model).graph.order == list(range(6))


def test_uses_and_names():
    graph = load(mlp()).graph
    assert graph.names() == {"x", "w", "b", "h", "r", "v", "y"}
    assert graph.sole_use("h")
    assert not graph.sole_use("y")
    assert not graph.sole_use("nothing")
    assert graph.opset == 17


def test_a_node_is_called_by_operator_and_name():
    assert describe(node("Relu", ["x"], ["y"], name="act")) == "Relu 'act'"
    assert describe(node("Relu", ["x"], ["y"])) == "Relu 'y'"
    assert describe(node("Relu", ["x"], ["y"], domain="my.own")) == "my.own.Relu 'y'"


def _branch(nodes, output, initializers=()):
    return helper.make_graph(nodes, "branch", [], [info(output, None)], list(initializers))


def _with_if(then, otherwise, **weights):
    """Gemm and Relu make r, which MatMul reads into y; z comes out of an If."""
    nodes = [
        node("Gemm", ["x", "w", "b"], ["h"], transB=1),
        node("Relu", ["h"], ["r"]),
        node("MatMul", ["r", "v"], ["y"]),
        node("If", ["flag"], ["z"], then_branch=then, else_branch=otherwise),
    ]
    numbers = {"w": ROWS, "b": BIAS, "v": reader(), "flag": np.array(True), **weights}
    return build(nodes, numbers, outputs=["y", "z"])


def test_a_tensor_captured_by_a_branch_is_pinned():
    then = _branch([node("Abs", ["r"], ["t"])], "t")
    otherwise = _branch([node("Neg", ["y"], ["e"])], "e")
    model = _with_if(then, otherwise)
    assert load(model).graph.captured == {"r", "y"}
    assert "read inside a subgraph" in stays(model)


def test_a_tensor_that_a_branch_returns_is_captured():
    model = _with_if(_branch([], "r"), _branch([node("Neg", ["y"], ["e"])], "e"))
    assert "read inside a subgraph" in stays(model, runs=False)


def test_names_of_a_branch_are_its_own():
    """A name made inside a branch is no use of an outer tensor."""
    then = _branch(
        [node("Abs", ["inner"], ["t"])], "t", [numpy_helper.from_array(np.ones(2, "f4"), "inner")]
    )
    otherwise = _branch([node("Identity", ["x"], ["i"]), node("Neg", ["i"], ["e"])], "e")
    model = _with_if(then, otherwise)
    graph = load(model).graph
    assert graph.captured == {"x"}
    assert {"inner", "t", "i", "e"} <= graph.names()
    shrinks(model)


def test_a_weight_captured_by_a_branch_is_copied_on_write():
    """The branch keeps the whole matrix, the layer gets its own; bigger layers pay for it."""
    then = _branch([node("ReduceSum", ["b"], ["t"])], "t")
    otherwise = _branch([node("ReduceMax", ["b"], ["e"])], "e")
    model = _with_if(then, otherwise)
    reduced = shrinks(model)
    kept = {t.name: list(t.dims) for t in reduced.graph.initializer}
    assert kept["b"] == [6]
    assert kept[reduced.graph.node[0].input[2]] == [4]


def test_a_branch_inside_a_branch():
    deepest = _branch([node("Abs", ["r"], ["d"])], "d")
    inner = node("If", ["flag"], ["t"], then_branch=deepest, else_branch=deepest)
    model = _with_if(_branch([inner], "t"), _branch([node("Neg", ["y"], ["e"])], "e"))
    assert load(model).graph.captured == {"flag", "r", "y"}


def test_a_branch_that_reads_what_comes_later_in_the_file():
    then = _branch([node("Abs", ["y"], ["t"])], "t")
    model = _with_if(then, then)
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([nodes[3], *nodes[:3]])
    assert load(model).graph.order == [1, 2, 3, 0]
    shrinks(model)


def test_dangling_names_in_a_branch_are_refused():
    fine = _branch([node("Abs", ["y"], ["e"])], "e")
    with pytest.raises(InputError, match="Abs 't' reads 'nowhere', which nobody produces"):
        load(_with_if(_branch([node("Abs", ["nowhere"], ["t"])], "t"), fine))
    with pytest.raises(InputError, match="output 'u' is produced by nobody"):
        load(_with_if(_branch([node("Abs", ["y"], ["t"])], "u"), fine))


def test_a_loop_body_captures_and_has_inputs():
    body = helper.make_graph(
        [node("Add", ["state", "r"], ["next"]), node("Identity", ["cond"], ["again"])],
        "body",
        [info("i", (), np.int64), info("cond", (), np.bool_), info("state", ("N", 6))],
        [info("again", (), np.bool_), info("next", ("N", 6))],
    )
    nodes = [
        node("Gemm", ["x", "w", "b"], ["h"], transB=1),
        node("Relu", ["h"], ["r"]),
        node("Loop", ["count", "", "r"], ["y"], body=body),
    ]
    model = build(nodes, {"w": ROWS, "b": BIAS, "count": np.array(3)})
    reasons = stays(model)
    assert load(model).graph.captured == {"r"}
    assert any("its output is read by Loop" in r or "subgraph" in r for r in reasons)


def test_many_nodes_take_little_time():
    """Indexing is linear in the number of nodes: 4 seconds are for a very slow computer."""
    names = ["x", *(f"t{k}" for k in range(8000)), "y"]
    nodes = [node("Relu", [a], [b]) for a, b in pairwise(names)]
    model = build(nodes)
    start = time.process_time()
    assert len(load(model).graph.order) == 8001
    assert time.process_time() - start < 4


def test_a_custom_operator_is_pinned_by_its_full_name():
    nodes = [*mlp().graph.node[:2], node("Mystery", ["r"], ["y"], domain="nowhere", name="odd")]
    model = build(nodes, {"w": ROWS, "b": BIAS}, domains=["nowhere"])
    assert "its output is read by nowhere.Mystery 'odd'" in stays(model, runs=False)


def test_the_guard_holds_for_all_of_them():
    assert disagreements(load(mlp()), integers(mlp())) == []
