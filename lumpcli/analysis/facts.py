"""What is known about the features of a net: `x = ratio * V[class] + offset`, for every input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from lumpcli.ir import Array

CONSTANT = -1  # the class of features whose value is their offset


@dataclass(frozen=True)
class LayerValues:
    """Facts on one layer's features, exact: class, ratio (0: a constant) and offset, (n,) each."""

    class_of: Array
    ratio: tuple[Fraction, ...]
    offset: tuple[Fraction, ...]


@dataclass(frozen=True)
class Values:
    """Facts on every layer. Classes are numbered over the whole net.

    `known` has the classes that are constant but irrational (sigmoid of a bias): the nearest
    float64. Facts treat them as unknowns, so that no rounding can make two of them equal.
    """

    layers: Mapping[str, LayerValues]
    known: Mapping[int, float]

    def __getitem__(self, layer: str) -> LayerValues:
        return self.layers[layer]

    def constant(self, layer: str, feature: int, rational: bool = False) -> Fraction | None:
        """The value of a feature that never varies, else None.

        Irrational values are given to float64, or not at all where only `rational` ones are asked.
        """
        facts = self.layers[layer]
        label = int(facts.class_of[feature])
        if label == CONSTANT:
            return facts.offset[feature]
        if label in self.known and not rational:
            return facts.ratio[feature] * Fraction(self.known[label]) + facts.offset[feature]
        return None
