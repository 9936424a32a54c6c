"""Text of results: what a person reads."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lumpcli.report import Look, reduce_text, stats_line, stats_text, verify_text
from lumpcli.report.layout import arrows, brief, exactly, percent, plural, printable, shorten
from lumpcli.results import ConstantOutput
from tests.report import samples

VERBOSE = Look(verbose=True)


def line(text: str, label: str) -> str:
    """The rest of the one line that starts with a label."""
    (found,) = [x for x in text.splitlines() if x.startswith(f"{label} ")]
    return found.removeprefix(label).strip()


def test_reduce_says_everything_once():
    assert reduce_text(samples.REDUCED) == "\n".join(
        [
            "layer            features    constant  unread  lumped",
            "linear_1         130 ->  42        38       0      50",
            "linear_2         256 -> 146         0       0     110",
            "/head            kept at 4: graph output",
            "total            386 -> 188        38       0     160",
            "parameters       17,171 ->  2,684  (-84.4 %)",
            "MACs             16,908 ->  2,496  (-85.2 %)",
            "file bytes       74,221 -> 15,903  (-78.6 %)",
            "exact            equal as real functions; 2,496 folded weights, each rounded once "
            "(here: none needed rounding)",
            "verified         onnxruntime 1.31.1, 64 samples, seed 0: largest difference 9.6e-08 "
            "of scale; float64 referee 0",
            "wrote            small.onnx",
            "hint             3 more features are proportional within rounding: --level rounding",
        ]
    )


def test_reduce_without_a_change_says_why_and_shows_no_zeros():
    assert reduce_text(samples.UNCHANGED) == "\n".join(
        [
            "fc2              kept at 50: its output is read by TopK",
            "y                kept at 5: graph output",
            "unchanged        no feature is constant, unread, or a multiple of another",
            "parameters       13,305",
            "MACs             13,000",
            "file bytes       60,000",
            "wrote            copy.onnx, a copy of plain.onnx",
        ]
    )
    assert "\nfc1   " in reduce_text(samples.UNCHANGED, VERBOSE)


def test_one_layer_has_no_total():
    text = reduce_text(replace(samples.REDUCED, layers=samples.REDUCED.layers[:1]))
    assert "total" not in text


def test_no_layers_at_all():
    text = reduce_text(replace(samples.UNCHANGED, layers=()))
    assert text.startswith("unchanged")


def test_why_a_layer_was_not_cut_or_kept_one():
    layers = (
        samples.layer("a", 9, 1, constant=8, lumped=0, emptied=True),
        samples.layer("b", 5, 5, declined="cutting it would make the file grow"),
        samples.layer("c", 6, 0, lumped=1, linear=5, folded=True),
    )
    text = reduce_text(replace(samples.REDUCED, layers=layers))
    assert line(text, "a").endswith("nothing of it is needed: one feature kept for the shape")
    assert line(text, "b").endswith("cutting it would make the file grow")
    assert line(text, "c").endswith("folded into what reads it")


def test_many_layers_are_summarised_unless_all_are_wanted():
    layers = [samples.layer(f"b{i}", 768, 768 - 100 * (i % 10 == 0)) for i in range(40)]
    layers[1:3] = [samples.layer(f"b{i}", 768, 768, pinned="is read by TopK") for i in (1, 2)]
    many = replace(samples.REDUCED, layers=tuple(layers))
    text = reduce_text(many)
    assert "36 more layers unchanged, 2 of them may not be cut (-v lists them)" in text
    assert text.count("768 -> 668") == 4
    assert "TopK" not in text
    text = reduce_text(many, VERBOSE)
    assert "more layers" not in text
    assert line(text, "b1") == "kept at 768: is read by TopK"
    unchanged = replace(samples.UNCHANGED, layers=tuple(layers[1:9]) * 5)
    assert reduce_text(unchanged).startswith("40 layers unchanged, 10 of them may not be cut")


@pytest.mark.parametrize(
    ("changes", "label", "sentence"),
    [
        ({"rounded": 12}, "exact", "(here: 12 needed rounding)"),
        ({"folded": 1, "rounded": 1}, "exact", "1 folded weight, each rounded once"),
        ({"folded": 0}, "exact", "equal as real functions; no weight had to be folded"),
        ({"level": "strict"}, "exact", "2,496 folded weights, none rounded"),
        (
            {"level": "rounding", "promise": "within rounding", "rounded": 3},
            "within rounding",
            "an exact reduction of a network whose weights lie within the stored precision of "
            "these: not equality; 2,496 folded weights, 3 rounded",
        ),
        ({"constant_outputs": (samples.CONSTANT,)}, "constant", "output y[0] is 3 for every input"),
        ({"output": None}, "wrote", "nothing (dry run)"),
        ({"verdict": None}, "not verified", "skipped (--no-verify)"),
        (
            {"output": None, "verdict": samples.UNVERIFIED},
            "unverified",
            "not a registered operator",
        ),
        ({"output": None, "verdict": samples.UNVERIFIED}, "wrote", "nothing: not verified"),
        ({"output": None, "verdict": samples.DIFFERENT}, "different", "0.31 of its scale"),
        ({"output": None, "verdict": samples.DIFFERENT}, "witness", "w.npz"),
        (
            {"verdict": replace(samples.EQUAL, outputs=(samples.BY_ONNXRUNTIME,))},
            "verified",
            "largest difference 9.6e-08 of scale",
        ),
        (
            {"verdict": replace(samples.EQUAL, referee="skipped: too large")},
            "verified",
            "referee skipped: too large",
        ),
        ({"verdict": replace(samples.EQUAL, outputs=())}, "verified", "no outputs to compare"),
    ],
)
def test_the_lines_below_the_table(changes, label, sentence):
    text = reduce_text(replace(samples.REDUCED, **changes))
    assert sentence in line(text, label)


def test_a_failed_reduction_promises_nothing():
    text = reduce_text(replace(samples.REDUCED, output=None, verdict=samples.DIFFERENT))
    assert "equal as real functions" not in text
    assert "hint" not in text
    assert "y       onnxruntime  float32" in text


def test_many_constant_outputs_are_counted():
    outputs = tuple(ConstantOutput("y", i, float(i)) for i in range(100))
    text = reduce_text(replace(samples.REDUCED, constant_outputs=outputs))
    assert text.count("for every input") == 10
    assert "and 90 more outputs are (-v lists them)" in text
    text = reduce_text(replace(samples.REDUCED, constant_outputs=outputs), VERBOSE)
    assert text.count("for every input") == 100


def test_verbose_adds_settings_and_comparisons():
    text = reduce_text(samples.REDUCED, VERBOSE)
    assert "CPU, optimisations off, 1 thread" in line(text, "verified")
    assert line(text, "level") == "exact"
    assert "referee" in text


def test_verify_equal():
    assert verify_text(samples.EQUAL) == "\n".join(
        [
            "equal            on 64 samples, seed 0",
            "output  engine       type     max |b-a|  scale  of scale  tolerance  noise  ulp"
            "  argmax",
            "y       onnxruntime  float32    3.1e-07    3.2   9.6e-08      1e-05  1e-07    2"
            "   100 %  equal",
            "y       referee      float64          0    3.2         0      1e-06      0    -"
            "       -  equal",
            "run by           onnxruntime 1.31.1, CPU, optimisations off, 1 thread",
            "referee          agrees (float64)",
            "measured         seen on these samples: not a proof",
        ]
    )


def test_verify_different_and_unverified():
    text = verify_text(samples.DIFFERENT)
    assert text.startswith("different        output y differs by 0.31 of its scale")
    assert line(text, "witness") == "w.npz"
    assert line(text, "compared on") == "64 samples, seed 0"
    assert line(text, "referee") == "skipped: more than 1,000,000 MACs"
    assert "97.1 %  different" in text
    assert verify_text(samples.UNVERIFIED) == f"unverified       {samples.UNVERIFIED.reason}"


def test_stats():
    assert stats_text(samples.MEASURED) == "\n".join(
        [
            "mlp.onnx",
            "format           ONNX IR 8, opset ai.onnx 13, com.acme 1, made by pytorch 2.1",
            "inputs           x float32[N,10]",
            "outputs          y float32[N,5]",
            "operators        3 Gemm, 2 Relu",
            "file             3,345 bytes, 1,745 parameters",
            "",
            "layer  operators  width  parameters   MACs  constant  unread  duplicate  "
            "proportional  reducible",
            "h1     Gemm+Relu     20       1,220  1,200         1       1          4  "
            "           5         11",
            "h2     Gemm+Relu     20         420    400         1       0          4  "
            "           6         11",
            "y      Gemm           5         105    100         0       0          0  "
            "           0          0  kept: graph output",
            "total                         1,745  1,700         2       1          8  "
            "          11         22",
            "no feature is proportional within rounding",
            "",
            "reducible        22 of 40 hidden features (55.0 %)",
        ]
    )
    assert "within rounding" in stats_text(samples.MEASURED, VERBOSE).splitlines()[7]
    assert stats_line(samples.MEASURED) == "mlp.onnx: 22 of 40 hidden features reducible (55.0 %)"


def test_stats_of_a_model_with_nothing_to_cut():
    layers = tuple(
        replace(x, constant=0, unread=0, duplicate=0, proportional=0, reducible=0)
        for x in samples.MEASURED.layers
    )
    why = "no feature is constant, unread, or a multiple of another"
    stats = replace(
        samples.MEASURED, layers=layers, reducible=0, reducible_percent=0.0, why_not=why
    )
    text = stats_text(stats)
    assert line(text, "why not") == why
    assert "duplicate" not in text
    assert line(text, "reducible") == "0 of 40 hidden features (0.0 %)"


def test_stats_of_a_model_without_layers():
    stats = replace(
        samples.MEASURED, layers=(), features=0, reducible=0, inputs={}, notes=("no Gemm", "no op")
    )
    text = stats_text(stats)
    assert line(text, "reducible") == "0 of 0 hidden features"
    assert line(text, "inputs") == "none"
    assert text.endswith("left whole       no Gemm\n                 no op")


def test_deep_stats():
    first, *rest = samples.MEASURED.layers
    deep = replace(first, near_miss=0.0123, rank=19, rank_of=20)
    text = stats_text(replace(samples.MEASURED, layers=(deep, *rest)))
    assert "nearest miss      rank" in text
    assert line(text, "h1").endswith("0.012  19 of 20")
    assert "-         -  kept: graph output" in line(text, "y")


def test_long_names_are_shortened_on_a_terminal_only():
    name = "/model/encoder/layers.0/mlp/fc1/Gemm_output_0" * 3
    result = replace(samples.REDUCED, layers=(samples.layer(name, 9, 3),))
    assert name in reduce_text(result)
    narrow = reduce_text(result, Look(width=70)).splitlines()
    assert name not in "\n".join(narrow)
    assert len(narrow[0]) == len(narrow[1]) == 70
    assert narrow[1].startswith("/model/")
    assert "output_0  9 -> 3" in narrow[1]
    assert "/model...utput_0  9 -> 3" in reduce_text(result, Look(width=10))


def test_colours_only_when_wanted():
    everything = (reduce_text, samples.REDUCED), (verify_text, samples.EQUAL)
    for write, result in (*everything, (stats_text, samples.MEASURED)):
        plain, colored = write(result), write(result, Look(color=True))
        assert "\x1b" not in plain
        assert "\x1b[1m" in colored


def test_names_cannot_steer_the_terminal():
    result = replace(samples.REDUCED, layers=(samples.layer("a\x1b[2J\nb\u202e", 9, 3),))
    text = reduce_text(result)
    assert "a\\x1b[2J\\nb\\u202e" in text
    assert printable("größe/ß") == "größe/ß"


def test_numbers():
    assert arrows([(130, 42), (9, 9), (1256, 46)]) == ["  130 -> 42", "    9", "1,256 -> 46"]
    assert percent(100, 50) == "(-50.0 %)"
    assert percent(0, 5) == percent(5, 5) == ""
    assert (percent(1000000, 999999), percent(100, 110)) == ("(-<0.1 %)", "(+10.0 %)")
    assert (plural(1, "layer"), plural(1200, "layer")) == ("1 layer", "1,200 layers")
    assert (brief(0.0), brief(3.14e-7), brief(float("nan"))) == ("0", "3.1e-07", "nan")
    assert [exactly(v) for v in (3.0, -0.5, 0.30000001192092896, float("inf"))] == [
        "3",
        "-0.5",
        "0.300000012",
        "inf",
    ]
    assert shorten("abcdefghij", 7) == "ab...ij"


def test_several_steps_of_rounding_are_told():
    text = reduce_text(replace(samples.REDUCED, steps=3, rounded=7))
    assert "equal as real functions, each step to the one before" in line(text, "exact")
    assert "rounded once in each of 3 steps (7 needed rounding)" in text
    assert "steps" not in reduce_text(replace(samples.REDUCED, steps=3, rounded=0))
