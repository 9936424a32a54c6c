"""`slices.json`: it reads back as it was, follows its schema, and nonsense is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest

from lumpcli.box import Box
from lumpcli.errors import InputError
from lumpcli.family import TABLE, Cut, Member, Table, Tree, read_table, table_json
from tests.report.schema import load, validate

BOX = Box({"x": (np.array([[-0.1, 1 / 3]]), np.array([[0.7, 1e300]])), "s": (np.zeros(()),) * 2})
MEMBERS = tuple(Member(f"slice-{k}.onnx", f"{k:064x}", 100 + k, k, 10 * k, "") for k in range(3))
FOUND = Table(
    "net.onnx",
    "ab" * 32,
    7,
    BOX,
    Tree((Cut("x", 1, 0.5, ~0, 1), Cut("x", 0, 0.1, ~1, ~2))),
    MEMBERS,
)


def same(a: Box, b: Box) -> bool:
    return a.ranges.keys() == b.ranges.keys() and all(
        np.array_equal(mine, theirs) and mine.shape == theirs.shape
        for name in a.ranges
        for mine, theirs in zip(a.ranges[name], b.ranges[name], strict=True)
    )


@pytest.mark.parametrize(
    "table", [FOUND, Table("net.onnx", "ab", 0, BOX, Tree(()), MEMBERS[:1])], ids=["cut", "whole"]
)
def test_it_reads_back(tmp_path, table):
    (tmp_path / TABLE).write_text(table_json(table))
    found = read_table(tmp_path)
    assert same(found.box, table.box)
    assert vars(found) | {"box": None} == vars(table) | {"box": None}


def test_it_follows_its_schema():
    document = load(table_json(FOUND))
    validate(document)
    assert [d["domain"]["x"]["lower"] for d in document["slices"]] == [
        [-0.1, 1 / 3],
        [-0.1, 0.5],
        [0.1, 0.5],
    ]
    assert document["cuts"][0]["low"] == {"slice": 0}
    assert document["cuts"][0]["high"] == {"cut": 1}


def spoil(change) -> str:
    document = json.loads(table_json(FOUND))
    change(document)
    return json.dumps(document)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("3", "is no table"),
        (spoil(lambda d: d.pop("box")), "'box' is missing"),
        (spoil(lambda d: d.update(kind="slice")), "another kind"),
        (spoil(lambda d: d.update(schema_version=2)), "another version"),
        (spoil(lambda d: d["slices"].pop()), "2 slices are listed, the cuts make 3"),
        (spoil(lambda d: d["slices"][0].update(file="../other.onnx")), "no file beside it"),
        (spoil(lambda d: d["slices"][0].pop("sha256")), "'sha256' is missing"),
        (spoil(lambda d: d["cuts"][0].update(element=2)), "has no element 2"),
        (spoil(lambda d: d["cuts"][0].update(element=-1)), "has no element -1"),
        (spoil(lambda d: d["cuts"][0].update(input="z")), "'z' is missing"),
        (spoil(lambda d: d["cuts"][0].update(low={"slice": 1})), "no tree"),
        (spoil(lambda d: d["cuts"][0].update(low={"slice": -1})), "leads to"),
        (spoil(lambda d: d["cuts"][0].update(low={"leaf": 1})), "leads to"),
        (spoil(lambda d: d["cuts"][0].update(low={})), "no table"),
        (spoil(lambda d: d["cuts"][0].update(threshold="near")), "no table"),
        (spoil(lambda d: d["cuts"][0].update(threshold=float("nan"))), "not all finite"),
        (spoil(lambda d: d["cuts"][0].update(threshold=-5)), "lower bound"),
        (spoil(lambda d: d.update(box=[])), "no table"),
        (spoil(lambda d: d["box"]["x"].update(lower=[1.0])), "no table"),
        (spoil(lambda d: d["box"]["x"].update(lower=[9.0, 9.0])), "lower bound"),
    ],
)
def test_nonsense_is_refused(tmp_path, text, why):
    (tmp_path / TABLE).write_text(text)
    with pytest.raises(InputError) as error:
        read_table(tmp_path)
    assert why in str(error.value)
    assert TABLE in str(error.value)


def test_a_folder_without_one(tmp_path):
    with pytest.raises(InputError, match=r"has no slices\.json"):
        read_table(tmp_path)
