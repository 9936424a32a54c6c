"""The text in which a model states its domain: a box, to the last bit.

    {"version": 1, "inputs": {"x": {"all": ["0x0.0p+0", "0x1.0000000000000p+0"]}}}

`all`: the lower and the upper bound of every element, as C and Python write float64 numbers in
hexadecimal. `each` instead: lower, then upper bounds of the elements in their order, as base64 of
little-endian float64. Shapes are the model's, where a size that it leaves open counts as 1.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from lumpcli.box.box import Array, Box, Shapes, uniform
from lumpcli.errors import InputError, UsageError

KEY = "lumpcli.domain"  # of the text, in a model's metadata_props
GUARD = "inside_box"  # the output that says whether an input is in the domain; perhaps numbered
_VERSION = 1
_STORED = np.dtype("<f8")
_MOST_ELEMENTS = 2**27  # of an input: more have no bounds; a file must not cost more memory


def to_text(box: Box) -> str:
    """The box as a text; the same box always gives the same one."""
    inputs = {name: _entry(*ends) for name, ends in box.ranges.items()}
    return json.dumps({"version": _VERSION, "inputs": inputs})


def _entry(lower: Array, upper: Array) -> dict[str, list[str]]:
    if uniform(lower, upper):
        return {"all": [float(end.flat[0]).hex() for end in (lower, upper)]}
    return {"each": [_packed(end) for end in (lower, upper)]}


def _packed(numbers: Array) -> str:
    return base64.b64encode(numbers.astype(_STORED).tobytes()).decode("ascii")


def stated(properties: Iterable[tuple[str, str]], inputs: Shapes) -> Box | None:
    """The domain among a model's metadata, or None. Raises InputError as `from_text` does."""
    texts = [text for key, text in properties if key == KEY]
    if len(texts) > 1:
        raise _error("is stated twice")
    return from_text(texts[0], inputs) if texts else None


def from_text(text: str, inputs: Shapes) -> Box:
    """The box that a text states, for a model with these inputs, open sizes being 1.

    Raises InputError for whatever is no such text, or does not fit the inputs.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise _error("is not JSON") from None
    match document:
        case {"version": int(version)} if version != _VERSION:
            raise _error(f"has version {version}, this lumpcli reads version {_VERSION}")
        case {"version": int(), "inputs": dict(entries), **rest} if entries and not rest:
            ranges = {name: _ranges(name, entry, inputs) for name, entry in entries.items()}
        case _:
            raise _error("does not have the keys it should have")
    try:
        return Box(ranges)
    except UsageError as error:
        raise _error(f"is no box: {str(error).removeprefix('box: ')}") from None


def _ranges(name: str, entry: Any, inputs: Shapes) -> tuple[Array, Array]:
    if name not in inputs:
        raise _error(f"is about {name!r}, which is no input of the model that could have bounds")
    shape = inputs[name]
    if math.prod(shape) > _MOST_ELEMENTS:
        raise _error(f"is about {name!r}, which has too many elements for that: {shape}")
    match entry:
        case {"all": [str(lower), str(upper)], **rest} if not rest:
            return np.full(shape, _number(name, lower)), np.full(shape, _number(name, upper))
        case {"each": [str(lower), str(upper)], **rest} if not rest:
            return _unpacked(name, lower, shape), _unpacked(name, upper, shape)
    raise _error(f"has no two bounds for {name!r}")


def _number(name: str, text: str) -> float:
    """A hexadecimal number; only as it is written here, for 1.5 would be read as another one."""
    try:
        found = float.fromhex(text)
    except (ValueError, OverflowError):
        found = np.nan
    if found.hex() != text:
        raise _error(f"has a bound of {name!r} that is no hexadecimal float64: {text[:40]!r}")
    return found


def _unpacked(name: str, text: str, shape: tuple[int, ...]) -> Array:
    try:
        content = base64.b64decode(text, validate=True)
    except ValueError:
        raise _error(f"has bounds of {name!r} that are not base64") from None
    wanted = _STORED.itemsize * math.prod(shape)
    if len(content) != wanted:
        raise _error(f"has {len(content)} bytes of bounds for {name!r}, not {wanted}")
    return np.frombuffer(content, _STORED).astype(np.float64).reshape(shape)


def _error(what: str) -> InputError:
    return InputError(f"the domain that the model states ({KEY}) {what}")
