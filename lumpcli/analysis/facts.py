"""What is known about the features of a net: `x = ratio * V[class] + offset`, for every input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np

from lumpcli.ir import ZERO, Array, Shift

ONE = Fraction(1)

CONSTANT = -1  # the class of features whose value is their offset
INSIDE = -2  # the class of "one inside the image": what a constant is behind a padded term


@dataclass(frozen=True)
class LayerValues:
    """Facts on one layer's features, exact: class, ratio (0: a constant) and offset, (n,) each.

    `phase` (n,): where its activation is known to be linear, z >= 0 (1) or z <= 0 (-1) always.
    """

    class_of: Array
    ratio: tuple[Fraction, ...]
    offset: tuple[Shift, ...]
    phase: Array | None = None

    def fact(self, feature: int) -> tuple[int, Fraction, Shift]:
        """Class, ratio and offset of one feature."""
        return int(self.class_of[feature]), self.ratio[feature], self.offset[feature]

    def chosen(self, features: Array) -> LayerValues:
        """The same of some features, in their order."""
        some = features.tolist()
        return LayerValues(
            self.class_of[features],
            tuple(self.ratio[i] for i in some),
            tuple(self.offset[i] for i in some),
        )

    @cached_property
    def shifted(self) -> Array:
        """The features that have an offset, rising."""
        found = [i for i, o in enumerate(self.offset) if o is not ZERO and o]
        return np.array(found, np.int64)

    @cached_property
    def irrational(self) -> frozenset[int]:
        """The features whose offset is irrational, as far as is known."""
        return frozenset(i for i in self.shifted.tolist() if self.offset[i].parts)

    @cached_property
    def scaled(self) -> bool:
        """Whether some feature that varies is another multiple of its class than 1."""
        return any(r is not ONE and r not in (0, 1) for r in self.ratio)


@dataclass(frozen=True)
class Values:
    """Facts on every layer. Classes are numbered over the whole net.

    `known` has the irrational constants (the sigmoid of a bias, say) that offsets name: the nearest
    float64 of each. Facts never use it. `zeros_by_sign`: somewhere a function returns 0 because
    what it is applied to is never positive.
    """

    layers: Mapping[str, LayerValues]
    known: Mapping[int, float]
    zeros_by_sign: bool

    def __getitem__(self, layer: str) -> LayerValues:
        return self.layers[layer]

    def offset(self, layer: str, feature: int) -> Fraction:
        """A feature's offset, irrational parts to float64."""
        offset = self.layers[layer].offset[feature]
        return Fraction(0) if offset is ZERO else offset.near(self.known)

    def is_rational(self, layer: str, feature: int) -> bool:
        """Whether a feature's offset is rational, so that no rounding is needed to state it."""
        return feature not in self.layers[layer].irrational

    def constant(self, layer: str, feature: int, rational: bool = False) -> Fraction | None:
        """The value of a feature that never varies, else None.

        Irrational values are given to float64, or not at all where only `rational` ones are asked.
        """
        if int(self.layers[layer].class_of[feature]) != CONSTANT:
            return None
        if rational and not self.is_rational(layer, feature):
            return None
        return self.offset(layer, feature)
