"""Certificates as JSON, whoever wrote them: read within limits, checked against the schema."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from lumpcli.errors import InputError
from lumpcli.ir import Array, LayerCut
from lumpcli.proofs import Refused

LARGEST = 1 << 24  # bytes
ROUNDS = 16  # of rows that take over others
DEEPEST = 16  # lists and objects within one another
_LONGEST_INTEGER = 15  # digits of a JSON number
_TOKENS = re.compile(r'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)
SCHEMA = Path(__file__).with_name("certificate.schema.json")


@dataclass(frozen=True)
class Claims:
    """What a certificate says of one layer, as lists side by side in JSON types."""

    layer: str
    said: dict[str, Any]

    def numbers(self, key: str, of: dict[str, Any], count: int, default: str) -> list[Fraction]:
        """A list of rationals, which may be left out where all are the default."""
        told = of.get(key)
        if told is None:
            return [Fraction(default)] * count
        if len(told) != count:
            raise Refused(self.layer, self.layer, f"{key} are {len(told)} where {count} are needed")
        try:
            return [Fraction(text) for text in told]
        except ZeroDivisionError:
            raise Refused(self.layer, self.layer, f"one of the {key} is divided by 0") from None

    def features(self, key: str, of: dict[str, Any], width: int, low: int = 0) -> list[int]:
        """A list of features of a layer of that width."""
        found: list[int] = of[key]
        if found and not (low <= min(found) and max(found) < width):
            raise Refused(self.layer, self.layer, f"{key} name a feature that is none")
        return found

    def cut(self, width: int) -> LayerCut | None:
        """The cut of a layer of that width; Refused unless carriers are kept."""
        said = self.said.get("cut")
        if said is None:
            return None
        keep = self.features("keep", said, width)
        moved = self.features("features", said, width)
        carriers = self.features("carriers", said, width, low=-1)
        ratios = self.numbers("ratios", said, len(moved), "1")
        offsets = self.numbers("offsets", said, len(moved), "0")
        if sorted(set(keep)) != keep or not keep or sorted(set(moved)) != moved:
            raise Refused(self.layer, self.layer, "features of the cut are not in rising order")
        if len(carriers) != len(moved):
            raise Refused(self.layer, self.layer, "carriers are not as many as features")
        carrier = np.arange(width)
        ratio, offset = [Fraction(1)] * width, [Fraction(0)] * width
        for i, k, r, o in zip(moved, carriers, ratios, offsets, strict=True):
            carrier[i], ratio[i], offset[i] = k, r if k >= 0 else Fraction(0), o
            if k == i and r != 1:
                raise Refused(self.layer, self.layer, f"feature {i} is another multiple of itself")
        used = carrier[carrier >= 0]
        if not np.isin(used, keep).all():
            raise Refused(self.layer, self.layer, "a carrier is not kept")
        near = frozenset(self.features("irrational", said, width))
        kept: Array = np.array(keep, np.int64)
        return LayerCut(kept, carrier, tuple(ratio), tuple(offset), (), irrational=near)


def read(path: Path) -> dict[str, Any]:
    """The certificate in a file; InputError when it is none, or beyond the limits."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    if len(content) > LARGEST:
        raise InputError(f"{path} is no certificate: it is larger than {LARGEST} bytes")
    try:
        text = content.decode("utf-8")
        _require_shallow(text)
        found = json.loads(
            text,
            parse_int=_integer,
            parse_float=_refuse,
            parse_constant=_refuse,
            object_pairs_hook=_once,
        )
        _check(found, _schema(), "$")
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is no certificate: {error}") from None
    assert isinstance(found, dict)
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


_TYPES: dict[str, Any] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "boolean": bool,
}


def _check(value: Any, schema: dict[str, Any], where: str) -> None:
    """ValueError unless a value follows the schema: the few keywords that ours uses."""
    if "$ref" in schema:
        schema = _schema()["$defs"][schema["$ref"].rpartition("/")[2]]
    kind: str = schema["type"]
    if type(value) is not _TYPES[kind]:
        raise ValueError(f"{where} is not of type {kind}")
    if value not in schema.get("enum", [value]):
        raise ValueError(f"{where} is not one of {schema['enum']}")
    if kind == "integer" and value < schema.get("minimum", value):
        raise ValueError(f"{where} is too small")
    if kind == "string" and "pattern" in schema and not re.search(schema["pattern"], value):
        raise ValueError(f"{where} is not of the form {schema['pattern']}")
    if kind == "array":
        inner = schema["items"]
        inner = _schema()["$defs"].get(inner.get("$ref", "").rpartition("/")[2], inner)
        if inner["type"] == "integer" and set(map(type, value)) <= {int}:
            value = [min(value)] if value and "enum" not in inner else value  # there may be many
        for place, item in enumerate(value):
            _check(item, schema["items"], f"{where}[{place}]")
    if kind == "object":
        known = schema.get("properties", {})
        missing = set(schema.get("required", ())) - value.keys()
        if missing:
            raise ValueError(f"{where} lacks {min(missing)!r}")
        for name, item in value.items():
            inner = known.get(name, schema["additionalProperties"])
            if not inner:
                raise ValueError(f"{where} has the unknown key {name[:40]!r}")
            _check(item, inner, f"{where}.{name[:40]}")
