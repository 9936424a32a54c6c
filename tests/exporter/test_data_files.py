"""Data files shared by all kinds of tensors: initializers, constants, subgraphs."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from lumpcli.api import reduce
from lumpcli.loader import load
from tests.exporter.disk import save, works
from tests.models import build, info, mlp, node, planted, reader, weight

ROWS, BIAS = planted()


def test_packed_and_unknown_types_keep_their_bytes(tmp_path):
    """Two numbers per byte: copied as they are."""
    model = mlp(opset=21, ir=10)
    packed = helper.make_tensor("q", TensorProto.INT4, [5], b"\xe1\xc3\x05", raw=True)
    scale = numpy_helper.from_array(np.array(2, "f4"), "scale")
    model.graph.initializer.extend([scale, packed])
    model.graph.node.append(node("DequantizeLinear", ["q", "scale"], ["z"]))
    model.graph.output.append(info("z", None))
    source = save(tmp_path / "in" / "m.onnx", model)
    works(source, model)
    assert reduce(source, tmp_path / "small.onnx").changed
    works(tmp_path / "small.onnx", model)
    lengths = {
        t.name: e.value
        for t in onnx.load(tmp_path / "small.onnx", load_external_data=False).graph.initializer
        for e in t.external_data
        if e.key == "length"
    }
    assert lengths["q"] == "3"
    assert load(tmp_path / "small.onnx").net["r"].width == 4


def test_data_of_constant_nodes_comes_along(tmp_path):
    values = numpy_helper.from_array(np.arange(6, dtype="f4"), "k")
    model = mlp()
    model.graph.node.append(node("Constant", [], ["c"], value=values))
    model.graph.node.append(node("Abs", ["c"], ["z"]))
    model.graph.output.append(info("z", None))
    source = save(tmp_path / "in" / "m.onnx", model, convert_attribute=True)
    assert onnx.load(source, load_external_data=False).graph.node[3].attribute[0].t.external_data
    assert reduce(source, tmp_path / "small.onnx", check=False).changed
    loaded = onnx.load(tmp_path / "small.onnx")
    assert numpy_helper.to_array(loaded.graph.node[3].attribute[0].t).tolist() == [0, 1, 2, 3, 4, 5]
    reduce(source, source.parent / "small.onnx", check=False)
    loaded = onnx.load(source.parent / "small.onnx")
    assert numpy_helper.to_array(loaded.graph.node[3].attribute[0].t).tolist() == [0, 1, 2, 3, 4, 5]


def test_data_of_subgraphs_comes_along(tmp_path):
    inner = numpy_helper.from_array(np.arange(6, dtype="f4"), "k")
    body = helper.make_graph([node("Abs", ["k"], ["a"])], "b", [], [info("a", None)], [inner])
    model = mlp()
    model.graph.initializer.append(numpy_helper.from_array(np.array(True), "flag"))
    model.graph.node.append(node("If", ["flag"], ["z"], then_branch=body, else_branch=body))
    model.graph.output.append(info("z", None))
    source = save(tmp_path / "in" / "m.onnx", model)
    works(source, model)
    reduce(source, tmp_path / "small.onnx")
    works(tmp_path / "small.onnx", model)


def test_the_shape_of_a_constant_of_shape_lies_in_a_data_file(tmp_path):
    nodes = [
        node("ConstantOfShape", ["n"], ["b"]),
        node("Gemm", ["x", "w", "b"], ["h"], transB=1),
        node("Relu", ["h"], ["r"]),
        node("MatMul", ["r", "v"], ["y"]),
    ]
    model = build(nodes, {"w": ROWS, "v": reader(), "n": np.array([6])})
    source = save(tmp_path / "in" / "m.onnx", model)
    assert reduce(source, tmp_path / "small.onnx", check=False).changed
    assert load(tmp_path / "small.onnx").net["r"].width == 4


def _locations(path):
    """Offset and length of each top-level initializer's data."""
    return {
        t.name: tuple(int(e.value) for e in t.external_data if e.key in ("offset", "length"))
        for t in onnx.load(path, load_external_data=False).graph.initializer
    }


def test_tensors_that_share_bytes_still_do(tmp_path):
    """Tied tensors of a data file are written once."""
    model = mlp()
    for name in ("p", "q"):
        model.graph.initializer.append(numpy_helper.from_array(np.arange(99, dtype="f4"), name))
        model.graph.node.append(node("Abs", [name], [f"{name}_out"]))
        model.graph.output.append(info(f"{name}_out", None))
    source = save(tmp_path / "in" / "m.onnx", model)
    tied = onnx.load(source, load_external_data=False)
    tied.graph.initializer[4].ClearField("external_data")
    tied.graph.initializer[4].external_data.extend(tied.graph.initializer[3].external_data)
    onnx.save(tied, source)
    data = source.parent / "weights.bin"
    data.write_bytes(data.read_bytes()[: sum(_locations(source)["p"])])
    works(source, model)
    assert reduce(source, tmp_path / "small.onnx").changed
    works(tmp_path / "small.onnx", model)
    found = _locations(tmp_path / "small.onnx")
    assert found["p"] == found["q"]
    assert (tmp_path / "weights.bin").stat().st_size < data.stat().st_size


def test_a_name_inside_a_constant_is_no_initializer(tmp_path):
    """The tensor in a Constant may be called like a weight that is cut."""
    numbers = np.arange(30, dtype="f4").reshape(6, 5)
    model = mlp()
    model.graph.node.append(
        node("Constant", [], ["c"], value=numpy_helper.from_array(numbers, "w"))
    )
    model.graph.node.append(node("Abs", ["c"], ["z"]))
    model.graph.output.append(info("z", None))
    source = save(tmp_path / "in" / "m.onnx", model, convert_attribute=True)
    assert reduce(source, tmp_path / "small.onnx", check=False).changed
    small = onnx.load(tmp_path / "small.onnx")
    np.testing.assert_array_equal(
        numpy_helper.to_array(small.graph.node[3].attribute[0].t), numbers
    )
    assert weight(small, "w").shape == (4, 5)
