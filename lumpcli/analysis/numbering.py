"""Value numbering: which classes there are so far in the net, and what is known of them."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from fractions import Fraction

from lumpcli.analysis.facts import CONSTANT, ONE, LayerValues
from lumpcli.ir import ZERO, Layer, Shift, Symmetry

Fact = tuple[int, Fraction, Shift]  # class, ratio, offset

_STEPS = (
    *("Sign", "Floor", "Ceil", "Round", "ThresholdedRelu"),
    *("QuantizeLinear", "Quant", "BipolarQuant", "Cast"),
)


@dataclass
class Numbering:
    """The facts on the layers seen so far, and the classes they use.

    `known` are the irrational constants, to float64. A class described by a key is the same
    wherever the key turns up.
    """

    layers: dict[str, LayerValues] = field(default_factory=dict)
    known: dict[int, float] = field(default_factory=dict)
    numbers: dict[Hashable, int] = field(default_factory=dict)
    classes: int = 0

    def fact(self, layer: str, feature: int) -> Fact:
        """The fact on a feature seen before."""
        facts = self.layers[layer]
        return int(facts.class_of[feature]), facts.ratio[feature], facts.offset[feature]

    def fresh(self, count: int = 1) -> int:
        """A class like no other; of several, all neighbours, the first."""
        self.classes += count
        return self.classes - count

    def number(self, key: Hashable) -> int:
        """The class of the value a key describes."""
        found = self.numbers.get(key)
        if found is None:
            found = self.numbers[key] = self.fresh()
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
        label = self.number(("constant", key, z * (1 / lead)))
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
        identity = layer.activation.key(feature)[0] == "Identity"
        if identity and len(row) == 1:
            ((label, weight),) = row.items()
            return label, weight, bias
        entries = sorted(row.items())
        lead = layer.symmetry.normaliser(entries[0][1])
        key = ("row", tuple((c, w / lead) for c, w in entries), layer.activation.key(feature))
        if identity:
            return self.number(key), lead, bias
        return self.number((*key, bias * (1 / lead))), layer.symmetry.value_ratio(lead), ZERO
