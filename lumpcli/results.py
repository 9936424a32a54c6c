"""What the verbs return: plain frozen values; printing them is the business of `report`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from lumpcli.promises import BoxFacts, LowerBound, Record, Redundancy, RoundingBound, to_dict

SCHEMA_VERSION = 1

Level = Literal["strict", "exact", "rounding"]


class _Document(Record):
    """A whole answer: its dictionary carries the version of the schema and the command's name."""

    def to_dict(self) -> dict[str, Any]:
        command = type(self).__name__.lower()
        return {"schema_version": SCHEMA_VERSION, "kind": command, **to_dict(self)}


@dataclass(frozen=True)
class Change(Record):
    """A number before and after a reduction."""

    before: int
    after: int


# --- domains ------------------------------------------------------------------------------


@dataclass(frozen=True)
class InputRange(Record):
    """The least lower and the largest upper bound that a box gives elements of one input."""

    input: str
    lower: float
    upper: float
    uniform: bool  # whether every element has these two


@dataclass(frozen=True)
class Domain(Record):
    """The box that something is said of, in brief; inputs that are not listed have no bounds."""

    origin: str  # "given", or "stated by small.onnx"
    inputs: tuple[InputRange, ...]


# --- verify -------------------------------------------------------------------------------


@dataclass(frozen=True)
class OutputComparison(Record):
    """How far one output of two models is apart, over all samples, in one arithmetic."""

    name: str
    engine: Literal["onnxruntime", "referee"]
    dtype: str
    max_abs: float  # max |b - a|
    scale: float  # max |a|
    relative: float  # max over channels of max|b - a| / max|a| (0 where both are 0)
    ulp: (
        float | None
    )  # largest difference in units in the last place of a's type; None: not a float
    argmax_agreement: (
        float | None
    )  # fraction of samples with the same argmax; None: fewer than 2 features
    tolerance: float
    noise: float  # what float32 itself does to the original: max |a32 - a64|
    equal: bool


@dataclass(frozen=True)
class Verdict(_Document):
    """Answer of `verify`: `equal`, `different`, or `unverified` with the reason why."""

    status: Literal["equal", "different", "unverified"]
    reason: str  # one sentence; empty only when equal
    outputs: tuple[OutputComparison, ...]
    samples: int
    seed: int
    runtime: str  # "onnxruntime 1.31.1, CPU, optimisations off, 1 thread"
    referee: str  # "agrees" / "differs" / "skipped: <reason>"
    witness: str | None = None  # file with the input on which the models differ most
    domain: Domain | None = None  # all samples lie in it; None: nothing restricted them
    uncompared: tuple[str, ...] = ()  # outputs of one model alone: whether it is in its domain
    assurance: Literal["measured"] = "measured"  # samples are never a proof


# --- reduce -------------------------------------------------------------------------------


@dataclass(frozen=True)
class LayerChange(Record):
    """What `reduce` did to one layer of features."""

    name: str  # output tensor
    node: str  # node that makes it, "" when unnamed
    features: Change
    constant: int  # features removed because they are constant
    unread: int  # features removed because nothing reads them
    lumped: int  # features removed because a kept one is a multiple of them
    linear: int  # features fewer because linear ones were made of others, or of fewer new ones
    folded: bool  # all of them went: what read the layer reads what it read
    emptied: bool  # nothing was needed; one feature kept for the tensor's shape
    pinned: str | None  # reason why the layer may not be cut; None when it may
    declined: str | None  # reason why facts found were not (all) cut


@dataclass(frozen=True)
class ConstantOutput(Record):
    """An output feature that has the same value for every finite input."""

    output: str
    feature: int
    value: float


@dataclass(frozen=True)
class Result(_Document):
    """Answer of `reduce`."""

    source: str
    output: str | None  # None: dry run, or a model in memory
    changed: bool
    level: Level
    layers: tuple[LayerChange, ...]  # every layer with weights, in graph order
    features: Change  # hidden features of those layers (graph outputs not counted)
    parameters: Change
    macs: Change  # multiplications per position in dense terms
    file_bytes: Change  # model and data files together
    folded: int  # weights that are sums of several, or multiples, of stored ones
    rounded: int  # of those, how many were not representable and were rounded once
    steps: (
        int  # networks made one from another; every step rounds, and knows what the last one left
    )
    # strict and exact: both "exact"; "numerical": whatever the level, if the solver is right
    promise: Literal["exact", "within rounding", "certified", "numerical"]
    rounding: tuple[RoundingBound, ...]  # of every graph output; at level rounding: none
    lower_bound: LowerBound | None  # None: no network of one hidden layer, or level rounding
    constant_outputs: tuple[ConstantOutput, ...]
    why_unchanged: str | None  # one sentence, when nothing was cut
    hint: str | None  # one sentence about what another option would find
    verdict: Verdict | None  # None: not asked for, or nothing to verify
    box: BoxFacts | None = None  # None: what is promised holds for every finite input
    redundancy: Redundancy | None = None  # None: none was asked for
    notes: tuple[str, ...] = ()  # operators that were not understood and why, one line each
    model: Any = field(default=None, repr=False, compare=False, metadata={"hidden": True})


