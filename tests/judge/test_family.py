"""A folder of slices is judged by what it computes where its table says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

import lumpcli
from lumpcli.errors import InputError, UsageError
from lumpcli.family import TABLE, read_table
from lumpcli.judge import Settings, load_inputs, verify_family, verify_single
from tests.models import build, node
from tests.slicing.models import bends


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A model and its slices."""
    folder = tmp_path_factory.mktemp("family")
    onnx.save(bends(), folder / "net.onnx")
    lumpcli.slice_model(
        folder / "net.onnx", folder / "out", box=("-4,4",), slices=5, single_file=True
    )
    return folder


@pytest.fixture
def family(made, tmp_path) -> Path:
    """A copy that may be spoiled."""
    for path in made.rglob("*.*"):
        target = tmp_path / path.relative_to(made)
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(path.read_bytes())
    return tmp_path


def judge(family: Path, **settings):
    return verify_family(family / "net.onnx", family / "out", Settings(**settings))


def spoil(path: Path, name: str = "v", factor: float = 2.0) -> None:
    model = onnx.load(path)
    for tensor in model.graph.initializer:
        if tensor.name == name:
            numbers = onnx.numpy_helper.to_array(tensor) * np.float32(factor)
            tensor.CopyFrom(onnx.numpy_helper.from_array(numbers, name))
    onnx.save(model, path)


@pytest.mark.parametrize("samples", [1, 5, 64, 500])
def test_equal(made, samples):
    verdict = judge(made, samples=samples)
    assert (verdict.status, verdict.reason) == ("equal", "")
    assert verdict.samples == max(samples, 5)  # at least one of each slice
    (row,) = verdict.outputs
    assert row.max_abs == 0


@pytest.mark.parametrize("number", range(5))
def test_each_slice_is_looked_at(family, number):
    spoil(family / "out" / read_table(family / "out").members[number].file)
    verdict = judge(family)
    assert verdict.status == "different"
    assert "output y differs" in verdict.reason


def test_what_is_dispatched_otherwise_is_another_function(family):
    table = json.loads((family / "out" / TABLE).read_text())
    cut = table["cuts"][0]
    cut["low"], cut["high"] = cut["high"], cut["low"]
    (family / "out" / TABLE).write_text(json.dumps(table))
    assert judge(family).status == "different"


def test_a_witness_is_saved(family, tmp_path):
    member = read_table(family / "out").members[3]
    spoil(family / "out" / member.file)
    verdict = judge(family, witness=tmp_path / "w.npz")
    assert verdict.witness == str(tmp_path / "w.npz")
    point = load_inputs([str(tmp_path / "w.npz")])["x"]
    assert read_table(family / "out").tree.locate({"x": point}).tolist() == [3]


def test_a_slice_that_is_another_model(family):
    path = family / "out" / read_table(family / "out").members[1].file
    onnx.save(build([node("Relu", ["x"], ["z"])], inputs={"x": ("N", 2)}, outputs=("z",)), path)
    verdict = judge(family)
    assert verdict.status == "different"
    assert "outputs differ" in verdict.reason


def test_an_original_that_does_not_run_is_not_judged(family):
    model = onnx.load(family / "net.onnx")
    model.graph.node[2].op_type = "Reloo"
    onnx.save(model, family / "net.onnx")
    verdict = judge(family)
    assert verdict.status == "unverified"
    assert "net.onnx" in verdict.reason


def test_a_slice_that_does_not_run(family):
    path = family / "out" / read_table(family / "out").members[0].file
    model = onnx.load(path)
    model.graph.node[0].op_type = "Reloo"
    onnx.save(model, path)
    verdict = judge(family)
    assert verdict.status == "different"
    assert path.name in verdict.reason


def test_files_that_are_missing(family):
    (family / "out" / read_table(family / "out").members[2].file).unlink()
    with pytest.raises(InputError, match=r"slice-00002\.onnx"):
        judge(family)
    (family / "out" / TABLE).unlink()
    with pytest.raises(InputError, match=r"has no slices\.json"):
        judge(family)


@pytest.mark.parametrize(
    "settings",
    [
        {"inputs": {"x": np.zeros((1, 2))}},
        {"dims": {"N": 3}},
        {"input_shapes": {"x": (1, 2)}},
        {"box": ("0,1",)},
        {"everywhere": True},
    ],
)
def test_settings_that_are_not_for_slices(made, settings):
    with pytest.raises(UsageError, match="samples of their box"):
        judge(made, **settings)


def test_a_table_about_other_inputs(made, tmp_path):
    onnx.save(build([node("Relu", ["z"], ["y"])], inputs={"z": (1, 2)}), tmp_path / "a.onnx")
    with pytest.raises(UsageError, match="is about other inputs"):
        verify_family(tmp_path / "a.onnx", made / "out", Settings())


def test_time_may_run_out(made):
    verdict = judge(made, timeout=1e-9)
    assert verdict.status == "unverified"
    assert verdict.reason == "no sample was done in time"


def test_one_file_for_all_slices(made):
    args = (made / "net.onnx", made / "out" / "single.onnx", made / "out")
    assert verify_single(*args, Settings(samples=99)).samples == 99
    assert verify_single(*args, Settings(samples=99)).status == "equal"


def test_verify_takes_a_folder(made):
    assert lumpcli.verify(made / "net.onnx", made / "out").status == "equal"
