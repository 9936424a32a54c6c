"""`lumpcli slice` on real files: interrupted, killed, resumed, verified."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import onnx
import pytest

from lumpcli.family import TABLE, read_table
from tests.slicing.models import bends

SLICES = 80
ARGS = ("slice", "net.onnx", "out", "--box", "-4,4", "--slices", str(SLICES), "--samples", "2")


@pytest.fixture
def source(here) -> Path:
    onnx.save(bends(), here / "net.onnx")
    return here / "net.onnx"


def started(folder: Path, jobs: int) -> subprocess.Popen[str]:
    """A run in the midst of its work: some slices are done, not all."""
    command = [sys.executable, "-m", "lumpcli", *ARGS, "--jobs", str(jobs)]
    process = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    journal = folder / "out" / "journal.jsonl"
    while process.poll() is None:
        if journal.exists() and len(journal.read_text().splitlines()) > 4:
            break
        time.sleep(0.005)
    return process


def ended(process: subprocess.Popen[str]) -> int:
    process.communicate(timeout=60)
    return process.returncode


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_and_resumed(source, lump, number, jobs):
    process = started(source.parent, jobs)
    process.send_signal(number)
    assert ended(process) == 130
    out = source.parent / "out"
    assert not (out / TABLE).exists()
    assert list(out.glob(".lumpcli-*")) == []
    ran = lump(*ARGS, "--jobs", "1", "--json")
    assert ran.code == 0
    assert 3 <= ran.json["resumed"] < ran.json["slices"] == SLICES
    assert lump("verify", "net.onnx", "out").code == 0


@pytest.mark.parametrize("jobs", [1, 2])
def test_killed_and_resumed(source, lump, jobs):
    process = started(source.parent, jobs)
    process.kill()
    assert ended(process) == -signal.SIGKILL
    ran = lump(*ARGS, "--jobs", "1", "--json")
    assert (ran.code, ran.err) == (0, "")
    assert 3 <= ran.json["resumed"] < SLICES
    assert list((source.parent / "out").glob(".lumpcli-*")) == []
    assert len(read_table(source.parent / "out").members) == SLICES


def test_what_is_there_is_not_replaced(source, lump):
    assert lump(*ARGS[:-4], "--slices", "2", "-q").code == 0
    lump(*ARGS[:-4], "--slices", "3").fails(5, "slices of another run", "--force")
    assert lump(*ARGS[:-4], "--slices", "3", "--force", "-q").code == 0
    assert len(list((source.parent / "out").glob("slice-*.onnx"))) == 3


def test_a_folder_without_a_table(source, lump):
    (source.parent / "out").mkdir()
    lump("verify", "net.onnx", "out").fails(3, "slices.json")


@pytest.mark.parametrize("box", ["1,0", "z=0,1", "nothing.npz"])
def test_boxes_that_do_not_fit(source, lump, box):
    ran = lump("slice", "net.onnx", "out", "--box", box, "--slices", "2")
    assert (ran.code, ran.out) == (2, "")
    assert not (source.parent / "out").exists()
