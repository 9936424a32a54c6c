"""Rows that are compared with one another: a layer's that are one function, and earlier ones."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property

import numpy as np

from lumpcli.analysis.columns import Columns, FoldedRows
from lumpcli.analysis.facts import LayerValues
from lumpcli.analysis.stack import Stack
from lumpcli.ir import Activation, Array, Layer, Symmetry, slope


@dataclass(frozen=True)
class Part:
    """Rows (k,), rising, of a layer whose function is one there: what its `columns` say."""

    columns: Columns
    rows: Array

    @property
    def layer(self) -> Layer:
        """The layer, with the function that it has on these rows."""
        return self.columns.layer

    @property
    def linear(self) -> bool:
        """Whether that function is the identity, so that rows may differ by offsets."""
        return self.layer.symmetry is Symmetry.LINEAR

    @property
    def stacked(self) -> tuple[Columns, Array]:
        """The rows as a part of a stack."""
        return self.columns, self.rows

    @cached_property
    def folded(self) -> FoldedRows:
        """The rows, folded."""
        return self.columns if len(self.rows) == self.columns.width else Stack((self.stacked,))

    @cached_property
    def way_of_reading(self) -> Hashable:
        """Equal where folded rows mean the same when they are equal."""
        kernels = {
            (t.weight.shape[2:], t.padded, t.via, t.image if t.padded else "")
            for t in self.layer.terms
            if t.weight is not None
        }
        if len(kernels) > 1:  # a tap then is not the same for all its sources
            return self.layer.name, self.layer.activation.name
        return self.layer.activation.name, *kernels


def parts_of(columns: Columns, phase: Array) -> list[Part]:
    """The rows of a layer by function: its own, and the identity where that is known.

    `phase` (n,) is that of `signs.phases`. Rows that are known to be multiplied by 0 are in none.
    """
    layer = columns.layer
    if not phase.any():
        return [Part(columns, np.arange(layer.width))]
    factors = slopes(layer, phase)
    linear = replace(columns, layer=replace(layer, activation=Activation()))
    found = [
        Part(columns, np.flatnonzero(phase == 0)),
        Part(linear, np.array([i for i, factor in factors.items() if factor], np.int64)),
    ]
    return [part for part in found if len(part.rows)]


def slopes(layer: Layer, phase: Array) -> dict[int, Fraction]:
    """What the function of a layer multiplies by, where it is known to be linear."""
    told = np.flatnonzero(phase).tolist()
    found = {i: slope(layer.activation.key(i), int(phase[i])) for i in told}
    return {i: factor for i, factor in found.items() if factor is not None}


@dataclass(frozen=True)
class Earlier:
    """Rows of an earlier layer that stand for their classes, and the facts on them, in order."""

    part: Part
    facts: LayerValues


@dataclass
class Siblings:
    """Rows of earlier layers, found by the classes they read."""

    parts: list[Earlier] = field(default_factory=list)
    readers: dict[int, list[int]] = field(default_factory=dict)  # of a class: places in `parts`

    def add(self, earlier: Earlier) -> None:
        """Remember rows of one layer."""
        for label in np.unique(earlier.part.columns.classes).tolist():
            self.readers.setdefault(label, []).append(len(self.parts))
        self.parts.append(earlier)

    def near(self, columns: Columns) -> list[Earlier]:
        """Those that read a class in common with a layer: no others can be multiples."""
        found: set[int] = set()
        for label in np.unique(columns.classes).tolist():
            found.update(self.readers.get(label, ()))
        return [self.parts[place] for place in sorted(found)]
