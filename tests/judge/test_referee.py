from __future__ import annotations

import numpy as np
import pytest

from lumpcli.judge import Settings, verify
from lumpcli.judge.referee import Referee
from lumpcli.judge.session import Session
from lumpcli.judge.signature import read_signature
from tests.judge import models
from tests.judge.models import node, save, tensor

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
    monkeypatch.setattr("lumpcli.judge.referee.MOST_PARAMETERS", 100)
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


def test_stops_when_time_is_up_and_keeps_what_it_saw(tmp_path):
    path = models.mlp(tmp_path / "a.onnx")
    referee = observed(path, path)
    referee.observe({"x": X}, Session(path).run({"x": X}), 1, 10**9, 1e-4)
    assert (referee.skipped, referee.samples) == ("", 8)
