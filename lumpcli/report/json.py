"""Results as JSON: one object each, valid under docs/schema/<kind>.schema.json.

`kind` is the command's name: "reduce", "verify", "proof" (`verify --certificate`), "stats",
"slice", or "error". NaN and infinities, which
JSON lacks, are the strings "nan", "inf" and "-inf".
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lumpcli.results import SCHEMA_VERSION, Proof, Result, Sliced, Stats, Verdict


@dataclass(frozen=True)
class Failure:
    """A model of which `stats` could say nothing, and why."""

    source: str
    exit_code: int
    message: str


@dataclass(frozen=True)
class Exceeded:
    """A gate of `stats` that a model did not pass; `limit`: a percentage of hidden features."""

    source: str
    gate: str  # the option: "--max-reducible"
    limit: float
    reducible: int
    reducible_percent: float


def reduce_json(result: Result) -> str:
    """What `reduce` did, as an object of kind "reduce"."""
    return _document("reduce", result.to_dict())


def verify_json(verdict: Verdict) -> str:
    """What `verify` found, as an object of kind "verify"."""
    return _document("verify", verdict.to_dict())


def slice_json(sliced: Sliced) -> str:
    """Which slices were made, as an object of kind "slice"."""
    return _document("slice", sliced.to_dict())


def proof_json(proof: Proof) -> str:
    """What a certificate proves, as an object of kind "proof"."""
    return _document("proof", proof.to_dict())


def stats_json(models: Sequence[Stats | Failure], exceeded: Sequence[Exceeded] = ()) -> str:
    """What is in one or more models, as an object of kind "stats".

    Always the same shape: `models` has one entry per model asked for, in that order, with `source`
    and `error`; the other keys are there when `error` is null. `exceeded` lists the gates
    not passed.
    """
    entries = [_failure(m) if isinstance(m, Failure) else _model(m) for m in models]
    gates = [dataclasses.asdict(e) for e in exceeded]
    return _document("stats", {"models": entries, "exceeded": gates})


def error_json(exit_code: int, message: str) -> str:
    """Why there is no result, as an object of kind "error"."""
    return _document("error", {"error": {"exit_code": exit_code, "message": message}})


def _model(stats: Stats) -> dict[str, Any]:
    body = stats.to_dict()
    head = {"source": body.pop("source"), "error": None}
    return head | {k: v for k, v in body.items() if k not in ("schema_version", "kind")}


def _failure(failure: Failure) -> dict[str, Any]:
    error = {"exit_code": failure.exit_code, "message": failure.message}
    return {"source": failure.source, "error": error}


def _document(kind: str, body: dict[str, Any]) -> str:
    head: dict[str, Any] = {"schema_version": SCHEMA_VERSION, "kind": kind}
    rest = {k: v for k, v in body.items() if k not in head}
    return json.dumps(head | rest, indent=2, allow_nan=False, default=_native)


def _native(value: Any) -> Any:
    """A number of numpy's as Python's own; anything else (a path) as its text."""
    if hasattr(value, "item"):
        number = value.item()
        return str(number) if isinstance(number, float) and not math.isfinite(number) else number
    return str(value)
