"""What a reduction is: per layer `x = E . x[keep] + o`.

Passes make claims about features; `compose` turns them into a quotient; `folding` applies it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property

import numpy as np

from lumpcli.ir.exact import Array
from lumpcli.ir.net import Layer


@dataclass(frozen=True)
class Claim:
    """What a pass proposes for some features of a layer: `x = ratio * V[class] + offset`.

    Classes are labels within the layer, the same in all claims on it (-1: of no class). Features of
    kind "unread" or "constant" need no carrier, their offset is all that readers get; nor do those
    that are "lumped" in no class: zeros, since another one took over what they gave. Features
    that nobody claims stand for themselves. Arrays are (k,).
    """

    layer: str
    kind: str  # "unread", "constant", "lumped"
    features: Array
    classes: Array
    ratio: tuple[Fraction, ...]
    offset: tuple[Fraction, ...]
    irrational: frozenset[int] = frozenset()  # features whose offset is only the nearest float64


@dataclass(frozen=True)
class Merge:
    """Row `row` of a dense layer takes over `others`, each times its ratio; those are zero then."""

    row: int
    others: tuple[int, ...]
    ratios: tuple[Fraction, ...]


@dataclass(frozen=True)
class LayerCut:
    """One layer's quotient: a feature is `ratio * x[carrier] + offset`; carrier -1: only offset.

    `keep` (m,) are the kept indices, rising; `carrier` (n,); `kind` (n,) says why a feature goes.
    """

    keep: Array
    carrier: Array
    ratio: tuple[Fraction, ...]
    offset: tuple[Fraction, ...]
    kind: tuple[str, ...]
    emptied: bool = False
    irrational: frozenset[int] = frozenset()  # features whose offset is only the nearest float64

    @cached_property
    def moves_columns(self) -> bool:
        """Whether readers need other columns than the kept ones as they are."""
        moved = self.carrier != np.arange(len(self.carrier))
        return bool(moved.any())


@dataclass(frozen=True)
class Quotient:
    """The cuts of the layers that are cut; layers not named stay whole.

    `declined` says, per layer, why something claimed was not cut. `needed` are, per layer, the
    features (n,) whose values anybody needs; layers not named are needed whole. `fixed` are the
    layers whose biases turned out to be unable to take more, `whole` those that cannot be cut since
    their readers could not store the result. `merges` are, per layer, rows that take over others
    before anything is cut: layers with one dense term of floats, and no function.
    """

    cuts: Mapping[str, LayerCut]
    declined: Mapping[str, str] = field(default_factory=dict)
    needed: Mapping[str, Array] = field(default_factory=dict)
    fixed: frozenset[str] = frozenset()
    whole: frozenset[str] = frozenset()
    merges: Mapping[str, Sequence[Merge]] = field(default_factory=dict)

    def keep(self, layer: Layer) -> Array:
        """The kept indices of a layer."""
        cut = self.cuts.get(layer.name)
        return np.arange(layer.width) if cut is None else cut.keep
