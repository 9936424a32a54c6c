from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper

from lumpcli.errors import InputError
from lumpcli.judge.signature import Port, difference, read_signature
from tests.judge import models
from tests.judge.models import node, save, tensor
from tests.models import mlp
from tests.wire.models import lower


def test_ports(tmp_path):
    port = tensor("x", ("N", None, 3, -1), np.float64)
    rank = helper.make_tensor_value_info("u", 1, None)
    path = save(tmp_path / "m.onnx", [node("Identity", ["x"], ["y"])], [port, rank], [port])
    x, u = read_signature(path).inputs
    assert (x.shape, str(x)) == (("N", None, 3, None), "float64[N,?,3,?]")
    assert (u.shape, str(u)) == (None, "float32")


@pytest.mark.parametrize(
    ("weights", "arithmetic"),
    [
        ({}, "float32"),
        ({"w": np.ones(4)}, "float32"),
        ({"w": np.ones(4, np.float16)}, "float16"),
        ({"w": np.ones(1, np.float16)}, "float32"),
    ],
)
def test_arithmetic_is_the_coarsest_that_counts(tmp_path, weights, arithmetic):
    ports = [tensor("x", (1,))], [tensor("y", (1,))]
    path = save(tmp_path / "m.onnx", [node("Identity", ["x"], ["y"])], *ports, weights)
    assert read_signature(path).arithmetic == arithmetic
    assert read_signature(path).parameters == sum(w.size for w in weights.values())


def test_tables(tmp_path):
    signature = read_signature(models.embedding(tmp_path / "m.onnx", rows=5))
    assert signature.limits == {"ids": 5}


def test_differences(tmp_path):
    x, y = tensor("x", (1,)), tensor("y", (1,))

    def signature(inputs, outputs):
        nodes = [node("Identity", ["x"], ["z"])]
        return read_signature(save(tmp_path / "m.onnx", nodes, inputs, outputs))

    assert difference(signature([x, y], [x]), signature([x, y], [x])) is None
    assert "in this order" in (difference(signature([x, y], [x]), signature([y, x], [x])) or "")
    assert "none" in (difference(signature([x], [x]), signature([], [x])) or "")
    longer = tensor("x", (1, 2))
    assert "float32[1,2]" in (difference(signature([x], [x]), signature([longer], [x])) or "")
    loose = tensor("x", (None,))
    assert difference(signature([x], [x]), signature([loose], [longer])) is None
    assert Port("s", "sequence(float32)", None, tensor=False) != Port("s", "float32", None)


def test_large_numbers_are_not_read(tmp_path, monkeypatch):
    path = tmp_path / "m.onnx"
    onnx.save(mlp(), path)
    expected = read_signature(path)
    lower(monkeypatch)
    assert read_signature(path) == expected
    assert expected.parameters == 6 * 5 + 6 + 6 * 3


def test_size_counts_data_files_but_does_not_read_them(tmp_path):
    path = models.mlp(tmp_path / "m.onnx")
    assert read_signature(path).size == path.stat().st_size
    numbers = (16 * 6 + 16 + 4 * 16 + 4) * 4
    onnx.save(onnx.load(path), path, save_as_external_data=True, location="d", size_threshold=0)
    (tmp_path / "d").write_bytes(b"\0" * 10_000)  # what others use of it does not count
    assert read_signature(path).size == path.stat().st_size + numbers


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("offset", "1e3", "is no number"),
        ("length", "zz", "is no number"),
        ("location", "w" * 5000, "no such file"),
    ],
)
def test_broken_references_to_data_files(tmp_path, key, value, reason):
    path = models.mlp(tmp_path / "m.onnx")
    onnx.save(onnx.load(path), path, save_as_external_data=True, location="d", size_threshold=0)
    model = onnx.load(path, load_external_data=False)
    data = model.graph.initializer[0].external_data
    next(entry for entry in data if entry.key == key).value = value
    path.write_bytes(model.SerializeToString())
    with pytest.raises(InputError, match=reason):
        read_signature(path)


def test_want_of_memory_is_not_the_models_fault(tmp_path, monkeypatch):
    def fail(*args, **options):
        raise MemoryError

    path = models.mlp(tmp_path / "m.onnx")
    monkeypatch.setattr("lumpcli.judge.signature.read", fail)
    with pytest.raises(MemoryError):
        read_signature(path)
