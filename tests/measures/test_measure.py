"""The answer of `stats`, assembled."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper

from lumpcli.api import reduce, stats
from lumpcli.box import Box
from lumpcli.errors import InputError
from lumpcli.exporter import state_domain
from lumpcli.results import Domain, InputRange, Stats
from tests.models import KEPT, PLANTED, build, info, mlp, node, planted, reader


def test_the_head():
    model = mlp(opset=13, ir=7)
    model.producer_name, model.producer_version = "maker", "1.2"
    model.opset_import.append(helper.make_opsetid("my.domain", 3))
    found = stats(model)
    assert isinstance(found, Stats)
    assert (found.source, found.ir_version, found.producer) == ("g", 7, "maker 1.2")
    assert found.opsets == {"ai.onnx": 13, "my.domain": 3}
    assert found.operators == {"Gemm": 1, "MatMul": 1, "Relu": 1}
    assert found.file_bytes == model.ByteSize()
    model.producer_name = model.producer_version = ""
    assert stats(model).producer == ""


def test_the_domain_that_a_model_states():
    model = mlp()
    assert stats(model).domain is None
    state_domain(model, Box.everywhere(-0.5, 1.0, {"x": (1, 5)}))
    assert stats(model).domain == Domain("stated", (InputRange("x", -0.5, 1.0, True),))
    model.metadata_props[0].value = "{"
    with pytest.raises(InputError, match=r"g: the domain that the model states .* is not JSON"):
        stats(model)


def test_types_as_a_person_writes_them():
    nodes = [node("Identity", [n], [f"{n}_out"]) for n in "abcdef"]
    model = build(nodes, inputs={}, outputs=())
    model.graph.input.extend(
        [
            info("a", ("N", 3)),
            info("b", (), np.float64),
            info("c", None, np.int64),
            helper.make_tensor_value_info("d", TensorProto.BFLOAT16, [None, 2]),
            helper.make_tensor_sequence_value_info("e", TensorProto.FLOAT, None),
            helper.make_tensor_value_info("f", TensorProto.STRING, [1]),
        ]
    )
    model.graph.output.extend([info("a_out", ("N", 3))])
    found = stats(model)
    assert [found.inputs[n] for n in "abcd"] == [
        "float32[N,3]",
        "float64[]",
        "int64[...]",
        "bfloat16[?,2]",
    ]
    assert "sequence" in found.inputs["e"]
    assert found.inputs["f"].endswith("[1]")
    assert found.outputs == {"a_out": "float32[N,3]"}
    assert (found.features, found.reducible, found.reducible_percent) == (0, 0, 0.0)
    assert found.why_not is not None


def test_initializers_are_no_inputs():
    assert stats(mlp(listed=True)).inputs == {"x": "float32[N,5]"}


def test_a_layer():
    layer, head = stats(mlp()).layers
    assert (layer.name, layer.node, layer.operators) == ("r", "first", "Gemm+Relu")
    assert (layer.width, layer.parameters, layer.macs) == (PLANTED, PLANTED * 6, PLANTED * 5)
    assert (layer.duplicate, layer.proportional, layer.constant, layer.unread) == (1, 1, 0, 0)
    assert (layer.reducible, layer.within_rounding, layer.pinned) == (PLANTED - KEPT, 0, None)
    assert (layer.near_miss, layer.rank, layer.rank_of) == (None, None, None)
    assert (head.name, head.reducible, head.pinned) == ("y", 0, "graph output")


def test_a_group_reports_what_goes_from_each_layer():
    """A residual sum: feature 1 goes from both layers, or from none."""
    rows, bias = planted()
    other = np.arange(30).reshape(6, 5).astype(np.float32)
    other[1] = other[0]
    nodes = [
        node("Gemm", ["x", "w", "b"], ["p"], transB=1),
        node("Gemm", ["x", "u"], ["q"], transB=1),
        node("Add", ["p", "q"], ["s"]),
        node("MatMul", ["s", "v"], ["y"]),
    ]
    model = build(nodes, {"w": rows, "b": bias, "u": other, "v": reader()})
    layers = [layer for layer in stats(model).layers if layer.pinned is None]
    after = [x.features.after for x in reduce(model).layers if x.pinned is None]
    assert len(layers) == 2
    assert [x.width - x.reducible for x in layers] == after == [5, 5]
    assert [x.duplicate for x in layers] == [1, 1]


@pytest.mark.parametrize("deep", [False, True])
def test_notes_and_deep(deep):
    nodes = [
        node("Gemm", ["x", "w"], ["h"], transA=1, transB=1),
        node("Relu", ["h"], ["y"]),
    ]
    found = stats(build(nodes, {"w": planted()[0]}), deep=deep)
    assert len(found.notes) == 1
    assert found.notes[0].startswith("Gemm 'h'")
    layer = stats(mlp(), deep=True).layers[0]
    assert (layer.rank, layer.rank_of) == (4, 5)
    assert layer.near_miss is not None
    assert layer.near_miss > 0
