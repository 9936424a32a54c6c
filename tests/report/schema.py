"""A validator for the part of JSON Schema that docs/schema uses; unknown keywords are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

SCHEMAS = Path(__file__).parents[2] / "docs" / "schema"
ANNOTATIONS = {"$schema", "$defs", "title", "description"}
TYPES = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}


def load(text: str) -> Any:
    """`text` as strict JSON: exactly one value, and no NaN literals."""

    def refuse(literal: str) -> None:
        raise AssertionError(f"{literal} is not JSON")

    return json.loads(text, parse_constant=refuse)


def validate(document: Any) -> None:
    """Assert that a document follows the schema of its kind."""
    schema = json.loads((SCHEMAS / f"{document['kind']}.schema.json").read_text())
    check(document, schema, schema, "$")


def check(value: Any, schema: dict[str, Any], root: dict[str, Any], where: str) -> None:
    for keyword, wanted in schema.items():
        if keyword not in ANNOTATIONS:
            KEYWORDS[keyword](value, wanted, schema, root, where)


def _type(value, wanted, schema, root, where):
    fits = isinstance(value, TYPES[wanted]) and (wanted == "boolean") >= isinstance(value, bool)
    assert fits, f"{where}: {value!r} is not of type {wanted}"


def _properties(value, wanted, schema, root, where):
    for name, inner in wanted.items():
        if name in value:
            check(value[name], inner, root, f"{where}.{name}")


def _required(value, wanted, schema, root, where):
    missing = [name for name in wanted if name not in value]
    assert not missing, f"{where}: {missing} are missing"


def _additional(value, wanted, schema, root, where):
    for name in value.keys() - schema.get("properties", {}).keys():
        assert wanted is not False, f"{where}: {name} is not in the schema"
        check(value[name], wanted, root, f"{where}.{name}")


def _items(value, wanted, schema, root, where):
    for i, item in enumerate(value):
        check(item, wanted, root, f"{where}[{i}]")


def _enum(value, wanted, schema, root, where):
    fits = value in wanted and not isinstance(value, bool)
    assert fits, f"{where}: {value!r} not in {wanted}"


def _minimum(value, wanted, schema, root, where):
    assert value >= wanted, f"{where}: {value} is below {wanted}"


def _any_of(value, wanted, schema, root, where):
    complaints = []
    for inner in wanted:
        try:
            return check(value, inner, root, where)
        except AssertionError as e:
            complaints.append(str(e))
    raise AssertionError(f"{where}: nothing of anyOf fits: {complaints}")


def _ref(value, wanted, schema, root, where):
    check(value, root["$defs"][wanted.removeprefix("#/$defs/")], root, where)


KEYWORDS = {
    "type": _type,
    "properties": _properties,
    "required": _required,
    "additionalProperties": _additional,
    "items": _items,
    "enum": _enum,
    "minimum": _minimum,
    "anyOf": _any_of,
    "$ref": _ref,
}
