"""What is proved of the features of a net: `x = ratio * V[class] + offset`, for every input.

A class is a function of the inputs. It has one definition, a key: two features are in one class
only when their keys are equal.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import gcd, isinf, lcm

import numpy as np

from lumpcli.errors import LumpError
from lumpcli.ir import (
    EVERYTHING,
    ZERO,
    Activation,
    Array,
    Interval,
    Layer,
    Shift,
    Symmetry,
    hull,
    sum_range,
    value_range,
)

ONE = Fraction(1)
CONSTANT = -1  # the class of features whose value is their offset
INSIDE = -2  # "one inside the image": what a constant is behind a padded term

Fact = tuple[int, Fraction, Shift]  # class, ratio, offset

# functions with jumps: a number known but nearly may lie on either side of one
_JUMPS = (
    *("Sign", "Floor", "Ceil", "Round", "ThresholdedRelu", "Shrink"),
    *("QuantizeLinear", "Quant", "BipolarQuant", "Cast"),
)
_FEW = 8  # entries


class Refused(LumpError):
    """What a certificate says does not follow; `layer` is the step, `tensor` what it is about."""

    exit_code = 1

    def __init__(self, layer: str, tensor: str, reason: str) -> None:
        super().__init__(reason)
        self.layer, self.tensor, self.reason = layer, tensor, reason


def require(holds: bool, layer: str, reason: str) -> None:
    """Refused unless something holds."""
    if not holds:
        raise Refused(layer, layer, reason)


def between(layer: Layer, feature: int) -> Interval:
    """Where what a feature's function is applied to lies, on the inputs granted."""
    if layer.between is None:
        return EVERYTHING
    low, high = (end if isinf(end) else Fraction(end) for end in layer.between[:, feature].tolist())
    return low, high


def meet(one: Interval, other: Interval) -> Interval:
    """What two intervals have in common."""
    return max(one[0], other[0]), min(one[1], other[1])


