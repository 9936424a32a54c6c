"""Features that are linear functions of what their layer reads, computed by fewer: the numbers.

A candidate j has `x[j] = ratio * x[partner] + slope * z[j]` with `z[j] = row . source + bias`: a
ReLU that is never negative, a feature of an identity layer, or the opposite of its partner, since
`f(-z) = f(z) - g z` (docs/theory.md section 8). When it goes, its partner takes over what it was,
and what is left, the z's, are linear: they are made of other features, or of new ones (*units*).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Literal

import numpy as np

from lumpcli.ir.applying import with_rounded
from lumpcli.ir.exact import Array, round_fraction
from lumpcli.ir.folding import Rounding
from lumpcli.ir.net import Layer, Net, Term
from lumpcli.ir.rounded import fold_once

Way = Literal["rows", "sources", "readers"]
ONE = Fraction(1)
SUM = -1  # the input of a unit that passes on the sum of the source's features


@dataclass(frozen=True)
class Candidate:
    """`x[feature] = ratio * x[partner] + slope * z[feature]`; partner -1: none."""

    feature: int
    partner: int
    ratio: Fraction
    slope: Fraction


@dataclass(frozen=True)
class Unit:
    """New features in place of others, in `slots`, that pass on one linear function y.

    One slot: `f(y + lift * t + shift)`, which is never negative; t is the sum of the source's
    features, which another unit passes on. Two slots: `f(y)` and `f(-y)`, whose difference is
    `gain * y`.
    """

    slots: tuple[int, ...]
    shift: Fraction = Fraction(0)
    lift: Fraction = Fraction(0)
    gain: Fraction = ONE


@dataclass(frozen=True)
class Linear:
    """What goes in one layer, and by which `way` the rest makes up for it.

    - "rows": z of each that goes is the combination `coefficients` of the z's of `whole`
      candidates, which stay with their partners, plus a constant;
    - "sources": unit k passes on feature `inputs[k]` of the source;
    - "readers": unit k passes on what row `inputs[k]` of the only reader makes of the z's that go,
      or (SUM) the sum of the source's features.
    """

    layer: str
    way: Way
    gone: tuple[Candidate, ...]
    whole: tuple[Candidate, ...] = ()
    coefficients: tuple[tuple[Fraction, ...], ...] = ()
    inputs: tuple[int, ...] = ()
    units: tuple[Unit, ...] = ()

    def keep(self, width: int) -> Array:
        """The places that stay (m,), rising; those of units among them."""
        gone = {c.feature for c in self.gone} - {s for unit in self.units for s in unit.slots}
        return np.array([i for i in range(width) if i not in gone], np.int64)


def bias_of(layer: Layer, feature: int) -> Fraction:
    """The bias of a feature."""
    return Fraction(float(layer.biases(np.array([feature]))[0]))


def apply_linear(net: Net, step: Linear) -> tuple[Net, Rounding]:
    """The net after a step; each number that changes is one exact sum, rounded once."""
    tallies = {
        name: Rounding() for name in (step.layer, *(r.name for r, _ in net.readers[step.layer]))
    }
    changed = {step.layer: _own(net, step, tallies[step.layer])}
    for reader, index in net.readers[step.layer]:
        before = changed.get(reader.name, reader)
        changed[reader.name] = _reader(net, step, before, index, tallies[reader.name])
    layers = tuple(changed.get(a.name, a) for a in net.layers)
    return with_rounded(replace(net, layers=layers), tallies)


def _own(net: Net, step: Linear, tally: Rounding) -> Layer:
    """The layer whose features go: the rows that stay, and those of units."""
    layer, keep = net[step.layer], step.keep(net[step.layer].width)
    (term,) = layer.terms
    assert term.weight is not None
    place = {i: k for k, i in enumerate(keep.tolist())}
    weight = np.array(term.weight[keep])
    bias = None if layer.bias is None else np.array(layer.bias[keep])
    if bias is None and any(unit.shift for unit in step.units):
        bias = np.zeros(len(keep), layer.bias_dtype)
    for number, unit in enumerate(step.units):
        row = _unit_row(net, step, number, tally)
        for slot, sign in zip(unit.slots, (1, -1), strict=False):
            weight[place[slot]] = (sign * row).reshape(weight.shape[1:])
            if bias is not None:
                bias[place[slot]] = float(unit.shift)
    activation = layer.activation
    if activation.slopes is not None:
        activation = replace(activation, slopes=activation.slopes[keep])
    between = None
    if layer.between is not None:  # of units nothing is known
        units = [place[slot] for unit in step.units for slot in unit.slots]
        between = layer.between[:, keep]
        between[:, units] = np.array([[-np.inf], [np.inf]])
    return replace(
        layer,
        width=len(keep),
        terms=(replace(term, weight=weight),),
        bias=bias,
        activation=activation,
        between=between,
    )


def _unit_row(net: Net, step: Linear, number: int, tally: Rounding) -> Array:
    """The linear function a unit passes on, over the source (n_source,), rounded once."""
    (term,) = net[step.layer].terms
    assert term.weight is not None
    unit, told = step.units[number], step.inputs[number]
    row = np.zeros(term.weight.shape[1], term.weight.dtype)
    if told == SUM:
        row[:] = 1
    elif step.way == "sources":
        row[told] = 1
    else:
        row, inexact = _combined(term.weight, factors_of_reader(net, step, told), unit.lift)
        tally.folded += row.size
        tally.count(row, inexact)
    return row


def factors_of_reader(net: Net, step: Linear, row: int) -> list[tuple[int, Fraction]]:
    """By which factors a row of the only reader reads the z's of what goes."""
    ((reader, index),) = net.readers[step.layer]
    weight = reader.terms[index].flat
    return [
        (c.feature, c.slope * Fraction(float(weight[row, c.feature])))
        for c in step.gone
        if weight[row, c.feature]
    ]


