"""`reduce`, `verify` and `stats` as functions: values come back, nothing is printed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from lumpcli.api import Settings, load_inputs, reduce, stats, verify
from lumpcli.errors import InputError, OutputError, UsageError
from lumpcli.results import Change, Result, Stats, Verdict
from tests.e2e.conftest import save, snapshot
from tests.e2e.models import constant, nearly, two_layers, untouched, without_relu
from tests.models import KEPT, PLANTED, mlp, weight


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch, capfd):
    """An empty current folder; nothing may be printed."""
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("kind", [str, Path])
def test_paths_of_any_kind(kind):
    save(mlp(), "in.onnx")
    result = reduce(kind("in.onnx"), kind("out.onnx"))
    assert isinstance(result, Result)
    assert (result.source, result.output, result.model) == ("in.onnx", "out.onnx", None)
    assert result.features == Change(PLANTED, KEPT)
    assert isinstance(verify(kind("in.onnx"), kind("out.onnx")), Verdict)
    assert isinstance(stats(kind("out.onnx")), Stats)


def test_a_model_in_memory():
    """Comes back reduced; the original stays as it is."""
    model = mlp()
    result = reduce(model)
    assert model == mlp()
    assert weight(result.model, "w").shape == (KEPT, 5)
    assert (result.output, result.verdict, result.source) == (None, None, "g")
    assert result.file_bytes == Change(model.ByteSize(), result.model.ByteSize())
    assert result.parameters == Change(PLANTED * 9, KEPT * 9)
    assert "model" not in result.to_dict()
    again = reduce(result.model)
    assert not again.changed
    assert again.model == result.model


def test_nothing_to_cut():
    result = reduce(untouched())
    assert (result.changed, result.model) == (False, untouched())
    assert result.why_unchanged is not None
    assert result.features == Change(6, 6)


def test_levels():
    assert reduce(nearly()).hint == (
        "1 more feature is proportional within rounding: --level rounding"
    )
    loose = reduce(nearly(), level="rounding")
    assert (loose.features.after, loose.promise, loose.hint) == (5, "within rounding", None)
    strict = reduce(mlp(), level="strict")
    assert (strict.features.after, strict.promise, strict.rounded) == (KEPT, "exact", 0)
    with pytest.raises(UsageError, match="no level is called 'sloppy'"):
        reduce(mlp(), level="sloppy")


def test_choices():
    model = two_layers()
    assert [x.features.after for x in reduce(model).layers[:2]] == [4, 0]
    assert [x.features.after for x in reduce(model, only=["r1"]).layers[:2]] == [4, 6]
    assert [x.features.after for x in reduce(model, exclude=["fc1"]).layers[:2]] == [6, 5]
    assert not reduce(model, passes=["unread"]).changed
    assert not reduce(model, passes=[]).changed
    with pytest.raises(UsageError, match="no pass is called"):
        reduce(model, passes=["magic"])
    with pytest.raises(UsageError, match="no layer matches"):
        reduce(model, only=["nothing"])


def test_frozen_initializers():
    model = mlp(listed=True)
    assert not reduce(model).changed
    assert reduce(model, freeze_initializers=True).features.after == KEPT
    assert stats(model).reducible == 0
    assert stats(model, freeze_initializers=True).reducible == 2


def test_constant_outputs():
    for found in (reduce(constant()), stats(constant())):
        values = [(c.output, c.feature, c.value) for c in found.constant_outputs]
        assert values == [("y", 0, 3.0), ("y", 1, -2.0)]


def test_output_errors_come_before_any_work(here):
    Path("out.onnx").write_bytes(b"old")
    with pytest.raises(OutputError, match=r"out\.onnx exists"):
        reduce("missing.onnx", "out.onnx")
    with pytest.raises(OutputError, match=r"no/out\.onnx.* does not exist"):
        reduce("missing.onnx", "no/out.onnx")
    with pytest.raises(InputError, match=r"missing\.onnx"):
        reduce("missing.onnx", "out.onnx", force=True)
    with pytest.raises(InputError, match=r"missing\.onnx"):
        stats("missing.onnx")
    assert sorted(snapshot(here)) == ["out.onnx"]


def test_verify():
    save(mlp(), "a.onnx")
    save(without_relu(), "b.onnx")
    assert verify("a.onnx", "a.onnx").status == "equal"
    verdict = verify("a.onnx", "b.onnx", Settings(samples=8, seed=3, witness=Path("w.npz")))
    assert (verdict.status, verdict.seed, verdict.witness) == ("different", 3, "w.npz")
    found = load_inputs(["w.npz"])
    assert found["x"].dtype == np.float32
    again = verify("a.onnx", "b.onnx", Settings(inputs=found))
    assert again.status == "different"
    with pytest.raises(UsageError, match="samples"):
        verify("a.onnx", "a.onnx", Settings(samples=0))


def test_settings_reach_the_verification():
    save(mlp(), "in.onnx")
    result = reduce("in.onnx", "out.onnx", settings=Settings(samples=5, seed=9, referee=False))
    assert result.verdict is not None
    assert (result.verdict.samples, result.verdict.seed) == (5, 9)
    assert result.verdict.referee == "skipped: not asked for"


def test_a_reduced_model_computes_the_same(here):
    save(two_layers(), "in.onnx")
    reduce("in.onnx", "out.onnx")
    for seed in range(3):
        assert verify("in.onnx", "out.onnx", Settings(seed=seed, optimize=True)).status == "equal"
    assert onnx.load("out.onnx").graph.name == "g"


def test_a_model_in_memory_with_external_data():
    """Its folder is the current one."""
    save(mlp(), "in.onnx", data="in.bin")
    model = onnx.load("in.onnx", load_external_data=False)
    assert stats(model).reducible == 2
    result = reduce(model, "out.onnx")
    assert result.output == "out.onnx"
    assert result.verdict is not None
    assert verify("in.onnx", "out.onnx").status == "equal"


def test_jobs():
    save(mlp(), "in.onnx")
    assert reduce("in.onnx", jobs=1).to_dict() == reduce("in.onnx", jobs=3).to_dict()
    assert stats("in.onnx", jobs=1) == stats("in.onnx")
    for call in (reduce, stats):
        with pytest.raises(UsageError, match="jobs must be at least 1"):
            call("in.onnx", jobs=0)
    with pytest.raises(UsageError, match="jobs must be at least 1"):
        verify("in.onnx", "in.onnx", Settings(jobs=0))


def test_a_reduced_model_in_memory_holds_what_changed(here):
    """Its data file still has the old numbers."""
    made = mlp()
    onnx.save(made, "in.onnx", save_as_external_data=True, location="d", size_threshold=0)
    result = reduce(onnx.load("in.onnx", load_external_data=False))
    assert result.changed
    onnx.save(result.model, "out.onnx")
    assert verify("in.onnx", "out.onnx").status == "equal"
