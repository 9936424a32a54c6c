"""Facts on layers with rows of weights, shared with earlier layers that read alike."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from lumpcli.analysis.columns import Columns, columns_of
from lumpcli.analysis.facts import CONSTANT
from lumpcli.analysis.numbering import ONE, Fact, Numbering
from lumpcli.analysis.rows import Rows, refine
from lumpcli.analysis.shift import ZERO, Shift
from lumpcli.analysis.stack import Stack
from lumpcli.ir import Array, Layer, Symmetry

Loosen = Callable[[Columns, Rows, Collection[int]], Rows]


@dataclass(frozen=True)
class _Anchor:
    """A row that starts a class: its fact, its lead, its folded bias."""

    fact: Fact
    lead: Fraction
    bias: Shift


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
        columns = columns_of(layer, self.numbering.layers)
        earlier = self.siblings.setdefault(_way_of_reading(layer), [])
        near = [part for part in earlier if _overlap(part[0], columns)]
        if near:
            stack = Stack((*near, (columns, np.arange(layer.width))))
            both = refine(stack, layer.symmetry)
            anchors = self._anchors(both, near)
            rows = _last(both, layer.width)
        else:
            rows, anchors = refine(columns, layer.symmetry), {}
        exact = rows.label
        if self.loosen is not None:
            rows = self.loosen(columns, rows, anchors)
        facts, first_rows = self._assign(columns, rows, anchors)
        # the weights of a class that was loosened are no longer those of its first row
        loosened = set(rows.label[rows.label != exact].tolist())
        first_rows = [i for i in first_rows if int(rows.label[i]) not in loosened]
        if first_rows:
            earlier.append((columns, np.array(first_rows)))
        return facts

    def _anchors(self, rows: Rows, parts: list[tuple[Columns, Array]]) -> dict[int, _Anchor]:
        found: dict[int, _Anchor] = {}
        place = 0
        for columns, chosen in parts:
            facts = self.numbering.layers[columns.layer.name]
            for i, bias in zip(chosen.tolist(), _biases(columns, chosen), strict=True):
                fact = (int(facts.class_of[i]), facts.ratio[i], facts.offset[i])
                found.setdefault(int(rows.label[place]), _Anchor(fact, rows.lead[place], bias))
                place += 1
        return found

    def _assign(
        self, columns: Columns, rows: Rows, anchors: dict[int, _Anchor]
    ) -> tuple[list[Fact], list[int]]:
        """The facts, and the first row of every class that is new."""
        layer = columns.layer
        facts: list[Fact] = [(CONSTANT, Fraction(0), ZERO)] * layer.width
        first_rows = []
        linear = layer.symmetry is Symmetry.LINEAR
        for members in _members(rows.label):
            first = int(members[0])
            anchor = anchors.get(int(rows.label[first]))
            constant = rows.entries[first] == 0
            passed = first in rows.single and _passes_on(layer)
            related = linear and (len(members) > 1 or anchor is not None)
            biases = [ZERO] * len(members)
            if constant or passed or related:
                biases = _biases(columns, members)
            if anchor is None and not constant and not passed:
                first_rows.append(first)
                anchor = _Anchor((self.numbering.fresh(), ONE, ZERO), rows.lead[first], biases[0])
            for i, bias in zip(members.tolist(), biases, strict=True):
                if constant:
                    facts[i] = self.numbering.constant(layer, i, bias)
                elif passed:
                    facts[i] = (*rows.single[i], bias)
                elif anchor is not None:
                    label, scale, shift = anchor.fact
                    ratio = layer.symmetry.value_ratio(rows.lead[i] / anchor.lead)
                    offset = bias - anchor.bias * ratio if linear else ZERO
                    facts[i] = (label, ratio * scale, shift * ratio + offset)
        return facts, first_rows


def _biases(columns: Columns, rows: Array) -> list[Shift]:
    """What rows add up to but for classes that vary: bias, and constants times their weights."""
    exact = columns.bias(rows)
    known = columns.keys.shape[1]
    labels = columns.classes[columns.ordinary :].tolist()
    if not labels:
        return [Shift(exact.value(k, 0)) for k in range(len(rows))]
    block = columns.block(rows, columns.ordinary, known)
    found = []
    for k in range(len(rows)):
        parts: dict[int, Fraction] = {}
        for column, label in enumerate(labels):
            parts[label] = parts.get(label, Fraction(0)) + block.value(k, column)
        found.append(Shift.of(exact.value(k, 0), parts))
    return found


def _passes_on(layer: Layer) -> bool:
    """Whether a row with one weight is a multiple of what it reads, at the same position."""
    return all(t.taps == 1 and not t.padded and not t.via for t in layer.terms)


def _way_of_reading(layer: Layer) -> Hashable:
    """Equal for layers whose folded rows mean the same when they are equal."""
    kernels = {
        (t.weight.shape[2:], t.padded, t.via, t.image if t.padded else "")
        for t in layer.terms
        if t.weight is not None
    }
    if len(kernels) > 1:  # a tap then is not the same for all its sources
        return layer.name
    return layer.activation.name, *kernels


def _overlap(one: Columns, other: Columns) -> bool:
    """Whether two layers read a class in common: else no rows of theirs can be multiples."""
    return bool(np.isin(one.classes, other.classes).any())


def _last(rows: Rows, width: int) -> Rows:
    """The facts of refinement on the last rows of a stack."""
    before = len(rows.label) - width
    single = {i - before: s for i, s in rows.single.items() if i >= before}
    return Rows(rows.label[before:], rows.lead.part(before), rows.entries[before:], single)


def _members(label: Array) -> list[Array]:
    """The indices that share a label, lowest first, in order of their first index."""
    order = np.argsort(label, kind="stable")
    borders = np.flatnonzero(np.diff(label[order])) + 1
    return sorted(np.split(order, borders), key=lambda m: int(m[0])) if len(order) else []
