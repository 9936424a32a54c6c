"""`lumpcli slice`: what it asks of the api, what it prints, its exit codes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lumpcli.errors import OutputError, RunError
from lumpcli.report import slice_text
from tests.report import samples
from tests.report.schema import load, validate

ARGS = ("slice", "a.onnx", "out", "--box", "0,1", "--slices", "8")
DEFAULTS = {
    "box": ("0,1",),
    "slices": 8,
    "single_file": False,
    "semantics": "real",
    "budget": None,
    "samples": 16,
    "seed": 0,
    "force": False,
    "jobs": None,
    "dask": None,
}


def test_defaults(lump, api):
    ran = lump(*ARGS)
    assert api.calls == [("slice_model", ("a.onnx", "out"), DEFAULTS)]
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == slice_text(samples.SLICED) + "\n"


def test_every_option_arrives(lump, api):
    more = ("--box", "x=2,3", "--single-file", "--semantics", "float32", "--time-budget", "1.5")
    more += ("--samples", "5", "--seed", "7", "--force", "--jobs", "2")
    assert lump(*ARGS, *more).code == 0
    given = {
        "box": ("0,1", "x=2,3"),
        "slices": 8,
        "single_file": True,
        "semantics": "float32",
        "budget": 1.5,
        "samples": 5,
        "seed": 7,
        "force": True,
        "jobs": 2,
        "dask": None,
    }
    assert api.calls == [("slice_model", ("a.onnx", "out"), given)]


def test_json(lump, api):
    document = load(lump(*ARGS, "--json").out)
    validate(document)
    assert document["slices"] == 32


def test_quiet(lump):
    ran = lump(*ARGS, "-q")
    assert (ran.code, ran.out, ran.err) == (0, "", "")


@pytest.mark.parametrize(
    ("verdict", "code", "what"),
    [(samples.DIFFERENT, 1, "differ: "), (samples.UNVERIFIED, 4, "could not be compared: ")],
)
def test_the_answer_is_no(lump, api, verdict, code, what):
    api.answers["slice_model"] = replace(samples.SLICED, table=None, verdict=verdict)
    ran = lump(*ARGS)
    assert ran.code == code
    assert ran.err.startswith(f"lumpcli: error: a.onnx and the slices in out {what}")


@pytest.mark.parametrize(
    ("error", "code"), [(OutputError("it exists"), 5), (RunError("a process was lost"), 4)]
)
def test_errors_have_their_codes(lump, api, error, code):
    api.answers["slice_model"] = error
    ran = lump(*ARGS)
    assert (ran.code, ran.out) == (code, "")
    assert str(error) in ran.err


@pytest.mark.parametrize(
    "args",
    [
        ("slice", "a.onnx", "out", "--slices", "8"),
        ("slice", "a.onnx", "out", "--box", "0,1"),
        ("slice", "a.onnx", "--box", "0,1", "--slices", "8"),
        (*ARGS, "--slices", "0"),
        (*ARGS, "--time-budget", "0"),
        (*ARGS, "--jobs", "2", "--dask", "tcp://host:1"),
    ],
)
def test_usage(lump, api, args):
    ran = lump(*args)
    assert (ran.code, api.calls) == (2, [])


def test_interrupted(lump, api):
    api.answers["slice_model"] = KeyboardInterrupt()
    assert lump(*ARGS).code == 130
