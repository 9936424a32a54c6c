"""What is known about the features of a net: `x = ratio * V[class] + offset`, for every input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from lumpcli.analysis.shift import Shift
from lumpcli.ir import Array

CONSTANT = -1  # the class of features whose value is their offset
INSIDE = -2  # the class of "one inside the image": what a constant is behind a padded term


@dataclass(frozen=True)
class LayerValues:
    """Facts on one layer's features, exact: class, ratio (0: a constant) and offset, (n,) each."""

    class_of: Array
    ratio: tuple[Fraction, ...]
    offset: tuple[Shift, ...]


@dataclass(frozen=True)
class Values:
    """Facts on every layer. Classes are numbered over the whole net.

    `known` has the irrational constants (the sigmoid of a bias, say) that offsets name: the nearest
    float64 of each. Facts never use it.
    """

    layers: Mapping[str, LayerValues]
    known: Mapping[int, float]

    def __getitem__(self, layer: str) -> LayerValues:
        return self.layers[layer]

    def offset(self, layer: str, feature: int) -> Fraction:
        """A feature's offset, irrational parts to float64."""
        return self.layers[layer].offset[feature].near(self.known)

    def is_rational(self, layer: str, feature: int) -> bool:
        """Whether a feature's offset is rational, so that no rounding is needed to state it."""
        return not self.layers[layer].offset[feature].parts

    def constant(self, layer: str, feature: int, rational: bool = False) -> Fraction | None:
        """The value of a feature that never varies, else None.

        Irrational values are given to float64, or not at all where only `rational` ones are asked.
        """
        if int(self.layers[layer].class_of[feature]) != CONSTANT:
            return None
        if rational and not self.is_rational(layer, feature):
            return None
        return self.offset(layer, feature)
