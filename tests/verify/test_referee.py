from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from lumpcli.verify import Settings, verify
from lumpcli.verify.double import make_double
from lumpcli.verify.referee import Referee
from lumpcli.verify.session import Session
from lumpcli.verify.signature import read_signature
from tests.verify import models
from tests.verify.models import node, save, tensor

X = np.random.default_rng(0).standard_normal((8, 6)).astype(np.float32)


def observed(a, b, x=X, seconds=5.0, cost=1e-4):
    referee = Referee(read_signature(a), read_signature(b), seconds)
    referee.observe({"x": x}, Session(a).run({"x": x}), 0, len(x), cost)
    return referee


def test_a_model_agrees_with_itself_to_the_bit(tmp_path):
    path = models.mlp(tmp_path / "a.onnx")
    referee = observed(path, path)
    assert (referee.skipped, referee.samples, referee.comparison.identical) == ("", 8, True)
    assert 0 < referee.noise["y"].largest < 1e-5
    assert referee.magnitude > 1


def test_sees_a_slip_that_float32_does_not(tmp_path):
    def slip(w):
        w["v"][0, np.argmax(np.abs(w["v"][0]))] *= 1 + 1e-4

    a = models.mlp(tmp_path / "a.onnx")
    b = models.mlp(tmp_path / "b.onnx", edit=slip)
    verdict = verify(a, b, Settings(tolerance=1e-3))  # blinds onnxruntime, not the referee
    assert verdict.status == "different"
    assert [row.equal for row in verdict.outputs] == [True, False]
    assert verdict.referee == "differs"
    assert "in float64" in verdict.reason
    assert verify(a, b, Settings(tolerance=1e-3, referee=False)).status == "equal"


@pytest.mark.parametrize("opset", [9, 13, 15])
def test_batch_normalization_of_every_opset(tmp_path, opset):
    rng = np.random.default_rng(0)
    names = ["s", "b", "m", "v"]
    weights = {n: rng.uniform(0.5, 2, 6).astype(np.float32) for n in names}
    nodes = [node("BatchNormalization", ["x", *names], ["y"])]
    shape = ("N", 6)
    path = tmp_path / "m.onnx"
    save(path, nodes, [tensor("x", shape)], [tensor("y", shape)], weights, opset)
    referee = observed(path, path)
    assert referee.skipped == ""
    assert referee.noise["y"].largest < 1e-5


def test_skips_with_a_reason(tmp_path, monkeypatch):
    mlp = models.mlp(tmp_path / "a.onnx")
    random = models.random_normal(tmp_path / "r.onnx")
    x = np.zeros((1, 8), np.float32)
    assert "random numbers (RandomNormalLike)" in observed(random, random, x).skipped
    assert "it would take about" in observed(mlp, mlp, cost=10.0).skipped
    assert "takes more than" in observed(mlp, mlp, seconds=-1e-9, cost=-1).skipped
    monkeypatch.setattr("lumpcli.verify.referee.MOST_PARAMETERS", 100)
    assert "the limit is 100" in observed(mlp, mlp).skipped


def test_skips_what_it_does_not_know(tmp_path):
    nodes = [node("Gelu", ["x"], ["y"], domain="com.microsoft")]
    path = tmp_path / "m.onnx"
    shape = ("N", 6)
    save(path, nodes, [tensor("x", shape)], [tensor("y", shape)], domains=["com.microsoft"])
    verdict = verify(path, path)
    assert verdict.status == "equal"
    assert verdict.referee.startswith("skipped: ")
    assert "Gelu" in verdict.referee


def test_stands_down_when_it_computes_another_function(tmp_path, monkeypatch):
    path = models.mlp(tmp_path / "a.onnx")

    def wrong(model):
        make_double(model)
        model.graph.node[1].op_type = "Identity"

    monkeypatch.setattr("lumpcli.verify.referee.make_double", wrong)
    verdict = verify(path, path)
    assert verdict.status == "equal"
    assert "skipped: it disagrees with onnxruntime about the original's output y" in verdict.referee
    assert [row.engine for row in verdict.outputs] == ["onnxruntime"]
    assert verdict.outputs[0].noise == pytest.approx(1e-6 * verdict.outputs[0].scale)


def test_stops_when_time_is_up_and_keeps_what_it_saw(tmp_path):
    path = models.mlp(tmp_path / "a.onnx")
    referee = observed(path, path)
    referee.observe({"x": X}, Session(path).run({"x": X}), 1, 10**9, 1e-4)
    assert (referee.skipped, referee.samples) == ("", 8)


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
