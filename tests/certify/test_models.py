"""All that is not a number at a site has to be the same in both models."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from benchmarks.tampering import answer, prove
from lumpcli.api import reduce
from lumpcli.certify.models import compare, hashes
from lumpcli.loader import load
from lumpcli.proofs import Refused
from tests.certify.lies import summed
from tests.models import build, mlp, node


def compared(model, change):
    small = reduce(model).model
    change(small)
    compare(load(model), load(small), None)


def test_a_reduction_changes_nothing_else():
    for model in (mlp(), summed()):
        compared(model, lambda small: None)


def rename(small):
    small.graph.node[0].name = "other"


def another(small):
    small.graph.node.append(node("Shape", ["y"], ["idle"]))


def kind(small):
    (v,) = (t for t in small.graph.initializer if t.name == "v")
    v.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(v).astype(np.float64), "v"))


def double(small):
    small.graph.initializer.append(numpy_helper.from_array(np.zeros((1, 5), np.float32), "x"))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (rename, "differ here"),
        (another, "differ here"),
        (kind, "is not what the reduction makes it"),
        (double, "differ here"),
        (lambda m: setattr(m, "producer_name", "me"), "differ here"),
        (lambda m: m.opset_import.add(domain="d", version=1), "differ here"),
        (lambda m: setattr(m.graph, "doc_string", "d"), "differ here"),
        (lambda m: setattr(m.graph.output[0], "doc_string", "d"), "differ here"),
        (lambda m: setattr(m.graph.input[0], "doc_string", "d"), "differ here"),
        (lambda m: m.functions.add(name="f", domain="d"), "differ here"),
    ],
)
def test_everything_else_is_compared(change, reason):
    with pytest.raises(Refused, match=reason):
        compared(mlp(), change)


def test_shared_constants_are_told_apart():
    """A weight that is cut in one place and used as it is in another gets a copy."""
    model = mlp(outputs=("y", "v2"))
    model.graph.node.append(node("CumSum", ["v", "axis"], ["v2"]))
    model.graph.initializer.append(numpy_helper.from_array(np.array(1), "axis"))
    compared(model, lambda small: None)


def large(numbers):
    """A model of more than a mebibyte, whose constants stay in its file, behind a reduction."""
    model = mlp(outputs=("z",))
    model.graph.node.append(node("CumSum", ["y", "axis"], ["s"]))
    model.graph.node.append(node("Mul", ["s", "k"], ["z"]))
    model.graph.initializer.append(numpy_helper.from_array(numbers, "k"))
    model.graph.initializer.append(numpy_helper.from_array(np.array(1), "axis"))
    return model


@pytest.mark.parametrize("external", [False, True])
def test_large_constants_are_compared_where_they_lie(external, tmp_path):
    numbers = np.arange(3 << 17, dtype=np.float32).reshape(1 << 17, 3)
    paths = []
    for name, change in (("a", 0), ("b", 0), ("c", 1)):
        numbers[-1, -1] += change
        (tmp_path / name).mkdir()
        paths.append(tmp_path / name / f"{name}.onnx")
        onnx.save(large(numbers), paths[-1], save_as_external_data=external)
    a, b, c = map(load, paths)
    assert external or a.graph.payloads is not None
    compare(a, b, None)
    with pytest.raises(Refused, match="differ here"):
        compare(a, c, None)


def quantised():
    nodes = [
        node("QuantizeLinear", ["x", "one", "zero"], ["q"]),
        node("MatMulInteger", ["q", "w", "zero", "hundred"], ["i"]),
        node("Cast", ["i"], ["f"], to=1),
        node("Relu", ["f"], ["r"]),
        node("MatMul", ["r", "v"], ["y"]),
    ]
    rows = np.array([[101, 101, 98], [103, 103, 99]], np.uint8)
    numbers = {"one": np.float32(1), "zero": np.uint8(9), "hundred": np.uint8(100), "w": rows}
    numbers["v"] = np.ones((3, 1), np.float32)
    return build(nodes, numbers, inputs={"x": ("N", 2)})


def test_integers_from_which_a_node_takes_a_zero_away(tmp_path):
    proven = prove("q", quantised(), tmp_path)
    assert answer(proven, tmp_path).outcome == "harmless"
    (w,) = (t for t in proven.reduced.graph.initializer if t.name == "w")
    w.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(w) + np.uint8(1), "w"))
    proven.sign()
    assert "it is not the reduced layer" in answer(proven, tmp_path).detail


def test_hashes_are_of_the_bytes(tmp_path):
    path = tmp_path / "a.onnx"
    onnx.save(mlp(), path)
    first = hashes(load(path))
    assert len(first["model"]) == 64
    path.write_bytes(path.read_bytes() + b"\x7a\x00")
    assert hashes(load(path)) != first
