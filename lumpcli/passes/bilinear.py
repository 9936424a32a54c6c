"""Sums of products, as of queries and keys: where one factor is a multiple, the other takes over.

    q_i k_i + q_j k_j  =  q_i (k_i + r k_j)      where  q_j = r q_i

So row i of the keys' projection may take over r times row j. What becomes of row j is zero, and a
product that is zero goes like any other. As many have to go in each head.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from lumpcli.analysis import (
    CONSTANT,
    Factor,
    LayerValues,
    SumOfProducts,
    Sweep,
    Values,
    factor_of,
    sums_of_products,
    values_of,
)
from lumpcli.ir import (
    Array,
    Claim,
    Merge,
    Net,
    Quotient,
    Rounding,
    Shift,
    apply,
    take_over,
)

_MOST_CARRIERS = 8  # tried per class
_STEEPEST = 16  # a row taken over times more could overflow where it is read, in float16
_Multiples = list[tuple[int, Fraction]]  # places and ratios
_Row = tuple[str, int]  # of a layer


@dataclass(frozen=True)
class Taking:
    """In a product, the row at a place of one factor takes over others, each times its ratio."""

    product: str
    side: int
    place: int
    others: tuple[int, ...]
    ratios: tuple[Fraction, ...]


Round = tuple[Sweep, tuple[Taking, ...]]  # what was known, and what was done because of it


@dataclass(frozen=True)
class Rewriting:
    """A net in which rows have been merged so that products are zero.

    Per layer of products: the merges made for it, by the row that takes over; which products (n,)
    are zero because of that; how many it has at most if that was of use. `rounds` tell how it came.
    """

    net: Net
    made: Mapping[str, Mapping[_Row, Merge]] = field(default_factory=dict)
    gone: Mapping[str, Array] = field(default_factory=dict)
    widths: Mapping[str, int] = field(default_factory=dict)
    rounds: tuple[Round, ...] = ()

    @property
    def merges(self) -> dict[str, list[Merge]]:
        """All merges, by the layer they are in."""
        return _by_layer(self.made)

    def claims(self, values: Values) -> list[Claim]:
        """The products that are zero now: multiples of others, by zero."""
        found = []
        for name, gone in self.gone.items():
            features = np.flatnonzero(gone & _zero(values[name]))
            none = (Fraction(0),) * len(features)
            labels = np.full(len(features), -1)
            found.append(Claim(name, "lumped", features, labels, none, none))
        return found

    def useless(self, quotient: Quotient, rounding: Rounding) -> set[str]:
        """The layers of products that are cut too little, or whose factors cannot be stored."""
        return {
            name
            for name, some in self.made.items()
            if len(quotient.keep(self.net[name])) > self.widths[name]
            or any(layer in rounding.overflow for layer, _ in some)
        }


def _by_layer(made: Mapping[str, Mapping[_Row, Merge]]) -> dict[str, list[Merge]]:
    found: dict[str, list[Merge]] = {}
    for some in made.values():
        for (layer, _), merge in some.items():
            found.setdefault(layer, []).append(merge)
    return found


def _rewritten(net: Net, made: Mapping[str, Mapping[_Row, Merge]]) -> Net:
    return apply(net, Quotient({}, merges=_by_layer(made)))[0]


@dataclass(frozen=True)
class _Settings:
    strict: bool  # nothing may be rounded
    zeros: bool  # products that are zero anyway go too


def merge_factors(
    net: Net,
    values: Sweep,
    strict: bool = False,
    zeros: bool = True,
    refused: Collection[str] = (),
) -> Rewriting:
    """The net with as many rows merged as every head of a layer of products can lose.

    `values` are exact facts. `zeros`: whether products that are zero anyway are cut too; `refused`
    are layers of products that are left as they are.
    """
    settings = _Settings(strict, zeros)
    sums = [s for s in sums_of_products(net) if s.name not in refused]
    found = _Search(net, values, sums, settings).run({})
    most = {s.name: min(s.width // s.heads - 1, int(found.counts(s).min())) for s in sums}
    before = _Search(net, values, sums, settings)
    useful = [s for s in sums if most[s.name] > int(before.counts(s).min())]
    exact = all((found.counts(s) == most[s.name]).all() for s in useful)
    if len(useful) < len(sums) or not exact:
        found = _Search(net, values, useful, settings).run(most)
    made = {s.name: found.made[s.name] for s in useful if found.made[s.name]}
    if not made:
        return Rewriting(net)
    return Rewriting(
        _rewritten(net, made),
        made,
        {name: found.merged[name] for name in made},
        {s.name: s.width - s.heads * most[s.name] for s in useful},
        tuple(found.rounds),
    )


def _zero(values: LayerValues) -> Array:
    """The features (n,) bool that are zero."""
    zero = np.array([not offset for offset in values.offset], bool)
    zero &= values.class_of == CONSTANT
    return zero


def _classes(values: LayerValues, features: Array, heads: int, width: int) -> list[_Multiples]:
    """The multiples among features (n,) of a layer, with their ratios: per head those of several.

    Places are those in `features`; -1 there is none.
    """
    found: dict[tuple[int, int, Shift], _Multiples] = {}
    for place, i in enumerate(features.tolist()):
        if i < 0:
            continue
        label, ratio, offset = int(values.class_of[i]), values.ratio[i], values.offset[i]
        if label == CONSTANT:
            ratio, offset = (Fraction(0) if offset.parts else offset.rational), Shift()
        if ratio:
            key = (place // (width // heads), label, offset * (1 / ratio))
            found.setdefault(key, []).append((place, ratio))
    return [members for members in found.values() if len(members) > 1]


class _Search:
    """Merging of factors, right ones and left ones by turns, until nothing more is found.

    What a row has become may be a multiple of others, and so on.
    """

    def __init__(
        self, net: Net, values: Sweep, sums: Sequence[SumOfProducts], settings: _Settings
    ) -> None:
        self.origin, self.net, self.values = net, net, values
        self.sums, self.settings = sums, settings
        self.rounds: list[Round] = []
        self.taken: list[Taking] = []
        self.made: dict[str, dict[_Row, Merge]] = {s.name: {} for s in sums}
        self.merged = {s.name: np.zeros(s.width, bool) for s in sums}

    def counts(self, s: SumOfProducts) -> Array:
        """How many products go in each head."""
        gone = self.merged[s.name]
        if self.settings.zeros:
            gone = gone | _zero(self.values[s.name])
        counts: Array = gone.reshape(s.heads, -1).sum(axis=1)
        return counts

    def run(self, most: Mapping[str, int]) -> _Search:
        """Merge what can be, in no head more than what makes so `most` products go."""
        multiples, idle = 0, 0
        while idle < 2:
            found = [s for s in self.sums if self._merge(s, multiples, most.get(s.name, s.width))]
            if found:
                self.rounds.append((self.values, tuple(self.taken)))
                self.taken = []
                self.net = _rewritten(self.origin, self.made)
                self.values = values_of(self.net)
            idle = 0 if found else idle + 1
            multiples = 1 - multiples
        return self

    def _merge(self, s: SumOfProducts, multiples: int, most: int) -> bool:
        """Merge rows of one factor where the other, on side `multiples`, allows it."""
        factor = factor_of(self.net, s.product, 1 - multiples)
        if factor is None:
            return False
        room = most - self.counts(s)
        term = s.product.terms[multiples]
        usable = factor.free & ~_zero(self.values[s.name])
        features = np.where(usable, term.selected(s.width)[:, 0], -1)
        found = False
        for members in _classes(self.values[term.source], features, s.heads, s.width):
            head = members[0][0] // (s.width // s.heads)
            place, others = self._best(s, factor, members, int(room[head]))
            if others:
                found = True
                room[head] -= len(others)
                self.merged[s.name][[other for other, _ in others]] = True
                told = tuple(p for p, _ in others), tuple(r for _, r in others)
                self.taken.append(Taking(s.name, 1 - multiples, place, *told))
                merge = self._joined(s, factor, place, others)
                for row in merge.others:
                    self.made[s.name].pop((factor.layer.name, row), None)
                self.made[s.name][factor.layer.name, merge.row] = merge
        return found

    def _best(
        self, s: SumOfProducts, factor: Factor, members: _Multiples, room: int
    ) -> tuple[int, _Multiples]:
        """The place that takes over most of the others, with the fewest numbers rounded; and those.

        Ties go to the lowest one.
        """
        best: tuple[int, int, int, _Multiples] = 0, 0, -1, []
        tried: set[Fraction] = set()
        largest = max(abs(ratio) for _, ratio in members)
        for place, own in sorted(members, key=lambda member: -abs(member[1])):
            if own in tried or len(tried) == _MOST_CARRIERS or largest > _STEEPEST * abs(own):
                continue
            tried.add(own)
            others = [(other, ratio / own) for other, ratio in members if other != place]
            taken = self._taken_over(s, factor, place, others, room)
            if not taken:
                continue
            rounded = self._stored(s, factor, place, taken)[1]
            best = min(best, (-len(taken), rounded, place, taken), key=lambda found: found[:3])
        return best[2:]

    def _taken_over(
        self, s: SumOfProducts, factor: Factor, place: int, others: _Multiples, room: int
    ) -> _Multiples:
        """Those others that a place can take over: the result can be stored, and there is room."""

        def fits(some: _Multiples) -> bool:
            finite, rounded = self._stored(s, factor, place, some)
            return finite and not (self.settings.strict and rounded)

        if room > 0 and fits(others[:room]):
            return others[:room]
        taken: _Multiples = []
        for other in others:
            if len(taken) < room and fits([*taken, other]):
                taken.append(other)
        return taken

    def _joined(self, s: SumOfProducts, factor: Factor, place: int, others: _Multiples) -> Merge:
        """What a row takes over of the rows as they are stored, those included it had before."""
        total: dict[int, Fraction] = {}
        for member, ratio in [(place, Fraction(1)), *others]:
            row = int(factor.rows[member])
            before = self.made[s.name].get((factor.layer.name, row), Merge(row, (), ()))
            total[row] = ratio
            total |= zip(before.others, (ratio * r for r in before.ratios), strict=True)
        row = int(factor.rows[place])
        del total[row]
        return Merge(row, tuple(total), tuple(total.values()))

    def _stored(
        self, s: SumOfProducts, factor: Factor, place: int, others: _Multiples
    ) -> tuple[bool, int]:
        """Whether what a merge gives is finite, and how many of its numbers are rounded."""
        tally = Rounding()
        merge = self._joined(s, factor, place, others)
        weight, bias = take_over(self.origin[factor.layer.name], merge, None, tally)
        numbers = weight if bias is None else np.append(weight, bias)
        return bool(np.isfinite(numbers.astype(np.float64)).all()), tally.rounded
