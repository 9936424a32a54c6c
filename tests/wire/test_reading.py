"""Files are read as protobuf reads them, whatever is in them; large numbers stay there."""

from __future__ import annotations

import numpy as np
import pytest
from google.protobuf.message import DecodeError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import ModelProto

from lumpcli.wire import read, reading
from lumpcli.wire.walk import varint
from tests.models import build, mlp, node
from tests.wire.models import LEAST, again, all_raw, around, field, lower, nested

NESTED = nested().SerializeToString()
SMALL = build([node("Add", ["x", "w"], ["y"])], {"w": np.arange(40.0)}).SerializeToString()
RAW = bytes(range(200))
FUZZ = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@pytest.fixture(autouse=True)
def _low(monkeypatch):
    lower(monkeypatch)


def _check(path, content):
    """The file is read as protobuf does: the same model, or none; none with names of bytes."""
    path.write_bytes(content)
    try:
        model = ModelProto.FromString(content)
        if not reading._is_text(model):
            raise DecodeError
    except DecodeError:
        with pytest.raises(DecodeError):
            read(path)
        return
    assert again(path) == model.SerializeToString()


def test_large_numbers_stay_in_the_file(tmp_path):
    path = tmp_path / "m.onnx"
    path.write_bytes(NESTED)
    model, payloads = read(path)
    assert payloads.least == LEAST
    found = [payloads.find(raw) for raw in all_raw(model)]
    expected = [raw if len(raw) >= LEAST else None for raw in all_raw(nested())]
    assert [f and f.content() for f in found] == expected
    assert again(path) == NESTED


def test_small_files_are_read_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "SMALLEST_FILE", len(SMALL) + 1)
    (tmp_path / "m.onnx").write_bytes(SMALL)
    assert read(tmp_path / "m.onnx") == (ModelProto.FromString(SMALL), None)
    monkeypatch.setattr(reading, "SMALLEST_FILE", len(SMALL))
    assert read(tmp_path / "m.onnx")[1] is not None


def test_an_empty_file_is_an_empty_message(tmp_path):
    _check(tmp_path / "m.onnx", b"")


def test_a_file_that_cannot_be_mapped_is_read(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise OSError(19, "No such device")

    monkeypatch.setattr("mmap.mmap", refuse)
    (tmp_path / "m.onnx").write_bytes(SMALL)
    assert read(tmp_path / "m.onnx") == (ModelProto.FromString(SMALL), None)


def test_a_file_beyond_two_gigabytes_is_refused_unread(tmp_path):
    with (tmp_path / "m.onnx").open("wb") as file:
        file.truncate(1 << 31)
    with pytest.raises(DecodeError, match="2 GiB"):
        read(tmp_path / "m.onnx")


@pytest.mark.parametrize(
    "content",
    [
        around(RAW) + around(RAW),
        around(RAW) + field(7, field(2, b"the name")),
        around(RAW, tail=field(9, RAW[:5])),
        around(RAW) + b"\xfb\x7f\xfc\x7f",  # an unknown group
        around(RAW) + b"\xfb\x7f" + field(7, b"in a group") + b"\xfc\x7f",
        around(RAW) + b"\x08\x80\x00",
        around(RAW, tail=b"\x48\x07"),
        around(RAW, tail=field(6, b"text")),
        around(RAW, tail=b"\x10\x08"),  # a tensor of strings with raw data
    ],
)
def test_oddities_are_what_protobuf_makes_of_them(tmp_path, content):
    ModelProto.FromString(content)  # it does read them
    _check(tmp_path / "m.onnx", content)


def test_unknown_fields_survive(tmp_path):
    tail = b"\xfd\x7f1234" + field(999, b"abc")
    content = around(RAW, tail=tail) + tail
    (tmp_path / "m.onnx").write_bytes(content)
    assert read(tmp_path / "m.onnx")[1] is not None
    assert again(tmp_path / "m.onnx") == ModelProto.FromString(content).SerializeToString()
    assert again(tmp_path / "m.onnx").count(field(999, b"abc")) == 2


def test_a_model_cut_anywhere(tmp_path):
    for length in range(len(SMALL)):
        _check(tmp_path / "m.onnx", SMALL[:length])


@FUZZ
@given(st.binary(max_size=200))
def test_random_bytes(tmp_path, content):
    _check(tmp_path / "m.onnx", content)


@FUZZ
@given(st.lists(st.tuples(st.integers(0, len(NESTED) - 1), st.integers(0, 255)), max_size=4))
def test_random_changes(tmp_path, changes):
    content = bytearray(NESTED)
    for place, value in changes:
        content[place] = value
    _check(tmp_path / "m.onnx", bytes(content))


LENGTHS = [p for p in range(len(SMALL) - 1) if SMALL[p] & 7 == 2 and SMALL[p + 1] <= len(SMALL)]


@FUZZ
@given(st.sampled_from(LENGTHS), st.none() | st.integers(0, 1 << 35), st.integers(0, 3))
def test_wrong_lengths(tmp_path, place, length, longer):
    """Where a length may be, there is another one, or one in more bytes than it needs."""
    new = bytearray(varint(SMALL[place + 1] if length is None else length))
    if longer:
        new[-1] |= 0x80
        new += b"\x80" * (longer - 1) + b"\0"
    _check(tmp_path / "m.onnx", SMALL[: place + 1] + bytes(new) + SMALL[place + 2 :])


@pytest.mark.parametrize("levels", [30, 40, 2000])
def test_deep_nesting(tmp_path, levels):
    content = field(5, field(9, RAW))
    for _ in range(levels):
        content = field(1, field(5, field(6, content)))
    _check(tmp_path / "m.onnx", mlp().SerializeToString() + field(20, field(1, content)))


@pytest.mark.parametrize("name", [b"Relu", b"weight", b"mlp"])
def test_names_that_are_no_text_are_refused(tmp_path, name):
    content = mlp().SerializeToString()
    if name not in content:
        name = mlp().graph.node[0].output[0].encode()
    path = tmp_path / "m.onnx"
    path.write_bytes(content.replace(name, b"\xff" * len(name)))
    with pytest.raises(DecodeError, match="UTF-8"):
        read(path)


def test_a_model_may_be_read_whole(tmp_path):
    path = tmp_path / "m.onnx"
    path.write_bytes(NESTED)
    assert read(path)[1] is not None
    model, payloads = read(path, whole=True)
    assert payloads is None
    assert model == ModelProto.FromString(NESTED)
