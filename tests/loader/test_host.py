"""Loading: any valid model goes through, and what is not understood says so."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, helper

from lumpcli.loader import load
from tests.evaluate import disagreements
from tests.loader.checks import stays
from tests.models import build, info, integers, mlp, node, planted, reader

ROWS, BIAS = planted()


def test_from_a_path_or_from_memory(tmp_path):
    onnx.save(mlp(), tmp_path / "m.onnx")
    hosts = load(tmp_path / "m.onnx"), load(str(tmp_path / "m.onnx")), load(mlp())
    assert [host.path for host in hosts] == [tmp_path / "m.onnx"] * 2 + [None]
    for host in hosts:
        assert [layer.name for layer in host.net.layers] == ["x", "r", "y"]
        assert host.model == mlp()


def test_loading_changes_nothing():
    model, copy = mlp(), ModelProto()
    copy.CopyFrom(model)
    load(model)
    assert model.SerializeToString() == copy.SerializeToString()


def test_weights_are_views_of_the_stored_type():
    net = load(mlp(dtype=np.float64)).net
    assert net["r"].terms[0].weight.dtype == np.float64
    assert net["r"].bias.dtype == np.float64


def test_notes_name_the_node_and_the_reason():
    nodes = [
        node("Gemm", ["x", "w", "b"], ["h"], transA=1, name="odd"),
        node("MatMul", ["h", "w"], ["y"]),
    ]
    host = load(build(nodes, {"w": ROWS.T.copy(), "b": BIAS}, inputs={"x": (5, 3)}))
    assert host.notes == ("Gemm 'odd' (transA is set)",)
    assert host.net["h"].pinned == "not made by a layer"


def test_a_reader_that_declines_pins_what_it_reads_and_why():
    nodes = [
        node("Gemm", ["x", "w", "b"], ["h"], transB=1),
        node("Reshape", ["h", "s"], ["y"], name="/split"),
    ]
    model = build(nodes, {"w": ROWS, "b": BIAS, "s": np.array([-1, 3])})
    wanted = "its output is read by Reshape '/split' (it may merge or split the feature axis)"
    assert load(model).net["h"].pinned == wanted


MALFORMED = {
    "Gemm 'y' (it has 1 inputs)": node("Gemm", ["x"], ["y"]),
    "Gemm 'y' (it has 4 inputs)": node("Gemm", ["x", "x", "x", "x"], ["y"]),
    "Gemm 'y' (it has 2 inputs)": node("Gemm", ["x", ""], ["y"]),
    "Cast 'y' (it lacks the attribute 'to')": node("Cast", ["x"], ["y"]),
    "Gelu 'y' (opset 17 does not have it)": node("Gelu", ["x"], ["y"]),
    "Relu 'y' (it has 0 inputs)": node("Relu", [], ["y"]),
}


@pytest.mark.parametrize("note", MALFORMED)
def test_malformed_nodes_are_declined(note):
    assert note in stays(build([MALFORMED[note]]), runs=False)


@pytest.mark.parametrize(
    "attributes", [{"perm": [0]}, {"perm": [0, 5]}, {"perm": [0, 0]}, {"perm": [1, 0, 2]}]
)
def test_a_malformed_transpose_of_weights_is_no_traceback(attributes):
    nodes = [node("Transpose", ["w"], ["t"], **attributes), node("MatMul", ["x", "t"], ["y"])]
    stays(build(nodes, {"w": ROWS}), runs=False)


def test_a_malformed_cast_or_constant_of_weights_is_no_traceback():
    nodes = [node("Cast", ["w"], ["t"]), node("MatMul", ["x", "t"], ["y"])]
    stays(build(nodes, {"w": ROWS.T.copy()}), runs=False)
    nodes = [node("ConstantOfShape", ["s"], ["t"]), node("MatMul", ["x", "t"], ["y"])]
    stays(build(nodes, {"s": np.array([5, -6])}), runs=False)


def test_an_operator_nobody_knows_in_the_default_domain():
    nodes = [node("Gemm", ["x", "w"], ["h"], transB=1), node("Teleport", ["h"], ["y"])]
    model = build(nodes, {"w": ROWS})
    assert load(model).net["h"].pinned == "its output is read by Teleport 'y'"


def test_a_function_of_the_model_is_a_custom_operator():
    body = helper.make_function(
        "my.own", "Relu", ["a"], ["b"], [node("Abs", ["a"], ["b"])], [helper.make_opsetid("", 17)]
    )
    nodes = [node("Gemm", ["x", "w"], ["h"], transB=1), node("Relu", ["h"], ["y"], domain="my.own")]
    model = build(nodes, {"w": ROWS}, domains=["my.own"])
    model.functions.append(body)
    assert "its output is read by my.own.Relu 'y'" in stays(model)


def test_the_long_name_of_the_default_domain():
    nodes = [node("Gemm", ["x", "w"], ["y"], transB=1, domain="ai.onnx")]
    assert load(build(nodes, {"w": ROWS})).net["y"].is_dense


def test_a_model_without_nodes():
    model = build([], outputs=["x"])
    host = load(model)
    assert host.net.layers == ()
    stays(model, runs=False)


@pytest.mark.parametrize("kind", ["sequence", "optional", "no type"])
def test_inputs_that_are_no_tensors(kind):
    model = mlp()
    if kind == "sequence":
        entry = helper.make_tensor_sequence_value_info("s", TensorProto.FLOAT, None)
    elif kind == "optional":
        inner = helper.make_tensor_type_proto(TensorProto.FLOAT, [2])
        entry = helper.make_value_info("s", helper.make_optional_type_proto(inner))
    else:
        entry = onnx.ValueInfoProto(name="s")
    model.graph.input.append(entry)
    assert load(model).net["r"].width == 6


def test_layers_of_other_domains_between_dense_ones():
    """What lumpcli does not follow is a source again."""
    nodes = [
        node("Gemm", ["x", "w", "b"], ["h"], transB=1),
        node("Softmax", ["h"], ["s"]),
        node("Gemm", ["s", "u", "c"], ["g"]),
        node("Relu", ["g"], ["r"]),
        node("MatMul", ["r", "v"], ["y"]),
    ]
    rows, bias = planted(6, seed=1)
    weights = {"w": ROWS, "b": BIAS, "u": rows.T.copy(), "c": bias, "v": reader()}
    host = load(build(nodes, weights, values=[info("s", ("N", 6))]))
    assert [layer.name for layer in host.net.layers] == ["x", "h", "s", "r", "y"]
    assert disagreements(host, integers(host.model), 1e-6) == []
    assert host.net["h"].pinned == "its output is read by Softmax 's' (it mixes the features)"
