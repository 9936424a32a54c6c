"""Graphs of the fuzzer: steps, the tensors between them, and what may be planted where.

A graph is a list of steps. A step is one operator, or the few that exporters write for it, with
its numbers in a normal form. Planting keeps the steps and replaces the numbers, so that the two
models have the same nodes and the same names.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

Rng = np.random.Generator
Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

COPY, CONSTANT, JUNK = 0, 1, 2  # what a planted channel is; junk: nobody reads it

_RATIOS: dict[str, tuple[float, ...]] = {
    "any": (1.0, 1.0, 2.0, 0.5, 4.0, -1.0, -2.0, -0.5),
    "positive": (1.0, 1.0, 2.0, 0.5, 4.0),
    "unit": (1.0, -1.0),
    "one": (1.0,),
}


@dataclass(eq=False)
class Freedom:
    """What may be planted at a step that makes channels; operators that read them restrict it."""

    ratios: str = "any"
    shift: bool = True  # copies may differ by an offset
    grow: bool = True  # there may be more channels
    aligned: bool = False  # blocks get the same channels at the same places

    def meet(self, ratios: str) -> None:
        """Allow only ratios that are also of this kind."""
        if ratios == "any" or ratios == self.ratios:
            return
        self.ratios = ratios if self.ratios == "any" else "one"

    @property
    def palette(self) -> tuple[float, ...]:
        """The ratios to choose from."""
        return _RATIOS[self.ratios]


@dataclass(frozen=True)
class Tensor:
    """A tensor of a core graph.

    `layout` is "first" (N, C, *spatial), "last" (N, *spatial, C), "flat" (N, C * positions) with
    the channels outermost, or "flat_last" (N, positions * C). Planting may grow its channels where
    all of `makers` agree, scale them as all of `ratios` allow, and shift them as `shifts` do. Two
    tensors with equal `channels` have the same planted channels; with equal `scale`, also the
    same ratios. `blocks` stay contiguous; if `linked`, they stay equally wide.
    """

    name: str
    width: int
    spatial: tuple[int, ...]
    layout: str
    makers: frozenset[Freedom]
    ratios: frozenset[Freedom]
    shifts: frozenset[Freedom]
    channels: Hashable
    scale: Hashable
    blocks: tuple[int, ...]
    linked: bool = False

    @property
    def positions(self) -> int:
        """How many numbers there are per channel."""
        return int(np.prod(self.spatial))

    @property
    def is_image(self) -> bool:
        """Whether convolutions read it."""
        return self.layout == "first" and bool(self.spatial)

    @property
    def is_vector(self) -> bool:
        """Whether it is (N, C)."""
        return self.layout in ("flat", "flat_last") and self.positions == 1


@dataclass(frozen=True)
class Step:
    """One operator, or a few, with its numbers.

    `kind` says how it is planted and written. Matrices are "weight" (out, positions, in, taps) and
    "bias" (out, positions); everything else is a number per channel. `like`: its output has the
    planted channels of that tensor, with a ratio of its own if `own`.
    """

    kind: str
    sources: tuple[str, ...]
    outputs: tuple[str, ...]
    numbers: Mapping[str, Array] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    freedom: Freedom = field(default_factory=Freedom)
    like: str | None = None
    own: bool = False
    exact: bool = True

    @property
    def output(self) -> str:
        """The first output."""
        return self.outputs[0]


@dataclass(frozen=True)
class Graph:
    """Steps in topological order, and the tensors they make."""

    steps: tuple[Step, ...]
    tensors: Mapping[str, Tensor]
    outputs: tuple[str, ...]
    opset: int
    batch: int | None  # None: a free dimension
    family: str = ""

    @property
    def exact(self) -> bool:
        """Whether no operator rounds, as long as numbers are small."""
        return all(step.exact for step in self.steps)


@dataclass(frozen=True)
class State:
    """The channels of a planted tensor, (n,) each.

    A copy is `ratio * original + shift` of the core's channel `origin`; a constant is `shift`, nan
    where that is not known or not the same everywhere. Every origin has one anchor: an unscaled
    and unshifted copy. `blocks` are the planted widths of the tensor's blocks.
    """

    kind: Indices
    origin: Indices
    ratio: Array
    shift: Array
    anchor: npt.NDArray[np.bool_]
    blocks: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.kind)

    @property
    def copies(self) -> npt.NDArray[np.bool_]:
        """Which channels are copies."""
        return self.kind == COPY

    @property
    def constants(self) -> npt.NDArray[np.bool_]:
        """Which channels are constant."""
        return self.kind == CONSTANT

    def take(self, order: Any, blocks: tuple[int, ...] | None = None) -> State:
        """Some of the channels, by index, slice or mask."""
        arrays = (self.kind, self.origin, self.ratio, self.shift, self.anchor)
        taken = [array[order] for array in arrays]
        return State(*taken, (len(taken[0]),) if blocks is None else blocks)

    def moved(self, origins: Callable[[Indices], Indices]) -> State:
        """The same channels where the core's have other indices."""
        return replace(self, origin=np.where(self.copies, origins(self.origin), -1))

    def valued(self, function: Callable[[Array], Array], factor: float | None = None) -> State:
        """After something that maps constants so; `factor`: linear, copies' offsets too."""
        shift = np.where(self.copies, 0.0 if factor is None else self.shift * factor, 0.0)
        known = function(self.shift)
        return replace(self, shift=np.where(self.constants, known, shift))

    def times(self, ratio: Array) -> State:
        """With other ratios."""
        return replace(self, ratio=np.where(self.copies, ratio, 1.0))


def plain_state(blocks: tuple[int, ...]) -> State:
    """The channels of a tensor in which nothing is planted."""
    width = sum(blocks)
    none, ones = np.zeros(width), np.ones(width)
    return State(none.astype(int), np.arange(width), ones, none, ones.astype(bool), blocks)


def joined(states: list[State]) -> State:
    """Channels one after the other; origins must be in one numbering."""
    names = ("kind", "origin", "ratio", "shift", "anchor")
    arrays = [np.concatenate([getattr(s, name) for s in states]) for name in names]
    return State(*arrays, tuple(b for s in states for b in s.blocks))
