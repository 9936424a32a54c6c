"""`lumpcli stats`: several models, gates, exit codes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lumpcli.errors import InputError, RunError, UsageError
from lumpcli.report import stats_line, stats_text
from tests.report import samples
from tests.report.schema import load, validate

CLEAN = replace(
    samples.MEASURED, source="clean.onnx", reducible=0, reducible_percent=0.0, why_not="because"
)
ANSWERS = {
    "mlp.onnx": samples.MEASURED,
    "clean.onnx": CLEAN,
    "gone.onnx": InputError("gone.onnx: no such file"),
    "odd.onnx": RunError("odd.onnx: cannot be measured"),
    "bug.onnx": ZeroDivisionError("division by zero"),
    "huge.onnx": MemoryError(),
}


@pytest.fixture(autouse=True)
def answers(api):
    api.answers["stats"] = lambda source, **options: ANSWERS[source]


def test_one_model(lump, api):
    ran = lump("stats", "mlp.onnx")
    options = {"deep": False, "freeze_initializers": False, "jobs": None}
    assert api.calls == [("stats", ("mlp.onnx",), options)]
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == stats_text(samples.MEASURED) + "\n"


def test_options_arrive(lump, api):
    lump("stats", "mlp.onnx", "--deep", "--freeze-initializers", "--jobs", "3")
    assert api.calls[0][2] == {"deep": True, "freeze_initializers": True, "jobs": 3}


def test_several_models_are_all_printed(lump):
    ran = lump("stats", "mlp.onnx", "gone.onnx", "clean.onnx")
    assert ran.code == 3
    assert ran.out == f"{stats_text(samples.MEASURED)}\n\n{stats_text(CLEAN)}\n"
    assert ran.err == "lumpcli: error: gone.onnx: no such file\n"


@pytest.mark.parametrize(
    ("models", "code"),
    [
        (["gone.onnx", "mlp.onnx"], 3),
        (["gone.onnx", "odd.onnx", "mlp.onnx"], 4),
        (["huge.onnx", "gone.onnx"], 4),
        (["bug.onnx", "odd.onnx", "mlp.onnx"], 70),
        (["mlp.onnx", "clean.onnx"], 0),
    ],
)
def test_the_worst_code_counts(lump, models, code):
    ran = lump("stats", *models)
    assert ran.code == code
    assert ran.out.count("hidden features") == len({"mlp.onnx", "clean.onnx"} & set(models))


def test_json_has_one_shape(lump):
    one = load(lump("stats", "--json", "mlp.onnx").out)
    ran = lump("stats", "--json", "mlp.onnx", "gone.onnx", "bug.onnx", "clean.onnx")
    several = load(ran.out)
    assert ran.code == 70
    for document in (one, several):
        validate(document)
    assert [m["source"] for m in several["models"]] == [
        *("mlp.onnx", "gone.onnx", "bug.onnx", "clean.onnx")
    ]
    assert [m["error"] and m["error"]["exit_code"] for m in several["models"]] == [
        None,
        3,
        70,
        None,
    ]
    assert ran.err.count("lumpcli: error: ") == 2
    nothing = lump("stats", "--json", "gone.onnx")
    assert nothing.code == 3
    validate(load(nothing.out))


def test_quiet_is_a_line_per_model(lump):
    ran = lump("stats", "-q", "mlp.onnx", "clean.onnx")
    assert ran.out == f"{stats_line(samples.MEASURED)}\n{stats_line(CLEAN)}\n"
    validate(load(lump("stats", "-q", "--json", "mlp.onnx").out))


@pytest.mark.parametrize(
    ("gate", "sentence"),
    [
        (["--fail-if-reducible"], "reducible, none may be (--fail-if-reducible)"),
        (["--max-reducible", "54.9"], "reducible, 54.9 % may be (--max-reducible)"),
        (["--max-reducible", "0"], "reducible, 0 % may be (--max-reducible)"),
    ],
)
def test_gates_that_are_exceeded(lump, gate, sentence):
    ran = lump("stats", "clean.onnx", "mlp.onnx", *gate)
    assert ran.code == 1
    assert ran.err == f"lumpcli: error: mlp.onnx: 22 hidden features (55.0 %) are {sentence}\n"
    assert ran.out.count("hidden features (") == 2
    ran = lump("stats", "clean.onnx", "mlp.onnx", "--json", *gate)
    document = load(ran.out)
    validate(document)
    assert ran.code == 1
    assert [(e["source"], e["gate"]) for e in document["exceeded"]] == [("mlp.onnx", gate[0])]


@pytest.mark.parametrize("gate", [["--fail-if-reducible"], ["--max-reducible", "0"]])
def test_gates_that_are_passed(lump, gate):
    ran = lump("stats", "clean.onnx", *gate)
    assert (ran.code, ran.err) == (0, "")
    assert lump("stats", "mlp.onnx", "--max-reducible", "55").code == 0


def test_both_gates_and_a_missing_file(lump):
    ran = lump("stats", "mlp.onnx", "gone.onnx", "--fail-if-reducible", "--max-reducible", "10")
    assert ran.code == 3
    assert ran.err.count("lumpcli: error: mlp.onnx: ") == 2


@pytest.mark.parametrize("value", ["-1", "101", "nan", "inf", "ten"])
def test_a_threshold_is_a_percentage(lump, api, value):
    ran = lump("stats", "mlp.onnx", "--max-reducible", value)
    assert (ran.code, ran.out, api.calls) == (2, "", [])
    assert "Invalid value for '--max-reducible'" in ran.err


def test_no_model(lump):
    ran = lump("stats")
    assert (ran.code, ran.out) == (2, "")
    assert "Missing argument 'MODEL...'" in ran.err


def test_a_usage_error_stops(lump, api):
    api.answers["stats"] = UsageError("no such thing")
    ran = lump("stats", "mlp.onnx", "clean.onnx")
    assert (ran.code, ran.out) == (2, "")
    assert len(api.calls) == 1
