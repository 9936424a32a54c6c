"""Results are frozen values whose dictionaries are JSON and follow the published schemas."""

from __future__ import annotations

import dataclasses
import json
import math
import typing

import pytest

from lumpcli import results
from lumpcli.promises import to_dict
from lumpcli.results import SCHEMA_VERSION, Change, Level, OutputComparison
from tests.report import samples
from tests.report.schema import validate

DOCUMENTS = [samples.REDUCED, samples.UNCHANGED, samples.EQUAL, samples.DIFFERENT]
RECORDS = [c for c in vars(results).values() if dataclasses.is_dataclass(c)]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_documents(document):
    found = document.to_dict()
    kind = {"result": "reduce", "verdict": "verify"}[found["kind"]]
    assert (found["schema_version"], SCHEMA_VERSION) == (1, 1)
    json.dumps(found, allow_nan=False)
    validate(found | {"kind": kind})


def test_the_model_is_not_in_the_dictionary():
    found = dataclasses.replace(samples.REDUCED, model=object())
    assert "model" not in found.to_dict()
    assert found == samples.REDUCED
    assert "model=" not in repr(found)


@pytest.mark.parametrize("record", RECORDS, ids=lambda c: c.__name__)
def test_values_are_frozen(record):
    assert record.__doc__
    params = typing.cast(typing.Any, record).__dataclass_params__
    assert params.frozen


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_json_has_no_word_for_these(value):
    row = OutputComparison("y", "referee", "float32", value, 1.0, value, None, None, 1, 0, False)
    found = row.to_dict()
    assert found["max_abs"] == str(value)
    assert found["ulp"] is None
    json.dumps(found, allow_nan=False)


def test_plain_values_inside():
    @dataclasses.dataclass(frozen=True)
    class Box:
        pair: tuple[Change, ...]
        table: dict[int, float]

    found = to_dict(Box((Change(2, 1),), {3: math.inf}))
    assert found == {"pair": [{"before": 2, "after": 1}], "table": {"3": "inf"}}


def test_the_levels():
    assert typing.get_args(Level) == ("strict", "exact", "rounding")
