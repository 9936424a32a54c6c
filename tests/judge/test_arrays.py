from __future__ import annotations

import numpy as np
import pytest

from lumpcli.errors import UsageError
from lumpcli.judge import load_inputs
from lumpcli.judge.arrays import fit_inputs, write_witness
from lumpcli.judge.signature import Port

X = Port("x", "float32", ("N", 3))
I = Port("i", "int32", (2,))  # noqa: E741


def test_reads_single_arrays_and_archives(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(3))
    np.savez(tmp_path / "b.npz", y=np.ones(2), z=np.zeros(1))
    arrays = load_inputs([f"x={tmp_path / 'a.npy'}", str(tmp_path / "b.npz")])
    assert {n: a.tolist() for n, a in arrays.items()} == {"x": [0, 1, 2], "y": [1, 1], "z": [0]}
    assert load_inputs([]) == {}


def test_a_witness_keeps_every_name_and_number(tmp_path):
    feeds = {n: np.float32([1 / 3]) for n in ("file", "a/b:0", "x.npy", "ü")}
    feeds["half"] = np.float16([[0.1]])
    write_witness(tmp_path / "w.npz", feeds)
    back = load_inputs([str(tmp_path / "w.npz")])
    assert back == feeds
    assert back["half"].dtype == np.float16


def test_what_cannot_be_read(tmp_path):
    (tmp_path / "empty.npy").touch()
    (tmp_path / "text.npz").write_text("hello")
    np.save(tmp_path / "object.npy", np.asarray([{}], object), allow_pickle=True)
    for spec, message in (
        ("x", "write name=file.npy, or file.npz"),
        ("x=file.txt", "write name=file.npy"),
        ("=file.npy", "write name=file.npy"),
        (f"x={tmp_path}/none.npy", "No such file"),
        (f"{tmp_path}/none.npz", "No such file"),
        (f"x={tmp_path}/empty.npy", "empty.npy"),
        (f"{tmp_path}/text.npz", "not a zip file"),
        (f"x={tmp_path}/object.npy", "Object arrays cannot be loaded"),
    ):
        with pytest.raises(UsageError, match=message):
            load_inputs([spec])


def test_a_name_given_twice(tmp_path):
    np.save(tmp_path / "a.npy", np.ones(1))
    with pytest.raises(UsageError, match="input x is given twice"):
        load_inputs([f"x={tmp_path / 'a.npy'}"] * 2)


def test_arrays_take_the_type_of_their_input():
    fitted = fit_inputs([X, I], {"x": np.arange(6).reshape(2, 3), "i": np.asarray([1.0, 2.0])})
    assert fitted["x"].dtype == np.float32
    assert fitted["i"].dtype == np.int32


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("q", np.ones((2, 3))),
        ("x", np.ones((2, 4))),
        ("x", np.ones(3)),
        ("x", np.asarray([["a", "b", "c"]])),
        ("i", np.asarray([0.5, 1])),
        ("i", np.asarray([np.nan, 1])),
        ("i", np.asarray([2**40, 1])),
        ("i", np.arange(4)),
    ],
)
def test_arrays_that_do_not_fit(name, array):
    with pytest.raises(UsageError, match=name):
        fit_inputs([X, I], {name: array})
