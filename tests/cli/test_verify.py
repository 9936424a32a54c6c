"""`lumpcli verify`: what it asks of the api, what it prints, its exit codes."""

from __future__ import annotations

import pytest

from lumpcli.report import verify_text
from tests.report import samples
from tests.report.schema import load, validate


def test_defaults(lump, api):
    ran = lump("verify", "a.onnx", "b.onnx")
    assert api.calls == [("verify", ("a.onnx", "b.onnx", None), {})]
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == verify_text(samples.EQUAL) + "\n"


@pytest.mark.parametrize(
    ("verdict", "code", "start"),
    [
        (samples.DIFFERENT, 1, "a.onnx and b.onnx differ: output y differs by"),
        (samples.UNVERIFIED, 4, "a.onnx and b.onnx could not be compared: onnxruntime cannot"),
    ],
)
@pytest.mark.parametrize("mode", ["text", "--json", "-q"])
def test_the_answer_is_no(lump, api, verdict, code, start, mode):
    api.answers["verify"] = verdict
    ran = lump("verify", "a.onnx", "b.onnx", *([mode] if mode != "text" else []))
    assert ran.code == code
    assert ran.err.startswith(f"lumpcli: error: {start}")
    if mode == "text":
        assert ran.out == verify_text(verdict) + "\n"
    if mode == "-q":
        assert ran.out == ""
    if mode == "--json":
        document = load(ran.out)
        validate(document)
        assert document["status"] == verdict.status


def test_quiet_success_is_silent(lump):
    ran = lump("verify", "a.onnx", "b.onnx", "-q")
    assert (ran.code, ran.out, ran.err) == (0, "", "")


def test_optimize(lump, api):
    assert lump("verify", "a.onnx", "b.onnx", "--optimize").code == 0
    assert api.calls[0][1][2] == api.Settings(optimize=True)


@pytest.mark.parametrize("models", [[], ["a.onnx"], ["a.onnx", "b.onnx", "c.onnx"]])
def test_it_takes_two_models(lump, api, models):
    ran = lump("verify", *models)
    assert (ran.code, ran.out, api.calls) == (2, "", [])
