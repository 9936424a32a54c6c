"""Two processes: the same answers, and nothing left when one of them is ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest

from lumpcli.errors import InputError, InternalError, OutputError, UsageError
from lumpcli.judge import Settings, apart, verify
from lumpcli.judge.judge import judge
from lumpcli.judge.signature import read_signature
from lumpcli.judge.trial import Case
from lumpcli.progress import watched
from tests.judge.models import mlp, scaled, slow
from tests.test_progress import Listener

ROOT = Path(__file__).parents[2]
DOOR = sys.modules["lumpcli.judge.verify"]


@pytest.fixture(autouse=True)
def all_apart(monkeypatch):
    """Every model is large."""
    monkeypatch.setattr(DOOR, "LARGE", -1)


@pytest.fixture
def alone(monkeypatch):
    """Fails when the comparison takes place in this process."""

    def fail(case: Case) -> None:
        raise AssertionError("not in this process")

    monkeypatch.setattr(DOOR, "judge", fail)


def here(a, b, settings=None, frugal=True):
    case = Case(read_signature(a), read_signature(b), settings or Settings(), frugal=frugal)
    return judge(case)


@pytest.mark.parametrize("slip", [1.0, 1.1])
def test_the_verdict_is_the_same(tmp_path, alone, slip, capfd):
    a, b = mlp(tmp_path / "a.onnx"), mlp(tmp_path / "b.onnx", edit=scaled("v", slip))
    own = {"x": np.random.default_rng(0).standard_normal((9, 6)).astype(np.float32)}
    for settings in (Settings(), Settings(samples=5, seed=3, referee=False), Settings(inputs=own)):
        verdict = verify(a, str(b), settings)
        assert verdict == here(a, b, settings)
        assert verdict.status == here(a, b, settings, frugal=False).status
        assert verdict.samples == here(a, b, settings, frugal=False).samples
    assert capfd.readouterr() == ("", "")


def test_the_exceptions_are_the_same(tmp_path, alone, monkeypatch):
    monkeypatch.chdir(tmp_path)
    a, b = mlp(Path("a.onnx")), mlp(Path("b.onnx"), edit=scaled("v", 2))
    Path("bad.onnx").write_bytes(b"hello, this is not a model")
    for files, settings, kind in (
        ((a, "none.onnx"), Settings(), InputError),
        ((a, "bad.onnx"), Settings(), InputError),
        ((a, b), Settings(dims={"M": 2}), UsageError),
        ((a, b), Settings(witness=Path("no/such/folder.npz")), OutputError),
    ):
        with pytest.raises(kind) as there:
            verify(*files, settings)
        with pytest.raises(kind) as near:
            here(*files, settings)
        assert str(there.value) == str(near.value)
    with pytest.raises(UsageError, match="samples must be"):
        verify(a, b, Settings(samples=0))


def test_a_witness_is_written(tmp_path, alone):
    a, b = mlp(tmp_path / "a.onnx"), mlp(tmp_path / "b.onnx", edit=scaled("v", 2))
    witness = tmp_path / "w.npz"
    verdict = verify(a, b, Settings(witness=witness))
    assert verdict.witness == str(witness)
    with np.load(witness) as found:
        assert list(found) == ["x"]


def test_progress_arrives(tmp_path, alone):
    listener = Listener()
    with watched(listener):
        a = mlp(tmp_path / "a.onnx")
        verify(a, a, Settings(samples=20))
    first, second = listener.stages
    assert (first.name, first.total, first.unit) == ("running the original", 20, "samples")
    assert (second.name, second.done, second.unit) == ("verifying", 20, "samples")


def child(monkeypatch, code, ready=True):
    """Another child, which speaks the language."""
    start = "import sys; sys.path[:] = sys.argv[1:]; from lumpcli.judge import child, messages as m"
    said = "\nout = child._take_stdout()\nchild._say(out, m.Ready())\n" if ready else "\n"
    monkeypatch.setattr(apart, "_CHILD", start + said + code)


@pytest.mark.parametrize("ready", [True, False])
def test_a_child_that_is_killed(tmp_path, alone, monkeypatch, ready):
    child(monkeypatch, "import os; os.kill(os.getpid(), 9)", ready)
    a = mlp(tmp_path / "a.onnx")
    verdict = verify(a, a)
    assert (verdict.status, verdict.samples, verdict.outputs) == ("unverified", 0, ())
    assert "was killed, probably because memory is short (SIGKILL)" in verdict.reason
    assert verdict.runtime == here(a, a).runtime


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import os; os.kill(os.getpid(), 15)", "was ended by SIGTERM"),
        ("import os; os._exit(7)", "ended with code 7"),
        ("out.write(b'nonsense'); out.flush()", "ended with code 0"),
    ],
)
def test_a_child_that_ends_otherwise(tmp_path, alone, monkeypatch, code, words):
    child(monkeypatch, code)
    a = mlp(tmp_path / "a.onnx")
    verdict = verify(a, a)
    assert verdict.status == "unverified"
    assert words in verdict.reason


def test_where_no_child_can_be_started_the_models_are_compared_here(tmp_path, monkeypatch):
    a = mlp(tmp_path / "a.onnx")
    child(monkeypatch, "sys.exit(3)", ready=False)
    assert verify(a, a).status == "equal"
    for executable in ("", str(tmp_path / "none")):
        monkeypatch.setattr(sys, "executable", executable)
        assert verify(a, a).status == "equal"


def test_a_frozen_program_is_not_started_again(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setattr(subprocess, "Popen", None)
    a = mlp(tmp_path / "a.onnx")
    assert verify(a, a).status == "equal"


def test_the_timeout_holds(tmp_path, alone, monkeypatch):
    path = slow(tmp_path / "slow.onnx")
    started = time.monotonic()
    verdict = verify(path, path, Settings(timeout=1.0))
    assert time.monotonic() - started < 30
    assert verdict.status == "unverified"
    assert verdict.reason == "no sample was done within 1 s"


def test_a_child_that_cannot_stop_is_ended(tmp_path, alone, monkeypatch):
    child(monkeypatch, "import time; time.sleep(60)")
    monkeypatch.setattr(apart, "_GRACE", 0.0)
    started = time.monotonic()
    a = mlp(tmp_path / "a.onnx")
    verdict = verify(a, a, Settings(timeout=0.5))
    assert time.monotonic() - started < 30
    assert (verdict.status, verdict.reason) == ("unverified", "no answer within 0.5 s")


def test_warnings_are_given_here(tmp_path, alone, monkeypatch):
    child(monkeypatch, "child._say(out, m.Warned('mind', UserWarning, 'f.py', 1))")
    a = mlp(tmp_path / "a.onnx")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        verify(a, a)
    assert [str(w.message) for w in caught] == ["mind"]


def test_what_is_a_bug_stays_one(tmp_path, alone, monkeypatch):
    code = "child._say(out, m.Failed(child._portable(type('Odd', (Exception,), {})('odd'))))"
    child(monkeypatch, code)
    a = mlp(tmp_path / "a.onnx")
    with pytest.raises(InternalError, match="Odd: odd") as caught:
        verify(a, a)
    assert "in the process that compares the models:" in caught.value.__notes__[0]


SCRIPT = """
import sys
import lumpcli.judge
sys.modules["lumpcli.judge.verify"].LARGE = -1
sys.modules["lumpcli.judge.verify"].judge = None
import lumpcli
print("once", lumpcli.verify({a!r}, {a!r}{more}).status)
"""


def script(folder, a, more=""):
    """Starts a script without a guard in a folder where names of modules are taken."""
    (folder / "numpy.py").write_text("raise SystemExit(9)")
    code = SCRIPT.format(a=str(a), more=more)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, "-P", "-c", code], cwd=folder, env=env, **pipes)


def test_a_script_without_a_guard(tmp_path):
    process = script(tmp_path, mlp(tmp_path / "a.onnx"))
    assert process.communicate(timeout=60) == ("once equal\n", "")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_child_ends_with_its_parent(tmp_path, number):
    """Both hold stderr, which is closed only when both are gone."""
    more = ", lumpcli.Settings(timeout=60)"
    process = script(tmp_path, slow(tmp_path / "a.onnx", 4000), more)
    time.sleep(2)
    process.send_signal(number)
    sent = time.monotonic()
    assert process.communicate(timeout=60) == ("", "")
    assert time.monotonic() - sent < 10
    assert process.returncode == -number
