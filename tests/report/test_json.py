"""JSON of every kind of result follows its published schema."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from lumpcli.promises import LowerBound
from lumpcli.report import (
    Exceeded,
    Failure,
    error_json,
    reduce_json,
    slice_json,
    stats_json,
    verify_json,
)
from tests.report import samples
from tests.report.schema import SCHEMAS, check, load, validate

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    "result",
    [
        samples.REDUCED,
        samples.UNCHANGED,
        replace(samples.REDUCED, output=None, verdict=samples.DIFFERENT),
        replace(samples.REDUCED, rounding=(samples.UNBOUNDED, samples.BOUND)),
        replace(samples.REDUCED, lower_bound=LowerBound("h", 5, 7)),
        replace(samples.REDUCED, output=None, verdict=samples.UNVERIFIED),
        replace(samples.REDUCED, verdict=samples.INSIDE),
        replace(samples.REDUCED, promise="within rounding", level="rounding", verdict=None),
        replace(samples.REDUCED, promise="numerical", box=samples.IN_BOX),
        replace(samples.REDUCED, constant_outputs=(samples.CONSTANT,), model=object()),
    ],
)
def test_reduce_follows_its_schema(result):
    document = load(reduce_json(result))
    validate(document)
    assert document["kind"] == "reduce"
    assert document["changed"] is result.changed
    assert "model" not in document
    if result.verdict is not None:
        assert "kind" not in document["verdict"]


@pytest.mark.parametrize(
    "sliced",
    [
        samples.SLICED,
        replace(samples.SLICED, single_file=None, verdict=None),
        replace(samples.SLICED, table=None, single_file=None, verdict=samples.DIFFERENT),
    ],
)
def test_slice_follows_its_schema(sliced):
    document = load(slice_json(sliced))
    validate(document)
    assert document["kind"] == "slice"
    assert document["features"] == vars(sliced.features)


@pytest.mark.parametrize(
    "verdict", [samples.EQUAL, samples.DIFFERENT, samples.UNVERIFIED, samples.INSIDE]
)
def test_verify_follows_its_schema(verdict):
    document = load(verify_json(verdict))
    validate(document)
    assert document["kind"] == "verify"
    assert document["status"] == verdict.status


def test_numbers_that_json_lacks_are_strings():
    row = replace(samples.BY_ONNXRUNTIME, max_abs=NAN, relative=INF, scale=-INF)
    document = load(verify_json(replace(samples.DIFFERENT, outputs=(row,))))
    validate(document)
    (found,) = document["outputs"]
    assert (found["max_abs"], found["relative"], found["scale"]) == ("nan", "inf", "-inf")


class Number:
    """Stands for a scalar of numpy, which this room does not import."""

    def __init__(self, value):
        self.value = value

    def item(self):
        return self.value


def test_numbers_and_paths_that_are_not_pythons_own():
    row = replace(samples.BY_ONNXRUNTIME, max_abs=Number(0.5), ulp=Number(NAN))
    verdict = replace(samples.DIFFERENT, outputs=(row,), samples=Number(8), witness=Path("a/w.npz"))
    document = load(verify_json(verdict))
    validate(document)
    assert (document["samples"], document["witness"]) == (8, "a/w.npz")
    assert (document["outputs"][0]["max_abs"], document["outputs"][0]["ulp"]) == (0.5, "nan")


def test_stats_has_one_shape_for_one_model_and_for_several():
    one = load(stats_json([samples.MEASURED]))
    failure = Failure("gone.onnx", 3, "gone.onnx: no such file")
    gate = Exceeded("mlp.onnx", "--max-reducible", 10.0, 22, 55.0)
    two = load(stats_json([samples.MEASURED, failure], [gate]))
    for document in (one, two):
        validate(document)
    assert one.keys() == two.keys()
    assert one["exceeded"] == []
    assert [m["source"] for m in two["models"]] == ["mlp.onnx", "gone.onnx"]
    assert [m["error"] for m in two["models"]] == [
        None,
        {"exit_code": 3, "message": "gone.onnx: no such file"},
    ]
    assert two["exceeded"][0]["limit"] == 10.0


def test_stats_with_everything_in_it():
    layers = tuple(
        replace(x, near_miss=INF, rank=3, rank_of=10, within_rounding=2)
        for x in samples.MEASURED.layers
    )
    stats = replace(
        samples.MEASURED,
        layers=layers,
        constant_outputs=(samples.CONSTANT,),
        notes=("Foo is unknown",),
        lower_bound=LowerBound("h", 5, 7),
        why_not="because",
        domain=samples.INSIDE.domain,
    )
    validate(load(stats_json([stats])))


def test_error_follows_its_schema():
    document = load(error_json(3, 'model.onnx: "quoted" \x1b \udcff'))
    validate(document)
    assert document["error"]["exit_code"] == 3


@pytest.mark.parametrize("path", sorted(SCHEMAS.glob("*.json")), ids=lambda p: p.name)
def test_schemas_close_every_object(path):
    """Every object of a schema says which keys it has, and requires them all."""

    def walk(node):
        if isinstance(node, dict):
            if node.get("type") == "object":
                assert "additionalProperties" in node
            if "properties" in node and node.get("type") == "object":
                assert set(node["required"]) == set(node["properties"])
                assert node["additionalProperties"] is False
            for inner in node.values():
                walk(inner)
        if isinstance(node, list):
            for inner in node:
                walk(inner)

    schema = json.loads(path.read_text())
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["properties"]["kind"]["enum"] == [path.name.removesuffix(".schema.json")]
    walk(schema)


@pytest.mark.parametrize(
    ("value", "schema"),
    [
        ({"a": 1}, {"type": "object", "properties": {}, "additionalProperties": False}),
        ({}, {"type": "object", "required": ["a"]}),
        (True, {"type": "integer"}),
        ("1", {"anyOf": [{"type": "integer"}, {"type": "null"}]}),
        ([1, "a"], {"type": "array", "items": {"type": "integer"}}),
        ({"a": "x"}, {"type": "object", "additionalProperties": {"type": "integer"}}),
        (-1, {"type": "integer", "minimum": 0}),
        (4, {"enum": [1, 2]}),
        ("x", {"$ref": "#/$defs/n"}),
    ],
)
def test_the_validator_refuses(value, schema):
    with pytest.raises(AssertionError):
        check(value, schema, {"$defs": {"n": {"type": "number"}}}, "$")
