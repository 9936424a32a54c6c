"""`lumpcli reduce` on real files: what is cut, what is written where, what is said."""

from __future__ import annotations

import os
from pathlib import Path

import onnx
import pytest

from tests.e2e.conftest import save, snapshot
from tests.e2e.models import constant, nearly, two_layers, untouched
from tests.models import KEPT, PLANTED, info, mlp, names, weight

SAMPLES = Path(__file__).parents[2] / "sample_models"


def widths(path: str | Path) -> list[int]:
    """Features of the hidden layers of `two_layers`, read from the file."""
    model = onnx.load(path)
    return [len(weight(model, name)) for name in ("w1", "w2")]


def test_writes_a_smaller_valid_file(lump, here):
    model = mlp()
    model.graph.output[0].CopyFrom(info("y", ("N", 3)))
    save(model, "in.onnx")
    ran = lump("reduce", "in.onnx", "out.onnx")
    assert (ran.code, ran.err) == (0, "")
    assert f"{PLANTED} -> {KEPT}" in ran.out
    assert ran.out.endswith("wrote            out.onnx\n")
    model = onnx.load("out.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert weight(model, "w").shape == (KEPT, 5)
    assert sorted(snapshot(here)) == ["in.onnx", "out.onnx"]
    assert (here / "out.onnx").stat().st_mode == (here / "in.onnx").stat().st_mode
    assert lump("verify", "in.onnx", "out.onnx", "--seed", "7").code == 0
    assert lump("verify", "in.onnx", "out.onnx", "--optimize").code == 0


def test_a_second_run_changes_nothing(lump, here):
    save(two_layers(), "in.onnx")
    assert lump("reduce", "in.onnx", "once.onnx").code == 0
    ran = lump("reduce", "once.onnx", "twice.onnx", "--json")
    assert (ran.code, ran.json["changed"]) == (0, False)
    assert (here / "twice.onnx").read_bytes() == (here / "once.onnx").read_bytes()


def test_the_numbers_of_the_report(lump, here):
    save(mlp(), "in.onnx")
    found = lump("reduce", "in.onnx", "out.onnx", "--json").json
    sizes = [(here / n).stat().st_size for n in ("in.onnx", "out.onnx")]
    assert found["file_bytes"] == dict(zip(("before", "after"), sizes, strict=True))
    assert found["parameters"] == {"before": PLANTED * 9, "after": KEPT * 9}
    assert found["macs"] == {"before": PLANTED * 8, "after": KEPT * 8}
    assert found["features"] == {"before": PLANTED, "after": KEPT}
    assert [(x["name"], x["lumped"], x["pinned"]) for x in found["layers"]] == [
        ("r", PLANTED - KEPT, None),
        ("y", 0, "graph output"),
    ]
    assert (found["source"], found["output"]) == ("in.onnx", "out.onnx")
    assert (found["folded"], found["rounded"], found["promise"]) == (6, 0, "exact")
    assert found["verdict"]["status"] == "equal"


def test_nothing_to_merge_is_a_copy(lump, here):
    save(untouched(), "in.onnx")
    for options in ([], ["--level", "strict"], ["--level", "rounding"], ["--no-verify"]):
        ran = lump("reduce", "in.onnx", "out.onnx", "--force", *options)
        assert (ran.code, ran.err) == (0, "")
        assert "unchanged        no feature that may go is constant, unread, or a mult" in ran.out
        assert "a copy of in.onnx" in ran.out
        assert (here / "out.onnx").read_bytes() == (here / "in.onnx").read_bytes()
    found = lump("reduce", "in.onnx", "--dry-run", "--json").json
    assert (found["changed"], found["verdict"], found["output"]) == (False, None, None)


def test_force_replaces(lump, here):
    save(mlp(), "in.onnx")
    (here / "out.onnx").write_bytes(b"old")
    assert lump("reduce", "in.onnx", "out.onnx").code == 5
    assert (here / "out.onnx").read_bytes() == b"old"
    assert lump("reduce", "in.onnx", "out.onnx", "--force").code == 0
    assert weight(onnx.load("out.onnx"), "w").shape == (KEPT, 5)


@pytest.mark.parametrize("model", [mlp, untouched])
@pytest.mark.parametrize("data", [None, "in.onnx.data", "weights.bin"])
def test_in_is_out(lump, here, model, data):
    save(model(), "in.onnx", data=data)
    os.mkdir("kept")
    assert lump("reduce", "in.onnx", "kept/in.onnx").code == 0
    before = snapshot(here)
    assert lump("reduce", "in.onnx", "in.onnx").code == 5
    assert snapshot(here) == before
    ran = lump("reduce", "in.onnx", "in.onnx", "--force")
    assert (ran.code, ran.err) == (0, "")
    assert lump("verify", "in.onnx", "kept/in.onnx").code == 0
    assert lump("reduce", "in.onnx", "--dry-run", "--json").json["changed"] is False


def test_dry_run_writes_nothing(lump, here):
    save(mlp(), "in.onnx")
    before = snapshot(here)
    for out in ([], ["out.onnx"]):
        ran = lump("reduce", "in.onnx", *out, "--dry-run")
        assert (ran.code, ran.err) == (0, "")
        assert f"{PLANTED} -> {KEPT}" in ran.out
        assert "verified" in ran.out
        assert ran.out.endswith("nothing (dry run)\n")
    assert snapshot(here) == before
    assert lump("reduce", "in.onnx").code == 2


@pytest.mark.parametrize(
    ("options", "left"),
    [
        (["--passes", "unread,constant,lumping"], [4, 5]),  # else the second is folded away
        (["--only", "r1"], [4, 6]),
        (["--only", "fc2"], [6, 5]),
        (["--only", "fc*"], [4, 5]),
        (["--only", "r[13]", "--only", "r2"], [4, 5]),
        (["--exclude", "fc1"], [6, 5]),
        (["--exclude", "r?"], [6, 6]),
        (["--only", "r*", "--exclude", "r2"], [4, 6]),
    ],
    ids=str,
)
def test_only_and_exclude(lump, options, left):
    save(two_layers(), "in.onnx")
    ran = lump("reduce", "in.onnx", "out.onnx", *options)
    assert (ran.code, ran.err) == (0, "")
    assert widths("out.onnx") == left


@pytest.mark.parametrize("option", ["--only", "--exclude"])
def test_a_pattern_that_matches_nothing(lump, here, option):
    save(two_layers(), "in.onnx")
    ran = lump("reduce", "in.onnx", "out.onnx", option, "r1", option, "fc9*")
    assert (ran.code, ran.out) == (2, "")
    assert "no layer matches 'fc9*'" in ran.err
    assert not (here / "out.onnx").exists()


@pytest.mark.parametrize(
    ("passes", "hidden"),
    [
        ("unread", (19, 19)),
        ("constant", (19, 19)),
        ("lumping", (11, 11)),
        ("unread,constant", (18, 18)),
        ("lumping, constant,unread", (9, 9)),
    ],
)
def test_passes(lump, passes, hidden):
    """What is cut, never what is known; the planted sample has 9 multiples per layer."""
    found = lump("reduce", SAMPLES / "exact_mlp.onnx", "--dry-run", "--passes", passes, "--json")
    after = [x["features"]["after"] for x in found.json["layers"][:2]]
    assert tuple(after) == hidden


def test_unknown_passes_and_levels(lump):
    assert lump("reduce", "in.onnx", "out.onnx", "--passes", "magic").code == 2
    assert lump("reduce", "in.onnx", "out.onnx", "--level", "sloppy").code == 2


def test_levels(lump, here):
    """0.7 has no float32: the third level merges, and an exact run says that it would."""
    save(nearly(), "in.onnx")
    ran = lump("reduce", "in.onnx", "out.onnx")
    hint = "1 more feature is proportional within rounding: --level rounding"
    assert ran.out.endswith(f"hint             {hint}\n")
    assert (here / "out.onnx").read_bytes() == (here / "in.onnx").read_bytes()
    assert "hint" not in lump("reduce", "in.onnx", "--dry-run", "--level", "strict").out
    found = lump("reduce", "in.onnx", "small.onnx", "--level", "rounding", "--json").json
    assert (found["features"], found["promise"]) == ({"before": 6, "after": 5}, "within rounding")
    assert lump("verify", "in.onnx", "small.onnx").code == 0


def test_frozen_initializers(lump):
    """Weights that are graph inputs too: constants only if the user says so."""
    save(mlp(listed=True), "in.onnx")
    found = lump("reduce", "in.onnx", "a.onnx", "--json").json
    assert found["changed"] is False
    ran = lump("reduce", "in.onnx", "b.onnx", "--freeze-initializers")
    assert (ran.code, ran.err) == (0, "")
    model = onnx.load("b.onnx")
    assert weight(model, "w").shape == (KEPT, 5)
    dims = {i.name: [d.dim_value for d in i.type.tensor_type.shape.dim] for i in model.graph.input}
    assert dims["w"] == [KEPT, 5]
    save(mlp(listed=True, ir=3), "old.onnx")
    assert lump("reduce", "old.onnx", "c.onnx", "--json").json["features"]["after"] == KEPT


def test_constant_outputs_are_said(lump):
    save(constant(), "in.onnx")
    ran = lump("reduce", "in.onnx", "out.onnx")
    assert ran.code == 0
    assert "output y[0] is 3 for every input" in ran.out
    assert "output y[1] is -2 for every input" in ran.out
    assert names(onnx.load("out.onnx"))


def test_links_and_odd_names(lump, here):
    save(mlp(), "in.onnx")
    for name in ("two words.onnx", "ünï→.onnx", "line\nbreak.onnx", ".hidden", "noext", "a;b$c"):
        os.replace("in.onnx", name)
        ran = lump("reduce", name, f"small {name}")
        assert (ran.code, ran.err) == (0, "")
        assert (here / f"small {name}").exists()
        os.replace(name, "in.onnx")
    os.replace("in.onnx", "-lead.onnx")
    assert lump("reduce", "--", "-lead.onnx", "-out.onnx").code == 0
    os.replace("-lead.onnx", "in.onnx")
    (here / "in-link").symlink_to("in.onnx")
    (here / "target").write_bytes(b"old")
    (here / "out-link").symlink_to("target")
    assert lump("reduce", "in-link", "out-link").code == 5
    assert lump("reduce", "in-link", "out-link", "--force").code == 0
    assert (here / "out-link").is_symlink()
    assert weight(onnx.load(here / "target"), "w").shape == (KEPT, 5)


def test_quiet_is_silent_and_verbose_says_more(lump):
    save(mlp(), "in.onnx")
    assert lump("reduce", "in.onnx", "--dry-run", "-q").out == ""
    ran = lump("reduce", "in.onnx", "--dry-run")
    more = lump("reduce", "in.onnx", "--dry-run", "-v")
    assert set(ran.out.split()) < set(more.out.split())
    assert "optimisations off" in more.out
