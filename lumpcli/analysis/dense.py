"""Facts on layers with rows of weights, shared with earlier layers that read alike."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from lumpcli.analysis.columns import Columns, columns_of
from lumpcli.analysis.facts import CONSTANT, ONE, LayerValues
from lumpcli.analysis.numbering import Fact, Numbering
from lumpcli.analysis.rows import Leads, Rows, refine
from lumpcli.analysis.stack import Stack
from lumpcli.ir import ZERO, Array, Layer, Shift, Symmetry

Loosen = Callable[[Columns, Rows, Collection[int]], Rows]


@dataclass(frozen=True)
class _Anchor:
    """A row that starts a class: its fact, its lead, its folded bias."""

    fact: Fact
    lead: Fraction
    bias: Shift


@dataclass(frozen=True)
class Search:
    """A search for multiples: folded columns, partition of the rows, labels of earlier layers."""

    columns: Columns
    rows: Rows
    settled: Collection[int]


@dataclass
class _Siblings:
    """Rows of earlier layers, found by the classes they read."""

    parts: list[tuple[Columns, Array]] = field(default_factory=list)
    readers: dict[int, list[int]] = field(default_factory=dict)  # of a class: places in `parts`

    def add(self, columns: Columns, rows: Array) -> None:
        """Remember rows of one layer."""
        for label in np.unique(columns.classes).tolist():
            self.readers.setdefault(label, []).append(len(self.parts))
        self.parts.append((columns, rows))

    def near(self, columns: Columns) -> list[tuple[Columns, Array]]:
        """Those that read a class in common with a layer: no others can be multiples."""
        found: set[int] = set()
        for label in np.unique(columns.classes).tolist():
            found.update(self.readers.get(label, ()))
        return [self.parts[place] for place in sorted(found)]


@dataclass
class Dense:
    """The sweep over dense layers. `loosen` may merge rows that are not exactly proportional.

    `siblings` are, per way of reading, rows of earlier layers that stand for their classes: a row
    of a later layer that is a multiple of one is in its class.
    """

    numbering: Numbering
    loosen: Loosen | None
    siblings: dict[Hashable, _Siblings] = field(default_factory=dict)
    searches: dict[str, Search] = field(default_factory=dict)

    def facts(self, layer: Layer) -> LayerValues:
        """The facts on a dense layer's features."""
        columns = columns_of(layer, self.numbering.layers)
        earlier = self.siblings.setdefault(_way_of_reading(layer), _Siblings())
        near = earlier.near(columns)
        if near:
            stack = Stack((*near, (columns, np.arange(layer.width))))
            both = refine(stack, layer.symmetry)
            anchors = self._anchors(both, near)
            rows = _last(both, layer.width)
        else:
            rows, anchors = refine(columns, layer.symmetry), {}
        exact = rows.label
        self.searches[layer.name] = Search(columns, rows, anchors.keys())
        if self.loosen is not None:
            rows = self.loosen(columns, rows, anchors)
        facts, first_rows = self._assign(columns, rows, anchors)
        # the weights of a class that was loosened are no longer those of its first row
        loosened = set(rows.label[rows.label != exact].tolist())
        first_rows = [i for i in first_rows if int(rows.label[i]) not in loosened]
        if first_rows:
            earlier.add(columns, np.array(first_rows))
        return facts

    def _anchors(self, rows: Rows, parts: list[tuple[Columns, Array]]) -> dict[int, _Anchor]:
        """The earlier rows, first of all equal ones, with which later rows share a label."""
        before = sum(len(chosen) for _, chosen in parts)
        wanted = np.isin(rows.label[:before], rows.label[before:])
        found: dict[int, _Anchor] = {}
        begin = 0
        for columns, chosen in parts:
            facts = self.numbering.layers[columns.layer.name]
            places = begin + np.flatnonzero(wanted[begin : begin + len(chosen)])
            own = chosen[places - begin]
            linear = columns.layer.symmetry is Symmetry.LINEAR
            biases = _biases(columns, own) if linear else [ZERO] * len(own)
            for place, i, bias in zip(places.tolist(), own.tolist(), biases, strict=True):
                fact = (int(facts.class_of[i]), facts.ratio[i], facts.offset[i])
                found.setdefault(int(rows.label[place]), _Anchor(fact, rows.lead[place], bias))
            begin += len(chosen)
        return found

    def _assign(
        self, columns: Columns, rows: Rows, anchors: dict[int, _Anchor]
    ) -> tuple[LayerValues, list[int]]:
        """The facts, and the first row of every class that is new."""
        n, passes = columns.width, _passes_on(columns.layer)
        _, first, counts = np.unique(rows.label, return_index=True, return_counts=True)
        order = np.argsort(first)
        first, counts = first[order], counts[order]
        known = np.isin(rows.label[first], np.fromiter(anchors, np.int64, len(anchors)))
        single = np.zeros(n, bool)
        single[list(rows.single)] = passes
        new = ~known & (rows.entries[first] > 0) & ~single[first]
        numbers = np.full(len(first), CONSTANT)
        numbers[new] = self.numbering.fresh(int(new.sum())) + np.arange(int(new.sum()))
        class_of = np.full(n, CONSTANT)
        ratio, offset = [ONE] * n, [ZERO] * n
        alone = new & (counts == 1)
        class_of[first[alone]] = numbers[alone]
        rest = np.flatnonzero(~alone)
        every = _members(rows.label, first[rest])
        for number, members in zip(numbers[rest].tolist(), every, strict=True):
            anchor = anchors.get(int(rows.label[members[0]]))
            facts = self._of_class(columns, rows, members, anchor, number, passes)
            for i, fact in zip(members.tolist(), facts, strict=True):
                class_of[i], ratio[i], offset[i] = fact
        return LayerValues(class_of, tuple(ratio), tuple(offset)), first[new].tolist()

    def _of_class(
        self,
        columns: Columns,
        rows: Rows,
        members: Array,
        anchor: _Anchor | None,
        number: int,
        passes: bool,
    ) -> list[Fact]:
        """The facts on rows that are multiples of one another, and of an earlier one if any."""
        layer, first = columns.layer, int(members[0])
        linear = layer.symmetry is Symmetry.LINEAR
        constant, passed = rows.entries[first] == 0, passes and first in rows.single
        if not (constant or passed or linear):
            return _multiples(layer.symmetry, rows.lead, members, anchor, number)
        facts: list[Fact] = []
        for i, bias in zip(members.tolist(), _biases(columns, members), strict=True):
            if constant:
                facts.append(self.numbering.constant(layer, i, bias))
            elif passed:
                facts.append((*rows.single[i], bias))
            else:
                if anchor is None:
                    anchor = _Anchor((number, ONE, ZERO), rows.lead[i], bias)
                label, scale, shift = anchor.fact
                ratio = rows.lead[i] / anchor.lead
                facts.append((label, ratio * scale, shift * ratio + (bias - anchor.bias * ratio)))
        return facts


