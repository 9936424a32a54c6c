"""What a search found: per neuron what replaces its ReLU, why, and what is promised of all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from lumpcli.redundancy.candidates import KINDS, Action, Candidate, Kind


@dataclass(frozen=True)
class Verdict:
    """One neuron: its ReLU becomes `slope * z + offset`, or is kept.

    `kind` of redundancy, `method` that proved it and `assurance` are empty for what is kept;
    `reason` says why that is. Where the line may be negative, `shift` added to it makes it positive
    for every input of the box.
    """

    action: Action
    slope: float = 0.0
    offset: float = 0.0
    kind: str = ""
    method: str = ""
    assurance: str = ""
    reason: str = ""
    shift: float = 0.0

    @property
    def changes(self) -> bool:
        """Whether the ReLU itself does not do what is asked for."""
        return self.action != "keep" and (self.action != "identity" or self.shift != 0)

    def to_dict(self) -> dict[str, Any]:
        """What is not empty."""
        found: dict[str, Any] = {"action": self.action}
        if self.action in ("line", "constant"):
            found |= {"slope": self.slope, "offset": self.offset}
        if self.shift:
            found["shift"] = self.shift
        told = {n: getattr(self, n) for n in ("kind", "method", "assurance", "reason")}
        return found | {name: text for name, text in told.items() if text}


@dataclass(frozen=True)
class Request:
    """Which kinds are looked for, in this order, and what must hold of all that is replaced.

    `eps`: values that may not change by more: of z beyond 0 ("phase"), `k` layers later ("forward";
    None: at the outputs), at the outputs ("relaxed", "constant"). `pick`: which element of the
    output must stay the same ("result").
    """

    kinds: tuple[Kind, ...]
    eps: float = 0.0
    k: int | None = None
    pick: Literal["max", "min"] = "max"

    def to_dict(self) -> dict[str, Any]:
        """All fields."""
        return {"kinds": [*self.kinds], "eps": self.eps, "k": self.k, "pick": self.pick}


@dataclass(frozen=True)
class Plan:
    """Verdicts by layer, neuron by neuron, and what is proved of all replacements together.

    `bounds`: per output, by how much each of its elements changes at most (certified, rigorous).
    `preserved`: what of the result stays the same, "" where nothing was asked. `cells` of the box
    were needed; `checks` sets were asked about, `refused` of which were refused.
    """

    request: Request
    layers: Mapping[str, tuple[Verdict, ...]]
    bounds: Mapping[str, tuple[float, ...]]
    preserved: str
    cells: int
    checks: int
    refused: int

    @property
    def candidates(self) -> list[Candidate]:
        """What is replaced."""
        return [
            Candidate(layer, feature, v.action, v.slope, v.offset)
            for layer, verdicts in self.layers.items()
            for feature, v in enumerate(verdicts)
            if v.action != "keep"
        ]

    def counts(self) -> dict[str, int]:
        """How many neurons each kind has found."""
        found = Counter(v.kind for some in self.layers.values() for v in some if v.kind)
        return {kind: found[kind] for kind in KINDS}

    def to_dict(self) -> dict[str, Any]:
        """The plan as plain values."""
        return {
            "request": self.request.to_dict(),
            "layers": {n: [v.to_dict() for v in some] for n, some in self.layers.items()},
            "bounds": {name: [*some] for name, some in self.bounds.items()},
            "preserved": self.preserved,
            "cells": self.cells,
            "checks": self.checks,
            "refused": self.refused,
        }
