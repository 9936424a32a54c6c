from __future__ import annotations

import re

import numpy as np
import pytest
from onnx import TensorProto, numpy_helper

from lumpcli.judge import Settings, verify
from lumpcli.judge.double import make_double
from lumpcli.judge.referee import Referee
from tests.judge import models
from tests.judge.models import mlp, node, save, tensor


def test_stands_down_when_it_computes_another_function(tmp_path, monkeypatch):
    path = models.mlp(tmp_path / "a.onnx")

    def wrong(model):
        make_double(model)
        model.graph.node[1].op_type = "Identity"

    monkeypatch.setattr("lumpcli.judge.referee.make_double", wrong)
    verdict = verify(path, path)
    assert verdict.status == "equal"
    assert "skipped: it disagrees with onnxruntime about the original's output y" in verdict.referee
    assert [row.engine for row in verdict.outputs] == ["onnxruntime"]
    assert verdict.outputs[0].noise == pytest.approx(1e-6 * verdict.outputs[0].scale)


def integers(path, a_type=np.float32):
    """Float inputs rounded to integers: right at a threshold, arithmetics disagree."""
    nodes = [node("Mul", ["x", "third"], ["t"]), node("Cast", ["t"], ["y"], to=TensorProto.INT64)]
    weights = {"third": np.asarray([1 / 3], a_type)}
    ports = [tensor("x", ("N", 3), a_type)], [tensor("y", ("N", 3), np.int64)]
    return save(path, nodes, *ports, weights)


def test_integers_that_mostly_agree_are_judged(tmp_path):
    path = integers(tmp_path / "a.onnx")
    verdict = verify(path, path)
    assert (verdict.status, verdict.referee) == ("equal", "agrees")


def test_integers_that_mostly_differ_are_not(tmp_path, monkeypatch):
    def wrong(model):
        make_double(model)
        number = numpy_helper.to_array(model.graph.initializer[0])
        model.graph.initializer[0].CopyFrom(numpy_helper.from_array(number * 3, "third"))

    monkeypatch.setattr("lumpcli.judge.referee.make_double", wrong)
    path = integers(tmp_path / "a.onnx")
    assert re.search(r"disagrees with onnxruntime about \d+%", verify(path, path).referee)


def test_says_how_many_samples_the_referee_saw(tmp_path, monkeypatch):
    path = mlp(tmp_path / "a.onnx")
    monkeypatch.setattr(Referee, "_affordable", lambda self, samples, seconds: not self.samples)
    assert verify(path, path).referee == "agrees on 1 of 64 samples"


def test_the_tolerance_is_of_the_coarser_type(tmp_path):
    half = np.random.default_rng(0).standard_normal((4, 4)).astype(np.float16)
    nodes = [node("Cast", ["w"], ["v"], to=TensorProto.FLOAT), node("MatMul", ["x", "v"], ["y"])]
    path = tmp_path / "a.onnx"
    save(path, nodes, [tensor("x", ("N", 4))], [tensor("y", ("N", 4))], {"w": half})
    verdict = verify(path, path, Settings(tolerance=None))
    assert [row.tolerance for row in verdict.outputs] == [5e-3, 5e-3]
    verdict = verify(path, path, Settings(tolerance=0.5))
    assert [row.tolerance for row in verdict.outputs] == [0.5, 5e-3]
