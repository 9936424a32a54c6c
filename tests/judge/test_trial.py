from __future__ import annotations

import weakref
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from lumpcli.judge import Settings, verify
from lumpcli.judge import trial as trial_module
from lumpcli.judge.judge import judge
from lumpcli.judge.signature import read_signature
from tests.judge import models
from tests.judge.models import mlp, node, save, scaled, tensor


@pytest.mark.parametrize("batch", ["N", 1, 5])
def test_dynamic_and_fixed_batches(tmp_path, batch):
    a = mlp(tmp_path / "a.onnx", batch)
    assert verify(a, a).samples == 64
    assert verify(a, mlp(tmp_path / "b.onnx", batch, edit=scaled("c", 1.1))).status == "different"


def test_sizes_are_guessed_or_the_reason_says_how_to_give_them(tmp_path):
    def build(path, width):
        nodes = [node("MatMul", ["x", "w"], ["y"])]
        weights = {"w": np.ones((width, 2), np.float32)}
        return save(path, nodes, [tensor("x", ("N", "M"))], [tensor("y", ("N", 2))], weights)

    path = build(tmp_path / "a.onnx", 32)
    assert verify(path, path).status == "equal"
    path = build(tmp_path / "b.onnx", 13)
    verdict = verify(path, path)
    assert verdict.status == "unverified"
    assert "--dim" in verdict.reason
    assert "--input-shape" in verdict.reason
    assert verify(path, path, Settings(dims={"M": 13})).status == "equal"
    assert verify(path, path, Settings(input_shapes={"x": (2, 13)})).status == "equal"


def test_integers_that_look_up_a_table(tmp_path):
    a = models.embedding(tmp_path / "a.onnx", rows=2)
    assert verify(a, a).status == "equal"
    a = models.embedding(tmp_path / "a.onnx", rows=3, dtype=np.int32)
    model = onnx.load(a)
    table = numpy_helper.to_array(model.graph.initializer[0]).copy()
    table[2] += 0.1
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(table, "table"))
    onnx.save(model, tmp_path / "b.onnx")
    assert verify(a, tmp_path / "b.onnx").status == "different"


def test_random_models_equal_themselves(tmp_path):
    path = models.random_normal(tmp_path / "a.onnx")
    assert verify(path, path).status == "equal"


def test_random_operators_numbered_anew_are_unverified(tmp_path):
    a = models.random_normal(tmp_path / "a.onnx")
    b = models.random_normal(tmp_path / "b.onnx", identity=True)
    verdict = verify(a, b)
    assert verdict.status == "unverified"
    assert verdict.reason.startswith("nondeterministic: ")
    assert "RandomNormalLike" in verdict.reason


def test_an_error_beside_random_operators_is_found(tmp_path):
    a = models.random_normal(tmp_path / "a.onnx")
    verdict = verify(a, models.random_normal(tmp_path / "b.onnx", scale=1.1, identity=True))
    assert verdict.status == "different"


def test_a_model_that_differs_from_itself(tmp_path, monkeypatch):
    class Drifting(trial_module.Session):
        made = 0

        def run(self, feeds, deadline=float("inf")):
            Drifting.made += 1
            return {n: v + 1e-7 * Drifting.made for n, v in super().run(feeds, deadline).items()}

    monkeypatch.setattr(trial_module, "Session", Drifting)
    path = mlp(tmp_path / "a.onnx")
    verdict = verify(path, path)
    assert verdict.status == "unverified"
    assert verdict.reason.startswith("nondeterministic: two runs of ")


def test_time_runs_out_before_the_first_sample(tmp_path):
    path = models.slow(tmp_path / "a.onnx")
    verdict = verify(path, path, Settings(timeout=0.1))
    assert (verdict.status, verdict.samples) == ("unverified", 0)
    assert verdict.reason == "no sample was done within 0.1 s"


def test_time_runs_out_later(tmp_path, monkeypatch):
    clock = SimpleNamespace(now=0.0)

    def tick():
        clock.now += 1
        return clock.now

    path = mlp(tmp_path / "a.onnx", batch=1)
    monkeypatch.setattr(trial_module.time, "monotonic", tick)
    for settings in (Settings(timeout=150.0), Settings()):
        clock.now = 0.0
        verdict = verify(path, path, settings)
        assert verdict.status == "equal"
        assert 0 < verdict.samples < 64
        assert ", stopped after " in verdict.runtime


def test_custom_operators_are_unverified_with_the_reason(tmp_path, capfd):
    path = models.custom(tmp_path / "c.onnx")
    verdict = verify(path, path)
    assert verdict.status == "unverified"
    assert f"onnxruntime cannot load {path}: " in verdict.reason
    assert "nowhere" in verdict.reason
    assert capfd.readouterr() == ("", "")


class Recorder:
    """Counts sessions that are open, by file."""

    def __init__(self, monkeypatch):
        self.open, self.most = 0, 0
        whole = trial_module.Session

        def start(*args):
            session = whole(*args)
            self.open += 1
            self.most = max(self.most, self.open)
            weakref.finalize(session, self.close)
            return session

        monkeypatch.setattr(trial_module, "Session", start)

    def close(self):
        self.open -= 1


def frugal(a, b, frugal=True, **settings):
    files = read_signature(a), read_signature(b)
    return judge(trial_module.Case(*files, Settings(referee=False, **settings), frugal=frugal))


@pytest.mark.parametrize(("saves", "most"), [(True, 1), (False, 2)])
@pytest.mark.parametrize("slip", [1.0, 1.0000001, 1.1])
def test_frugal_means_one_model_at_a_time(tmp_path, monkeypatch, saves, most, slip):
    """Also when the original is run once more, because outputs are not the same to the bit."""
    a, b = mlp(tmp_path / "a.onnx"), mlp(tmp_path / "b.onnx", edit=scaled("v", slip))
    recorder = Recorder(monkeypatch)
    verdict = frugal(a, b, saves)
    assert (verdict.samples, verdict.status) == (64, "different" if slip == 1.1 else "equal")
    assert (recorder.most, recorder.open) == (most, 0)


def test_outputs_that_are_too_large_to_keep_are_compared_batch_by_batch(tmp_path, monkeypatch):
    a = mlp(tmp_path / "a.onnx")
    whole = frugal(a, a)
    recorder = Recorder(monkeypatch)
    monkeypatch.setattr(trial_module, "_MOST_KEPT", 100)
    assert frugal(a, a) == whole
    assert (recorder.most, recorder.open) == (2, 0)


def test_running_ahead_leaves_time_for_the_other(tmp_path, monkeypatch):
    a = mlp(tmp_path / "a.onnx")
    monkeypatch.setattr(trial_module, "PATIENCE", 0.0)
    verdict = frugal(a, a)
    assert (verdict.status, verdict.samples) == ("equal", 1)
    assert "stopped after" in verdict.runtime
    path = models.slow(tmp_path / "slow.onnx", layers=10)
    verdict = frugal(path, path, timeout=2.0, samples=1000)
    assert verdict.status == "equal"
    assert 1 <= verdict.samples < 1000
