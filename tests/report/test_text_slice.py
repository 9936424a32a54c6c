"""What people read about slices."""

from __future__ import annotations

from dataclasses import replace

from lumpcli.report import slice_text, verify_text
from tests.report import samples


def test_everything_needed_nothing_twice():
    told = slice_text(samples.SLICED)
    assert told.startswith("box              32 slices, at most 8 cuts to one\n")
    rows = [line.split() for line in told.splitlines()[1:5]]
    assert rows[0] == ["original", "mean", "smallest", "largest"]
    assert rows[1] == ["features", "300", "232", "(-22.7", "%)", "90", "296"]
    assert rows[2] == ["parameters", "13,305", "8,100", "(-39.1", "%)", "2,000", "13,001"]
    assert rows[3] == ["file", "bytes", "55,889", "34,000", "(-39.2", "%)", "9,000", "55,000"]
    assert verify_text(samples.EQUAL) in told
    wrote = told.splitlines()[-2:]
    assert wrote[0].startswith("wrote            slices/slices.json, which says")
    assert wrote[1].startswith("                 slices/single.onnx, which selects")


def test_fewer_than_asked_for_and_resumed():
    told = slice_text(replace(samples.SLICED, asked=40, resumed=1, single_file=None))
    assert "40 were asked for; cutting more would settle nothing" in told
    assert "resumed          1 of 32 slices were there" in told
    assert "single.onnx" not in told


def test_what_is_not_verified_has_no_sizes_and_no_table():
    failed = replace(samples.SLICED, table=None, single_file=None, verdict=samples.DIFFERENT)
    told = slice_text(failed)
    assert "parameters" not in told
    assert told.splitlines()[-1].startswith("wrote            no table to slices")
    assert samples.DIFFERENT.reason in told


def test_a_single_file_that_is_not_verified_is_not_said_to_be_written():
    told = slice_text(replace(samples.SLICED, single_file=None, verdict=samples.DIFFERENT))
    assert "slices/slices.json" in told
    assert "single.onnx" not in told
