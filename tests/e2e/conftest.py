"""The real command line on real files, in a folder of its own that must stay clean."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
import pytest

from lumpcli.cli.root import run
from tests.report.schema import load, validate


@dataclass(frozen=True)
class Ran:
    """What one call left behind: exit code, stdout, stderr."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """stdout as one JSON object that follows its published schema."""
        document = load(self.out)
        validate(document)
        return document

    def fails(self, code: int, *words: str) -> None:
        """Assert an error: its code, nothing on stdout, one line on stderr with these words."""
        assert (self.code, self.out) == (code, ""), self.err
        assert self.err.startswith("lumpcli: error: ")
        assert self.err.count("\n") == 1
        for word in words:
            assert word in self.err


Lump = Callable[..., Ran]


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """An empty folder, which is the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def lump(here, capfd, monkeypatch) -> Lump:
    """Runs the command line in this process; no traceback, no temporary folder may remain."""
    monkeypatch.setattr(sys, "argv", ["lumpcli"])

    def call(*args: Any) -> Ran:
        code = run([str(a) for a in args])
        captured = capfd.readouterr()
        ran = Ran(code, captured.out, captured.err)
        assert "Traceback" not in ran.out + ran.err
        assert leftovers(here) == []
        return ran

    return call


def leftovers(folder: Path) -> list[Path]:
    """Temporary folders that a run forgot."""
    return list(folder.rglob(".lumpcli-*"))


def snapshot(folder: Path) -> dict[str, str]:
    """Every file below a folder, with a digest of its content."""
    files = [p for p in sorted(folder.rglob("*")) if p.is_file()]
    return {
        p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files
    }


def save(model: onnx.ModelProto, name: str, data: str | None = None) -> Path:
    """Write a model into the current folder; `data`: its weights into a file of that name."""
    if data is None:
        Path(name).write_bytes(model.SerializeToString())
    else:
        onnx.save(
            model, name, save_as_external_data=True, location=data, size_threshold=0
        )  # changes the model
    return Path(name)
