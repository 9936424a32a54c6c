"""Writing back: only changed numbers and what the file says about their shapes change."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from lumpcli.api import reduce
from lumpcli.exporter import export
from lumpcli.loader import load
from tests.loader.checks import shrinks, stays
from tests.models import build, info, mlp, names, node, planted, reader, weight

ROWS, BIAS = planted()
KEPT = [0, 2, 4, 5]
GEMM = node("Gemm", ["x", "w", "b"], ["h"], transB=1)


def _unknown(text):
    """A field number that no version of ONNX uses, with a text in it."""
    return b"\xfa\x3e" + bytes([len(text)]) + text


def _decorated():
    """A model with everything lumpcli must leave alone."""
    model = mlp(opset=18, ir=9, domains=["my.own"])
    model.producer_name, model.producer_version = "maker", "1.2"
    model.domain, model.model_version, model.doc_string = "org.here", 7, "about the model"
    for proto in (model, model.graph, *model.graph.node, *model.graph.initializer):
        proto.metadata_props.add(key="author", value="me")
        proto.doc_string = "about it"
    graph = model.graph
    graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"
    graph.input[0].doc_string = "the input"
    graph.output[0].CopyFrom(info("y", ("batch", 3)))
    graph.initializer.append(numpy_helper.from_array(np.arange(3), "unused"))
    graph.initializer.append(helper.make_tensor("text", TensorProto.STRING, [1], [b"a"]))
    annotation = graph.quantization_annotation.add(tensor_name="h")
    annotation.quant_parameter_tensor_names.add(key="SCALE_TENSOR", value="unused")
    inner = [node("Abs", ["a"], ["c"])]
    model.functions.append(
        helper.make_function("my.own", "F", ["a"], ["c"], inner, [helper.make_opsetid("", 18)])
    )
    model.training_info.add().algorithm.name = "sgd"
    graph.node[1].attribute.append(helper.make_attribute("consumed_inputs", [0]))
    for proto in (graph.node[0], graph.initializer[0], graph, model):
        proto.MergeFromString(_unknown(b"from a later version"))
    return model


def test_all_else_is_preserved():
    """With the old numbers put back, the bytes are those of the original."""
    model = _decorated()
    content = model.SerializeToString()
    assert content.count(b"from a later version") == 4
    reduced = reduce(model).model
    assert model.SerializeToString() == content
    assert [weight(reduced, name).shape for name in "wbv"] == [(4, 5), (4,), (4, 3)]
    for new, old in zip(reduced.graph.initializer[:3], model.graph.initializer[:3], strict=True):
        new.dims[:] = old.dims
        new.raw_data = old.raw_data
    assert reduced.SerializeToString() == content


def test_the_numbers_are_the_kept_rows_and_the_merged_columns():
    reduced = reduce(mlp()).model
    columns = reader()
    np.testing.assert_array_equal(weight(reduced, "w"), ROWS[KEPT])
    np.testing.assert_array_equal(weight(reduced, "b"), BIAS[KEPT])
    merged = np.stack([columns[0] + columns[1], columns[2] + 2 * columns[3], *columns[4:]])
    np.testing.assert_array_equal(weight(reduced, "v"), merged)


def test_nothing_to_cut_gives_the_same_bytes():
    rows = np.diag([1, 2, 3, 4, 5]).astype("f4") + 1
    model = build([node("Gemm", ["x", "w"], ["y"])], {"w": rows})
    model.MergeFromString(_unknown(b"later"))
    host = load(model)
    exported = export(host, host.net)
    assert not exported.changed
    assert exported.model.SerializeToString() == model.SerializeToString()
    assert exported.model is not model


def test_the_host_stays_as_it_is():
    host = load(mlp())
    before = host.model.SerializeToString()
    reduce(host.model)
    assert host.model.SerializeToString() == before


def _with_output_shape(model):
    """Full checks by onnx demand it."""
    model.graph.output[0].CopyFrom(info("y", ("N", 3)))
    return model


@pytest.mark.parametrize(
    ("claimed", "after"),
    [
        ({"h": ("N", 6), "r": (3, 6)}, {"h": ["N", 4], "r": [3, 4]}),
        ({"h": ("N", "F"), "r": ("N", 6)}, {"r": ["N", 4]}),
        ({"x": ("N", 5), "y": ("N", 3)}, {"x": ["N", 5], "y": ["N", 3]}),
        ({"w": (6, 5), "b": (6,), "v": (6, 3)}, {}),
    ],
)
def test_shapes_the_file_claims_are_corrected_or_dropped(claimed, after):
    values = [info(name, shape) for name, shape in claimed.items()]
    for entry in values:
        entry.doc_string = "kept"
    reduced = reduce(_with_output_shape(mlp(values=values))).model
    found = {
        v.name: [d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim]
        for v in reduced.graph.value_info
    }
    assert found == after
    assert all(v.doc_string == "kept" for v in reduced.graph.value_info)
    onnx.checker.check_model(reduced, full_check=True)


def test_stale_shapes_are_dropped_where_they_concern_the_cut():
    values = [info("h", ("N", 9)), info("r", (6,)), info("elsewhere", (6, 6))]
    reduced = reduce(mlp(values=values)).model
    kept = {v.name: len(v.type.tensor_type.shape.dim) for v in reduced.graph.value_info}
    assert "h" not in kept
    assert kept["elsewhere"] == 2


def test_shapes_of_transposed_weights_are_dropped():
    nodes = [
        node("Transpose", ["w"], ["wt"]),
        node("MatMul", ["x", "wt"], ["h"]),
        node("Relu", ["h"], ["r"]),
        node("MatMul", ["r", "v"], ["y"]),
    ]
    values = [info("wt", (5, 6)), info("h", ("N", 6))]
    model = _with_output_shape(build(nodes, {"w": ROWS, "v": reader()}, values=values))
    reduced = shrinks(model)
    assert [v.name for v in reduced.graph.value_info] == ["h"]
    onnx.checker.check_model(reduced, full_check=True)


def _two_layers(first, second, shared, taken=()):
    """Two layers of x, side by side, which share the bias `c`."""
    nodes = [
        node("Gemm", ["x", "w", "c"], ["h"], transB=1),
        node("Relu", ["h"], ["r"]),
        node("Gemm", ["x", "u", "c"], ["g"], transB=1),
        node("Relu", ["g"], ["s"]),
        node("MatMul", ["r", "v"], ["p"]),
        node("MatMul", ["s", "k"], ["q"]),
        node("Add", ["p", "q"], ["y"]),
    ]
    weights = {"w": first, "u": second, "c": shared, "v": reader(), "k": reader(seed=4)}
    return build(nodes, weights | dict.fromkeys(taken, np.ones(1, "f4")))


def _pairs():
    """Rows with features 0 and 1 equal, rows with 2 and 3 equal, and a bias that fits both."""
    rng = np.random.default_rng(2)
    first, second = rng.integers(1, 90, (2, 6, 5)).astype("f4")
    first[1], second[3] = first[0], second[2]
    return first, second, np.array([1, 1, 2, 2, 3, 4], "f4")


def test_a_shared_bias_cut_apart_gets_a_new_name():
    model = _two_layers(*_pairs(), taken=["c_1"])
    reduced = shrinks(model, ("r", "s"), after=5)
    assert names(reduced) == ["w", "u", "c", "v", "k", "c_1", "c_2"]
    assert weight(reduced, "c").tolist() == [1, 2, 2, 3, 4]
    assert weight(reduced, "c_2").tolist() == [1, 1, 2, 3, 4]
    assert [n.input[2] for n in reduced.graph.node if n.op_type == "Gemm"] == ["c", "c_2"]


def test_a_new_name_is_new_inside_subgraphs_too():
    model = _two_layers(*_pairs())
    body = helper.make_graph(
        [node("Abs", ["c_1"], ["c_2"])], "b", [], [info("c_2", None)],
        [numpy_helper.from_array(np.ones(1, "f4"), "c_1")],
    )  # fmt: skip
    model.graph.node.append(node("If", ["flag"], ["z"], then_branch=body, else_branch=body))
    model.graph.initializer.append(numpy_helper.from_array(np.array(True), "flag"))
    model.graph.output.append(info("z", None))
    reduced = shrinks(model, ("r", "s"), after=5)
    assert names(reduced)[-1] == "c_3"


def test_a_constant_with_other_users_is_copied():
    model = _two_layers(*_pairs())
    model.graph.node.append(node("Abs", ["c"], ["z"]))
    model.graph.output.append(info("z", None))
    reduced = shrinks(model, ("r", "s"), after=5)
    assert weight(reduced, "c").tolist() == [1, 1, 2, 2, 3, 4]
    assert len({n.input[2] for n in reduced.graph.node if n.op_type == "Gemm"} - {"c"}) == 2


def test_a_constant_behind_an_identity_that_others_read_is_copied():
    first, second, bias = _pairs()
    model = _two_layers(first, second, bias)
    model.graph.node[2].input[2] = "i"
    model.graph.node.insert(0, node("Identity", ["c"], ["i"]))
    model.graph.node.append(node("Abs", ["i"], ["z"]))
    model.graph.output.append(info("z", None))
    reduced = shrinks(model, ("r", "s"), after=5)
    assert weight(reduced, "c").tolist() == [1, 1, 2, 2, 3, 4]


def test_a_cut_that_would_make_the_file_grow_is_declined():
    """The matrix w serves two layers, of which only one could lose features."""
    nodes = [
        GEMM,
        node("Relu", ["h"], ["r"]),
        node("Gemm", ["x", "w", "c"], ["g"], transB=1),
        node("Relu", ["g"], ["s"]),
        node("MatMul", ["r", "v"], ["p"]),
        node("MatMul", ["s", "k"], ["y"]),
    ]
    weights = {"w": ROWS, "b": BIAS, "c": np.arange(6, dtype="f4"), "k": reader(seed=1)}
    model = build(nodes, weights | {"v": reader()}, outputs=["y", "p"])
    stays(model)
    assert any("would grow" in (layer.pinned or "") for layer in reduce(model).layers)


def _constant_feature(gemm, **weights):
    """Feature 5 is relu(3) = 3 always: its column goes into the bias of the reader."""
    rows, bias = ROWS.copy(), BIAS.copy()
    rows[5], bias[5] = 0, 3
    nodes = [GEMM, node("Relu", ["h"], ["r"]), gemm]
    return build(nodes, {"w": rows, "b": bias, "v": reader(), **weights})


@pytest.mark.parametrize("inputs", [["r", "v"], ["r", "v", ""]])
@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 1.0), (2.0, 0.5)])
def test_a_gemm_without_bias_gets_one(inputs, alpha, beta):
    gemm = node("Gemm", inputs, ["y"], alpha=alpha, beta=beta)
    reduced = shrinks(_constant_feature(gemm, y_bias=np.zeros(1, "f4")), after=3)
    assert list(reduced.graph.node[2].input) == ["r", "v", "y_bias_1"]
    expected = alpha / beta * 3 * reader()[5]
    np.testing.assert_array_equal(weight(reduced, "y_bias_1"), expected, strict=True)


def test_an_added_bias_has_the_type_the_gemm_computes_in():
    """Weights stored as float16 and widened: the bias is added to float32."""
    model = _constant_feature(node("Gemm", ["r", "wide"], ["y"]), v=reader(dtype="f2"))
    model.graph.node.insert(0, node("Cast", ["v"], ["wide"], to=TensorProto.FLOAT))
    reduced = shrinks(model, after=3)
    assert weight(reduced, "y_bias").dtype == np.float32


def test_a_bias_of_one_number_grows_to_what_it_must_be():
    gemm = node("Gemm", ["r", "v", "c"], ["y"])
    reduced = shrinks(_constant_feature(gemm, c=np.array([2], "f4")), after=3)
    np.testing.assert_array_equal(weight(reduced, "c"), 2 + 3 * reader()[5])


def test_where_no_bias_can_go_a_feature_carries_the_constant():
    shrinks(_constant_feature(node("MatMul", ["r", "v"], ["y"])), after=4)


def test_only_changed_sites_are_written():
    """A second pair of layers that nothing can be cut from keeps its very tensors."""
    model = mlp()
    extra = numpy_helper.from_array(np.diag(np.arange(1, 6)).astype("f4"), "e")
    model.graph.initializer.append(extra)
    model.graph.node.append(node("MatMul", ["x", "e"], ["z"]))
    model.graph.output.append(info("z", None))
    reduced = shrinks(model)
    assert reduced.graph.initializer[3].SerializeToString() == extra.SerializeToString()
