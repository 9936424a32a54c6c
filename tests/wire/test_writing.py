"""Files are written with what placeholders stand for in their place, or not at all."""

from __future__ import annotations

import errno

import numpy as np
import pytest
from onnx import ModelProto, numpy_helper

from lumpcli.errors import InternalError
from lumpcli.wire import Numbers, Payloads, read, write, writing
from tests.wire.models import lower, nested

NESTED = nested().SerializeToString()


@pytest.fixture
def source(tmp_path, monkeypatch):
    lower(monkeypatch)
    (tmp_path / "m.onnx").write_bytes(NESTED)
    return tmp_path / "m.onnx"


def test_without_payloads_a_model_is_written_as_it_is(tmp_path):
    write(nested(), None, tmp_path / "m.onnx")
    assert (tmp_path / "m.onnx").read_bytes() == NESTED


def test_what_was_read_is_written(source, tmp_path):
    write(*read(source), tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == NESTED


@pytest.mark.parametrize("size", [5, 30, 33, 100, 5000])
def test_new_numbers_among_old_ones(source, tmp_path, size):
    model, payloads = read(source)
    expected = ModelProto.FromString(NESTED)
    numbers = np.arange(2.0 * size).reshape(2, size)
    for proto in (model, expected):
        for name in ("new", "newer"):
            proto.graph.initializer.append(numpy_helper.from_array(numbers.T, name))
    for tensor in model.graph.initializer[-2:]:
        tensor.raw_data = payloads.add(Numbers(numbers.T))
    inner = [proto.graph.node[1].attribute[0].g.initializer[0] for proto in (model, expected)]
    inner[0].raw_data = payloads.add(Numbers(numbers))
    inner[1].raw_data = numbers.tobytes()
    write(model, payloads, tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == expected.SerializeToString()


def test_a_broken_placeholder_is_never_written(source, tmp_path):
    model, payloads = read(source)
    model.graph.initializer[1].raw_data = payloads.add(Numbers(np.zeros(9)))[:-1]
    with pytest.raises(InternalError, match="placeholder"):
        write(model, payloads, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_walked_is_not_written(tmp_path, monkeypatch):
    monkeypatch.setattr("lumpcli.wire.walk._MOST_FIELDS", 1)
    payloads = Payloads()
    model = nested()
    model.graph.initializer[0].raw_data = payloads.add(Numbers(np.zeros(9)))
    with pytest.raises(InternalError, match="walked"):
        write(model, payloads, tmp_path / "out")


def test_more_than_protobuf_reads_is_not_written(source, tmp_path, monkeypatch):
    model, payloads = read(source)
    monkeypatch.setattr(writing, "LIMIT", len(NESTED))
    write(model, payloads, tmp_path / "fits")
    monkeypatch.setattr(writing, "LIMIT", len(NESTED) - 1)
    with pytest.raises(OSError, match="2 GiB") as caught:
        write(model, payloads, tmp_path / "out")
    assert caught.value.errno == errno.EFBIG
    assert not (tmp_path / "out").exists()
