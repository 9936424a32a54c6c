"""What may replace a ReLU: 0, a constant, the identity or another line, for each kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from lumpcli.bounds import Range
from lumpcli.redundancy.curves import Replacement
from lumpcli.redundancy.joint import Replacements
from lumpcli.redundancy.neurons import Neurons

Action = Literal["keep", "zero", "constant", "identity", "line"]
Kind = Literal["phase", "forward", "relaxed", "constant", "result"]
KINDS: tuple[Kind, ...] = ("phase", "forward", "relaxed", "constant", "result")


@dataclass(frozen=True)
class Candidate:
    """A feature and what replaces its ReLU: `slope * z + offset`."""

    layer: str
    feature: int
    action: Action
    slope: float = 0.0
    offset: float = 0.0

    @property
    def place(self) -> tuple[str, int]:
        """Whose ReLU it is."""
        return self.layer, self.feature

    def error(self, low: float, high: float) -> float:
        """How far it is at most from its ReLU, nearly: for choosing and ordering."""
        ends = (low, high, 0.0) if low < 0 < high else (low, high)
        return max(abs(self.slope * z + self.offset - max(z, 0.0)) for z in ends)


def candidates(
    kind: Kind, neurons: Sequence[Neurons], ranges: Sequence[Range], eps: float
) -> list[Candidate]:
    """All that a kind of redundancy may replace; `ranges` of all steps on the box.

    "phase": neurons that are on the other side of 0 by at most `eps`. "forward", "result": the
    nearer of 0 and the identity. "relaxed": the line in the middle of the triangle. "constant": the
    middle of the values.
    """
    found = []
    for own in neurons:
        if own.declined:
            continue
        ends = own.ends(ranges[own.source])
        for i, (low, high) in enumerate(zip(*(e.tolist() for e in ends), strict=True)):
            options = _options(kind, own, i, low, high)
            best = min(options, key=lambda c: c.error(low, high), default=None)
            if best is not None and (kind != "phase" or best.error(low, high) <= eps):
                found.append(best)
    return found


def _options(kind: Kind, own: Neurons, i: int, low: float, high: float) -> list[Candidate]:
    """What a kind knows for one neuron that reads what is between `low` and `high`."""
    zero = Candidate(own.layer, i, "zero")
    identity = [Candidate(own.layer, i, "identity", 1.0)] if own.shifts else []
    if kind == "phase":
        return [zero, *identity]
    if kind == "constant":
        return [_constant(own.layer, i, low, high)] if high > 0 else []
    if not low < 0 < high:
        return []
    if kind == "relaxed":
        return [_line(own.layer, i, low, high)] if own.shifts else []
    return [zero, *identity]


def _line(layer: str, feature: int, low: float, high: float) -> Candidate:
    """The line in the middle of a ReLU's triangle, [LK21], in float32.

    Any line will do, since its error is bounded as it is; float32 so that models can store it.
    """
    slope = float(np.float32(high / (high - low)))
    return Candidate(layer, feature, "line", slope, float(np.float32(-low * slope / 2)))


def _constant(layer: str, feature: int, low: float, high: float) -> Candidate:
    """The middle of the values of a ReLU, in float32."""
    middle = (max(low, 0.0) + max(high, 0.0)) / 2
    return Candidate(layer, feature, "constant", 0.0, float(np.float32(middle)))


def replacements(neurons: Sequence[Neurons], sets: Sequence[Sequence[Candidate]]) -> Replacements:
    """Several sets of candidates as replacements (sets, size) of ReLUs.

    Of two candidates for one neuron the later counts.
    """
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
