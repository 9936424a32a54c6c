"""The facts on a net: derived where features are read one by one, claimed and checked elsewhere."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from lumpcli.certify.document import Claims
from lumpcli.ir import ZERO, Layer, Net
from lumpcli.proofs import (
    CONSTANT,
    Book,
    Columns,
    Fact,
    Facts,
    Refused,
    columns_of,
    multiples,
    reads_little,
    single,
    within,
)

_ONE = Fraction(1)
_ITSELF = (_ONE, ZERO)  # ratio and offset


class Sweep:
    """The facts on the layers of a net, by one walk from its inputs to its outputs."""

    def __init__(self, net: Net, claims: dict[str, Claims], level: str = "exact") -> None:
        self.net, self.claims, self.book = net, claims, Book()
        self.columns: dict[str, Columns] = {}
        self.count = 0
        self.level = level
        self.loose: set[tuple[str, int]] = set()  # rows whose weights were chosen

    def all(self) -> tuple[Book, int]:
        """The facts on every layer, and how many were claimed."""
        for layer in self.net.layers:
            claim = self.claims.get(layer.name, Claims(layer.name, {}))
            told = [k for k in ("constant", "handed_on", "multiples") if claim.said.get(k)]
            if told and not layer.is_dense:
                raise Refused(layer.name, layer.name, "facts on it follow, and are not claimed")
            if layer.is_dense:
                self._dense(layer, claim)
            else:
                self.book.facts[layer.name] = single(self.book, layer)
        return self.book, self.count

    def _columns(self, layer: Layer) -> Columns:
        if layer.name not in self.columns:
            self.columns[layer.name] = columns_of(self.book, layer)
        return self.columns[layer.name]

    def _dense(self, layer: Layer, claim: Claims) -> None:
        n, first = layer.width, self.book.fresh(layer.width)
        facts: list[Fact] = [(first + i, *_ITSELF) for i in range(n)]
        own: set[int] = set()
        self._little(layer, claim, facts, own)
        groups = claim.said.get("multiples", [])
        if len({group["of"] for group in groups}) < len(groups):
            raise Refused(layer.name, layer.name, "multiples of one layer are in two groups")
        for group in sorted(groups, key=lambda g: bool(g["of"] == layer.name)):
            self.book.facts[layer.name] = Facts.of(facts)
            if group["of"] not in self.book.facts or not self.net[group["of"]].is_dense:
                raise Refused(layer.name, group["of"], "there is no such layer before it")
            of = self.net[group["of"]]
            rows = claim.features("features", group, n)
            like = claim.features("like", group, of.width)
            self._once(layer, rows, own)
            if len(like) != len(rows) or (of is layer and own & set(like)):
                raise Refused(layer.name, layer.name, "features are not like others")
            if self.loose & {(of.name, j) for j in like}:
                raise Refused(layer.name, of.name, "its weights are already chosen")
            self._multiples(layer, claim, group, of, facts)
        self.book.facts[layer.name] = Facts.of(facts)
        self.count += len(own)

    def _once(self, layer: Layer, rows: list[int], own: set[int]) -> None:
        if own & set(rows) or len(set(rows)) < len(rows):
            raise Refused(layer.name, layer.name, "a feature is claimed of twice")
        own |= set(rows)

    def _little(self, layer: Layer, claim: Claims, facts: list[Fact], own: set[int]) -> None:
        """Rows that read nothing, or hand on what they read."""
        told = claim.said.get("constant", {"features": [], "values": []})
        constant = claim.features("features", told, layer.width)
        values = claim.numbers("values", told, len(constant), "0")
        handed = claim.features("handed_on", {"handed_on": [], **claim.said}, layer.width)
        every = np.array([*constant, *handed], np.int64)
        if not len(every):
            return
        self._once(layer, [*constant, *handed], own)
        found = reads_little(self.book, self._columns(layer), every)
        for i, fact in zip(every.tolist(), found, strict=True):
            facts[i] = fact
        for i, value in zip(constant, values, strict=True):
            label, _, offset = facts[i]
            if label != CONSTANT or offset.near(self.book.known) != value:
                raise Refused(layer.name, layer.name, f"feature {i} is not the constant {value}")

    def _multiples(
        self,
        layer: Layer,
        claim: Claims,
        group: dict[str, Any],
        of: Layer,
        facts: list[Fact],
    ) -> None:
        rows, like = group["features"], group["like"]
        ratios = claim.numbers("ratios", group, len(rows), "1")
        offsets = claim.numbers("offsets", group, len(rows), "0")
        columns, others = self._columns(layer), self._columns(of)
        known = self.book.facts[of.name]
        loose = set(claim.features("within", {"within": [], **group}, layer.width))
        if loose and (self.level != "rounding" or of is not layer or not loose <= set(rows)):
            raise Refused(layer.name, layer.name, "rows within rounding are not allowed here")
        exact = [k for k, i in enumerate(rows) if i not in loose]
        told = [rows[k] for k in exact], [like[k] for k in exact]
        found = dict(
            zip(exact, multiples(self.book, columns, told[0], others, told[1]), strict=True)
        )
        for first in sorted({j for i, j in zip(rows, like, strict=True) if i in loose}):
            some = [k for k, j in enumerate(like) if j == first]
            star = [first, *(rows[k] for k in some)]
            chosen = within(self.book, columns, star, [_ONE, *(ratios[k] for k in some)], known)
            found |= zip(some, chosen[1:], strict=True)
            self.loose |= {(layer.name, i) for i in star}
        for k, i in enumerate(rows):
            fact = found[k]
            label, own, offset = known[like[k]]
            apart = (fact[2] - offset * ratios[k]).near(self.book.known)
            if fact[:2] != (label, own * ratios[k]) or apart != offsets[k]:
                reason = f"feature {i} is another multiple of feature {like[k]} of {of.name}"
                raise Refused(layer.name, layer.name, reason)
            facts[i] = fact
