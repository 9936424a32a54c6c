"""Outputs that are not tensors (sequences, maps, optionals) as named tensors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np


class Unsupported(Exception):
    """An output holds something that cannot be compared; the message says what."""


def flatten(outputs: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Every output as tensors: `y`, or `y[0]`, `y[1]` ... for the items of a sequence.

    Maps with the same keys in a sequence (class probabilities, one map per row) become one tensor
    (rows, keys) and `y.keys`. An empty optional becomes `y.empty`. Raise Unsupported for the rest.
    """
    flat: dict[str, np.ndarray] = {}
    for name, value in outputs.items():
        _add(flat, name, value)
    return flat


def _add(flat: dict[str, np.ndarray], name: str, value: Any) -> None:
    if value is None:
        flat[f"{name}.empty"] = np.asarray(True)
    elif isinstance(value, dict):
        _add_maps(flat, name, [value])
    elif isinstance(value, list) and value and all(isinstance(v, dict) for v in value):
        _add_maps(flat, name, value)
    elif isinstance(value, list):
        flat[f"{name}.length"] = np.asarray(len(value))
        for i, item in enumerate(value):
            _add(flat, f"{name}[{i}]", item)
    elif isinstance(value, (np.ndarray, np.generic, int, float, str)):
        flat[name] = _plain(value)
    else:
        raise Unsupported(f"output {name} is a {type(value).__name__}, which cannot be compared")


def _add_maps(flat: dict[str, np.ndarray], name: str, maps: list[dict[Any, Any]]) -> None:
    keys = sorted(maps[0])
    if any(sorted(m) != keys for m in maps):
        raise Unsupported(f"output {name} holds maps with different keys, which cannot be compared")
    flat[f"{name}.keys"] = _plain(keys)
    flat[name] = _plain([[m[k] for k in keys] for m in maps])


def _plain(value: Any) -> np.ndarray:
    array = np.asarray(value)
    return array.astype(object) if array.dtype.kind in "US" else array
