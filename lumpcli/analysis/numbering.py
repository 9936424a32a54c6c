"""Value numbering: which classes there are so far in the net, and what is known of them."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from fractions import Fraction

from lumpcli.analysis.facts import CONSTANT, LayerValues
from lumpcli.ir import Layer

Fact = tuple[int, Fraction, Fraction]  # class, ratio, offset

ZERO, ONE = Fraction(0), Fraction(1)
_STEPS = ("Sign", "Floor", "Ceil", "Round", "ThresholdedRelu")


@dataclass
class Numbering:
    """The facts on the layers seen so far, and the classes they use.

    `known` are classes with one, irrational value (to float64). A class described by a key is the
    same wherever the key turns up.
    """

    layers: dict[str, LayerValues] = field(default_factory=dict)
    known: dict[int, float] = field(default_factory=dict)
    numbers: dict[Hashable, int] = field(default_factory=dict)
    classes: int = 0

    def fresh(self) -> int:
        """A class like no other."""
        self.classes += 1
        return self.classes - 1

    def number(self, key: Hashable) -> int:
        """The class of the value a key describes."""
        found = self.numbers.get(key)
        if found is None:
            found = self.numbers[key] = self.fresh()
        return found

    def constant(self, layer: Layer, feature: int, z: Fraction, exact: bool = True) -> Fact:
        """The fact on `activation(z)`; not `exact`: z itself is only the nearest float64."""
        name = layer.activation.key(feature)[0]
        value = layer.activation.at(feature, z)
        if exact and isinstance(value, Fraction):
            return CONSTANT, ZERO, value
        if not exact and (value is None or name in _STEPS):
            return self.fresh(), ONE, ZERO  # a step could fall on the other side of z
        label = self.fresh()
        if exact:
            label = self.number(("constant", layer.activation.key(feature), z))
        if value is not None:
            self.known[label] = float(value)
        return label, ONE, ZERO

    def combination(
        self, layer: Layer, feature: int, row: dict[int, Fraction], bias: Fraction
    ) -> Fact:
        """The fact on `activation(row . classes + bias)`; the row has no zeros."""
        if not row:
            return self.constant(layer, feature, bias)
        identity = layer.activation.key(feature)[0] == "Identity"
        if identity and len(row) == 1:
            ((label, weight),) = row.items()
            return label, weight, bias
        if all(label in self.known for label in row):
            z = bias + sum(w * Fraction(self.known[c]) for c, w in row.items())
            return self.constant(layer, feature, z, exact=False)
        entries = sorted(row.items())
        lead = layer.symmetry.normaliser(entries[0][1])
        key = ("row", tuple((c, w / lead) for c, w in entries), layer.activation.key(feature))
        if identity:
            return self.number(key), lead, bias
        return self.number((*key, bias / lead)), layer.symmetry.value_ratio(lead), ZERO
