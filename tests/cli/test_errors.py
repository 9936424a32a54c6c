"""Whatever goes wrong: its exit code, one message on stderr, no traceback, and JSON when asked."""

from __future__ import annotations

import errno
import os
import warnings

import pytest

from lumpcli.errors import InputError, InternalError, LumpError, OutputError, RunError
from tests.report import samples
from tests.report.schema import load, validate

ADVICE = "; run again with --debug for the traceback"
BUG = "this is a bug in lumpcli: "
NO_SPACE = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "out.onnx")

CASES = [
    (InputError("m.onnx: not an ONNX model"), 3, "m.onnx: not an ONNX model"),
    (RunError("cannot run"), 4, "cannot run"),
    (OutputError("b.onnx: no permission"), 5, "b.onnx: no permission"),
    (LumpError("something else"), 4, "something else"),
    (InternalError("law 5 fails for fc1"), 70, f"{BUG}law 5 fails for fc1{ADVICE}"),
    (
        ZeroDivisionError("division by zero"),
        70,
        f"{BUG}ZeroDivisionError: division by zero{ADVICE}",
    ),
    (AssertionError(), 70, f"{BUG}AssertionError{ADVICE}"),
    (EOFError(), 70, f"{BUG}EOFError{ADVICE}"),
    (
        RecursionError("maximum recursion depth exceeded"),
        70,
        f"{BUG}the model is nested more deeply than lumpcli can follow{ADVICE}",
    ),
    (MemoryError(), 4, "not enough memory"),
    (MemoryError("Unable to allocate 10 GiB"), 4, "not enough memory: Unable to allocate 10 GiB"),
    (NO_SPACE, 4, "out.onnx: No space left on device"),
    (ModuleNotFoundError("No module", name="onnx"), 2, "the package onnx is missing; install it"),
    (
        ModuleNotFoundError("No module", name="lumpcli.x"),
        70,
        f"{BUG}ModuleNotFoundError: No module",
    ),
]


@pytest.mark.parametrize(("error", "code", "message"), CASES, ids=lambda c: type(c).__name__)
def test_errors(lump, api, error, code, message):
    api.answers.update(reduce=error, verify=error)
    for args in (("reduce", "m.onnx", "b.onnx"), ("verify", "m.onnx", "b.onnx")):
        ran = lump(*args)
        assert (ran.code, ran.out) == (code, "")
        assert ran.err.startswith(f"lumpcli: error: {message}")
        assert ran.err.count("\n") == 1
        ran = lump(*args, "--json")
        document = load(ran.out)
        validate(document)
        assert ran.code == document["error"]["exit_code"] == code
        assert document["error"]["message"].startswith(message)
        assert ran.err == f"lumpcli: error: {document['error']['message']}\n"


def test_debug_prints_the_traceback(lump, api):
    api.answers.update(verify=ZeroDivisionError("division by zero"), stats=InputError("no file"))
    ran = lump("verify", "a", "b", "--debug")
    assert (ran.code, ran.out) == (70, "")
    assert ran.err.startswith("Traceback (most recent call last):")
    assert ran.err.endswith(f"lumpcli: error: {BUG}ZeroDivisionError: division by zero{ADVICE}\n")
    ran = lump("stats", "a", "--debug")
    assert ran.code == 3
    assert "Traceback" in ran.err
    assert "Traceback" not in lump("verify", "a", "--debug").err


def test_interrupted(lump, api):
    api.answers.update(reduce=KeyboardInterrupt(), stats=KeyboardInterrupt())
    for args in (("reduce", "a", "b"), ("stats", "a", "b"), ("reduce", "a", "b", "--debug")):
        ran = lump(*args)
        assert (ran.code, ran.out, ran.err) == (130, "", "")
    ran = lump("reduce", "a", "b", "--json")
    assert (ran.code, ran.err) == (130, "")
    assert load(ran.out)["error"] == {"exit_code": 130, "message": "interrupted"}


def test_messages_cannot_steer_the_terminal(lump, api):
    api.answers["verify"] = InputError("tensor a\x1b[2J: no data\nfound 3, wanted 4")
    ran = lump("verify", "a", "b")
    assert ran.err == "lumpcli: error: tensor a\\x1b[2J: no data\nfound 3, wanted 4\n"


def test_warnings_are_notes_on_stderr(lump, api):
    def warn(*args, **options):
        warnings.simplefilter("always")
        warnings.warn("overflow somewhere", RuntimeWarning, stacklevel=1)
        return samples.EQUAL

    api.answers["verify"] = warn
    ran = lump("verify", "a", "b", "--json")
    assert (ran.code, ran.err) == (0, "lumpcli: warning: overflow somewhere\n")
    validate(load(ran.out))
    assert lump("verify", "a", "b", "-q").err == ""
