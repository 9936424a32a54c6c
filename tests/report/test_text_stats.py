"""Text of `stats`, part by part; the whole of it is in test_text.py."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lumpcli.report.layout import Look
from lumpcli.report.text_stats import stats_line, stats_text
from lumpcli.results import ConstantOutput, LayerStats
from tests.report.samples import MEASURED

VERBOSE, COLOR = Look(verbose=True), Look(color=True)
NOTHING = {"constant": 0, "unread": 0, "duplicate": 0, "proportional": 0, "linear": 0}
NOTHING["within_rounding"] = 0


def line(text, label):
    """The rest of the one line that starts with a label."""
    (found,) = [x for x in text.splitlines() if x.startswith(f"{label} ")]
    return found.removeprefix(label).strip()


def head(text):
    """The headings of the table."""
    return line(text, "layer").split()


def layers(**changes):
    return tuple(replace(x, **changes) for x in MEASURED.layers)


@pytest.mark.parametrize(
    ("changes", "label", "rest"),
    [
        ({}, "format", "ONNX IR 8, opset ai.onnx 13, com.acme 1, made by pytorch 2.1"),
        ({"producer": "", "opsets": {"": 20}}, "format", "ONNX IR 8, opset ai.onnx 20"),
        (
            {"producer": "a\x1b[2J"},
            "format",
            "ONNX IR 8, opset ai.onnx 13, com.acme 1, made by a\\x1b[2J",
        ),
        ({"inputs": {"a": "float32[N,2]", "b": "int64[]"}}, "inputs", "a float32[N,2], b int64[]"),
        ({"outputs": {}}, "outputs", "none"),
        ({"operators": {}}, "operators", "none"),
        ({"operators": {"B": 2, "A": 2, "C": 1200}}, "operators", "1,200 C, 2 A, 2 B"),
        ({"file_bytes": 12345, "parameters": 1}, "file", "12,345 bytes, 1 parameter"),
    ],
)
def test_the_head(changes, label, rest):
    assert line(stats_text(replace(MEASURED, **changes)), label) == rest


def test_the_source_comes_first():
    assert stats_text(replace(MEASURED, source="a\nb.onnx")).startswith("a\\nb.onnx\nformat ")
    assert stats_text(MEASURED, COLOR).startswith("\x1b[1mmlp.onnx\x1b[0m\n")


def test_counts_that_are_zero_everywhere_have_no_column():
    text = stats_text(replace(MEASURED, layers=layers(unread=0)))
    assert "unread" not in head(text)
    assert "no feature is unread or proportional within rounding" in text.splitlines()
    text = stats_text(replace(MEASURED, layers=layers(unread=0)), VERBOSE)
    assert "unread" in head(text)
    assert "no feature is" not in text


def test_one_layer_with_a_count_brings_the_column_back():
    first, *rest = MEASURED.layers
    text = stats_text(replace(MEASURED, layers=(replace(first, within_rounding=7), *rest)))
    assert head(text)[-3:] == ["within", "rounding", "reducible"]
    assert line(text, "h1").split()[-2:] == ["7", "11"]
    assert line(text, "total").split() == ["1,745", "1,700", "2", "1", "8", "11", "7", "22"]
    assert "no feature is" not in text


def test_one_layer_has_no_total():
    assert "\ntotal" not in stats_text(replace(MEASURED, layers=MEASURED.layers[:1]))


def test_no_layers_have_no_table():
    text = stats_text(replace(MEASURED, layers=(), features=0, reducible=0))
    assert "\nlayer" not in text
    assert "no feature is" not in text
    assert line(text, "reducible") == "0 of 0 hidden features"


def test_nothing_to_cut_is_said_once():
    why = "no feature is constant, unread, or a multiple of another"
    text = stats_text(replace(MEASURED, layers=layers(**NOTHING), reducible=0, why_not=why))
    assert line(text, "why not") == why
    assert text.count("no feature is") == 1


def test_reasons_are_not_told_twice():
    stats = replace(MEASURED, why_not="TopK_3 is not understood", notes=("TopK_3", "Conv_1: 2d"))
    text = stats_text(stats)
    assert line(text, "left whole") == "Conv_1: 2d"
    assert text.count("TopK_3") == 1
    assert "left whole" not in stats_text(replace(stats, notes=("TopK_3",)))


def test_names_cannot_steer_the_terminal():
    layer = LayerStats("h\x1b[2J", "n", "Gemm\n", 3, 6, 6, 1, 0, 0, 0, 0, 0, 1, "read by \u202e")
    text = stats_text(replace(MEASURED, layers=(layer,), why_not="x\x07"))
    assert "h\\x1b[2J  Gemm\\n" in text
    assert "kept: read by \\u202e" in text
    assert line(text, "why not") == "x\\x07"


def test_kept_layers_are_dim_and_what_can_go_is_green():
    text = stats_text(MEASURED, COLOR).splitlines()
    (kept,) = [x for x in text if "kept: graph output" in x]
    assert kept.startswith("\x1b[2my ")
    assert any(x.startswith("\x1b[32mreducible\x1b[0m") for x in text)
    text = stats_text(replace(MEASURED, reducible=0), COLOR).splitlines()
    assert any(x.startswith("\x1b[1mreducible\x1b[0m") for x in text)


def test_the_table_fits_a_terminal():
    long = replace(MEASURED.layers[0], name="/encoder/block/fc1/" * 6)
    stats = replace(MEASURED, layers=(long, *MEASURED.layers[1:]))
    assert long.name in stats_text(stats)
    narrow = stats_text(stats, Look(width=110))
    assert long.name not in narrow
    assert len(next(x for x in narrow.splitlines() if x.startswith("layer "))) == 110


def test_deep_columns():
    first, second, last = MEASURED.layers
    missed = replace(first, near_miss=1.27e-5)
    text = stats_text(replace(MEASURED, layers=(missed, second, last)))
    assert head(text)[-2:] == ["nearest", "miss"]
    assert (line(text, "h1").split()[-1], line(text, "h2").split()[-1]) == ("1.3e-05", "-")
    ranked = replace(second, rank=1200, rank_of=2000)
    text = stats_text(replace(MEASURED, layers=(first, ranked, last)))
    assert head(text)[-1] == "rank"
    assert line(text, "h2").endswith("1,200 of 2,000")
    assert line(text, "h1").split()[-1] == "-"


def test_constant_outputs():
    outputs = (ConstantOutput("y", 0, 3.0), ConstantOutput("y", 2, 0.5))
    text = stats_text(replace(MEASURED, constant_outputs=outputs))
    assert line(text, "constant") == "output y[0] is 3 for every input"
    assert text.endswith(" output y[2] is 0.5 for every input")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "mlp.onnx: 22 of 40 hidden features reducible (55.0 %)"),
        (
            {"features": 1, "reducible": 1, "reducible_percent": 100.0},
            "mlp.onnx: 1 of 1 hidden feature reducible (100.0 %)",
        ),
        (
            {"source": "a\nb", "features": 4000, "reducible": 1000, "reducible_percent": 25.0},
            "a\\nb: 1,000 of 4,000 hidden features reducible (25.0 %)",
        ),
    ],
)
def test_one_line(changes, expected):
    assert stats_line(replace(MEASURED, **changes)) == expected
