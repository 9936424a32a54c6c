"""The ReLU features that may be replaced: where they are in the program, and by what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from lumpcli.bounds import RELU, Program, Range
from lumpcli.ir import Array
from lumpcli.loader import Host
from lumpcli.redundancy.curves import Replacement
from lumpcli.redundancy.joint import Replacements

Action = Literal["keep", "zero", "identity", "line", "constant"]


@dataclass(frozen=True)
class Neurons:
    """A layer of ReLUs: `step` makes its values, `feature` (size,) says whose each element is.

    `depth` counts the layers of ReLUs up to it. `pinned`: why its features may not be replaced.
    """

    layer: str
    step: int
    feature: Array
    width: int
    depth: int
    pinned: str | None

    def ends(self, source: Range) -> tuple[Array, Array]:
        """The least and the greatest value (width,) of z over all positions and cells."""
        low, high = np.full(self.width, np.inf), np.full(self.width, -np.inf)
        np.minimum.at(low, self.feature, source.lower.min(axis=0))
        np.maximum.at(high, self.feature, source.upper.max(axis=0))
        return low, high


@dataclass(frozen=True)
class Candidate:
    """A feature and what replaces its ReLU: `slope * z + offset`."""

    layer: str
    feature: int
    action: Action
    slope: float = 0.0
    offset: float = 0.0


def neurons_of(host: Host, program: Program) -> list[Neurons]:
    """The layers whose ReLU the program follows, in order."""
    found: dict[int, Neurons] = {}
    depths = depths_of(program)
    for layer in host.net.layers:
        tensor = program.tensors.get(layer.name)
        axis = host.axes.get(layer.name, ("", None))[1]
        if tensor is None or axis is None or tensor.step in found:
            continue
        fits = len(tensor.shape) >= -axis and tensor.shape[axis] == layer.width
        if program.steps[tensor.step].operation is not RELU or not fits:
            continue
        index = np.moveaxis(np.zeros(tensor.shape, np.int64), axis, -1) + np.arange(layer.width)
        feature = np.moveaxis(index, -1, axis).reshape(-1)
        depth = depths[tensor.step]
        found[tensor.step] = Neurons(
            layer.name, tensor.step, feature, layer.width, depth, layer.pinned
        )
    return [found[step] for step in sorted(found)]


def depths_of(program: Program) -> list[int]:
    """Per step, the most ReLUs on a way to it, itself included."""
    depths: list[int] = []
    for step in program.steps:
        before = max((depths[s] for s in step.sources), default=0)
        depths.append(before + (step.operation is RELU))
    return depths


def replacements(neurons: Sequence[Neurons], sets: Sequence[Sequence[Candidate]]) -> Replacements:
    """Several sets of candidates as replacements (sets, size) of ReLUs."""
    found = {}
    for own in neurons:
        chosen = np.zeros((len(sets), own.width), bool)
        slope, offset = np.zeros((2, len(sets), own.width))
        for number, some in enumerate(sets):
            for c in some:
                if c.layer == own.layer:
                    chosen[number, c.feature] = True
                    slope[number, c.feature], offset[number, c.feature] = c.slope, c.offset
        if chosen.any():
            arrays = (a[:, own.feature] for a in (chosen, slope, offset))
            found[own.step] = Replacement(*arrays)
    return found


def zero(layer: str, feature: int) -> Candidate:
    """The feature is 0."""
    return Candidate(layer, feature, "zero")


def identity(layer: str, feature: int) -> Candidate:
    """The feature is what its ReLU reads."""
    return Candidate(layer, feature, "identity", 1.0)


def line(layer: str, feature: int, low: float, high: float) -> Candidate:
    """The line in the middle of a ReLU's triangle between `low` < 0 < `high`, in float32.

    Any line will do, since its error is bounded as it is; float32 so that models can store it.
    """
    slope = float(np.float32(high / (high - low)))
    return Candidate(layer, feature, "line", slope, float(np.float32(-low * slope / 2)))


def constant(layer: str, feature: int, low: float, high: float) -> Candidate:
    """The middle of the values of a ReLU that reads what is between `low` and `high`."""
    middle = (max(low, 0.0) + max(high, 0.0)) / 2
    return Candidate(layer, feature, "constant", 0.0, float(np.float32(middle)))


def error(candidate: Candidate, low: float, high: float) -> float:
    """How far a candidate is at most from its ReLU, nearly: for ordering."""
    ends = (low, high, 0.0) if low < 0 < high else (low, high)
    return max(abs(candidate.slope * z + candidate.offset - max(z, 0.0)) for z in ends)
