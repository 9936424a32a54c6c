"""The ways to write a box, and what is wrong with others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lumpcli.box import read_box
from lumpcli.errors import UsageError

ONE = {"x": (1, 2)}
TWO = {"a": (2,), "b": (1, 1)}


def test_one_pair_is_for_all_inputs_and_later_entries_win() -> None:
    box = read_box(["-1,1", "b=0.5,2"], TWO)
    assert [bound.tolist() for bound in box.ranges["a"]] == [[-1.0, -1.0], [1.0, 1.0]]
    assert [bound.tolist() for bound in box.ranges["b"]] == [[[0.5]], [[2.0]]]


def test_names_may_have_equals_signs_and_numbers_spaces() -> None:
    box = read_box(["a=b= -1 , 2"], {"a=b": (1,)})
    assert box.ranges["a=b"][0] == -1.0


def _saved(path: Path, **arrays: Any) -> str:
    np.savez(path / "box.npz", **arrays)
    return str(path / "box.npz")


def test_arrays_of_one_input_need_no_name(tmp_path: Path) -> None:
    box = read_box([_saved(tmp_path, lower=np.float32([[0.1, 0.2]]), upper=np.int64(1))], ONE)
    assert box.ranges["x"][0].tolist() == np.float32([[0.1, 0.2]]).astype(float).tolist()
    assert box.ranges["x"][1].tolist() == [[1.0, 1.0]]


def test_arrays_by_name(tmp_path: Path) -> None:
    arrays = {"a.lower": np.zeros(2), "a.upper": np.ones(2), "b.lower": 0.0, "b.upper": 3.0}
    assert read_box([_saved(tmp_path, **arrays)], TWO).size == 3


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"lower": np.zeros((1, 2))}, "no 'x.upper'"),
        ({"lower": np.zeros((1, 2)), "upper": np.zeros((1, 2)), "other": 1.0}, "'other'"),
        ({"lower": np.zeros(2), "upper": np.ones(2)}, "shape"),
        ({"y.lower": np.zeros(2), "y.upper": np.ones(2)}, "no input 'y'"),
        ({"lower": np.array("a"), "upper": 1.0}, "<U1"),
        ({"lower": np.longdouble(0), "upper": 1.0}, "not float64"),
        ({"lower": np.int64(2**53 + 1), "upper": np.int64(2**53 + 1)}, "cannot represent"),
        ({"lower": 0.0, "upper": np.nan}, "finite"),
    ],
)
def test_arrays_that_are_no_box(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_box([_saved(tmp_path, **arrays)], ONE)


@pytest.mark.parametrize("suffix", [".npz", ".vnnlib"])
def test_files_that_cannot_be_read(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"box{suffix}"
    with pytest.raises(UsageError, match="no such file"):
        read_box([str(path)], ONE)
    path.write_bytes(b"PK\x03\x04\xff\xfe garbage")
    with pytest.raises(UsageError, match="cannot be read"):
        read_box([str(path)], ONE)
    path.unlink()
    path.mkdir()
    with pytest.raises(UsageError, match="cannot be read"):
        read_box([str(path)], ONE)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("1", "neither"),
        ("1,2,3", "neither"),
        ("x=1", "neither"),
        ("2,1", "above"),
        ("x=0,nan", "decimal"),
        ("y=0,1", "no input 'y'; its inputs: 'x'"),
    ],
)
def test_pairs_that_are_no_box(entry: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_box([entry], ONE)


def test_every_input_needs_bounds() -> None:
    with pytest.raises(UsageError, match="'b' has no bounds"):
        read_box(["a=0,1"], TWO)


def test_elements_of_vnnlib_are_numbered_through_all_inputs(tmp_path: Path) -> None:
    path = tmp_path / "box.vnnlib"
    path.write_text(
        "".join(
            f"(declare-const X_{k} Real)\n(assert (<= X_{k} {k + 1}))\n(assert (>= X_{k} {k}))\n"
            for k in range(3)
        )
    )
    box = read_box([str(path)], TWO)
    assert box.ranges["a"][0].tolist() == [0.0, 1.0]
    assert box.ranges["b"][1].tolist() == [[3.0]]
    with pytest.raises(UsageError, match=r"declares 3 inputs X_i, the model's inputs have 2"):
        read_box([str(path)], ONE)
