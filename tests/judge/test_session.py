from __future__ import annotations

import os
import signal
import threading
import time

import numpy as np
import pytest

from lumpcli.judge.session import NoMemory, OutOfTime, Refused, Session, describe_runtime
from tests.judge import models


def test_runs_and_names_outputs(tmp_path):
    session = Session(models.unary(tmp_path / "m.onnx", "Neg"))
    assert session.run({"x": np.ones((2, 4), np.float32)})["y"].tolist() == [[-1] * 4] * 2
    assert session.seconds > 0


def test_a_seed_makes_random_operators_repeat(tmp_path):
    path = models.random_normal(tmp_path / "m.onnx")
    x = {"x": np.zeros((1, 8), np.float32)}
    first, again, other = (Session(path, seed).run(x)["r"] for seed in (0, 0, 5))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_refusals_are_one_quiet_line(tmp_path, capfd):
    with pytest.raises(Refused, match="Mystery") as load:
        Session(models.custom(tmp_path / "c.onnx"))
    session = Session(models.unary(tmp_path / "m.onnx", "Neg"))
    with pytest.raises(Refused, match="Got: 5 Expected: 4") as run:
        session.run({"x": np.ones((2, 5), np.float32)})
    for error in (load, run):
        assert "\n" not in str(error.value)
        assert "ONNXRuntimeError" not in str(error.value)
    assert capfd.readouterr() == ("", "")


def test_a_run_stops_at_its_deadline(tmp_path):
    session = Session(models.slow(tmp_path / "m.onnx"))
    started = time.monotonic()
    with pytest.raises(OutOfTime):
        session.run({"x": np.ones((512, 512), np.float32)}, started + 0.1)
    assert time.monotonic() - started < 1
    with pytest.raises(OutOfTime):
        session.run({"x": np.ones((512, 512), np.float32)}, started)


def test_interrupt_stops_a_run(tmp_path):
    session = Session(models.slow(tmp_path / "m.onnx"))
    timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT))
    started = time.monotonic()
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        session.run({"x": np.ones((512, 512), np.float32)})
    assert time.monotonic() - started < 1
    timer.join()


def test_describes_what_it_does():
    assert describe_runtime(False).endswith("CPU, optimisations off, 1 thread")
    assert "default optimisations" in describe_runtime(True)


def test_frugal_sessions_compute_the_same(tmp_path):
    path = models.mlp(tmp_path / "m.onnx", edit=models.rounded_by_a_third)
    x = {"x": np.random.default_rng(0).standard_normal((5, 6)).astype(np.float32)}
    plain, frugal = (Session(path, frugal=f).run(x)["y"] for f in (False, True))
    assert np.abs(plain - frugal).max() <= 1e-6 * np.abs(plain).max()


def test_want_of_memory_is_told_from_what_a_model_lacks(tmp_path):
    nodes = [models.node("Expand", ["x", "s"], ["y"])]
    ports = [models.tensor("x", (1,))], [models.tensor("y", (None,))]
    path = models.save(tmp_path / "m.onnx", nodes, *ports, {"s": np.asarray([2**45])})
    with pytest.raises(NoMemory):
        Session(path).run({"x": np.ones(1, np.float32)})