@dataclass(frozen=True)
class Row:
    """`scale * sum of whole[k] * V[labels[k]] + bias`: rising labels, and integers, none of them 0.

    They have no common factor, and the first is positive: so equal functions look the same.
    """

    labels: Array
    whole: Array
    scale: Fraction
    bias: Shift

    @staticmethod
    def of(weights: Mapping[int, Fraction], bias: Shift) -> Row:
        """A row from its weight on each class, zeros allowed."""
        entries = sorted((label, weight) for label, weight in weights.items() if weight)
        if not entries:
            return Row(np.zeros(0, np.int64), np.zeros(0, np.int64), ONE, bias)
        common = lcm(*(weight.denominator for _, weight in entries))
        whole = [weight.numerator * (common // weight.denominator) for _, weight in entries]
        factor = gcd(*whole) * (1 if whole[0] > 0 else -1)
        labels = np.array([label for label, _ in entries], np.int64)
        one = np.array([number // factor for number in whole], object)
        return Row(labels, one, Fraction(factor, common), bias)

    def times(self, factor: Fraction) -> Row:
        """A multiple of the row."""
        bias = self.bias * factor
        if not factor:
            return Row.of({}, bias)
        return Row(self.labels, self.whole, self.scale * factor, bias)

    @property
    def shape(self) -> Hashable:
        """The row but for scale and bias. It may be long: its hash, which nobody can forge."""
        try:
            whole = self.whole.astype(np.int64).tobytes()
        except OverflowError:
            whole = repr(self.whole.tolist()).encode()
        hashes = [hashlib.sha256(part).digest() for part in (self.labels.tobytes(), whole)]
        return len(whole), *hashes


@dataclass
class Book:
    """The facts so far, by layer and feature, and the classes they use.

    `known` are irrational constants to float64: they stand for the constants where those are
    stored, and never prove that two are equal. A class lies within its `ranges`.
    """

    facts: dict[str, list[Fact]] = field(default_factory=dict)
    known: dict[int, float] = field(default_factory=dict)
    numbers: dict[Hashable, int] = field(default_factory=dict)
    ranges: dict[int, Interval] = field(default_factory=lambda: {INSIDE: (Fraction(0), ONE)})
    anchors: dict[int, Shift] = field(default_factory=dict)  # the biases of linear classes
    # classes as they are behind padding: the place they are read at, and what is read there
    behind: dict[int, tuple[Hashable, int]] = field(default_factory=dict)
    ones: set[int] = field(default_factory=set)  # constants among them
    classes: int = 0

    def fresh(self, within: Interval = EVERYTHING) -> int:
        """A class like no other."""
        if within != EVERYTHING:
            self.ranges[self.classes] = within
        self.classes += 1
        return self.classes - 1

    def number(self, key: Hashable, within: Interval = EVERYTHING) -> int:
        """The class with that definition."""
        if key not in self.numbers:
            self.numbers[key] = self.fresh(within)
        return self.numbers[key]

    def range(self, label: int) -> Interval:
        """Where the values of a class lie."""
        return self.ranges.get(label, EVERYTHING)

    def interval(self, row: Row) -> Interval:
        """Where a row lies."""
        total, begin = sum_range([]), 0
        while begin < len(row.labels) and total != EVERYTHING:  # a few entries tell, most often
            some = slice(begin, 4 * begin + _FEW)
            ranges = map(self.range, row.labels[some].tolist())
            total = sum_range([(ONE, total), *zip(row.whole[some].tolist(), ranges, strict=True)])
            begin = some.stop
        if total != EVERYTHING and not self.ones.isdisjoint(row.labels.tolist()):
            total = self._behind(row)
        parts = ((weight, self.range(label)) for label, weight in row.bias.parts)
        return sum_range([(row.scale, total), *parts], row.bias.rational)

    def _behind(self, row: Row) -> Interval:
        """Where a row without its scale lies: at each place all of it is read, or outside none."""
        places: dict[Hashable, list[tuple[Fraction, Interval]]] = {}
        for label, weight in zip(row.labels.tolist(), row.whole.tolist(), strict=True):
            place, source = self.behind.get(label, (None, label))
            within = (ONE, ONE) if source == INSIDE else self.range(source)
            places.setdefault(place, []).append((weight, within))
        rest = sum_range(places.pop(None, []))
        return sum_range([(ONE, rest), *((ONE, hull(sum_range(p))) for p in places.values())])

    def narrow(self, label: int, within: Interval) -> None:
        """Note where, besides what is known of it, a class lies."""
        if within != EVERYTHING:
            self.ranges[label] = meet(self.range(label), within)

    def define(
        self, function: Activation, row: Row, known: Interval = EVERYTHING, anchored: bool = False
    ) -> Fact:
        """The fact on `function(row)`, everything read at one position, of a row that is `known`.

        `anchored`: a linear class has the bias of the first row in it, and no other class has it.
        """
        if not len(row.labels):
            return self._constant(function, row.bias)
        if function.is_identity and len(row.labels) == 1 and not anchored:
            return int(row.labels[0]), row.scale, row.bias
        # the class has a row of about 1, so that ratios are powers of two if weights are
        scale = row.scale * (1 << int(abs(row.whole).max()).bit_length())
        lead, symmetry = function.symmetry.normaliser(scale), function.symmetry
        one = row.times(1 / lead)
        key = ("row", row.shape, scale / lead, function.name, function.attributes, anchored)
        if not function.is_identity:
            lies = meet(self.interval(one), sum_range([(1 / lead, known)]))
            label, added = self.number((*key, one.bias)), symmetry.value_offset(lead)
            self.narrow(label, value_range(function.key(0), *lies))
            return label, symmetry.value_ratio(lead), Shift(added)
        if key not in self.numbers:
            anchor = one.bias if anchored else ZERO
            within = self.interval(replace(one, bias=anchor))
            self.anchors[self.number(key, within)] = anchor
        label = self.number(key)
        offset = row.bias - self.anchors[label] * lead
        if not offset.parts:
            self.narrow(label, sum_range([(1 / lead, known)], -offset.rational / lead))
        return label, lead, offset

    def _constant(self, function: Activation, z: Shift) -> Fact:
        if function.is_identity:
            return CONSTANT, Fraction(0), z
        sign = lead = ONE
        if function.symmetry in (Symmetry.ODD, Symmetry.EVEN) and z.near(self.known) < 0:
            z, sign = z * -ONE, function.symmetry.value_ratio(-ONE)
        near = function.at(0, z.near(self.known))
        if isinstance(near, Fraction) and not z.parts:
            return CONSTANT, Fraction(0), Shift(near * sign)
        jumps = bool(z.parts) and function.name in _JUMPS
        if z.parts and function.symmetry is Symmetry.HOMOGENEOUS and not jumps:
            lead = abs(z.parts[0][1])
        key = ("constant", function.name, function.attributes, z * (1 / lead))
        label = self.number(key, value_range(function.key(0), *EVERYTHING))
        if near is None or jumps:
            return label, sign, ZERO
        self.known[label] = float(near) / float(lead)
        return CONSTANT, Fraction(0), Shift(Fraction(0), ((label, sign * lead),))