def _combined(weight: Array, factors: list[tuple[int, Fraction]], lift: Fraction) -> Any:
    """A sum of multiples of rows (n_source,), and of a row of ones; and what was inexact."""
    rows = [weight[[i]].reshape(1, -1).astype(np.float64) for i, _ in factors]
    rows.append(np.ones((1, weight.shape[1])))
    coefficients = [*(factor for _, factor in factors), lift]
    sums, inexact = fold_once(
        np.concatenate(rows).T, coefficients, np.zeros(1, np.int64), weight.dtype
    )
    return sums[:, 0], inexact[:, 0]


def _reader(net: Net, step: Linear, reader: Layer, index: int, tally: Rounding) -> Layer:
    """A reader after the step: columns of what stays and of units, and the bias."""
    layer, term = net[step.layer], reader.terms[index]
    assert term.weight is not None
    keep = step.keep(layer.width)
    place = {i: k for k, i in enumerate(keep.tolist())}
    groups: dict[int, list[tuple[int, Fraction]]] = {i: [(i, ONE)] for i in place}
    units = {slot for unit in step.units for slot in unit.slots}
    groups |= {slot: [] for slot in units}
    constants: list[tuple[int, Fraction]] = []
    for c in step.gone:
        if c.partner >= 0:
            groups[c.partner].append((c.feature, c.ratio))
        parts, constant = _made_of(layer, step, c)
        for slot, factor in parts:
            groups[slot].append((c.feature, factor))
        constants.append((c.feature, constant))
    weight = np.zeros((len(term.weight), len(keep), *term.weight.shape[2:]), term.weight.dtype)
    for slot, group in groups.items():
        weight[:, place[slot]] = _folded(term.weight, group, tally)
    shifts = np.zeros(len(weight))
    if step.way == "readers":
        for number, unit in enumerate(step.units):
            _connect(weight, step, number, place, tally)
            shifts[max(step.inputs[number], 0)] += float(unit.shift)
    bias = bias_with(reader, term, constants, shifts, tally)
    terms = [replace(t, weight=weight) if k == index else t for k, t in enumerate(reader.terms)]
    return replace(reader, terms=tuple(terms), bias=bias)


