"""One model with nested Ifs: it is the original wherever the slices are, faces included."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import ModelProto, TensorProto, helper

from lumpcli.box import Box
from lumpcli.errors import UsageError
from lumpcli.family import Cut, Tree
from lumpcli.loader import load
from lumpcli.slicing import bisect, input_types, single_model
from tests.models import build, node
from tests.slicing.models import bends, run, shaped, square

FLOAT = {"x": np.dtype("float32")}


def marked(number: int, **options: Any) -> ModelProto:
    """A slice that says which one it is: y = x + number."""
    weights = {"n": np.array([[number]], np.float32)}
    model = build([node("Add", ["x", "n"], ["y"])], weights, inputs={"x": ("N", 2)}, **options)
    return shaped(model, "N", 2)


def grid() -> dict[str, np.ndarray]:
    """Every point of [-4, 4]^2 in halves."""
    line = np.arange(-8, 9) / 2
    return {"x": np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2).astype(np.float32)}


@pytest.mark.parametrize(
    "options",
    [
        {"opset": 7, "ir": 3, "listed": True},
        {"opset": 8, "ir": 3, "listed": True},
        {"opset": 12, "ir": 6},
        {"opset": 17, "ir": 8},
    ],
)
@pytest.mark.parametrize("slices", [1, 2, 9])
def test_each_input_goes_where_the_tree_says(options, slices):
    original = marked(0, **options)
    tree = bisect(load(bends()), square(), slices)
    made = single_model(original, [marked(k, **options) for k in range(slices)], tree, FLOAT)
    onnx.checker.check_model(made, full_check=True)
    assert made.opset_import == original.opset_import
    assert made.ir_version == original.ir_version
    points = grid()
    numbers = tree.locate(points)
    assert set(numbers) == set(range(slices))
    session = onnxruntime.InferenceSession(made.SerializeToString())
    for x, number in zip(points["x"], numbers, strict=True):
        (found,) = session.run(None, {"x": x[None]})
        assert np.array_equal(found, x[None] + np.float32(number))


def test_nan_goes_where_the_tree_says():
    tree = Tree((Cut("x", 1, 0.0, ~0, ~1),))
    made = single_model(marked(0), [marked(k) for k in range(2)], tree, FLOAT)
    point = np.array([[2, np.nan]], np.float32)
    assert tree.locate({"x": point}).tolist() == [0]
    assert run(made, {"x": point})[0][0, 0] == 2


def test_the_number_of_samples_becomes_one_and_all_else_stays():
    original = shaped(bends(), "N", 3)
    original.doc_string, original.graph.name = "of a test", "net"
    helper.set_model_props(original, {"by": "somebody"})
    tree = bisect(load(bends()), square(), 4)
    made = single_model(original, [bends()] * 4, tree, FLOAT)
    sizes = [
        [d.dim_value for d in info.type.tensor_type.shape.dim]
        for info in (*made.graph.input, *made.graph.output)
    ]
    assert sizes == [[1, 2], [1, 3]]
    assert made.metadata_props == original.metadata_props
    assert (made.doc_string, made.graph.name) == ("of a test", "net")
    assert [i.name for i in made.graph.input] == ["x"]
    assert [o.name for o in made.graph.output] == ["y"]
    assert original.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "N"


def nested() -> ModelProto:
    """y = x + s where s is positive, else x - s; its branches read the outside, and name things."""
    branches = {
        f"{name}_branch": helper.make_graph(
            [node(kind, ["x", "s"], ["t"]), node("Identity", ["t"], [name])],
            name,
            [],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 2])],
        )
        for name, kind in (("then", "Add"), ("else", "Sub"))
    }
    nodes = [
        node("ReduceSum", ["x"], ["s"], keepdims=1),
        node("Greater", ["s", "zero"], ["c"]),
        node("Squeeze", ["c"], ["q"]),
        helper.make_node("If", ["q"], ["y"], **branches),
    ]
    return shaped(build(nodes, {"zero": np.zeros((1, 1), np.float32)}, inputs={"x": (1, 2)}), 1, 2)


def test_graphs_within_slices_are_renamed_too():
    tree = Tree((Cut("x", 0, 1.0, 1, ~2), Cut("x", 1, 1.0, ~0, ~1)))
    made = single_model(nested(), [nested()] * 3, tree, FLOAT)
    onnx.checker.check_model(made, full_check=True)
    for x in ([[2, 3]], [[-2, 1]], [[-2, -5]], [[-2, 5]], [[3, -5]]):
        point = {"x": np.array(x, np.float32)}
        assert np.array_equal(run(made, point)[0], run(nested(), point)[0])


def test_outputs_that_no_node_of_a_slice_makes():
    """An input, and a stored number."""
    original = build(
        [node("Relu", ["x"], ["y"])], {"k": np.ones(2, np.float32)}, inputs={"x": ("N", 2)}
    )
    original.graph.output.extend(
        helper.make_tensor_value_info(n, TensorProto.FLOAT, s)
        for n, s in (("x", [1, 2]), ("k", [2]))
    )
    tree = Tree((Cut("x", 0, 0.0, ~0, ~1),))
    made = single_model(original, [original] * 2, tree, FLOAT)
    point = np.array([[-1, 2]], np.float32)
    y, x, k = run(made, {"x": point})
    assert (y.tolist(), x.tolist(), k.tolist()) == ([[0, 2]], [[-1, 2]], [1, 1])


def test_names_that_are_taken():
    original = build(
        [node("Relu", ["slices"], ["slices/y"])], inputs={"slices": (1, 2)}, outputs=("slices/y",)
    )
    tree = Tree((Cut("slices", 0, 0.0, ~0, ~1),))
    made = single_model(shaped(original, 1, 2), [original] * 2, tree, {"slices": FLOAT["x"]})
    onnx.checker.check_model(made, full_check=True)
    assert run(made, {"slices": np.array([[-1, 2]], np.float32)})[0].tolist() == [[0, 2]]


def test_cuts_of_several_inputs():
    nodes = [node("Flatten", ["b"], ["f"]), node("Add", ["a", "f"], ["y"])]
    shapes = {"a": (1, 2), "b": (1, 2, 1)}
    original = build(nodes, inputs=shapes)
    other = build([*nodes[:1], node("Sub", ["a", "f"], ["y"])], inputs=shapes)
    tree = Tree((Cut("b", 1, 0.5, ~0, ~1),))
    types = dict.fromkeys(shapes, np.dtype("float32"))
    made = single_model(original, [original, other], tree, types)
    a = np.array([[1, 2]], np.float32)
    for last, wanted in ((0.5, [[4, 2.5]]), (1.0, [[-2, 1]])):
        b = np.array([[[3], [last]]], np.float32)
        assert run(made, {"a": a, "b": b})[0].tolist() == wanted


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"opset": 6, "ir": 3, "listed": True}, "operator set of at least 7"),
        ({"opset": 17, "ir": 8, "listed": True}, "override initializers"),
    ],
)
def test_what_cannot_be_one_file(options, why):
    with pytest.raises(UsageError, match=why):
        single_model(marked(0, **options), [marked(0, **options)], Tree(()), FLOAT)


def test_a_deep_tree_is_read_by_protobuf_and_run():
    weights = {"w": np.array([[3, 0]], np.float32), "b": np.array([-1], np.float32)}
    nodes = [node("Gemm", ["x", "w", "b"], ["h"], transB=1), node("Relu", ["h"], ["y"])]
    host = load(build(nodes, weights, inputs={"x": ("N", 2)}))
    tree = bisect(host, Box({"x": (np.zeros((1, 2)), np.ones((1, 2)))}), 99)
    assert tree.depth == 24
    made = single_model(marked(0), [marked(k) for k in range(tree.slices)], tree, FLOAT)
    again = onnx.load_from_string(made.SerializeToString())
    x = np.array([[1 / 3, 0]], np.float32)
    assert run(again, {"x": x})[0][0, 1] == tree.locate({"x": x})[0]


def test_types_of_thresholds_are_those_of_inputs():
    model = bends(dtype=np.float64)
    types = input_types(load(model).graph, square())
    tree = bisect(load(model), square(end=0.3), 6)
    made = single_model(model, [model] * tree.slices, tree, types)
    point = {"x": np.array([[0.1, -0.2]])}
    assert np.array_equal(run(made, point)[0], run(model, point)[0])
