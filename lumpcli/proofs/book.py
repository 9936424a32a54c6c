"""What is proved of the features of a net: `x = ratio * V[class] + offset`, for every input.

A class is a function of the inputs. It has one definition, a key: two features are in one class
only when their keys are equal, or when a rule shows that their rows are multiples.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from lumpcli.errors import LumpError
from lumpcli.ir import ZERO, Array, Layer, Shift, Symmetry

ONE = Fraction(1)
CONSTANT = -1  # the class of features whose value is their offset
INSIDE = -2  # "one inside the image": what a constant is behind a padded term

Fact = tuple[int, Fraction, Shift]  # class, ratio, offset

# functions with jumps: a number known but nearly may lie on either side of one
_JUMPS = (
    *("Sign", "Floor", "Ceil", "Round", "ThresholdedRelu", "Shrink"),
    *("QuantizeLinear", "Quant", "BipolarQuant", "Cast"),
)


class Refused(LumpError):
    """What a certificate says does not follow; `layer` is the step, `tensor` what it is about."""

    exit_code = 1

    def __init__(self, layer: str, tensor: str, reason: str) -> None:
        super().__init__(reason)
        self.layer, self.tensor, self.reason = layer, tensor, reason


@dataclass(frozen=True)
class Facts:
    """The facts on one layer, (n,) each."""

    class_of: Array
    ratio: tuple[Fraction, ...]
    offset: tuple[Shift, ...]

    def __getitem__(self, feature: int) -> Fact:
        return int(self.class_of[feature]), self.ratio[feature], self.offset[feature]

    @staticmethod
    def of(facts: Sequence[Fact]) -> Facts:
        """Facts, feature by feature."""
        labels = np.array([f[0] for f in facts], np.int64)
        return Facts(labels, tuple(f[1] for f in facts), tuple(f[2] for f in facts))


@dataclass
class Book:
    """The facts so far, by layer, and the classes they use.

    `known` are irrational constants to float64: they stand for the constants where those are
    stored, and never prove that two are equal.
    """

    facts: dict[str, Facts] = field(default_factory=dict)
    known: dict[int, float] = field(default_factory=dict)
    numbers: dict[Hashable, int] = field(default_factory=dict)
    classes: int = 0

    def fresh(self, count: int = 1) -> int:
        """A class like no other; of several, all neighbours, the first."""
        self.classes += count
        return self.classes - count

    def number(self, key: Hashable) -> int:
        """The class with that definition."""
        if key not in self.numbers:
            self.numbers[key] = self.fresh()
        return self.numbers[key]

    def constant(self, layer: Layer, feature: int, z: Shift) -> Fact:
        """The fact on `activation(z)`."""
        key = layer.activation.key(feature)
        if key[0] == "Identity":
            return CONSTANT, Fraction(0), z
        sign = lead = ONE
        if layer.symmetry in (Symmetry.ODD, Symmetry.EVEN) and z.near(self.known) < 0:
            z, sign = z * -ONE, layer.symmetry.value_ratio(-ONE)
        near = layer.activation.at(feature, z.near(self.known))
        if isinstance(near, Fraction) and not z.parts:
            return CONSTANT, Fraction(0), Shift(near * sign)
        jumps = bool(z.parts) and key[0] in _JUMPS
        if z.parts and layer.symmetry is Symmetry.HOMOGENEOUS and not jumps:
            lead = abs(z.parts[0][1])
        label = self.number(("constant", key, z * (1 / lead)))
        if near is None or jumps:
            return label, sign, ZERO
        self.known[label] = float(near) / float(lead)
        return CONSTANT, Fraction(0), Shift(Fraction(0), ((label, sign * lead),))

    def combination(
        self, layer: Layer, feature: int, row: dict[int, Fraction], bias: Shift
    ) -> Fact:
        """The fact on `activation(row . classes + bias)`, everything read at one position."""
        entries = sorted((label, weight) for label, weight in row.items() if weight)
        if not entries:
            return self.constant(layer, feature, bias)
        linear = layer.activation.key(feature)[0] == "Identity"
        if linear and len(entries) == 1:
            return *entries[0], bias
        symmetry = layer.symmetry
        lead = symmetry.normaliser(entries[0][1])
        shape = ("row", tuple((c, w / lead) for c, w in entries), layer.activation.key(feature))
        if linear:
            return self.number(shape), lead, bias
        return self.number((*shape, bias * (1 / lead))), symmetry.value_ratio(lead), ZERO