def _connect(
    weight: Array, step: Linear, number: int, place: Mapping[int, int], tally: Rounding
) -> None:
    """Let one row of the reader read a unit made for it."""
    unit, row = step.units[number], step.inputs[number]
    if row == SUM:
        return
    told = dict(zip(unit.slots, (1 / unit.gain, -1 / unit.gain), strict=False))
    if unit.lift:
        (total,) = step.units[step.inputs.index(SUM)].slots
        told[total] = -unit.lift
    for slot, factor in told.items():
        stored, inexact = round_fraction(factor, weight.dtype)
        weight[row, place[slot]] = stored
        tally.folded += 1
        tally.count(np.array([stored]), np.array([inexact]))


def _made_of(
    layer: Layer, step: Linear, c: Candidate
) -> tuple[list[tuple[int, Fraction]], Fraction]:
    """What `slope * z` of a candidate is: multiples of features that stay, and a constant."""
    bias = bias_of(layer, c.feature)
    if step.way == "readers":  # what the units make of all z's together
        return [], c.slope * bias
    parts: list[tuple[int, Fraction]] = []
    if step.way == "rows":
        for factor, w in zip(step.coefficients[step.gone.index(c)], step.whole, strict=True):
            bias -= factor * bias_of(layer, w.feature)
            parts.append((w.feature, c.slope * factor / w.slope))
            if w.partner >= 0:
                parts.append((w.partner, -c.slope * factor * w.ratio / w.slope))
        return [(slot, factor) for slot, factor in parts if factor], c.slope * bias
    row = layer.terms[0].flat[c.feature]
    for told, unit in zip(step.inputs, step.units, strict=True):
        factor = Fraction(float(row[told]))
        bias -= factor * unit.shift
        factors = (c.slope * factor / unit.gain, -c.slope * factor / unit.gain)
        parts += [(s, f) for s, f in zip(unit.slots, factors, strict=False) if f]
    return parts, c.slope * bias


def _folded(weight: Array, group: list[tuple[int, Fraction]], tally: Rounding) -> Array:
    """A sum of multiples of columns (rows, *taps), rounded once."""
    if len(group) == 1 and group[0][1] == 1:
        return weight[:, group[0][0]]
    shape = (len(weight), *weight.shape[2:])
    if not group:
        return np.zeros(shape, weight.dtype)
    block = np.stack([weight[:, column].reshape(-1) for column, _ in group], axis=1)
    start = np.zeros(1, np.int64)
    sums, inexact = fold_once(block, [factor for _, factor in group], start, weight.dtype)
    tally.folded += sums.size
    tally.count(sums, inexact)
    return np.asarray(sums.reshape(shape))


def bias_with(
    reader: Layer,
    term: Term,
    constants: list[tuple[int, Fraction]],
    shifts: Array,
    tally: Rounding,
) -> Array | None:
    """The bias of a reader plus what constants add, less what units were shifted by (rows,)."""
    told = [(i, value) for i, value in constants if value]
    if not told and not shifts.any():
        return reader.bias
    assert term.weight is not None
    dtype = reader.bias_dtype if reader.bias is None else reader.bias.dtype
    assert dtype is not None
    before = np.zeros(reader.width, dtype) if reader.bias is None else reader.bias
    columns = [before.astype(np.float64), shifts]
    factors = [ONE, -ONE]
    for i, value in told:
        taps = term.weight[:, i].reshape(reader.width, -1).astype(np.float64)
        columns += list(taps.T)
        factors += [value] * taps.shape[1]
    start = np.zeros(1, np.int64)
    sums, inexact = fold_once(np.stack(columns, axis=1), factors, start, dtype)
    tally.folded += int((sums[:, 0] != before).sum())
    tally.count(sums, inexact)
    return np.asarray(sums[:, 0].astype(dtype))
