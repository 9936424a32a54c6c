"""No permission, no space, interrupted: OUT is as it was, nothing temporary remains."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest

from tests.e2e.conftest import leftovers, save, snapshot
from tests.e2e.models import untouched
from tests.models import build, mlp, node

ROOT = Path(__file__).parents[2]
OLD = b"what was here before"
NOBODY = 65534

# Root may do everything; and somebody else may not be able to read Python, so import first.
AS_NOBODY = """
import os, sys
from lumpcli.cli.root import run
assert run(["reduce", "in.onnx", "--dry-run", "-q"]) == 0
assert run(["reduce", "external.onnx", "--dry-run", "-q"]) == 0
{prepare}
if os.geteuid() == 0:
    os.seteuid({nobody})
code = run(sys.argv[1:])
if os.getuid() == 0:
    os.seteuid(0)
sys.exit(code)
"""


def large():
    """Some hundred kilobytes, half of which can go."""
    rng = np.random.default_rng(0)
    rows = rng.integers(-3, 4, (400, 100)).astype(np.float32)
    rows[200:] = rows[:200]
    nodes = [
        node("Gemm", ["x", "w"], ["h"], transB=1),
        node("Relu", ["h"], ["r"]),
        node("MatMul", ["r", "v"], ["y"]),
    ]
    weights = {"w": rows, "v": rng.integers(1, 4, (400, 3)).astype(np.float32)}
    return build(nodes, weights, inputs={"x": ("N", 100)})


@pytest.fixture
def public(monkeypatch):
    """A folder that other users reach, unlike pytest's own; everybody may write."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o777)
        monkeypatch.chdir(name)
        save(mlp(), "in.onnx")
        save(mlp(), "external.onnx", data="external.bin")
        yield Path(name)
        os.chmod(name, 0o777)


def as_nobody(*args: str, prepare: str = "") -> tuple[int, str, str]:
    code = AS_NOBODY.format(prepare=prepare, nobody=NOBODY)
    done = subprocess.run(
        [sys.executable, "-c", code, *args],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    return done.returncode, done.stdout, done.stderr


def test_in_cannot_be_read(public):
    save(mlp(), "secret.onnx")
    prepare = "os.chmod('secret.onnx', 0)"
    code, out, err = as_nobody("reduce", "secret.onnx", "out.onnx", prepare=prepare)
    assert (code, out) == (3, "")
    assert err == "lumpcli: error: secret.onnx cannot be read: Permission denied\n"
    assert not (public / "out.onnx").exists()


def test_data_cannot_be_read(public):
    save(mlp(), "secret.onnx", data="secret.bin")
    prepare = "os.chmod('secret.onnx', 0o644); os.chmod('secret.bin', 0)"
    for args in (["reduce", "secret.onnx", "out.onnx"], ["stats", "secret.onnx"]):
        code, out, err = as_nobody(*args, prepare=prepare)
        assert (code, out) == (3, ""), err
        assert "secret.bin" in err
        assert "Permission denied" in err
        assert err.count("\n") == 1
    assert not (public / "out.onnx").exists()


@pytest.mark.parametrize("options", [[], ["--force"]])
def test_folder_cannot_be_written(public, options):
    prepare = "os.chmod('.', 0o555)"
    if options:
        (public / "out.onnx").write_bytes(OLD)
    before = snapshot(public)
    code, out, err = as_nobody("reduce", "in.onnx", "out.onnx", *options, prepare=prepare)
    assert (code, out) == (5, "")
    assert err == "lumpcli: error: out.onnx cannot be written: Permission denied\n"
    os.chmod(public, 0o777)
    assert snapshot(public) == before


@pytest.mark.parametrize("data", [None, "in.bin"])
def test_a_file_may_only_be_so_large(here, data):
    """A limit of the system in the place of a full disk: whatever writes, and wherever it stops."""
    save(large(), "in.onnx", data=data)
    (here / "out.onnx").write_bytes(OLD)
    before = snapshot(here)
    code = (
        "import resource, sys\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        "from lumpcli.cli.root import run\n"
        "sys.exit(run(['reduce', 'in.onnx', 'out.onnx', '--force']))\n"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env)
    assert (done.returncode, done.stdout) == (5, ""), done.stderr
    assert done.stderr == "lumpcli: error: out.onnx cannot be written: File too large\n"
    assert snapshot(here) == before
    assert leftovers(here) == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EIO])
@pytest.mark.parametrize("model", [mlp, untouched])
def test_the_disk_fails(lump, here, monkeypatch, number, model):
    """At the very last step."""
    save(model(), "in.onnx")
    (here / "out.onnx").write_bytes(OLD)
    before = snapshot(here)

    def fail(*args: object, **options: object) -> None:
        raise OSError(number, os.strerror(number), "out.onnx")

    monkeypatch.setattr(os, "replace", fail)
    words = "space left" if number == errno.ENOSPC else os.strerror(number)
    lump("reduce", "in.onnx", "out.onnx", "--force").fails(5, "out.onnx cannot be written", words)
    assert snapshot(here) == before


def test_a_read_only_disk(lump, here, monkeypatch):
    save(mlp(), "in.onnx")

    def fail(*args: object, **options: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), ".")

    monkeypatch.setattr(os, "mkdir", fail)
    lump("reduce", "in.onnx", "out.onnx").fails(5, "out.onnx cannot be written", "Read-only")
    assert sorted(snapshot(here)) == ["in.onnx"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("kind", ["one long run", "many runs"])
def test_interrupted(here, number, kind):
    """While the reduced model, already written beside OUT, is compared."""
    model = mlp()
    options = ["--samples", "100000000"]
    if kind == "one long run":
        model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 10_000_000
        options = []
    save(model, "in.onnx")
    (here / "out.onnx").write_bytes(OLD)
    before = snapshot(here)
    command = [sys.executable, "-m", "lumpcli", "reduce", "in.onnx", "out.onnx", "--force"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([*command, *options, "--timeout", "60"], env=env, **pipes)
    deadline = time.monotonic() + 60
    while not list(here.glob(".lumpcli-*/out.onnx")) and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    time.sleep(0.3)
    sent = time.monotonic()
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, "", "")
    assert time.monotonic() - sent < 30
    assert snapshot(here) == before
    assert leftovers(here) == []


IMPORTING = """
import os, sys, time

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "onnx":
            sys.meta_path.remove(self)
            try:
                os.kill(os.getpid(), {number})
                time.sleep(0.01)
            except KeyboardInterrupt:
                eaten = True
            else:
                eaten = False
            if eaten:
                raise ImportError("initialization failed")

sys.meta_path.insert(0, Finder())
from lumpcli.cli.root import run
sys.exit(run(["reduce", "in.onnx", "out.onnx"]))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_while_importing(here, number):
    """Extension modules replace a KeyboardInterrupt by an ImportError, or lose it."""
    save(mlp(), "in.onnx")
    code = IMPORTING.format(number=int(number))
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
    assert sorted(snapshot(here)) == ["in.onnx"]
