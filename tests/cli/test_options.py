"""Options that commands share: what they accept and what the api gets."""

from __future__ import annotations

from pathlib import Path

import pytest

from lumpcli.errors import InputError
from tests.report.schema import load, validate


def settings_of(api):
    return api.calls[-1][1][2]


@pytest.mark.parametrize(
    ("args", "fields"),
    [
        (["--samples", "8"], {"samples": 8}),
        (["--seed", "0"], {"seed": 0}),
        (["--tol", "0"], {"tolerance": 0.0}),
        (["--tol", "1e-6"], {"tolerance": 1e-6}),
        (["--timeout", "2.5"], {"timeout": 2.5}),
        (["--witness", "w.npz"], {"witness": Path("w.npz")}),
        (["--dim", "N=4", "--dim", "a=b=2"], {"dims": {"N": 4, "a=b": 2}}),
        (
            ["--input-shape", "x:1,3,8", "--input-shape", "in:0:4", "--input-shape", "s:"],
            {"input_shapes": {"x": (1, 3, 8), "in:0": (4,), "s": ()}},
        ),
        (["--input", "x=a.npy", "--input", "b.npz"], {"inputs": {"x": "an array"}}),
    ],
)
def test_verification_options(lump, api, args, fields):
    ran = lump("verify", "a.onnx", "b.onnx", *args)
    assert (ran.code, ran.err) == (0, "")
    assert settings_of(api) == api.Settings(**fields)
    assert lump("reduce", "a.onnx", "b.onnx", *args).code == 0
    assert api.calls[-1][2]["settings"] == api.Settings(**fields)


def test_jobs(lump, api):
    assert lump("verify", "a.onnx", "b.onnx", "--jobs", "2").code == 0
    assert settings_of(api) == api.Settings(jobs=2)
    for verb in (
        ["reduce", "a.onnx", "b.onnx"],
        ["verify", "a.onnx", "b.onnx"],
        ["stats", "a.onnx"],
    ):
        ran = lump(*verb, "--jobs", "0")
        assert (ran.code, ran.out) == (2, "")
        assert "0 is not in the range x>=1" in ran.err


def test_input_files_are_read_by_the_library(lump, api):
    lump("verify", "a.onnx", "b.onnx", "--input", "x=a.npy", "--input", "b.npz")
    assert api.calls[0] == ("load_inputs", (("x=a.npy", "b.npz"),), {})
    api.answers["load_inputs"] = InputError("a.npy: no such file")
    ran = lump("verify", "a.onnx", "b.onnx", "--input", "x=a.npy")
    assert (ran.code, ran.out, ran.err) == (3, "", "lumpcli: error: a.npy: no such file\n")


@pytest.mark.parametrize(
    ("args", "found"),
    [
        (["--samples", "0"], "0 is not in the range x>=1"),
        (["--samples", "many"], "'many' is not a valid integer"),
        (["--seed", "-1"], "-1 is not in the range"),
        (["--seed", "2147483648"], "2147483648 is not in the range"),
        (["--tol", "-1"], "-1 is not a finite number of at least 0"),
        (["--tol", "nan"], "nan is not a finite number of at least 0"),
        (["--timeout", "0"], "0 is not a finite number above 0"),
        (["--timeout", "inf"], "inf is not a finite number above 0"),
        (["--dim", "N"], "'N' is not NAME=N with N of at least 1"),
        (["--dim", "N=0"], "'N=0' is not NAME=N with N of at least 1"),
        (["--dim", "=4"], "'=4' is not NAME=N with N of at least 1"),
        (["--dim", "N=4", "--dim", "N=5"], "'N' is given twice"),
        (["--input-shape", "1,3"], "'1,3' is not NAME:1,3,224,224"),
        (["--input-shape", ":1,3"], "':1,3' is not NAME:1,3,224,224"),
        (["--input-shape", "x:1,,3"], "'x:1,,3' is not NAME:1,3,224,224"),
        (["--input-shape", "x:-1"], "'x:-1' is not NAME:1,3,224,224"),
        (["--input-shape", "x:1", "--input-shape", "x:2"], "'x' is given twice"),
        (["--witness"], "Option '--witness' requires an argument"),
        (["--frobnicate"], "No such option '--frobnicate'"),
        (["-q", "-v"], "--quiet and --verbose exclude each other"),
    ],
)
@pytest.mark.parametrize("command", ["verify", "reduce"])
def test_wrong_values_are_usage_errors(lump, api, command, args, found):
    ran = lump(command, "a.onnx", "b.onnx", *args)
    assert (ran.code, ran.out, api.calls) == (2, "", [])
    assert ran.err.startswith((f"Usage: lumpcli {command} [OPTIONS]", "Error: Option '--witness'"))
    assert found in ran.err.replace("No such option: --frobnicate", "No such option '--frobnicate'")


@pytest.mark.parametrize(
    ("args", "found"),
    [
        (["--passes", "lumping,magic"], "'magic' is not one of unread, constant, lumping"),
        (["--passes", ""], "'' is not one of unread, constant, lumping"),
        (["--level", "exactly"], "'exactly' is not one of 'strict', 'exact', 'rounding'"),
    ],
)
def test_wrong_values_of_reduce(lump, api, args, found):
    ran = lump("reduce", "a.onnx", "b.onnx", *args)
    assert (ran.code, ran.out, api.calls) == (2, "", [])
    assert found in ran.err


def test_usage_errors_under_json_are_json(lump):
    ran = lump("reduce", "--json", "a.onnx")
    document = load(ran.out)
    validate(document)
    assert (ran.code, document["error"]["exit_code"]) == (2, 2)
    assert document["error"]["message"].startswith("Missing argument 'OUT'")
    assert "Error: Missing argument 'OUT'" in ran.err
    ran = lump("reduce", "--", "--json")
    assert (ran.code, ran.out) == (2, "")


def test_an_unknown_command(lump):
    ran = lump("redcue", "--json")
    assert ran.code == 2
    validate(load(ran.out))
    assert "No such command 'redcue'" in ran.err
