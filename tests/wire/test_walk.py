"""The walk finds raw data wherever it may be, and gives up on what it does not follow."""

from __future__ import annotations

import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import ModelProto

from lumpcli.wire import walk
from lumpcli.wire.walk import Unfit, edits, growth, model_kind, pieces, varint
from tests.wire.models import all_raw, around, field, nested

RAW = bytes(range(200))


def _swapped(content, new=lambda old: b"." * 3, least=0):
    """The content with other raw data, and the old."""
    old = []

    def swap(start, stop):
        old.append(content[start:stop])
        return new(old[-1])

    changes = edits(content, lambda start, stop: stop - start >= least, swap)
    result = b"".join(pieces(content, changes))
    assert len(result) == len(content) + growth(changes)
    return result, old


def test_the_kinds_are_those_of_onnx():
    kind = model_kind()
    assert sorted(kind.fields) == [7, 20, 25]  # graph, training_info, functions
    graph, repeated = kind.fields[7]
    assert (graph.name, repeated) == ("onnx.GraphProto", False)
    assert sorted(graph.fields) == [1, 5, 15]  # node, initializer, sparse_initializer
    node, repeated = graph.fields[1]
    assert repeated
    assert list(node.fields) == [5]
    attribute, _ = node.fields[5]
    assert sorted(attribute.fields) == [5, 6, 10, 11, 22, 23]
    assert attribute.fields[6] == (graph, False)
    tensor, _ = attribute.fields[5]
    assert tensor.fields == {9: (None, False)}
    assert sorted(kind.fields[25][0].fields) == [7, 11]


def test_raw_data_of_every_nesting_is_found_and_replaced():
    model = nested()
    result, old = _swapped(model.SerializeToString())
    assert sorted(old) == sorted(all_raw(model))
    assert {len(raw) for raw in all_raw(ModelProto.FromString(result))} == {3}


@pytest.mark.parametrize("size", [0, 1, 100, 127, 128, 16383, 16384, 1 << 21])
def test_lengths_around_are_corrected(size):
    content = nested().SerializeToString()
    longer, old = _swapped(content, lambda _: bytes(size))
    assert {len(raw) for raw in all_raw(ModelProto.FromString(longer))} == {size}
    back = iter(old)
    assert _swapped(longer, lambda _: next(back))[0] == content


def test_what_is_not_worth_it_is_stepped_over():
    content = nested().SerializeToString()
    assert _swapped(content, least=301)[1] == [r for r in _swapped(content)[1] if len(r) > 300]
    assert edits(content, lambda *_: True, lambda *_: None) == []
    assert list(pieces(content, [])) == [content]
    assert list(pieces(b"", [])) == []


@pytest.mark.parametrize(
    "content",
    [
        around(RAW)[:-1],
        around(RAW) + b"\x00\x00",  # field number 0
        around(RAW) + b"\x0b\x0c",  # a group
        around(RAW) + b"\x0e\x00",  # wire type 6
        around(RAW) + b"\x80",  # half a key
        around(RAW) + b"\x88\x00\x00",  # a key longer than it need be
        around(RAW) + b"\x08\x80\x00",
        around(RAW) + b"\x08" + b"\xff" * 11,
        around(RAW) + b"\xff\xff\xff\xff\xff\x01",
        around(RAW) + b"\x09abc",  # less than 8 bytes
        around(RAW) + b"\x0dabc",  # less than 4 bytes
        around(RAW) + around(RAW),  # two graphs: to be merged
        around(RAW, tail=field(9, RAW)),  # raw data twice: the last counts
        around(RAW, tail=b"\x4a\xff\xff\xff\xff\x7f"),
        b"this is a text file, not a model",
    ],
)
def test_what_is_left_to_protobuf(content):
    with pytest.raises(Unfit):
        _swapped(content)


def test_fields_of_other_types_are_stepped_over():
    extra = b"\x08\x80\x01" + b"\xfd\x7f1234" + b"\xf9\x7f12345678" + field(999, b"abc")
    content = around(RAW, tail=extra + b"\x48\x07") + extra  # and a number instead of raw data
    assert _swapped(content, lambda old: old) == (content, [RAW])


@pytest.mark.parametrize(("levels", "fits"), [(10, True), (32, True), (34, False), (5000, False)])
def test_nesting_is_limited(levels, fits):
    content = field(5, field(9, RAW))
    for _ in range(levels):  # node, attribute, graph: three messages
        content = field(1, field(5, field(6, content)))
    if fits:
        assert _swapped(field(7, content))[1] == [RAW]
        return
    with pytest.raises(Unfit):
        _swapped(field(7, content))


def test_the_fields_looked_at_are_limited(monkeypatch):
    content = around(RAW) + b"\x08\x01" * 100
    monkeypatch.setattr(walk, "_MOST_FIELDS", 106)
    assert _swapped(content)[1] == [RAW]
    monkeypatch.setattr(walk, "_MOST_FIELDS", 105)
    with pytest.raises(Unfit):
        _swapped(content)


@given(st.integers(1, (1 << 63) - 1))
def test_numbers_are_written_as_protobuf_does(value):
    assert onnx.OperatorSetIdProto(version=value).SerializeToString() == b"\x10" + varint(value)


@given(st.binary(max_size=60), st.integers(0, 300))
def test_any_bytes_either_walk_or_do_not(content, place):
    whole = around(RAW)
    for data in (content, whole[:place] + content + whole[place:], whole[:place] + content):
        try:
            result, _ = _swapped(data, lambda old: old)
        except Unfit:
            continue
        assert result == data
