"""`lumpcli stats` on real files: counts, gates, several models, the deep questions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from tests.e2e.conftest import save, snapshot
from tests.e2e.models import constant, nearly, two_layers, untouched
from tests.models import KEPT, PLANTED, mlp, weight

SAMPLES = Path(__file__).parents[2] / "sample_models"
ALL = sorted(SAMPLES.glob("*.onnx"))


def one(lump, *args):
    """The only entry of a run with --json."""
    ran = lump("stats", *args, "--json")
    assert (ran.code, ran.err) == (0, "")
    (entry,) = ran.json["models"]
    return entry


def test_counts(lump, here):
    save(mlp(), "in.onnx")
    before = snapshot(here)
    found = one(lump, "in.onnx")
    layer = found["layers"][0]
    assert (layer["name"], layer["node"], layer["operators"]) == ("r", "first", "Gemm+Relu")
    counts = [layer[k] for k in ("width", "parameters", "macs", "duplicate", "proportional")]
    assert counts == [PLANTED, PLANTED * 6, PLANTED * 5, 1, 1]
    assert layer["reducible"] == PLANTED - KEPT == found["reducible"]
    assert found["reducible_percent"] == pytest.approx(100 * 2 / 6)
    assert found["file_bytes"] == (here / "in.onnx").stat().st_size
    assert found["parameters"] == sum(weight(mlp(), n).size for n in ("w", "b", "v"))
    assert found["inputs"] == {"x": "float32[N,5]"}
    assert found["operators"] == {"Gemm": 1, "MatMul": 1, "Relu": 1}
    assert snapshot(here) == before


@pytest.mark.parametrize("path", ALL, ids=lambda p: p.stem)
def test_what_is_reducible_is_what_reduce_removes(lump, path):
    found = one(lump, path)
    result = lump("reduce", path, "out.onnx", "--json").json
    removed = result["features"]["before"] - result["features"]["after"]
    assert (found["reducible"], found["features"]) == (removed, result["features"]["before"])
    assert found["parameters"] == result["parameters"]["before"]
    for entry, change in zip(found["layers"], result["layers"], strict=True):
        kinds = ("constant", "unread", "duplicate", "proportional", "linear")
        assert entry["reducible"] <= sum(entry[k] for k in kinds) <= entry["width"]
        assert entry["width"] - entry["reducible"] == change["features"]["after"]


def test_several_models(lump):
    save(mlp(), "a.onnx")
    save(untouched(), "b.onnx")
    Path("text.onnx").write_text("hello")
    ran = lump("stats", "a.onnx", "text.onnx", "b.onnx", "missing.onnx")
    assert ran.code == 3
    assert ran.out.count("reducible        ") == 2
    assert [line.split()[2] for line in ran.err.splitlines()] == ["text.onnx", "missing.onnx:"]
    entries = lump("stats", "a.onnx", "text.onnx", "b.onnx", "--json").json["models"]
    assert [e["source"] for e in entries] == ["a.onnx", "text.onnx", "b.onnx"]
    assert [e["error"] and e["error"]["exit_code"] for e in entries] == [None, 3, None]


def test_gates(lump):
    save(mlp(), "a.onnx")
    save(untouched(), "b.onnx")
    assert lump("stats", "b.onnx", "--fail-if-reducible", "--max-reducible", "0").code == 0
    ran = lump("stats", "a.onnx", "b.onnx", "--fail-if-reducible")
    assert ran.code == 1
    assert ran.err.count("\n") == 1
    assert ran.err.startswith("lumpcli: error: a.onnx: 2 hidden features (33.3 %) are reducible")
    assert lump("stats", "a.onnx", "--max-reducible", "34").code == 0
    ran = lump("stats", "a.onnx", "--max-reducible", "33", "--json")
    (exceeded,) = ran.json["exceeded"]
    assert (ran.code, exceeded["gate"], exceeded["limit"]) == (1, "--max-reducible", 33)
    ran = lump("stats", "a.onnx", "missing.onnx", "--fail-if-reducible")
    assert ran.code == 3
    assert lump("stats", "a.onnx", "--max-reducible", "101").code == 2


def test_a_constant_output_is_said_with_its_value(lump):
    save(constant(), "in.onnx")
    out = lump("stats", "in.onnx").out
    assert "output y[0] is 3 for every input" in out
    assert "output y[1] is -2 for every input" in out
    wanted = [{"output": "y", "feature": k, "value": v} for k, v in enumerate((3.0, -2.0))]
    assert one(lump, "in.onnx")["constant_outputs"] == wanted


def test_why_nothing_can_go(lump):
    save(untouched(), "in.onnx")
    sentence = "no feature that may go is constant, unread, or a multiple of another one"
    assert sentence in lump("stats", "in.onnx").out
    assert sentence in one(lump, "in.onnx")["why_not"]
    save(two_layers(), "other.onnx")
    assert one(lump, "other.onnx")["why_not"] is None


def test_within_rounding(lump):
    save(nearly(), "in.onnx")
    layers = one(lump, "in.onnx")["layers"]
    assert [x["within_rounding"] for x in layers] == [1, 0]


def test_deep_values_are_numpys(lump):
    """The nearest two rows, scaled to length 1 as ReLU allows, and the rank by singular values."""
    model = untouched()
    save(model, "in.onnx")
    rows = np.column_stack([weight(model, "w"), weight(model, "b")]).astype(np.float64)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    gaps = np.linalg.norm(unit[:, None] - unit[None], axis=2)
    nearest = gaps[~np.eye(len(gaps), dtype=bool)].min()
    layer, head = one(lump, "in.onnx", "--deep")["layers"]
    assert layer["near_miss"] == pytest.approx(nearest, rel=1e-6)
    assert (layer["rank"], layer["rank_of"]) == (5, 5)
    assert (head["rank"], head["rank_of"]) == (3, 3)
    assert "of 5" in lump("stats", "in.onnx", "--deep").out
    plain = one(lump, "in.onnx")["layers"][0]
    assert (plain["near_miss"], plain["rank"], plain["rank_of"]) == (None, None, None)


def test_deep_on_trained_weights(lump):
    model = onnx.load(SAMPLES / "digits_sparse.onnx")
    tensors = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
    matrices = [a for a in tensors.values() if a.ndim == 2]
    ranks = [x["rank"] for x in one(lump, SAMPLES / "digits_sparse.onnx", "--deep")["layers"]]
    assert ranks == [np.linalg.matrix_rank(m.astype(np.float64)) for m in matrices]


def test_frozen_initializers(lump):
    save(mlp(listed=True), "in.onnx")
    assert one(lump, "in.onnx")["reducible"] == 0
    assert one(lump, "in.onnx", "--freeze-initializers")["reducible"] == 2


def test_quiet_is_a_line_per_model(lump):
    save(mlp(), "a.onnx")
    out = lump("stats", "-q", "a.onnx", "a.onnx").out
    assert out == "a.onnx: 2 of 6 hidden features reducible (33.3 %)\n" * 2
