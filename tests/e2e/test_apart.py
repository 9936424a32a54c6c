"""Large models are compared in a process of their own: what a user sees when one is ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.e2e.conftest import leftovers, save, snapshot
from tests.models import build, mlp, node

ROOT = Path(__file__).parents[2]
OLD = b"what was here before"
# every model counts as large, and must not be compared in the process that reduces
CODE = """
import sys
import lumpcli.judge
door = sys.modules["lumpcli.judge.verify"]
door.LARGE, door.judge = -1, None
from lumpcli.cli.root import run
sys.exit(run(sys.argv[1:]))
"""


def start(*args: str) -> subprocess.Popen[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", CODE, *args]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env
    )


def children(pid: int) -> list[int]:
    files = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for file in files for child in file.read_text().split()]


def wait_for_child(process: subprocess.Popen[str]) -> int:
    """The process that compares, once the reduced model is written and it is at work."""
    deadline = time.monotonic() + 60
    while not (found := children(process.pid)):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    time.sleep(1)
    return found[0]


@pytest.fixture
def reducing(here):
    """A reduction that has come to its comparison, which would take very long."""
    save(mlp(), "in.onnx")
    (here / "out.onnx").write_bytes(OLD)
    before = snapshot(here)
    process = start(
        *("reduce", "in.onnx", "out.onnx", "--force"), *("--samples", "1000000", "--timeout", "60")
    )
    yield process
    process.kill()
    process.communicate()
    assert snapshot(here) == before
    assert leftovers(here) == []


linux = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks into /proc")


def test_reduce_and_verify(here):
    save(mlp(), "in.onnx")
    for args in (["reduce", "in.onnx", "out.onnx", "-q"], ["verify", "in.onnx", "out.onnx", "-q"]):
        process = start(*args)
        assert (*process.communicate(timeout=60), process.returncode) == ("", "", 0)


def test_errors(here):
    save(mlp(), "in.onnx")
    process = start("verify", "in.onnx", "none.onnx")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (3, "")
    assert err == "lumpcli: error: none.onnx: cannot be read: No such file or directory\n"


@linux
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted(reducing, number):
    child = wait_for_child(reducing)
    sent = time.monotonic()
    reducing.send_signal(number)
    # both processes hold these pipes, so both are gone when they are at their end
    out, err = reducing.communicate(timeout=30)
    assert (reducing.returncode, out, err) == (130, "", "")
    assert time.monotonic() - sent < 30
    assert not Path(f"/proc/{child}").exists()


@linux
def test_killed_for_want_of_memory(reducing):
    os.kill(wait_for_child(reducing), signal.SIGKILL)
    out, err = reducing.communicate(timeout=30)
    assert reducing.returncode == 4
    assert "Traceback" not in out + err
    assert err.startswith("lumpcli: error: the reduced model could not be verified against in.onnx")
    assert "out.onnx was not written" in err
    assert "was killed, probably because memory is short (SIGKILL)" in err


@linux
def test_a_large_model_is_not_added_to_what_is_held(here):
    """The parent does not even load the weights: two files of 48 MB, apart without being told."""
    rows = np.random.default_rng(0).standard_normal((3000, 4000)).astype(np.float32)
    model = build([node("MatMul", ["x", "w"], ["y"])], {"w": rows}, inputs={"x": ("N", 3000)})
    save(model, "in.onnx")
    code = (
        "import lumpcli, resource\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "import lumpcli.api\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "assert lumpcli.verify('in.onnx', 'in.onnx').status == 'equal'\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env)
    assert done.stderr == ""
    assert int(done.stdout) < 10_000  # kB
