"""Value numbering: which classes there are so far in the net, and what is known of them."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from fractions import Fraction

from lumpcli.analysis.facts import CONSTANT, ONE, LayerValues
from lumpcli.analysis.signs import Ranges, end_of, phase_of
from lumpcli.ir import (
    EVERYTHING,
    ZERO,
    Interval,
    Layer,
    Shift,
    Symmetry,
    slope,
    sum_range,
    value_range,
)

Fact = tuple[int, Fraction, Shift]  # class, ratio, offset

_STEPS = (
    *("Sign", "Floor", "Ceil", "Round", "ThresholdedRelu"),
    *("QuantizeLinear", "Quant", "BipolarQuant", "Cast"),
)


@dataclass
class Numbering:
    """The facts on the layers seen so far, and the classes they use.

    `known` are the irrational constants, to float64. A class described by a key is the same
    wherever the key turns up. `ranges` say where the values of classes lie, and
    `zeros_by_sign` whether that made any function return 0.
    """

    layers: dict[str, LayerValues] = field(default_factory=dict)
    known: dict[int, float] = field(default_factory=dict)
    numbers: dict[Hashable, int] = field(default_factory=dict)
    ranges: Ranges = field(default_factory=Ranges)
    zeros_by_sign: bool = False
    classes: int = 0

    def fact(self, layer: str, feature: int) -> Fact:
        """The fact on a feature seen before."""
        return self.layers[layer].fact(feature)

    def fresh(self, count: int = 1) -> int:
        """A class like no other; of several, all neighbours, the first."""
        self.classes += count
        return self.classes - count

    def number(self, key: Hashable, within: Interval = EVERYTHING) -> int:
        """The class of the value a key describes, which lies within an interval."""
        found = self.numbers.get(key)
        if found is None:
            found = self.numbers[key] = self.fresh()
            if within != EVERYTHING:
                self.ranges.tell_one(found, within)
        return found

    def constant(self, layer: Layer, feature: int, z: Shift) -> Fact:
        """The fact on `activation(z)`."""
        key = layer.activation.key(feature)
        if key[0] == "Identity":
            return CONSTANT, Fraction(0), z
        sign = ONE
        if layer.symmetry in (Symmetry.ODD, Symmetry.EVEN) and z.near(self.known) < 0:
            z = z * Fraction(-1)
            sign = layer.symmetry.value_ratio(Fraction(-1))
        value = layer.activation.at(feature, z.near(self.known))
        if isinstance(value, Fraction) and not z.parts:
            return CONSTANT, Fraction(0), Shift(value * sign)
        lead = ONE
        if z.parts and layer.symmetry is Symmetry.HOMOGENEOUS and key[0] not in _STEPS:
            lead = abs(z.parts[0][1])
        label = self.number(("constant", key, z * (1 / lead)), value_range(key, *EVERYTHING))
        if value is None or (z.parts and key[0] in _STEPS):
            return label, sign, ZERO  # a step could fall on the other side of z
        self.known[label] = float(value) / float(lead)
        return CONSTANT, Fraction(0), Shift(Fraction(0), ((label, sign * lead),))

    def combination(
        self, layer: Layer, feature: int, row: dict[int, Fraction], bias: Shift
    ) -> Fact:
        """The fact on `activation(row . classes + bias)`; the row is over classes that vary."""
        row = {label: weight for label, weight in row.items() if weight}
        if not row:
            return self.constant(layer, feature, bias)
        function = layer.activation.key(feature)
        low, high = self._range(row, bias)
        if layer.between is not None:
            least, most = layer.between[:, feature].tolist()
            low, high = max(low, end_of(least)), min(high, end_of(most))
        within = low, high
        factor = ONE if function[0] == "Identity" else slope(function, phase_of(within))
        if factor == 0:
            self.zeros_by_sign = True
            return CONSTANT, Fraction(0), ZERO
        if factor is not None:
            return self._linear({c: weight * factor for c, weight in row.items()}, bias * factor)
        symmetry = layer.symmetry
        lead, shape = _normal(symmetry, row)
        z = sum_range([(1 / lead, within)])
        key = ("row", shape, function, bias * (1 / lead))
        label = self.number(key, value_range(function, *z))
        return label, symmetry.value_ratio(lead), Shift(symmetry.value_offset(lead))

    def _linear(self, row: dict[int, Fraction], bias: Shift) -> Fact:
        """The fact on `row . classes + bias`."""
        if len(row) == 1:
            ((label, weight),) = row.items()
            return label, weight, bias
        lead, shape = _normal(Symmetry.LINEAR, row)
        label = self.number(("row", shape), self._range(dict(shape)))
        return label, lead, bias

    def _range(self, row: dict[int, Fraction], bias: Shift = ZERO) -> Interval:
        """Where a sum lies."""
        every = (*row.items(), *bias.parts)
        ranges = [(weight, self.ranges.interval(label)) for label, weight in every]
        return sum_range(ranges, bias.rational)


def _normal(
    symmetry: Symmetry, row: dict[int, Fraction]
) -> tuple[Fraction, tuple[tuple[int, Fraction], ...]]:
    """What to divide a row by, and the row after that, sorted."""
    entries = sorted(row.items())
    lead = symmetry.normaliser(entries[0][1])
    return lead, tuple((label, weight / lead) for label, weight in entries)
