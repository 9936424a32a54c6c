"""Certificates are read within limits, and follow the published schema."""

from __future__ import annotations

import json
import time

import pytest

from benchmarks.tampering import prove
from lumpcli.certify.document import DEEPEST, LARGEST, SCHEMA, cut_of, read
from lumpcli.errors import InputError
from lumpcli.proofs import Refused
from tests.e2e.attention import attention
from tests.models import mlp

ROUND = ['{"layers": [], "merges": []}']


@pytest.fixture
def text(tmp_path):
    return json.dumps(prove("m", mlp(), tmp_path).certificate)


def refused(path, content, match):
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    start = time.perf_counter()
    with pytest.raises(InputError, match=match):
        read(path)
    assert time.perf_counter() - start < 30


def test_what_reduce_writes_is_read(text, tmp_path):
    (tmp_path / "c.json").write_text(text)
    assert read(tmp_path / "c.json") == json.loads(text)
    model = attention(q={1: (2.0, 0), 7: (2.0, 4)})
    assert prove("a", model, tmp_path).certificate["rounds"]


def test_the_schema_is_strict():
    schema = json.loads(SCHEMA.read_text())
    parts = [schema]
    while parts:
        part = parts.pop()
        if part.get("type") == "object":
            assert part["additionalProperties"] is False or "properties" not in part
        parts += [inner for inner in part.values() if isinstance(inner, dict)]


@pytest.mark.parametrize(
    ("before", "after", "match"),
    [
        ('"rounded": 0', '"rounded": 1e999999', "is no integer"),
        ('"rounded": 0', '"rounded": NaN', "is no integer"),
        ('"rounded": 0', '"rounded": ' + "9" * 10**6, "too long"),
        ('"rounded": 0', '"rounded": -1', "too small"),
        ('"rounded": 0', '"rounded": true', "not of type integer"),
        ('"rounded": 0', '"rounded": 0, "rounded": 0', "given twice"),
        ('"rounded": 0', '"rounded": 0, "more": 0', "unknown key 'more'"),
        ('"rounded": 0, ', "", "lacks 'rounded'"),
        ('"exact"', '"perfect"', "is not one of"),
        ('"2"', '"' + "9" * 10**6 + '"', "is not of the form"),
        ('"2"', '"1e999999"', "is not of the form"),
        ('"2"', '"1/0"', "is not of the form"),
        ('"rounds": [', '"rounds": [' + ",".join(ROUND * 17), "too many entries"),
        ('"2"', '"0x2"', "is not of the form"),
        ("[", "[" * (DEEPEST + 1), "nested more than"),
        ('"rounds": [', '"rounds": ' + "[" * 10**6, "nested more than"),
        ("}", "", "is no certificate"),
        ("certificate", '"' + '\\\\"' * 10**5, "is no certificate"),
    ],
)
def test_hostile_documents(text, tmp_path, before, after, match):
    assert before in text
    refused(tmp_path / "c.json", text.replace(before, after, 1), match)


def test_other_files(tmp_path):
    refused(tmp_path / "c.json", "", "is no certificate")
    refused(tmp_path / "c.json", "[]", "not of type object")
    refused(tmp_path / "c.json", b"\xff\xfe", "is no certificate")
    refused(tmp_path / "c.json", " " * (LARGEST + 1), "larger than")
    with pytest.raises(InputError, match="cannot be read"):
        read(tmp_path / "none")


def cut(**said):
    plain = {"keep": [0], "features": [1], "carriers": [0], "irrational": []}
    return cut_of("h", {**plain, **said}, 2)


def test_a_cut_is_read():
    found = cut(ratios=["3/2"], offsets=["-1"])
    assert found.keep.tolist() == [0]
    assert found.carrier.tolist() == [0, 0]
    assert [str(r) for r in found.ratio] == ["1", "3/2"]
    assert [str(o) for o in found.offset] == ["0", "-1"]


@pytest.mark.parametrize(
    "said",
    [
        {"keep": [1, 0]},
        {"keep": [0, 0]},
        {"keep": []},
        {"keep": [2]},
        {"keep": [0, 2]},
        {"carriers": [1]},
        {"features": []},
    ],
)
def test_kept_features_rise_and_carry(said):
    with pytest.raises((Refused, ValueError), match=r"rising order|shorter|longer"):
        cut(**said)


@pytest.mark.parametrize("said", [{"carriers": [0, 0]}, {"ratios": ["1", "1"]}, {"offsets": []}])
def test_lists_side_by_side_are_equally_long(said):
    with pytest.raises(ValueError, match=r"zip\(\) argument"):
        cut(**said)


def test_features_are_those_of_the_layer():
    with pytest.raises(IndexError):
        cut(features=[2])
