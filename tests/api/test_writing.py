"""Staged, loaded again, verified, moved: and nothing published when a step says no."""

from __future__ import annotations

import os
from pathlib import Path

import onnx
import pytest

from lumpcli.api import reduce, writing
from lumpcli.errors import InputError, InternalError, OutputError
from lumpcli.results import Verdict
from tests.e2e.conftest import leftovers, save, snapshot
from tests.e2e.models import custom_end, untouched
from tests.models import KEPT, mlp, weight

SOURCES = [mlp, untouched]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    assert leftovers(tmp_path) == []


def judged(status):
    return Verdict(status, "because", (), 1, 0, "", "")


@pytest.mark.parametrize("status", ["different", "unverified"])
def test_a_bad_verdict_publishes_nothing(here, monkeypatch, status):
    save(mlp(), "in.onnx")
    Path("out.onnx").write_bytes(b"old")
    before = snapshot(here)
    monkeypatch.setattr(writing, "verify", lambda *a: judged(status))
    result = reduce("in.onnx", "out.onnx", force=True)
    assert (result.output, result.verdict) == (None, judged(status))
    assert result.changed
    assert snapshot(here) == before


def test_the_judge_sees_the_file_that_is_published(here, monkeypatch):
    save(mlp(), "in.onnx")
    seen = []

    def verify(a, b, settings):
        seen.append((Path(a).read_bytes(), Path(b).read_bytes(), Path(b).parent))
        return judged("equal")

    monkeypatch.setattr(writing, "verify", verify)
    reduce("in.onnx", "out.onnx")
    ((original, staged, folder),) = seen
    assert original == Path("in.onnx").read_bytes()
    assert staged == Path("out.onnx").read_bytes()
    assert folder.parent.samefile(here)
    assert not folder.exists()


def test_law_five_is_checked_on_every_export(here, monkeypatch):
    def refuse(*args):
        raise InternalError("law 5")

    save(mlp(), "in.onnx")
    monkeypatch.setattr(writing, "check_roundtrip", refuse)
    with pytest.raises(InternalError, match="law 5"):
        reduce("in.onnx", "out.onnx")
    assert sorted(snapshot(here)) == ["in.onnx"]


def test_without_a_check(here):
    save(custom_end(), "in.onnx")
    result = reduce("in.onnx", "out.onnx", check=False)
    assert (result.output, result.verdict) == ("out.onnx", None)
    assert weight(onnx.load("out.onnx"), "w").shape == (KEPT, 5)


@pytest.mark.parametrize("make", SOURCES)
def test_a_dry_run_needs_no_writable_folder(here, monkeypatch, make):
    save(make(), "in.onnx")
    before = snapshot(here)
    for output in (None, "out.onnx", "in.onnx", "no/such/folder/out.onnx"):
        result = reduce("in.onnx", output, dry_run=True)
        assert result.output is None
        assert (result.verdict is not None) == result.changed
        assert result.file_bytes.before == os.stat("in.onnx").st_size
        assert (result.file_bytes.after < result.file_bytes.before) == result.changed
    assert snapshot(here) == before


@pytest.mark.parametrize("make", SOURCES)
def test_a_model_in_memory_is_written_and_verified_too(here, make):
    model = make()
    result = reduce(model, "out.onnx")
    assert (result.source, result.output) == ("g", "out.onnx")
    assert model == make()
    assert (result.verdict is not None) == result.changed
    if not result.changed:
        assert onnx.load("out.onnx") == model
    assert result.file_bytes.after == os.stat("out.onnx").st_size
    with pytest.raises(OutputError, match=r"out\.onnx exists"):
        reduce(model, "out.onnx")


def test_the_output_appears_while_we_work(here, monkeypatch):
    """Without --force, somebody else's new file is not replaced by a changed model's data."""
    save(mlp(), "in.onnx", data="in.bin")

    def verify(*args):
        assert not Path("out.onnx").exists()
        return judged("equal")

    monkeypatch.setattr(writing, "verify", verify)
    assert reduce("in.onnx", "out.onnx").output == "out.onnx"
    assert sorted(snapshot(here)) == ["in.bin", "in.onnx", "out.onnx", "out.onnx.data"]


def test_errors_of_the_judge_pass_through(here, monkeypatch):
    def refuse(*args):
        raise InputError("not that one")

    save(mlp(), "in.onnx")
    monkeypatch.setattr(writing, "verify", refuse)
    with pytest.raises(InputError, match="not that one"):
        reduce("in.onnx", "out.onnx")
    assert sorted(snapshot(here)) == ["in.onnx"]
