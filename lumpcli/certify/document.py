"""Certificates as JSON, whoever wrote them: read within limits, checked against the schema."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from lumpcli.errors import InputError
from lumpcli.ir import Candidate, LayerCut, Linear, Unit
from lumpcli.proofs import Refused

LARGEST = 1 << 24  # bytes
DEEPEST = 16  # lists and objects within one another
SCHEMA = Path(__file__).with_name("certificate.schema.json")
_LONGEST_INTEGER = 15  # digits of a JSON number
_TOKENS = re.compile(r'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)
_TYPES = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool}


def read(path: Path) -> dict[str, Any]:
    """The certificate in a file; InputError when it is none, or beyond the limits."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    try:
        if len(content) > LARGEST:
            raise ValueError(f"it is larger than {LARGEST} bytes")
        text = content.decode("utf-8")
        _require_shallow(text)
        found: dict[str, Any] = json.loads(
            text,
            parse_int=_integer,
            parse_float=_refuse,
            parse_constant=_refuse,
            object_pairs_hook=_once,
        )
        _check(found, _schema(), "$")
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is no certificate: {error}") from None
    return found


def _require_shallow(text: str) -> None:
    depth = 0
    for token in _TOKENS.finditer(text):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(token.group()[0], 0)
        if depth > DEEPEST:
            raise ValueError(f"it is nested more than {DEEPEST} deep")


def _integer(text: str) -> int:
    if len(text) > _LONGEST_INTEGER:
        raise ValueError("a number is too long")
    return int(text)


def _refuse(text: str) -> None:
    raise ValueError(f"the number {text[:20]} is no integer")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is given twice")
    return found


@cache
def _schema() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(SCHEMA.read_text("utf-8"))
    return found


def _check(value: Any, schema: dict[str, Any], where: str) -> None:
    """ValueError unless a value follows the schema: the few keywords that ours uses."""
    if "$ref" in schema:
        schema = _schema()["$defs"][schema["$ref"].rpartition("/")[2]]
        return _check(value, schema, where)
    if type(value) is not _TYPES[schema["type"]]:
        raise ValueError(f"{where} is not of type {schema['type']}")
    if value not in schema.get("enum", [value]):
        raise ValueError(f"{where} is not one of {schema['enum']}")
    if isinstance(value, int) and value < schema.get("minimum", value):
        raise ValueError(f"{where} is too small")
    if isinstance(value, str) and not re.search(schema.get("pattern", ""), value):
        raise ValueError(f"{where} is not of the form {schema['pattern']}")
    if isinstance(value, list):
        if len(value) > schema.get("maxItems", len(value)):
            raise ValueError(f"{where} has too many entries")
        # of many integers the smallest will do
        for item in [min(value)] if value and set(map(type, value)) == {int} else value:
            _check(item, schema["items"], f"{where}[]")
    if isinstance(value, dict):
        missing = set(schema.get("required", ())) - value.keys()
        if missing:
            raise ValueError(f"{where} lacks {min(missing)!r}")
        for name, item in value.items():
            inner = schema.get("properties", {}).get(name, schema["additionalProperties"])
            if not inner:
                raise ValueError(f"{where} has the unknown key {name[:40]!r}")
            _check(item, inner, f"{where}.{name[:40]}")
    return None


def cut_of(layer: str, said: Mapping[str, Any], width: int) -> LayerCut:
    """The cut that is said of a layer of that width; Refused unless carriers are kept."""
    keep, moved = np.array(said["keep"], np.int64), said["features"]
    ratios = [Fraction(text) for text in said.get("ratios", ["1"] * len(moved))]
    offsets = [Fraction(text) for text in said.get("offsets", ["0"] * len(moved))]
    carrier, ratio, offset = np.arange(width), [Fraction(1)] * width, [Fraction(0)] * width
    for i, k, r, o in zip(moved, said["carriers"], ratios, offsets, strict=True):
        carrier[i], ratio[i], offset[i] = k, r if k >= 0 else Fraction(0), o
    rising = 0 < len(keep) <= keep[-1] + 1 <= width and bool((np.diff(keep) > 0).all())
    if not rising or not np.isin(carrier, [-1, *keep]).all():
        raise Refused(layer, layer, "what it keeps is not in rising order, or not its carriers")
    near = frozenset(said["irrational"])
    return LayerCut(keep, carrier, tuple(ratio), tuple(offset), (), irrational=near)


def step_of(said: Mapping[str, Any]) -> Linear:
    """A step by which linear features go; ratios, slopes and gains are left to be derived."""

    def candidates(key: str) -> tuple[Candidate, ...]:
        pairs = zip(said[key]["features"], said[key]["partners"], strict=True)
        return tuple(Candidate(i, k, Fraction(0), Fraction(0)) for i, k in pairs)

    made = tuple(tuple(map(Fraction, row)) for row in said["coefficients"])
    units = tuple(
        Unit(tuple(unit["slots"]), Fraction(unit["shift"]), Fraction(unit["lift"]))
        for unit in said["units"]
    )
    told = candidates("gone"), candidates("whole"), made, tuple(said["inputs"]), units
    return Linear(said["layer"], said["way"], *told)
