"""Facts on layers with rows of weights, shared with earlier layers that read alike."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from lumpcli.analysis.columns import Columns, columns_of
from lumpcli.analysis.facts import CONSTANT, ONE, LayerValues
from lumpcli.analysis.numbering import Fact, Numbering
from lumpcli.analysis.rows import Leads, Rows, refine
from lumpcli.analysis.siblings import Earlier, Part, Siblings, parts_of, slopes
from lumpcli.analysis.signs import granted, phases, row_ranges, values_between
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
    """A search for multiples: folded columns, the partition of the rows, and its parts.

    `settled` are the labels of earlier layers' rows; `phase` (n,) is that of the rows.
    """

    columns: Columns
    parts: Sequence[Part]
    rows: Rows
    settled: Collection[int]
    phase: Array

    def loosened(self, loosen: Loosen) -> Rows:
        """The partition when rows may be merged that are not exactly proportional.

        Weights that are only near those stored need not have the same signs. So rows of known sign
        join others as the function they are by name, which takes rows that are alone.
        """
        _, inverse, counts = np.unique(self.rows.label, return_inverse=True, return_counts=True)
        free = counts[inverse] == 1
        free[list(self.rows.single)] = False
        fixed = self.rows.label[(self.phase != 0) & ~free]
        return loosen(self.columns, self.rows, {*self.settled, *fixed.tolist()})

    def joined(self, rows: Rows) -> Array:
        """The phases (n,) in a loosened partition: rows that joined others have none."""
        _, inverse, counts = np.unique(rows.label, return_inverse=True, return_counts=True)
        moved = (counts[inverse] > 1) & np.isin(
            rows.label, rows.label[rows.label != self.rows.label]
        )
        return np.where(moved, 0, self.phase).astype(np.int8)


@dataclass
class Dense:
    """The sweep over dense layers. `loosen` may merge rows that are not exactly proportional.

    `siblings` are, per way of reading, rows of earlier layers that stand for their classes: a row
    of a later layer that is a multiple of one is in its class.
    """

    numbering: Numbering
    loosen: Loosen | None
    siblings: dict[Hashable, Siblings] = field(default_factory=dict)
    searches: dict[str, Search] = field(default_factory=dict)

    def facts(self, layer: Layer) -> LayerValues:
        """The facts on a dense layer's features."""
        columns = columns_of(layer, self.numbering.layers)
        ends = granted(layer, *row_ranges(columns, self.numbering.ranges))
        phase = phases(layer, *ends)
        self.numbering.zeros_by_sign |= bool((phase < 0).any())
        parts = parts_of(columns, phase)
        found = [self._searched(part) for part in parts]
        rows, anchors = together(layer, parts, found)
        exact = rows.label
        search = self.searches[layer.name] = Search(columns, parts, rows, anchors.keys(), phase)
        if self.loosen is not None:
            rows = search.loosened(self.loosen)
            phase = search.joined(rows)
            parts = parts_of(columns, phase)
        facts = _Scattered(layer.width, Fraction(0))
        for part in parts:
            own = rows if len(part.rows) == layer.width else rows.chosen(part.rows)
            values, first, numbers = self._assign(part, own, anchors)
            new = part.rows[first]
            within = values_between(part.layer, new, *(e[new] for e in ends))
            self.numbering.ranges.tell(numbers, *within)
            # the weights of a class that was loosened are no longer those of its first row
            loosened = own.label[own.label != exact[part.rows]]
            first = first[~np.isin(own.label[first], loosened)]
            if len(first):
                siblings = self.siblings.setdefault(part.way_of_reading, Siblings())
                alone = Part(part.columns, part.rows[first])
                siblings.add(Earlier(alone, values.chosen(first)))
            facts.put(part.rows, values, slopes(layer, phase) if part.linear else {})
        return facts.values(phase)

    def _searched(self, part: Part) -> tuple[Rows, dict[int, _Anchor]]:
        """The partition of a part's rows, and what is known of labels from earlier layers."""
        earlier = self.siblings.get(part.way_of_reading, Siblings()).near(part.columns)
        if not earlier:
            return refine(part.folded, part.layer.symmetry), {}
        stack = Stack((*(e.part.stacked for e in earlier), part.stacked))
        both = refine(stack, part.layer.symmetry)
        before = len(both.label) - len(part.rows)
        return both.chosen(np.arange(before, len(both.label))), self._anchors(both, earlier)

    def _anchors(self, rows: Rows, earlier: list[Earlier]) -> dict[int, _Anchor]:
        """The earlier rows, first of all equal ones, with which later rows share a label."""
        before = sum(len(e.part.rows) for e in earlier)
        wanted = np.isin(rows.label[:before], rows.label[before:])
        found: dict[int, _Anchor] = {}
        begin = 0
        for e in earlier:
            own = np.flatnonzero(wanted[begin : begin + len(e.part.rows)])
            biases = [ZERO] * len(own)
            if e.part.linear:
                biases = _biases(e.part.columns, e.part.rows[own])
            for k, bias in zip(own.tolist(), biases, strict=True):
                place = begin + k
                anchor = _Anchor(e.facts.fact(k), rows.lead[place], bias)
                found.setdefault(int(rows.label[place]), anchor)
            begin += len(e.part.rows)
        return found

    def _assign(
        self, part: Part, rows: Rows, anchors: dict[int, _Anchor]
    ) -> tuple[LayerValues, Array, Array]:
        """The facts on a part, the first row of every class that is new, and those classes."""
        n, passes = len(part.rows), _passes_on(part.layer)
        _, first, counts = np.unique(rows.label, return_index=True, return_counts=True)
        order = np.argsort(first)
        first, counts = first[order], counts[order]
        known = np.isin(rows.label[first], np.fromiter(anchors, np.int64, len(anchors)))
        single = np.zeros(n, bool)
        single[list(rows.single)] = passes
        new = ~known & (rows.entries[first] > 0) & ~single[first]
        numbers = np.full(len(first), CONSTANT)
        numbers[new] = self.numbering.fresh(int(new.sum())) + np.arange(int(new.sum()))
        facts = _Scattered(n)
        alone = new & (counts == 1)
        facts.class_of[first[alone]] = numbers[alone]
        rest = np.flatnonzero(~alone)
        every = _members(rows.label, first[rest])
        for number, members in zip(numbers[rest].tolist(), every, strict=True):
            anchor = anchors.get(int(rows.label[members[0]]))
            of_class = self._of_class(part, rows, members, anchor, number, passes)
            for i, fact in zip(members.tolist(), of_class, strict=True):
                facts.class_of[i], facts.ratio[i], facts.offset[i] = fact
        return facts.values(), first[new], numbers[new]

    def _of_class(
        self,
        part: Part,
        rows: Rows,
        members: Array,
        anchor: _Anchor | None,
        number: int,
        passes: bool,
    ) -> list[Fact]:
        """The facts on rows that are multiples of one another, and of an earlier one if any."""
        first = int(members[0])
        constant, passed = rows.entries[first] == 0, passes and first in rows.single
        if not (constant or passed or part.linear):
            return _multiples(part.layer.symmetry, rows.lead, members, anchor, number)
        facts: list[Fact] = []
        places = part.rows[members]
        biases = _biases(part.columns, places)
        for i, place, bias in zip(members.tolist(), places.tolist(), biases, strict=True):
            if constant:
                facts.append(self.numbering.constant(part.layer, place, bias))
            elif passed:
                facts.append((*rows.single[i], bias))
            else:
                if anchor is None:
                    anchor = _Anchor((number, ONE, ZERO), rows.lead[i], bias)
                label, scale, shift = anchor.fact
                ratio = rows.lead[i] / anchor.lead
                facts.append((label, ratio * scale, shift * ratio + (bias - anchor.bias * ratio)))
        return facts


