"""Constant features: the folded row is zero, so the value is that of the bias."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from lumpcli.analysis import Values
from lumpcli.ir import Array, Join, Net
from lumpcli.proofs.fold import folded_row


@dataclass(frozen=True)
class Constant:
    """Features that always have the `value` given; irrational ones to float64."""

    layer: str
    features: Array
    value: tuple[Fraction, ...]
    values: Values

    def check(self, net: Net) -> str | None:
        """None when every feature has no weight on anything that varies, and the value claimed."""
        for i, value in zip(self.features.tolist(), self.value, strict=True):
            found = self._value(net, i)
            if found is None:
                return f"{self.layer}: feature {i} is not constant"
            if found != value:
                return f"{self.layer}: feature {i} is {float(found)}, not {float(value)}"
        return None

    def _value(self, net: Net, feature: int) -> Fraction | None:
        layer = net[self.layer]
        if not layer.terms:
            return None
        if isinstance(layer, Join):
            return self._product(layer, feature)
        row, z = folded_row(layer, feature, self.values)
        for (label, _tap), weight in row.items():
            known = self.values.known.get(label)
            if known is None:
                return None
            z += weight * Fraction(known)
        value = layer.activation.at(feature, z)
        return None if value is None else Fraction(value)

    def _product(self, layer: Join, feature: int) -> Fraction | None:
        operands = [self.values.constant(t.source, feature) for t in layer.terms]
        if layer.function != "Mul":
            return None
        if any(v == 0 for v in operands):
            return Fraction(0)
        result = Fraction(1)
        for v in operands:
            if v is None:
                return None
            result *= v
        return result
