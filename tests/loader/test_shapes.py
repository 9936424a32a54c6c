"""Static shapes and types: what onnx infers, and what models compute from shapes themselves."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper

from lumpcli.loader import Weights, read_model
from lumpcli.loader.graph import index
from lumpcli.loader.shapes import infer
from tests.models import build, info, mlp, node
from tests.wire.models import lower


def _inferred(*nodes, weights=None, inputs=None, **options):
    model = build(list(nodes), weights or {}, inputs=inputs or {"x": ("N", 6, 4)}, **options)
    graph = index(model, ())
    return infer(graph, Weights(graph))


def test_shapes_and_types_of_all_tensors():
    graph = index(mlp(), ())
    shapes, types, sizes = infer(graph, Weights(graph))
    assert [shapes[name][1] for name in ("x", "h", "r", "y")] == [5, 6, 6, 3]
    assert {shapes[name][0] for name in ("x", "h", "r", "y")} == {"N"}
    assert types["r"] == np.float32
    assert sizes == {}


def test_sizes_without_a_name_get_one():
    """Two inputs of unknown sizes are not of the same size."""
    shapes, _, _ = _inferred(
        node("Add", ["x", "z"], ["y"]), inputs={"x": (None, 6), "z": (None, 6)}
    )
    assert isinstance(shapes["x"][0], str)
    assert shapes["x"][0] != shapes["z"][0]


def test_large_weights_are_not_copied():
    weights = {"w": np.ones((4, 300), "f4"), "v": np.ones((300, 2), "f4")}
    nodes = [node("MatMul", ["x", "w"], ["h"]), node("MatMul", ["h", "v"], ["y"])]
    shapes, _, _ = _inferred(*nodes, weights=weights)
    assert shapes["y"] == ["N", 6, 2]


def test_claims_of_the_file_on_inner_tensors_are_not_believed():
    nodes = [node("Relu", ["x"], ["h"]), node("Neg", ["h"], ["y"])]
    shapes, _, _ = _inferred(*nodes, values=[info("h", (9, 9))])
    assert shapes["y"] == ["N", 6, 4]


def test_what_a_scale_resizes():
    weights = {"s": np.array([1, 1, 2.5], "f4")}
    nodes = [node("Resize", ["x", "", "s"], ["y"], mode="nearest")]
    shapes, _, _ = _inferred(*nodes, weights=weights)
    assert shapes["y"][1:] == [6, 10]


COMPUTED = [
    node("Shape", ["x"], ["all"]),
    node("Gather", ["all", "zero"], ["n"]),
    node("Unsqueeze", ["n", "zero"], ["batch"]),
]
ZERO = {"zero": np.array(0), "zeros": np.array([0]), "two": np.array([2]), "minus": np.array([-1])}


@pytest.mark.parametrize(
    ("parts", "wanted"),
    [
        (["batch", "minus"], ["N", 24]),
        (["batch", "two", "minus"], ["N", 2, 12]),
        (["batch", "minus", "two"], ["N", 12, 2]),
    ],
)
def test_a_shape_that_is_computed(parts, wanted):
    """As exporters write a view: the batch is the input's."""
    nodes = [
        *COMPUTED,
        node("Concat", parts, ["to"], axis=0),
        node("Reshape", ["x", "to"], ["y"]),
    ]
    nodes[2].input[1] = "zeros"
    shapes, _, sizes = _inferred(*nodes, weights=ZERO)
    assert len(shapes["y"]) == len(wanted)
    assert [size for size in shapes["y"] if isinstance(size, int)] == [
        size for size in wanted if isinstance(size, int)
    ]
    assert sizes["to"][0].value == "N"


def test_a_product_of_sizes_is_known():
    nodes = [
        node("Shape", ["x"], ["all"]),
        node("Gather", ["all", "one"], ["c"]),
        node("Gather", ["all", "two"], ["l"]),
        node("Mul", ["c", "l"], ["cl"]),
        node("Concat", ["minus", "cl"], ["to"], axis=0),
        node("Reshape", ["x", "to"], ["h"]),
        node("Relu", ["h"], ["y"]),
    ]
    shapes, _, _ = _inferred(*nodes, weights=ZERO | {"one": np.array([1])})
    assert shapes["y"][1] == 24


def test_a_model_that_onnx_cannot_infer():
    """What the inputs say is all that is known then."""
    nodes = [node("MatMul", ["x", "w"], ["h"]), node("Relu", ["h"], ["y"])]
    shapes, _, _ = _inferred(*nodes, weights={"w": np.ones((7, 2), "f4")})
    assert shapes["x"] == ["N", 6, 4]


def test_types_that_are_no_floats_are_left_out():
    nodes = [node("Cast", ["x"], ["i"], to=TensorProto.INT64), node("Cast", ["i"], ["y"], to=11)]
    _, types, _ = _inferred(*nodes)
    assert "i" not in types
    assert types["y"] == np.float64


def test_what_an_unknown_operator_makes_is_not_known():
    nodes = [node("Mystery", ["x"], ["h"], domain="nowhere"), node("Relu", ["h"], ["y"])]
    shapes, _, _ = _inferred(*nodes, domains=["nowhere"])
    assert shapes.get("h") is None
    assert shapes.get("y") is None


@pytest.mark.parametrize("constant", [True, False])
def test_a_long_list_of_integers_is_read_where_it_stands(tmp_path, monkeypatch, constant):
    """onnx follows shapes out of it, and must not take a placeholder for them."""
    lower(monkeypatch)
    table = np.arange(600)
    nodes = [node("Gather", ["t", "i"], ["s"]), node("Reshape", ["x", "s"], ["y"])]
    weights = {"i": np.array([4, 6, 1])}
    if constant:
        nodes.insert(0, node("Constant", [], ["t"], value=numpy_helper.from_array(table)))
    else:
        weights["t"] = table
    model = build(nodes, weights, inputs={"x": (4, 6)})
    onnx.save(model, tmp_path / "m.onnx")
    read, payloads = read_model(tmp_path / "m.onnx")
    assert payloads is not None
    for graph in (index(model, ()), index(read, (), payloads)):
        assert infer(graph, Weights(graph))[0]["y"] == [4, 6, 1]
