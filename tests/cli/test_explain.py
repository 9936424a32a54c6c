"""Exceptions as exit codes and messages, without a command around them."""

from __future__ import annotations

import errno
import os

import pytest

from lumpcli.cli.explain import explain
from lumpcli.errors import (
    InputError,
    InternalError,
    LumpError,
    OutputError,
    RunError,
    UsageError,
)

BUG = "this is a bug in lumpcli: "
ADVICE = "; run again with --debug for the traceback"
DENIED = os.strerror(errno.EACCES)


class Renamed(InternalError):
    """A bug of a more special kind."""


@pytest.mark.parametrize(
    ("kind", "code"),
    [(UsageError, 2), (InputError, 3), (LumpError, 4), (RunError, 4), (OutputError, 5)],
)
def test_errors_raised_on_purpose_speak_for_themselves(kind, code):
    assert explain(kind("as it was said")) == (code, "as it was said")


@pytest.mark.parametrize("kind", [InternalError, Renamed])
def test_failed_checks_are_bugs(kind):
    assert explain(kind("law 5 fails")) == (70, f"{BUG}law 5 fails{ADVICE}")


@pytest.mark.parametrize(
    ("error", "what"),
    [
        (ZeroDivisionError("by zero"), "ZeroDivisionError: by zero"),
        (KeyError("h"), "KeyError: 'h'"),
        (AssertionError(), "AssertionError"),
        (RuntimeError("ends with: "), "RuntimeError: ends with"),
        (OSError("odd"), "OSError: odd"),
        (ImportError("no name"), "ImportError: no name"),
        (RecursionError("too deep"), "the model is nested more deeply than lumpcli can follow"),
    ],
)
def test_whatever_else_is_a_bug(error, what):
    assert explain(error) == (70, f"{BUG}{what}{ADVICE}")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (MemoryError(), "not enough memory"),
        (MemoryError("Unable to allocate 8 GiB"), "not enough memory: Unable to allocate 8 GiB"),
    ],
)
def test_memory(error, message):
    assert explain(error) == (4, message)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (PermissionError(errno.EACCES, DENIED), DENIED),
        (PermissionError(errno.EACCES, DENIED, "m.onnx"), f"m.onnx: {DENIED}"),
        (PermissionError(errno.EACCES, DENIED, ""), f": {DENIED}"),
        (FileNotFoundError(errno.ENOENT, "gone", "a", None, "b"), "a: gone"),
    ],
)
def test_files(error, message):
    assert explain(error) == (4, message)


def test_missing_packages():
    code, message = explain(ModuleNotFoundError("No module named 'onnx'", name="onnx"))
    assert (code, message) == (2, "the package onnx is missing; install it and try again")
    code, message = explain(ModuleNotFoundError("no lumpcli.x", name="lumpcli.x"))
    assert (code, message) == (70, f"{BUG}ModuleNotFoundError: no lumpcli.x{ADVICE}")


def test_a_missing_module_without_a_name():
    _, message = explain(ModuleNotFoundError("a plugin is missing"))
    assert "None" not in message
    assert "a plugin is missing" in message
