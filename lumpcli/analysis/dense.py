"""Facts on layers with rows of weights, shared with earlier layers that read alike."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from lumpcli.analysis.columns import Columns, Stack, columns_of
from lumpcli.analysis.facts import CONSTANT
from lumpcli.analysis.numbering import ONE, ZERO, Fact, Numbering
from lumpcli.analysis.rows import Rows, refine
from lumpcli.ir import Array, Layer, Symmetry

Loosen = Callable[[Columns, Rows, Collection[int]], Rows]


@dataclass(frozen=True)
class _Anchor:
    """A row of an earlier layer that starts a class: its fact, its lead, its folded bias."""

    fact: Fact
    lead: Fraction
    bias: Fraction


@dataclass
class Dense:
    """The sweep over dense layers. `loosen` may merge rows that are not exactly proportional.

    `siblings` are, per way of reading, rows of earlier layers that stand for their classes: a row
    of a later layer that is a multiple of one is in its class.
    """

    numbering: Numbering
    loosen: Loosen | None
    siblings: dict[Hashable, list[tuple[Columns, Array]]] = field(default_factory=dict)

    def facts(self, layer: Layer) -> list[Fact]:
        """The facts on a dense layer's features."""
        numbering = self.numbering
        columns = columns_of(layer, numbering.layers, numbering.known)
        earlier = self.siblings.setdefault(_way_of_reading(columns), [])
        if earlier:
            stack = Stack((*earlier, (columns, np.arange(layer.width))))
            both = refine(stack, layer.symmetry)
            anchors = self._anchors(stack, both, earlier)
            rows = _last(both, layer.width)
        else:
            rows, anchors = refine(columns, layer.symmetry), {}
        exact = rows.label
        if self.loosen is not None:
            rows = self.loosen(columns, rows, anchors)
        facts, first_rows = self._assign(layer, columns, rows, anchors)
        # the weights of a class that was loosened are no longer those of its first row
        loosened = set(rows.label[rows.label != exact].tolist())
        first_rows = [i for i in first_rows if int(rows.label[i]) not in loosened]
        if first_rows:
            earlier.append((columns, np.array(first_rows)))
        return facts

    def _anchors(
        self, stack: Stack, rows: Rows, earlier: list[tuple[Columns, Array]]
    ) -> dict[int, _Anchor]:
        found: dict[int, _Anchor] = {}
        count = sum(len(chosen) for _, chosen in earlier)
        biases = stack.bias(np.arange(count))
        place = 0
        for part, chosen in earlier:
            facts = self.numbering.layers[part.layer.name]
            for i in chosen.tolist():
                fact = (int(facts.class_of[i]), facts.ratio[i], facts.offset[i])
                anchor = _Anchor(fact, rows.lead[place], biases.value(place, 0))
                found.setdefault(int(rows.label[place]), anchor)
                place += 1
        return found

    def _assign(
        self, layer: Layer, columns: Columns, rows: Rows, anchors: dict[int, _Anchor]
    ) -> tuple[list[Fact], list[int]]:
        """The facts, and the first row of every class that is new."""
        facts: list[Fact] = [(CONSTANT, ZERO, ZERO)] * layer.width
        first_rows = []
        linear = layer.symmetry is Symmetry.LINEAR
        for members in _members(rows.label):
            first = int(members[0])
            anchor = anchors.get(int(rows.label[first]))
            few = rows.entries[first] == 0 or first in rows.single
            if few or (linear and (len(members) > 1 or anchor is not None)):
                exact = columns.bias(members)
                bias = [exact.value(k, 0) for k in range(len(members))]
            else:
                bias = [ZERO] * len(members)
            if rows.entries[first] == 0:
                for i, b in zip(members.tolist(), bias, strict=True):
                    facts[i] = self._without_varying(layer, columns, i, b)
                continue
            if first in rows.single and self._passes_on(columns):
                for i, b in zip(members.tolist(), bias, strict=True):
                    column, weight = rows.single[i]
                    facts[i] = (int(columns.classes[column]), weight, b)
                continue
            if anchor is None:
                first_rows.append(first)
                anchor = _Anchor((self.numbering.fresh(), ONE, ZERO), rows.lead[first], bias[0])
            label, scale, shift = anchor.fact
            for i, b in zip(members.tolist(), bias, strict=True):
                row_ratio = rows.lead[i] / anchor.lead
                ratio = layer.symmetry.value_ratio(row_ratio)
                offset = b - ratio * anchor.bias if linear else ZERO
                facts[i] = (label, ratio * scale, ratio * shift + offset)
        return facts, first_rows

    @staticmethod
    def _passes_on(columns: Columns) -> bool:
        """Whether a row with one weight is a multiple of what it reads, at the same position."""
        plain = all(t.taps == 1 and not t.padded and not t.via for t in columns.layer.terms)
        return plain and columns.ordinary == len(columns.classes)

    def _without_varying(self, layer: Layer, columns: Columns, row: int, bias: Fraction) -> Fact:
        """The fact on a row whose folded weights on everything that varies are 0."""
        if columns.ordinary == len(columns.classes):
            return self.numbering.constant(layer, row, bias)
        block = columns.block(np.array([row]), columns.ordinary, len(columns.classes))
        entries: dict[int, Fraction] = {}
        for k, label in enumerate(columns.classes[columns.ordinary :].tolist()):
            entries[label] = entries.get(label, ZERO) + block.value(0, k)
        used = {label: weight for label, weight in entries.items() if weight}
        return self.numbering.combination(layer, row, used, bias)


def _way_of_reading(columns: Columns) -> Hashable:
    """Equal for layers whose folded rows can be compared, and mean the same when they are equal."""
    kernels = tuple(
        (t.weight.shape[2:], t.padded, t.via) for t in columns.layer.terms if t.weight is not None
    )
    return columns.layer.activation.name, columns.keys.tobytes(), frozenset(kernels)


def _last(rows: Rows, width: int) -> Rows:
    """The facts of refinement on the last rows of a stack."""
    before = len(rows.label) - width
    single = {i - before: s for i, s in rows.single.items() if i >= before}
    return Rows(rows.label[before:], rows.lead[before:], rows.entries[before:], single)


def _members(label: Array) -> list[Array]:
    """The indices that share a label, lowest first, in order of their first index."""
    order = np.argsort(label, kind="stable")
    borders = np.flatnonzero(np.diff(label[order])) + 1
    return sorted(np.split(order, borders), key=lambda m: int(m[0])) if len(order) else []
