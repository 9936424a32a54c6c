"""`lumpcli reduce`: what it asks of the api, what it prints, its exit codes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lumpcli.errors import OutputError, UsageError
from lumpcli.report import reduce_text
from tests.report import samples
from tests.report.schema import load, validate

DEFAULTS = {
    "level": "exact",
    "passes": None,
    "only": (),
    "exclude": (),
    "force": False,
    "dry_run": False,
    "check": True,
    "freeze_initializers": False,
    "jobs": None,
    "certificate": None,
    "granted": None,
    "settings": None,
}


def test_defaults(lump, api):
    ran = lump("reduce", "a.onnx", "b.onnx")
    assert api.calls == [("reduce", ("a.onnx", "b.onnx"), DEFAULTS)]
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == reduce_text(samples.REDUCED) + "\n"


def test_every_option_arrives(lump, api):
    ran = lump(
        *(
            "reduce",
            "a.onnx",
            "b.onnx",
            "--level",
            "rounding",
            "--passes",
            "lumping, unread,unread",
        ),
        *("--only", "fc*", "--only", "/head", "--exclude", "x", "--force", "--no-verify"),
        *("--freeze-initializers", "--seed", "0", "--jobs", "3", "--certificate", "c.json"),
        *("--box", "0,1", "--box", "x=0,2", "--semantics", "float32", "--time-budget", "9"),
    )
    assert ran.code == 0
    (_, _, options) = api.calls[0]
    assert options == {
        "level": "rounding",
        "passes": ("lumping", "unread"),
        "only": ("fc*", "/head"),
        "exclude": ("x",),
        "force": True,
        "dry_run": False,
        "check": False,
        "freeze_initializers": True,
        "jobs": 3,
        "certificate": "c.json",
        "granted": api.Granted(("0,1", "x=0,2"), "float32", 9.0, 0),
        "settings": api.Settings(seed=0),
    }


def test_redundancy(lump, api):
    options = ("--redundancy", "forward, phase", "--eps", "0.5", "--layers-later", "2")
    assert lump("reduce", "a.onnx", "b.onnx", "--box", "0,1", *options).code == 0
    request = api.Request(("forward", "phase"), 0.5, 2)
    assert api.calls[0][2]["granted"] == api.Granted(("0,1",), redundancy=request)
    ran = lump("reduce", "a.onnx", "b.onnx", "--box", "0,1", *options[2:])
    assert (ran.code, len(api.calls)) == (2, 1)
    assert "--redundancy" in ran.err


def test_a_solver(lump, api):
    boxed = ("reduce", "a.onnx", "b.onnx", "--box", "0,1", "--milp")
    for options, assurance in (((), "rigorous"), (("--assurance", "numerical"), "numerical")):
        assert lump(*boxed, *options).code == 0
        told = api.Granted(("0,1",), milp=True, assurance=assurance)
        assert api.calls[-1][2]["granted"] == told


@pytest.mark.parametrize(
    "option",
    [
        ("--semantics", "float32"),
        ("--time-budget", "3"),
        ("--guard", "clip"),
        ("--milp",),
        ("--assurance", "numerical"),
    ],
)
def test_what_is_about_a_box_needs_one(lump, api, option):
    ran = lump("reduce", "a.onnx", "b.onnx", *option)
    assert (ran.code, ran.out, api.calls) == (2, "", [])
    assert "--box" in ran.err


def test_out_is_optional_with_dry_run_only(lump, api):
    ran = lump("reduce", "a.onnx", "--dry-run")
    assert ran.code == 0
    assert api.calls[0][1] == ("a.onnx", None)
    ran = lump("reduce", "a.onnx")
    assert (ran.code, ran.out) == (2, "")
    assert "Missing argument 'OUT'" in ran.err
    assert len(api.calls) == 1


def test_nothing_to_do_is_success(lump, api):
    api.answers["reduce"] = samples.UNCHANGED
    ran = lump("reduce", "a.onnx", "b.onnx", "--json")
    assert ran.code == 0
    assert load(ran.out)["changed"] is False


@pytest.mark.parametrize(
    ("verdict", "code", "sentence"),
    [
        (
            samples.DIFFERENT,
            1,
            "is not the same function as a.onnx; b.onnx was not written: output",
        ),
        (
            samples.UNVERIFIED,
            4,
            "could not be verified against a.onnx; b.onnx was not written: onnx",
        ),
    ],
)
@pytest.mark.parametrize("mode", ["text", "--json", "-q"])
def test_failed_verification(lump, api, verdict, code, sentence, mode):
    result = replace(samples.REDUCED, output=None, verdict=verdict)
    api.answers["reduce"] = result
    ran = lump("reduce", "a.onnx", "b.onnx", *([mode] if mode != "text" else []))
    assert ran.code == code
    assert ran.err.startswith("lumpcli: error: the reduced model ")
    assert sentence in ran.err
    assert ran.err.count("\n") == 1
    if mode == "text":
        assert ran.out == reduce_text(result) + "\n"
    if mode == "-q":
        assert ran.out == ""
    if mode == "--json":
        document = load(ran.out)
        validate(document)
        assert document["output"] is None
        assert document["verdict"]["status"] == verdict.status


def test_failed_verification_of_a_dry_run(lump, api):
    api.answers["reduce"] = replace(samples.REDUCED, output=None, verdict=samples.DIFFERENT)
    ran = lump("reduce", "a.onnx", "--dry-run")
    assert ran.code == 1
    assert "; nothing was written: " in ran.err


def test_json_quiet_and_verbose(lump):
    validate(load(lump("reduce", "a", "b", "--json").out))
    validate(load(lump("reduce", "a", "b", "--json", "-q").out))
    assert lump("reduce", "a", "b", "-q").out == ""
    assert "level            exact" in lump("reduce", "a", "b", "-v").out


def test_output_exists(lump, api):
    api.answers["reduce"] = OutputError("b.onnx exists; --force replaces it")
    ran = lump("reduce", "a.onnx", "b.onnx")
    assert (ran.code, ran.out) == (5, "")
    assert ran.err == "lumpcli: error: b.onnx exists; --force replaces it\n"


def test_usage_errors_of_the_library_look_like_clicks(lump, api):
    api.answers["reduce"] = UsageError("--only fc9*: no layer matches")
    ran = lump("reduce", "a.onnx", "b.onnx", "--only", "fc9*")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == (
        "Usage: lumpcli reduce [OPTIONS] IN [OUT]\nTry 'lumpcli reduce --help' for help.\n\n"
        "Error: --only fc9*: no layer matches\n"
    )
