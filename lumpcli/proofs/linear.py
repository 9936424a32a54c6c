"""Why linear features may go: each is linear, and what stays, or units, make up for all of them.

docs/theory.md section 8 has the argument; ratios, slopes and gains follow here, nobody states them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np

from lumpcli.ir import (
    SUM,
    Candidate,
    Layer,
    Linear,
    Net,
    Shift,
    Symmetry,
    Term,
    Unit,
    factors_of_reader,
    fold,
    gain,
    round_fraction,
    slope,
)
from lumpcli.proofs.book import ONE, Book, Row, between, meet, require
from lumpcli.proofs.reading import read
from lumpcli.proofs.rows import columns_of, folded_rows

_LONGEST = 1 << 16  # bits of all coefficients of one row


def check_linear(book: Book, net: Net, step: Linear) -> Linear:
    """A step with ratios, slopes and gains as the facts on what its layer reads make them.

    Refused unless the net computes the same after it, but for what is rounded.
    """
    layer = net[step.layer]
    check_place(net, layer)
    padded = any(reader.terms[index].padded for reader, index in net.readers[step.layer])
    require(not padded, step.layer, "a reader reads beside the image, too")
    _check_features(layer, step)
    rows = _rows(book, layer, [*step.gone, *step.whole])
    gone, whole = (
        tuple(_candidate(book, layer, rows, c) for c in some) for some in (step.gone, step.whole)
    )
    units = tuple(_with_gain(layer, unit) for unit in step.units)
    step = replace(step, gone=gone, whole=whole, units=units)
    if step.way == "rows":
        _check_combinations(layer, step)
    else:
        _check_units(book, net, step)
    return step


def check_place(net: Net, layer: Layer) -> None:
    """Refused unless a layer and its readers are matrices of their own numbers, and it is inner."""
    name, readers = layer.name, net.readers[layer.name]
    inner = layer.pinned is None and all(name != output.layer for output in net.outputs)
    require(inner, name, "it is an output, or pinned")
    terms = [reader.terms[index] for reader, index in readers]
    require(len({reader.name for reader, _ in readers}) == len(readers), name, "it is read twice")
    plain = len(layer.terms) == 1 and all(map(_plain, (*layer.terms, *terms)))
    both = (layer, *(reader for reader, _ in readers))
    stored = all(one.bias_scale == 1 and one.bias_units is None for one in both)
    require(plain and stored, name, "it is not read through plain matrices")


def _plain(term: Term) -> bool:
    floats = not term.diagonal and term.weight is not None and term.weight.dtype.kind == "f"
    own = term.scale == 1 and term.row_scale is None and term.moments is None
    return floats and own and term.symmetry is Symmetry.LINEAR


def _check_features(layer: Layer, step: Linear) -> None:
    """What goes, goes once; all that makes up for it stays, or is in its place."""
    gone, slots = [c.feature for c in step.gone], [s for unit in step.units for s in unit.slots]
    used = {c.feature for c in step.whole}
    used |= {c.partner for c in (*step.gone, *step.whole) if c.partner >= 0}
    told = max([*gone, *used], default=0)
    require(told < layer.width, layer.name, f"it has no feature {told}")
    require(len({*gone}) == len(gone), layer.name, "a feature goes twice")
    require(used.isdisjoint(gone), layer.name, "what makes up for others goes, too")
    require({*slots} <= {*gone}, layer.name, "a unit is in the place of what stays")
    require(len({*slots}) == len(slots), layer.name, "two units are in one place")
    require(len(step.keep(layer.width)) > 0, layer.name, "no feature stays")


def _rows(book: Book, layer: Layer, told: Sequence[Candidate]) -> dict[int, Row]:
    """The rows that say whether candidates are linear; in an identity layer all are."""
    if layer.activation.is_identity:
        return {}
    features = {i for c in told for i in (c.feature, c.partner) if i >= 0}
    return dict(folded_rows(columns_of(book, layer), np.array(sorted(features), np.int64)))


def _candidate(book: Book, layer: Layer, rows: dict[int, Row], told: Candidate) -> Candidate:
    """A candidate with its numbers; Refused unless x = ratio * x[partner] + slope * z."""
    name, key = layer.name, layer.activation.key(told.feature)
    if told.partner < 0:
        linear = ONE
        if not layer.activation.is_identity:
            linear = linear_slope(book, layer, told.feature, rows[told.feature])
        require(linear != 0, name, f"feature {told.feature} is 0")
        return replace(told, ratio=Fraction(0), slope=linear)
    same, factor = layer.activation.key(told.partner) == key, gain(key)
    require(same and bool(factor), name, f"feature {told.feature} has no opposite by its function")
    one, other = rows[told.feature], rows[told.partner]
    ratio = -one.scale / other.scale
    alike = len(one.labels) > 0 and one.shape == other.shape and one.bias == other.bias * -ratio
    scales = ratio == 1 or layer.symmetry is Symmetry.HOMOGENEOUS
    fits = alike and ratio > 0 and scales
    require(fits, name, f"feature {told.feature} is not the opposite of its partner")
    return replace(told, ratio=ratio, slope=factor or ONE)


def linear_slope(book: Book, layer: Layer, feature: int, row: Row) -> Fraction:
    """What a feature is of its row, for every input; Refused unless it is such a multiple."""
    low, high = meet(book.interval(row), between(layer, feature))
    found = slope(layer.activation.key(feature), 1 if low >= 0 else -1 if high <= 0 else 0)
    require(found is not None, layer.name, f"feature {feature} may not be linear")
    return ONE if found is None else found


def _check_combinations(layer: Layer, step: Linear) -> None:
    """Rows of what goes are the stated combinations of those of what stays."""
    weight, name = layer.terms[0].flat, layer.name
    whole = [w.feature for w in step.whole]
    for c, told in zip(step.gone, step.coefficients, strict=True):
        bits = sum(k.numerator.bit_length() + k.denominator.bit_length() for k in told)
        require(bits <= _LONGEST, name, "coefficients are too long")
        block = weight[[*whole, c.feature]].astype(np.float64).T
        missing = fold(block, [*told, Fraction(-1)], np.zeros(1, np.int64))
        zero = not missing.mantissa.any()
        require(zero, name, f"row {c.feature} is not that combination of others")


def _with_gain(layer: Layer, unit: Unit) -> Unit:
    """A unit with the gain of its function: what it passes on is right if that is not negative."""
    name, keys = layer.name, [layer.activation.key(slot) for slot in unit.slots]
    stored = layer.bias_dtype if layer.bias is None else layer.bias.dtype
    wide = np.dtype(np.float64)
    inexact = round_fraction(unit.shift, stored or wide)[1] or round_fraction(unit.lift, wide)[1]
    require(not inexact, name, "a unit is shifted, or lifted, by what no stored number is")
    if len(keys) == 1:
        linear = layer.activation.is_identity or slope(keys[0], 1) == 1
        require(linear, name, "a unit is never linear")
        return unit
    factor = gain(keys[0])
    require(len(keys) == 2 and keys[0] == keys[1] and bool(factor), name, "its slots are no pair")
    require(not unit.shift and not unit.lift, name, "a pair is not shifted")
    return replace(unit, gain=factor or ONE)


def _check_units(book: Book, net: Net, step: Linear) -> None:
    """Units pass on all that what goes reads, or makes the only reader read, and are linear."""
    layer, readers = net[step.layer], net.readers[step.layer]
    name, (term,), features = layer.name, layer.terms, [c.feature for c in step.gone]
    terms, passed = [term], term.by_tap[features].any(axis=(0, 2))
    if step.way == "readers":
        require(len(readers) == 1, name, "it has several readers")
        ((reader, index),) = readers
        terms.append(reader.terms[index])
        passed = terms[1].by_tap[:, features].any(axis=(1, 2))
    pointwise = all(t.taps == 1 and not t.via and not t.padded for t in terms)
    require(pointwise, name, "units are of one position")
    others = [i for i in step.inputs if i != SUM]
    every = len({*others}) == len(others) and {*np.flatnonzero(passed).tolist()} <= {*others}
    require(every, name, "units do not pass on all that is read, once")
    sums = [unit for unit, told in zip(step.units, step.inputs, strict=True) if told == SUM]
    alone = all(len(unit.slots) == 1 and not unit.shift and not unit.lift for unit in sums)
    lifted = any(unit.lift for unit in step.units)
    asked = step.way == "readers" if sums or lifted else True
    require(asked and alone and lifted <= len(sums) <= 1, name, "no unit is the sum")
    for number, unit in enumerate(step.units):
        if len(unit.slots) == 1 and not layer.activation.is_identity:
            low, _ = book.interval(_unit_row(book, net, step, number))
            require(low >= 0, name, f"the unit in place of {unit.slots[0]} may be negative")


def _unit_row(book: Book, net: Net, step: Linear, number: int) -> Row:
    """What a unit's function is applied to, over classes, before its row is rounded."""
    (term,) = net[step.layer].terms
    facts, unit = book.facts[term.source], step.units[number]
    weights, bias = dict[int, Fraction](), Shift(unit.shift)
    for j, factor in _passed_on(net, step, number):
        row, offset = read(book, term, facts[j], 0)
        for label, ratio in row.items():
            weights[label] = weights.get(label, Fraction(0)) + ratio * factor
        bias += offset * factor
    return Row.of(weights, bias)


def _passed_on(net: Net, step: Linear, number: int) -> Iterator[tuple[int, Fraction]]:
    """The features of the source that a unit reads, and by which factors."""
    (term,) = net[step.layer].terms
    told, lift = step.inputs[number], step.units[number].lift
    if told != SUM and step.way == "sources":
        yield told, ONE
        return
    every = range(len(term.flat[0]))
    if told == SUM:
        yield from ((j, ONE) for j in every)
        return
    factors = factors_of_reader(net, step, told)
    block = term.flat[[i for i, _ in factors]].astype(np.float64).T
    made = fold(block, [factor for _, factor in factors], np.zeros(1, np.int64))
    yield from ((j, made.value(j, 0) + lift) for j in every)