def _multiples(
    symmetry: Symmetry, lead: Leads, members: Array, anchor: _Anchor | None, number: int
) -> list[Fact]:
    """The facts on rows of one class that have no offset of their own."""
    label, scale, shift = (number, ONE, ZERO) if anchor is None else anchor.fact
    first = int(members[0])
    to_first = ONE if anchor is None else lead[first] / anchor.lead
    found: dict[Fraction, Fact] = {}
    facts = []
    for i in members.tolist():
        own = lead.ratio(i, first)
        if own not in found:
            ratio = symmetry.value_ratio(own * to_first)
            found[own] = (label, ratio * scale if ratio != 1 else scale, shift * ratio)
        facts.append(found[own])
    return facts


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


def _last(rows: Rows, width: int) -> Rows:
    """The facts of refinement on the last rows of a stack."""
    before = len(rows.label) - width
    single = {i - before: s for i, s in rows.single.items() if i >= before}
    return Rows(rows.label[before:], rows.lead.part(before), rows.entries[before:], single)


def _members(label: Array, firsts: Array) -> list[Array]:
    """Per label, told by the first index that has it: all the indices that do, rising."""
    order = np.argsort(label, kind="stable")
    begin, end = (np.searchsorted(label[order], label[firsts], side) for side in ("left", "right"))
    return [order[b:e] for b, e in zip(begin.tolist(), end.tolist(), strict=True)]