# --- slice --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sizes(Record):
    """How large the networks of all slices are, beside the original."""

    original: int
    mean: float
    smallest: int
    largest: int


@dataclass(frozen=True)
class Sliced(_Document):
    """Answer of `slice`."""

    source: str
    folder: str
    table: str | None  # which file lies where; None: a slice was not verified
    single_file: str | None  # all slices in one model; None: not asked for, or not verified
    asked: int  # slices that were asked for
    slices: int  # that there are: fewer where cutting more would settle nothing
    depth: int  # cuts on the way to a slice, at most
    resumed: int  # slices that an earlier run had made
    features: Sizes  # hidden features
    parameters: Sizes
    file_bytes: Sizes
    seed: int
    notes: tuple[str, ...]  # slices in which less was cut than could be, and why, one line each
    verdict: Verdict | None  # of all slices together; of the one that failed; None: not asked for


# --- verify --certificate -----------------------------------------------------------------


@dataclass(frozen=True)
class Proof(_Document):
    """Answer of `verify --certificate`: what the certificate proves of the two models, if it does.

    strict and exact: the models are equal as real functions, up to one rounding of each of the
    `rounded` weights; with several `steps`, each network and the one made of it, as it is rounded.
    rounding: the second one is the reduction of a network whose weights lie within the stored
    precision of the first one's, which is not equality.
    """

    status: Literal["proved", "refused"]
    reason: str  # one sentence; empty only when proved
    layer: str  # the step that was refused, by its output tensor; "" for none
    tensor: str  # what that step is about
    level: Level | None  # None when refused
    freeze_initializers: bool  # whether initializers that callers may override count as constants
    layers: int  # that lost features
    features: int  # that went
    facts: int  # that were derived from rows of weights
    folded: int  # weights that are sums of several, or multiples, of stored ones
    rounded: int  # of those, how many were not representable and were rounded once
    irrational: int  # irrational constants that were taken to float64
    box: bool = False  # whether only for the inputs of a box, which the certificate has
    steps: int = 1  # networks made one from another
    verdict: Verdict | None = None  # None: samples were not asked for


# --- stats --------------------------------------------------------------------------------


@dataclass(frozen=True)
class LayerStats(Record):
    """What is in one layer and what could go."""

    name: str
    node: str
    operators: str  # "MatMul+Add+Relu"
    width: int
    parameters: int
    macs: int
    constant: int
    unread: int
    duplicate: int  # equal to another feature
    proportional: int  # a multiple (not 1) of another feature, or equal up to an offset
    linear: int  # fewer because linear ones are made of others, or of fewer new ones
    within_rounding: int  # more that are proportional only up to the rounding of the stored type
    reducible: int  # features that `reduce --level exact` would remove
    pinned: str | None
    near_miss: float | None = None  # --deep: smallest relative distance of two normalised rows
    rank: int | None = None  # --deep: numerical rank of the weight matrix
    rank_of: int | None = None  # --deep: the rank's upper limit, min(rows, columns)


@dataclass(frozen=True)
class Stats(_Document):
    """Answer of `stats` for one model."""

    source: str
    ir_version: int
    opsets: dict[str, int]
    producer: str
    inputs: dict[str, str]  # name -> "float32[N,784]"
    outputs: dict[str, str]
    operators: dict[str, int]
    file_bytes: int
    parameters: int  # all floating-point numbers stored
    layers: tuple[LayerStats, ...]
    features: int  # hidden features (graph outputs not counted)
    reducible: int  # hidden features that `reduce --level exact` would remove
    reducible_percent: float
    lower_bound: LowerBound | None  # None: no network of one hidden layer
    constant_outputs: tuple[ConstantOutput, ...]
    why_not: str | None  # one sentence, when nothing can go
    domain: Domain | None = None  # the model states that it is meant for these inputs only
    notes: tuple[str, ...] = ()  # reasons for operators that were not understood, one line each
