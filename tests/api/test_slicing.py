"""`slice_model`: what it writes computes what the model does; runs go on where others stopped."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

import lumpcli
from lumpcli.api import slicing
from lumpcli.errors import InputError, OutputError, UsageError
from lumpcli.family import TABLE, read_table
from lumpcli.report import slice_text
from lumpcli.slicing import SINGLE, digest
from tests.report import samples
from tests.report.schema import load, validate
from tests.slicing.models import bends, run

BOX = ("-4,4",)
POINTS = np.array(list(product(np.arange(-8, 9) / 2, repeat=2)), np.float32)


@pytest.fixture
def source(tmp_path) -> Path:
    path = tmp_path / "net.onnx"
    onnx.save(bends(), path)
    return path


def files(folder: Path) -> dict[str, str]:
    return {p.name: digest(p) for p in sorted(folder.iterdir()) if p.name != "journal.jsonl"}


def make(source: Path, folder: Path, slices: int = 6, **options) -> lumpcli.Sliced:
    return lumpcli.slice_model(source, folder, box=BOX, slices=slices, **options)


def interrupted(monkeypatch, after: int) -> None:
    """The run is interrupted in the midst of a slice, so many later."""
    reduce, count = slicing.reduce, iter(range(after))

    def limited(*args, **options):
        result = reduce(*args, **options)
        if next(count, None) is None:
            raise KeyboardInterrupt
        return result

    monkeypatch.setattr(slicing, "reduce", limited)


def test_every_slice_is_the_model_on_its_part(source, tmp_path):
    sliced = make(source, tmp_path / "out")
    table = read_table(tmp_path / "out")
    assert table.tree.slices == sliced.slices == 6
    numbers = table.tree.locate({"x": POINTS})
    assert set(numbers) == set(range(6))
    (wanted,) = run(bends(), {"x": POINTS})
    for number, member in enumerate(table.members):
        own = numbers == number
        session = onnxruntime.InferenceSession(tmp_path / "out" / member.file)
        assert np.array_equal(session.run(None, {"x": POINTS[own]})[0], wanted[own])


def test_the_report_is_about_the_files(source, tmp_path):
    sliced = make(source, tmp_path / "out")
    table = read_table(tmp_path / "out")
    validate(load((tmp_path / "out" / TABLE).read_text()))
    assert (table.source, table.source_sha256) == ("net.onnx", digest(source))
    for member in table.members:
        path = tmp_path / "out" / member.file
        assert (member.sha256, member.bytes) == (digest(path), path.stat().st_size)
        assert lumpcli.stats(path).features == member.features
        assert lumpcli.stats(path).parameters == member.parameters
    counts = [m.features for m in table.members]
    assert sliced.features.original == 6
    assert sliced.features.mean == sum(counts) / 6
    assert (sliced.features.smallest, sliced.features.largest) == (min(counts), max(counts))
    assert sliced.features.largest < 6
    assert (sliced.table, sliced.single_file, sliced.resumed) == (TABLE, None, 0)
    assert sliced.verdict is not None
    assert sliced.verdict.status == "equal"


def test_one_file_for_all(source, tmp_path):
    sliced = make(source, tmp_path / "out", single_file=True)
    assert sliced.single_file == SINGLE
    session = onnxruntime.InferenceSession(tmp_path / "out" / SINGLE)
    (wanted,) = run(bends(), {"x": POINTS})
    for point, y in zip(POINTS, wanted, strict=True):
        assert np.array_equal(session.run(None, {"x": point[None]})[0][0], y)


def test_processes_make_the_same_files(source, tmp_path):
    make(source, tmp_path / "one", single_file=True)
    make(source, tmp_path / "two", single_file=True, jobs=2)
    assert files(tmp_path / "one") == files(tmp_path / "two")


def test_a_run_goes_on_where_another_stopped(source, tmp_path, monkeypatch):
    make(source, tmp_path / "whole")
    with monkeypatch.context() as patch:
        interrupted(patch, after=3)
        with pytest.raises(KeyboardInterrupt):
            make(source, tmp_path / "out")
    assert not (tmp_path / "out" / TABLE).exists()
    before = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "out").glob("slice-*")}
    sliced = make(source, tmp_path / "out")
    assert files(tmp_path / "out") == files(tmp_path / "whole")
    assert 0 <= sliced.resumed < 6
    assert len(before) == 4


def test_what_is_done_is_not_done_again(source, tmp_path, monkeypatch):
    first = make(source, tmp_path / "out")
    monkeypatch.setattr(slicing, "reduce", None)
    monkeypatch.setattr(slicing, "bisect", lambda *_: None)
    again = make(source, tmp_path / "out", single_file=True)
    assert again == replace(first, resumed=6, single_file=SINGLE)


@pytest.mark.parametrize("change", [{"slices": 5}, {"seed": 1}, {"samples": 3}, {"budget": 9.0}])
def test_another_request_is_another_run(source, tmp_path, change):
    make(source, tmp_path / "out")
    before = files(tmp_path / "out")
    with pytest.raises(OutputError, match="slices of another run"):
        make(source, tmp_path / "out", **change)
    assert files(tmp_path / "out") == before
    assert make(source, tmp_path / "out", force=True, **change).resumed == 0


def failing(monkeypatch, times: int) -> list[tuple[str, ...]]:
    """The third attempt to reduce, and so many in all, do not give what they should.

    Returns what each attempt may cut.
    """
    reduce, tried = slicing.reduce, list[tuple[str, ...]]()

    def sometimes(*args, **options):
        tried.append(options["passes"])
        if 3 <= len(tried) < 3 + times:
            return replace(reduce(*args, **options | {"dry_run": True}), verdict=samples.DIFFERENT)
        return reduce(*args, **options)

    monkeypatch.setattr(slicing, "reduce", sometimes)
    return tried


@pytest.mark.parametrize("times", [1, 2])
def test_a_slice_that_is_not_verified_is_cut_less(source, tmp_path, monkeypatch, times):
    tried = failing(monkeypatch, times)
    sliced = make(source, tmp_path / "out")
    assert [len(passes) for passes in tried[2 : 3 + times]] == [4, 3, 0][: times + 1]
    note = f"slice-00002.onnx: {samples.DIFFERENT.reason}"
    assert (sliced.table, sliced.notes) == (TABLE, (note,))
    assert note in slice_text(sliced)
    if times == 2:
        assert sliced.features.largest == 6  # the model as it is
    assert make(source, tmp_path / "out").notes == sliced.notes


def test_a_slice_that_is_not_verified_at_all_ends_the_run(source, tmp_path, monkeypatch):
    failing(monkeypatch, 3)
    sliced = make(source, tmp_path / "out")
    assert (sliced.table, sliced.verdict) == (None, samples.DIFFERENT)
    assert not (tmp_path / "out" / TABLE).exists()


def test_slices_that_are_not_the_model_together_get_no_table(source, tmp_path, monkeypatch):
    monkeypatch.setattr(slicing, "verify_family", lambda *_: samples.DIFFERENT)
    sliced = make(source, tmp_path / "out", single_file=True)
    assert (sliced.table, sliced.single_file) == (None, None)
    assert not (tmp_path / "out" / TABLE).exists()


def test_a_single_file_that_is_not_the_model_is_not_written(source, tmp_path, monkeypatch):
    original = slicing.single_model

    def wrong(model, slices, tree, types):
        return original(model, slices[::-1], tree, types)

    monkeypatch.setattr(slicing, "single_model", wrong)
    sliced = make(source, tmp_path / "out", single_file=True)
    assert (sliced.table, sliced.single_file) == (TABLE, None)
    assert sliced.verdict is not None
    assert sliced.verdict.status == "different"
    assert not (tmp_path / "out" / SINGLE).exists()


def test_the_box_holds_what_the_input_s_type_does(source, tmp_path):
    lumpcli.slice_model(source, tmp_path / "out", box=("-0.1,0.3",), slices=3)
    (ends,) = read_table(tmp_path / "out").box.ranges.values()
    assert [float(np.float32(end.flat[0])) for end in ends] == [end.flat[0] for end in ends]
    assert float(np.float32(0.3)) == ends[1].flat[0]


def test_usage(source, tmp_path):
    with pytest.raises(UsageError, match="slices must be at least 1"):
        make(source, tmp_path / "out", slices=0)
    with pytest.raises(UsageError, match="jobs must be at least 1"):
        make(source, tmp_path / "out", jobs=0)
    with pytest.raises(UsageError, match="has no input 'z'"):
        lumpcli.slice_model(source, tmp_path / "out", box=("z=0,1",), slices=3)
    with pytest.raises(InputError, match="no such file"):
        make(tmp_path / "nothing.onnx", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_models_with_data_files_are_refused(tmp_path):
    path = tmp_path / "net.onnx"
    onnx.save(bends(), path, save_as_external_data=True, location="w.bin", size_threshold=0)
    with pytest.raises(UsageError, match="external data"):
        make(path, tmp_path / "out")
