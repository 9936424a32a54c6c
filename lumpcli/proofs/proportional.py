"""Features of one class: their folded rows are multiples, and the activation allows the ratio."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from fractions import Fraction

from lumpcli.analysis import CONSTANT, Shift, Values
from lumpcli.ir import Array, Join, Layer, Net, Symmetry
from lumpcli.proofs.fold import Row, folded_row


@dataclass(frozen=True)
class Proportional:
    """Features `x = ratio * V + offset` with one `V` per label; arrays are (k,).

    `values` has the facts on the layers that are read, each of which has a proof of its own.
    """

    layer: str
    features: Array
    labels: Array
    ratio: tuple[Fraction, ...]
    offset: tuple[Fraction, ...]
    values: Values

    def check(self, net: Net) -> str | None:
        """None when every feature is to the first of its label as claimed."""
        layer = net[self.layer]
        first: dict[int, int] = {}
        for k, label in enumerate(self.labels.tolist()):
            v = first.setdefault(label, k)
            if self.ratio[k] == 0:
                return f"{self.layer}: feature {self.features[k]} has ratio 0"
            ratio = self.ratio[k] / self.ratio[v]
            offset = self.offset[k] - ratio * self.offset[v]
            i, j = int(self.features[k]), int(self.features[v])
            if k != v and not self._related(layer, i, j, ratio, offset):
                return f"{self.layer}: feature {i} is not {ratio} * feature {j} + {offset}"
        return None

    def _related(self, layer: Layer, i: int, j: int, ratio: Fraction, offset: Fraction) -> bool:
        if not layer.terms:
            return False
        if isinstance(layer, Join):
            return self._related_products(layer, i, j, ratio, offset)
        if layer.terms[0].via:
            source = layer.terms[0].source
            facts = self.values[source]
            same = facts.class_of[i] == facts.class_of[j] != CONSTANT
            moved = self.values.offset(source, i) - ratio * self.values.offset(source, j)
            return bool(same) and facts.ratio[i] == ratio * facts.ratio[j] and moved == offset
        row_i, b_i = folded_row(layer, i, self.values)
        row_j, b_j = folded_row(layer, j, self.values)
        if layer.activation.key(i) != layer.activation.key(j):
            return False
        if layer.activation.key(i)[0] == "Identity":
            row_i, more_i = self._without_known(row_i)
            row_j, more_j = self._without_known(row_j)
            shift = b_i + more_i - ratio * (b_j + more_j)
            return _multiple(row_i, row_j, ratio) and shift == offset
        return offset == 0 and any(
            _multiple(row_i, row_j, r) and b_i == r * b_j
            for r in _row_ratios(row_i, row_j, ratio, layer.symmetry)
        )

    def _without_known(self, row: Row) -> tuple[Row, Fraction]:
        """A row without its constants, and what those add (irrational ones to float64)."""
        known = self.values.known
        added = sum(
            (w * Fraction(known[c]) for (c, _), w in row.items() if c in known), Fraction(0)
        )
        return {key: w for key, w in row.items() if key[0] not in known}, added

    def _related_products(
        self, layer: Join, i: int, j: int, ratio: Fraction, offset: Fraction
    ) -> bool:
        """Equal operands; in a product each may be a multiple of its counterpart."""
        facts = [self.values[t.source] for t in layer.terms]
        pairs = [(f.class_of[i], f.ratio[i], f.offset[i]) for f in facts]
        others = [(f.class_of[j], f.ratio[j], f.offset[j]) for f in facts]
        if layer.function != "Mul":
            return pairs == others and ratio == 1 and offset == 0
        left, scale_i, shift_i = _normal(pairs)
        right, scale_j, shift_j = _normal(others)
        product = scale_i / scale_j if scale_j else Fraction(0)
        shift = (shift_i - shift_j * ratio).near(self.values.known)
        return left == right and product == ratio and shift == offset


def _normal(
    operands: list[tuple[int, Fraction, Shift]],
) -> tuple[set[tuple[int, Shift, int]], Fraction, Shift]:
    """A product as factors `V + offset` (class, offset, how often), a scale and a shift."""
    scale = Fraction(1)
    factors: Counter[tuple[int, Shift]] = Counter()
    for label, ratio, offset in operands:
        if label == CONSTANT and not offset.parts:
            scale *= offset.rational
        elif label == CONSTANT:
            factors[label, offset] += 1
        else:
            scale *= ratio
            factors[int(label), offset * (1 / ratio)] += 1
    if factors.total() == 1:
        ((label, shift),) = factors
        return {(label, Shift(), 1)}, scale, shift * scale
    return {(label, shift, often) for (label, shift), often in factors.items()}, scale, Shift()


def _multiple(row: Row, other: Row, ratio: Fraction) -> bool:
    return row.keys() == other.keys() and all(row[k] == ratio * other[k] for k in row)


def _row_ratios(row: Row, other: Row, value: Fraction, symmetry: Symmetry) -> list[Fraction]:
    """The ratios of rows that make this ratio of values, by docs/theory.md section 2."""
    if symmetry is Symmetry.HOMOGENEOUS:
        return [value] if value > 0 else []
    if symmetry is Symmetry.ABSOLUTE:
        return [value, -value] if value > 0 else []
    if symmetry is Symmetry.ODD:
        return [value] if abs(value) == 1 else []
    if symmetry is Symmetry.EVEN:
        return [Fraction(1), Fraction(-1)] if value == 1 else []
    if symmetry is Symmetry.SIGN and abs(value) == 1 and row.keys() == other.keys() and row:
        key = min(row)
        ratio = row[key] / other[key]
        return [ratio] if (ratio > 0) == (value > 0) else []
    return [Fraction(1)] if value == 1 else []