class _Scattered:
    """Facts on the features of a layer, put in their places; constants that are 0 at first."""

    def __init__(self, width: int, ratio: Fraction = ONE) -> None:
        self.class_of = np.full(width, CONSTANT)
        self.ratio = [ratio] * width
        self.offset: list[Shift] = [ZERO] * width

    def put(self, places: Array, facts: LayerValues, factors: Mapping[int, Fraction]) -> None:
        """Facts on what some features (k,) are before they are multiplied by `factors`."""
        self.class_of[places] = facts.class_of
        for k, i in enumerate(places.tolist()):
            factor = factors.get(i, ONE)
            whole = factor is ONE or factor == 1
            self.ratio[i] = facts.ratio[k] if whole else facts.ratio[k] * factor
            self.offset[i] = facts.offset[k] if whole else facts.offset[k] * factor

    def values(self, phase: Array | None = None) -> LayerValues:
        """The facts."""
        return LayerValues(self.class_of, tuple(self.ratio), tuple(self.offset), phase)


def together(
    layer: Layer, parts: list[Part], found: list[tuple[Rows, dict[int, _Anchor]]]
) -> tuple[Rows, dict[int, _Anchor]]:
    """The partitions of a layer's parts as one; rows in no part are alone in their classes."""
    if len(parts) == 1 and len(parts[0].rows) == layer.width:
        return found[0]
    label, entries = np.full(layer.width, -1), np.zeros(layer.width, np.int64)
    lead = Leads(layer.symmetry, layer.width)
    single: dict[int, tuple[int, Fraction]] = {}
    anchors: dict[int, _Anchor] = {}
    begin = 0
    for part, (rows, known) in zip(parts, found, strict=True):
        label[part.rows] = rows.label + begin
        anchors |= {old + begin: anchor for old, anchor in known.items()}
        begin += int(rows.label.max()) + 1
        lead.put(part.rows, rows.lead)
        entries[part.rows] = rows.entries
        single |= {int(part.rows[k]): found for k, found in rows.single.items()}
    alone = label < 0
    label[alone] = begin + np.arange(int(alone.sum()))
    return Rows(label, lead, entries, single), anchors


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
            offset = shift * ratio
            if added := symmetry.value_offset(own * to_first):
                offset += Shift(added)
            found[own] = (label, ratio * scale if ratio != 1 else scale, offset)
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


def _members(label: Array, firsts: Array) -> list[Array]:
    """Per label, told by the first index that has it: all the indices that do, rising."""
    order = np.argsort(label, kind="stable")
    begin, end = (np.searchsorted(label[order], label[firsts], side) for side in ("left", "right"))
    return [order[b:e] for b, e in zip(begin.tolist(), end.tolist(), strict=True)]
