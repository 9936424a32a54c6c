"""What is promised of a reduced model, in numbers; parts of what the verbs return."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Literal


def _plain(value: Any) -> Any:
    """`value` as JSON types; NaN and infinities, which JSON lacks, become strings."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return to_dict(value)
    return value


def to_dict(result: Any) -> dict[str, Any]:
    """The fields of a result as JSON types, in declared order, but for those marked `hidden`."""
    return {
        f.name: _plain(getattr(result, f.name))
        for f in dataclasses.fields(result)
        if not f.metadata.get("hidden", False)
    }


class Record:
    """A result, or a part of one."""

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON types."""
        return to_dict(self)


@dataclass(frozen=True)
class RoundingBound(Record):
    """How far the rounding of folded weights moves a tensor at most, for every finite input."""

    tensor: str
    relative: float | None  # of the tensor's scale: what it would be if nothing cancelled
    roundings: int  # on the longest path to it; 0 where there is no such bound
    reason: str | None  # why there is no such bound; None when there is
    absolute: float | None = None  # element by element, for inputs in the box; None: not known


@dataclass(frozen=True)
class LowerBound(Record):
    """How few features suffice in a model of one hidden layer, which is proved, and how few it has.

    The bound is on all networks of one hidden layer with the same activation that are the same
    function of all real inputs.
    """

    layer: str  # the hidden layer
    features: int  # no such network has fewer
    reached: int  # as many as are left


@dataclass(frozen=True)
class BoxFacts(Record):
    """What bounds say of what activations read, for every input in the box that was given."""

    inputs: int  # numbers that an input has
    inactive: int  # never above 0
    active: int  # never below 0
    unknown: int  # neither is proved
    methods: dict[str, int]  # how many of those known by each: interval, crown, alpha, split, milp
    semantics: Literal["real", "float32"]  # the arithmetic that they hold for
    unbounded: dict[str, str]  # tensors that could not be followed, and why
    guard: (
        Literal["clip", "output"] | None
    )  # what the model does with inputs outside; None: nothing
    numerical: int = 0  # those that a solver alone decides, within its tolerance: no proof
    assurance: Literal["rigorous", "numerical"] = "rigorous"  # numerical: these are believed

    @property
    def believed(self) -> int:
        """How many of those known are known from a solver alone."""
        return self.numerical if self.assurance == "numerical" else 0


@dataclass(frozen=True)
class CertifiedBound(Record):
    """By how much an output changes at most, element by element, for every input in the box."""

    output: str
    absolute: float


@dataclass(frozen=True)
class Redundancy(Record):
    """ReLUs that were replaced though that changes outputs, and what is proved of all of them."""

    kinds: dict[str, int]  # how many each kind has found; stable ones count as "phase"
    eps: float
    k: int | None  # layers later that "forward" asks about; None: at the outputs
    bounds: tuple[CertifiedBound, ...]
    preserved: Literal["argmax", "argmin"] | None  # what stays the same, before numbers are rounded
    checks: int  # sets that were asked about
    refused: int  # of those, how many could not be proved
