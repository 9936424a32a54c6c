"""A stand-in for lumpcli.api, so that the command line is tested by itself."""

from __future__ import annotations

import subprocess
import sys
import types
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lumpcli.cli import run
from tests.report import samples

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class FakeSettings:
    """The fields of lumpcli.judge.Settings."""

    samples: int = 64
    seed: int = 0
    tolerance: float | None = None
    inputs: Any = None
    input_shapes: Any = field(default_factory=dict)
    dims: Any = field(default_factory=dict)
    timeout: float | None = None
    witness: Path | None = None
    optimize: bool = False
    referee: bool = True
    jobs: int | None = None
    box: Any = None
    everywhere: bool = False


@dataclass(frozen=True)
class FakeGranted:
    """The fields of lumpcli.api.Granted."""

    box: Any
    semantics: str = "real"
    budget: float | None = None
    seed: int = 0
    guard: str | None = None
    redundancy: Any = None
    milp: bool = False
    assurance: str = "rigorous"


@dataclass(frozen=True)
class FakeRequest:
    """The fields of lumpcli.api.Request."""

    kinds: tuple[str, ...]
    eps: float = 0.0
    k: int | None = None


class FakeApi(types.ModuleType):
    """Answers with what a test put into `answers`, by verb; records the calls.

    An answer that is an exception is raised, one that is a function is called.
    """

    Settings, Granted, Request = FakeSettings, FakeGranted, FakeRequest

    def __init__(self) -> None:
        super().__init__("lumpcli.api")
        self.calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []
        self.answers: dict[str, Any] = {
            "reduce": samples.REDUCED,
            "verify": samples.EQUAL,
            "check_certificate": samples.PROVED,
            "slice_model": samples.SLICED,
            "stats": samples.MEASURED,
            "load_inputs": {"x": "an array"},
        }

    def _answer(self, verb: str, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        self.calls.append((verb, args, options))
        answer = self.answers[verb]
        if callable(answer):
            answer = answer(*args, **options)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def reduce(self, *args: Any, **options: Any) -> Any:
        return self._answer("reduce", args, options)

    def verify(self, *args: Any, **options: Any) -> Any:
        return self._answer("verify", args, options)

    def check_certificate(self, *args: Any, **options: Any) -> Any:
        return self._answer("check_certificate", args, options)

    def slice_model(self, *args: Any, **options: Any) -> Any:
        return self._answer("slice_model", args, options)

    def stats(self, *args: Any, **options: Any) -> Any:
        return self._answer("stats", args, options)

    def load_inputs(self, *args: Any, **options: Any) -> Any:
        return self._answer("load_inputs", args, options)


@pytest.fixture
def api(monkeypatch):
    """The fake in the place of lumpcli.api."""
    fake = FakeApi()
    monkeypatch.setitem(sys.modules, "lumpcli.api", fake)
    return fake


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str


@pytest.fixture
def lump(api, capsys):
    """Runs the command line in this process, on the fake."""

    def call(*args: str) -> Ran:
        code = run(args)
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    return call


FAKE = """
import sys, time
from tests.cli.conftest import FakeApi
from tests.report import samples
api = FakeApi()
sys.modules["lumpcli.api"] = api
{setup}
from lumpcli.cli import main
main()
"""


@pytest.fixture
def start():
    """Starts a new Python that runs the command line on a fake, which `setup` may change."""
    processes = []

    def call(*args: str, setup: str = "", **options: Any) -> subprocess.Popen[str]:
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "cwd": ROOT}
        command = [sys.executable, "-c", FAKE.format(setup=setup), *args]
        processes.append(subprocess.Popen(command, **(pipes | options)))
        return processes[-1]

    yield call
    for process in processes:
        process.kill()
        process.wait()
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
