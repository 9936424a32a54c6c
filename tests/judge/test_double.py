from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from lumpcli.judge.double import make_double
from tests.judge.models import node, save, tensor


def test_everything_becomes_double(tmp_path):
    body = helper.make_graph(
        [node("Constant", [], ["k"], value_floats=[1.0, 2.0])], "body", [], [tensor("k", (2,))]
    )
    nodes = [
        node("Constant", [], ["one"], value=numpy_helper.from_array(np.float16([1.5]))),
        node("Constant", [], ["two"], value_float=0.5),
        node("Constant", [], ["no"], value=numpy_helper.from_array(np.asarray(False))),
        node("ConstantOfShape", ["shape"], ["zeros"]),
        node("Cast", ["x"], ["wide"], to=TensorProto.FLOAT),
        node("If", ["no"], ["chosen"], then_branch=body, else_branch=body),
        node("Sum", ["one", "two", "zeros", "wide", "chosen"], ["y"]),
    ]
    path = tmp_path / "m.onnx"
    weights = {"shape": np.asarray([2]), "third": np.float32([1 / 3])}
    save(path, nodes, [tensor("x", (2,), np.float16)], [tensor("y", (2,))], weights)
    model = onnx.load(path)
    make_double(model)
    narrow = (TensorProto.FLOAT, TensorProto.FLOAT16)
    assert not any(str(t) in str(model) for t in (f"elem_type: {n}\n" for n in narrow))
    assert numpy_helper.to_array(model.graph.initializer[1]) == np.float64(np.float32(1 / 3))
    outputs = onnx.reference.ReferenceEvaluator(model).run(None, {"x": np.zeros(2)})
    assert outputs[0].dtype == np.float64
    assert outputs[0].tolist() == [3.0, 4.0]
