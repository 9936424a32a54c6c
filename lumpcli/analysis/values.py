"""Facts by one forward sweep: value numbering modulo scale, and offset in linear layers.

The corrected form of [R22, Definition 6], which compares plain class sums although its own quotient
(Definition 7) weighs them by the ratios.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np

from lumpcli.analysis.columns import Columns, columns_of
from lumpcli.analysis.facts import CONSTANT, LayerValues, Values
from lumpcli.analysis.rows import Rows, refine
from lumpcli.ir import Array, Join, Layer, Net

Fact = tuple[int, Fraction, Fraction]  # class, ratio, offset
Loosen = Callable[[Columns, Rows], Rows]

_ZERO, _ONE = Fraction(0), Fraction(1)


@dataclass
class _Sweep:
    """The numbering so far. `loosen` may merge rows that are not exactly proportional."""

    loosen: Loosen | None
    layers: dict[str, LayerValues] = field(default_factory=dict)
    known: dict[int, float] = field(default_factory=dict)
    numbers: dict[Hashable, int] = field(default_factory=dict)
    classes: int = 0

    def fresh(self) -> int:
        self.classes += 1
        return self.classes - 1

    def number(self, key: Hashable) -> int:
        """The class of a value described by `key`, the same for equal keys."""
        found = self.numbers.get(key)
        if found is None:
            found = self.numbers[key] = self.fresh()
        return found

    def constant(self, layer: Layer, feature: int, z: Fraction, known_z: bool) -> Fact:
        """The fact on `activation(z)`; `known_z` when z itself is exact and not rounded."""
        value = layer.activation.at(feature, z)
        if isinstance(value, Fraction) and known_z:
            return CONSTANT, _ZERO, value
        if value is None and not known_z:
            return self.fresh(), _ONE, _ZERO
        label = self.number(("constant", layer.activation.key(feature), z) if known_z else object())
        if value is not None:
            self.known[label] = float(value)
        return label, _ONE, _ZERO

    # --- sources, and layers that read feature by feature

    def source(self, layer: Layer) -> list[Fact]:
        return [(self.fresh(), _ONE, _ZERO) for _ in range(layer.width)]

    def moved(self, layer: Layer) -> list[Fact]:
        """The features of the source at other positions: same facts on classes of their own."""
        term = layer.terms[0]
        facts = self.layers[term.source]
        labels = [
            c if c == CONSTANT or c in self.known else self.number(("moved", term.via, c))
            for c in facts.class_of.tolist()
        ]
        return list(zip(labels, facts.ratio, facts.offset, strict=True))

    def diagonal(self, layer: Layer) -> list[Fact]:
        return [self._diagonal_feature(layer, i) for i in range(layer.width)]

    def _diagonal_feature(self, layer: Layer, feature: int) -> Fact:
        bias = _ZERO
        if layer.bias is not None:
            bias = Fraction(float(layer.bias[feature])) * layer.bias_scale
        row: dict[int, Fraction] = {}
        for term in layer.terms:
            factor = term.factor(feature)
            facts = self.layers[term.source]
            label = int(facts.class_of[feature])
            bias += factor * facts.offset[feature]
            if label != CONSTANT:
                row[label] = row.get(label, _ZERO) + factor * facts.ratio[feature]
        return self._combination(layer, feature, {c: w for c, w in row.items() if w}, bias)

    def _combination(
        self, layer: Layer, feature: int, row: dict[int, Fraction], bias: Fraction
    ) -> Fact:
        if not row:
            return self.constant(layer, feature, bias, known_z=True)
        identity = layer.activation.key(feature)[0] == "Identity"
        if identity and len(row) == 1:
            ((label, weight),) = row.items()
            return label, weight, bias
        if all(label in self.known for label in row):
            z = bias + sum(w * Fraction(self.known[c]) for c, w in row.items())
            return self.constant(layer, feature, z, known_z=False)
        entries = sorted(row.items())
        lead = layer.symmetry.normaliser(entries[0][1])
        key = ("row", tuple((c, w / lead) for c, w in entries), layer.activation.key(feature))
        if identity:
            return self.number(key), lead, bias
        return self.number((*key, bias / lead)), layer.symmetry.value_ratio(lead), _ZERO

    def join(self, layer: Join) -> list[Fact]:
        return [self._join_feature(layer, i) for i in range(layer.width)]

    def _join_feature(self, layer: Join, feature: int) -> Fact:
        facts = [self.layers[t.source] for t in layer.terms]
        operands = [(int(f.class_of[feature]), f.ratio[feature], f.offset[feature]) for f in facts]
        if layer.function != "Mul":
            return self.number((layer.function, *operands)), _ONE, _ZERO
        scale = _ONE
        varying: list[tuple[int, Fraction, Fraction]] = []
        for label, ratio, offset in operands:
            if label == CONSTANT:
                scale *= offset
            else:
                varying.append((label, ratio, offset))
        if scale == 0 or not varying:
            return CONSTANT, _ZERO, scale
        if len(varying) == 1:
            label, ratio, offset = varying[0]
            return label, scale * ratio, scale * offset
        factors = []
        for label, ratio, offset in varying:
            scale *= ratio
            factors.append((label, offset / ratio))
        return self.number(("Mul", *sorted(factors))), scale, _ZERO

    # --- layers with rows of weights

    def dense(self, layer: Layer) -> list[Fact]:
        columns = columns_of(layer, self.layers, self.known)
        rows = refine(columns, layer.symmetry)
        if self.loosen is not None:
            rows = self.loosen(columns, rows)
        if layer.activation.is_identity:
            return self._dense_linear(layer, columns, rows)
        return self._dense_activated(layer, columns, rows)

    def _dense_linear(self, layer: Layer, columns: Columns, rows: Rows) -> list[Fact]:
        facts: list[Fact] = [(self.fresh(), _ONE, _ZERO)] * layer.width
        for members in _members(rows.label):
            first = int(members[0])
            lone = len(members) == 1
            if lone and rows.entries[first] > 1:
                facts[first] = (self.fresh(), _ONE, _ZERO)
                continue
            biases = columns.bias(members)
            bias = {int(i): biases.value(k, 0) for k, i in enumerate(members)}
            label = self.fresh()
            for i in bias:
                if rows.entries[i] == 0:
                    facts[i] = self._without_varying(layer, columns, i, bias[i])
                elif i in rows.single and columns.known == 0:
                    column, weight = rows.single[i]
                    facts[i] = (int(columns.classes[column]), weight, bias[i])
                else:
                    ratio = rows.lead[i] / rows.lead[first]
                    facts[i] = (label, ratio, bias[i] - ratio * bias[first])
        return facts

    def _dense_activated(self, layer: Layer, columns: Columns, rows: Rows) -> list[Fact]:
        facts: list[Fact] = [(CONSTANT, _ZERO, _ZERO)] * layer.width
        for members in _members(rows.label):
            first = int(members[0])
            if rows.entries[first] == 0:
                biases = columns.bias(members)
                for k, i in enumerate(members.tolist()):
                    facts[i] = self._without_varying(layer, columns, i, biases.value(k, 0))
                continue
            label = self.fresh()
            for i in members.tolist():
                ratio = layer.symmetry.value_ratio(rows.lead[i] / rows.lead[first])
                facts[i] = (label, ratio, _ZERO)
        return facts

    def _without_varying(self, layer: Layer, columns: Columns, row: int, bias: Fraction) -> Fact:
        """The fact on a row whose folded weights on everything that varies are 0."""
        if columns.known == 0:
            return self.constant(layer, row, bias, known_z=True)
        block = columns.block(np.array([row]), columns.ordinary, len(columns))
        classes = columns.classes[columns.ordinary :].tolist()
        entries = {c: block.value(0, k) for k, c in enumerate(classes)}
        return self._combination(layer, row, {c: w for c, w in entries.items() if w}, bias)


def _members(label: Array) -> list[Array]:
    """The indices that share a label, lowest first, in order of their first index."""
    order = np.argsort(label, kind="stable")
    borders = np.flatnonzero(np.diff(label[order])) + 1
    return sorted(np.split(order, borders), key=lambda m: int(m[0])) if len(order) else []


def values_of(net: Net, loosen: Loosen | None = None) -> Values:
    """The facts on every layer of the net."""
    sweep = _Sweep(loosen)
    for layer in net.layers:
        facts = _kind(sweep, layer)(layer)
        sweep.layers[layer.name] = LayerValues(
            np.array([f[0] for f in facts], np.int64),
            tuple(f[1] for f in facts),
            tuple(f[2] for f in facts),
        )
    return Values(sweep.layers, sweep.known)


def _kind(sweep: _Sweep, layer: Layer) -> Callable[[Any], list[Fact]]:
    if not layer.terms:
        return sweep.source
    if isinstance(layer, Join):
        return sweep.join
    if layer.is_dense:
        return sweep.dense
    if layer.terms[0].via:
        return sweep.moved
    return sweep.diagonal
