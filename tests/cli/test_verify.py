"""`lumpcli verify`: what it asks of the api, what it prints, its exit codes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lumpcli.report import proof_text, verify_text
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


def test_where_to_compare(lump, api):
    assert lump("verify", "a.onnx", "b.onnx", "--box", "0,1", "--box", "x=b.npz").code == 0
    assert api.calls[0][1][2] == api.Settings(box=("0,1", "x=b.npz"))
    assert lump("verify", "a.onnx", "b.onnx", "--everywhere").code == 0
    assert api.calls[1][1][2] == api.Settings(everywhere=True)
    api.answers["verify"] = samples.INSIDE
    assert lump("verify", "a.onnx", "b.onnx").out == verify_text(samples.INSIDE) + "\n"


@pytest.mark.parametrize("models", [[], ["a.onnx"], ["a.onnx", "b.onnx", "c.onnx"]])
def test_it_takes_two_models(lump, api, models):
    ran = lump("verify", *models)
    assert (ran.code, ran.out, api.calls) == (2, "", [])


def test_a_certificate_is_checked_and_no_samples_are_drawn(lump, api):
    ran = lump("verify", "a.onnx", "b.onnx", "--certificate", "c.json")
    assert api.calls == [("check_certificate", ("a.onnx", "b.onnx", "c.json", None), {})]
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == proof_text(samples.PROVED) + "\n"


def test_samples_with_a_certificate_are_asked_for(lump, api):
    api.answers["check_certificate"] = replace(samples.PROVED, verdict=samples.DIFFERENT)
    ran = lump("verify", "a.onnx", "b.onnx", "--certificate", "c.json", "--samples", "4")
    assert api.calls[0][1][3] == api.Settings(samples=4)
    assert ran.code == 1
    assert ran.err.startswith("lumpcli: error: proved, but on samples a.onnx and b.onnx are differ")


@pytest.mark.parametrize("mode", ["text", "--json", "-q"])
def test_a_refused_certificate(lump, api, mode):
    api.answers["check_certificate"] = samples.REFUSED
    options = [] if mode == "text" else [mode]
    ran = lump("verify", "a.onnx", "b.onnx", "--certificate", "c.json", *options)
    assert ran.code == 1
    assert ran.err == "lumpcli: error: c.json is refused at relu1: row 3 is no multiple of row 2\n"
    if mode == "--json":
        document = load(ran.out)
        validate(document)
        assert document["status"] == "refused"
