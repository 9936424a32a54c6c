"""Applying a quotient: the numbers of the whole net, folded exactly and each rounded once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

import numpy as np

from lumpcli.errors import InternalError
from lumpcli.ir.activation import Activation
from lumpcli.ir.exact import Array, fold, round_once
from lumpcli.ir.net import Layer, Net, Term
from lumpcli.ir.quotient import LayerCut, Quotient

_BLOCK = 1 << 20  # entries folded at a time


@dataclass
class Rounding:
    """How many folded weights there are, and how many of them had to be rounded."""

    folded: int = 0
    rounded: int = 0
    overflow: set[str] = field(default_factory=set)  # layers in which a weight became infinite
    inexact: set[str] = field(default_factory=set)  # layers in which something was rounded
    impossible: int = 0  # integers out of range, or that would not be whole


def fold_term(term: Term, rows: Array, cut: LayerCut | None, tally: Rounding) -> Array:
    """The weight of a dense term after the cut of its source, rounded once to its stored type.

    `rows` (r,) are the rows asked for; the result is (r, kept, *taps).
    """
    assert term.weight is not None
    weight: Array = term.weight
    if cut is None:
        return weight[rows]
    result: Array = weight[np.ix_(rows, cut.keep)]
    if not cut.moves_columns:
        return result
    members, owners, starts = _joined(cut)
    used = np.zeros(cut.keep.size, bool)
    used[np.searchsorted(cut.keep, cut.carrier[cut.carrier >= 0])] = True
    if term.frozen:
        return result
    result[:, ~used] = 0
    ends = np.append(starts[1:], len(members))
    step = max(1, _BLOCK // max(len(rows), 1))
    for first in range(0, len(starts), step):
        last = min(first + step, len(starts))
        some = members[starts[first] : ends[last - 1]]
        block = weight[np.ix_(rows, some)]
        flat = np.moveaxis(block.reshape(len(rows), len(some), -1), 1, 2).reshape(-1, len(some))
        ratios = [cut.ratio[m] for m in some]
        stored, inexact = round_once(
            fold(flat, ratios, starts[first:last] - starts[first]), weight.dtype
        )
        if weight.dtype.kind == "i":
            tally.impossible += int(inexact.sum()) + int(_beyond(stored, term.limits).sum())
        columns = np.moveaxis(stored.reshape(len(rows), -1, last - first), 1, 2)
        place = np.searchsorted(cut.keep, owners[first:last])
        result[:, place] = columns.reshape(len(rows), last - first, *weight.shape[2:])
        tally.folded += stored.size
        tally.rounded += int(inexact.sum())
    return result


def _beyond(numbers: Array, limits: tuple[int, int] | None) -> Array:
    """Which numbers an integer type cannot hold."""
    low, high = limits if limits is not None else (-math.inf, math.inf)
    return np.asarray((numbers < low) | (numbers > high))


def _joined(cut: LayerCut) -> tuple[Array, Array, Array]:
    """Features sorted by carrier, for carriers of several; those carriers; where each begins."""
    carried = np.flatnonzero(cut.carrier >= 0)
    order = carried[np.argsort(cut.carrier[carried], kind="stable")]
    owners, starts, counts = np.unique(cut.carrier[order], return_index=True, return_counts=True)
    several = (counts > 1) | (order[starts] != owners)
    chosen = np.repeat(several, counts)
    lengths = counts[several]
    return order[chosen], owners[several], np.cumsum(lengths) - lengths


def fold_bias(
    layer: Layer,
    rows: Array,
    cuts: Sequence[LayerCut | None],
    tally: Rounding,
    needed: Array | None = None,
) -> Array | None:
    """The bias of the kept rows plus what the removed features add to it, rounded once.

    InternalError where there is no place for that in a row whose value is `needed` (n,).
    """
    shifts = [
        (term, feature, offset, feature in cut.irrational)
        for term, cut in zip(layer.terms, cuts, strict=True)
        if cut is not None and not term.diagonal
        for feature, offset in enumerate(cut.offset)
        if offset
    ]
    if not shifts:
        return None if layer.bias is None else layer.bias[rows]
    dtype = layer.bias_dtype if layer.bias is None else layer.bias.dtype
    bias = np.zeros(layer.width) if layer.bias is None else layer.bias
    block = [bias[rows, None].astype(np.float64)]
    factors = [Fraction(1)]
    uncertain = np.zeros(len(rows), bool)
    for term, feature, offset, irrational in shifts:
        columns = np.arange(feature * term.taps, (feature + 1) * term.taps)
        block.append(term.entries(rows, columns).astype(np.float64))
        factors += [offset * term.scale / layer.bias_scale] * term.taps
        if irrational:
            uncertain |= (block[-1] != 0).any(axis=1)
    if layer.bias_fixed or dtype is None or layer.bias_units is not None:
        added = fold(np.concatenate(block[1:], axis=1), factors[1:], np.zeros(1, np.int64))
        matters = True if needed is None else needed[rows, None]
        if (matters & (added.mantissa != 0)).any():
            raise InternalError(f"{layer.name}: there is no place for what constants add to it")
        return None if layer.bias is None else layer.bias[rows]
    exact = fold(np.concatenate(block, axis=1), factors, np.zeros(1, np.int64))
    stored, inexact = round_once(exact, dtype)
    inexact[uncertain] = True
    if dtype.kind == "i":
        limits = np.iinfo(dtype)
        tally.impossible += int(inexact.sum())
        tally.impossible += int(_beyond(stored, (limits.min, limits.max)).sum())
    if layer.bias is None and not stored.any() and not inexact.any():
        return None
    changed = stored[:, 0].astype(np.float64) != bias[rows].astype(np.float64)
    tally.folded += int((changed | inexact[:, 0]).sum())
    tally.rounded += int(inexact.sum())
    return stored[:, 0].astype(dtype)


def apply(net: Net, quotient: Quotient) -> tuple[Net, Rounding]:
    """The net after a reduction, each changed number rounded once to its stored type."""
    tally = Rounding()
    layers = tuple(_apply_layer(layer, quotient, tally) for layer in net.layers)
    return replace(net, layers=layers), tally


def _apply_layer(layer: Layer, quotient: Quotient, tally: Rounding) -> Layer:
    rows = quotient.keep(layer)
    cuts = [quotient.cuts.get(t.source) for t in layer.terms]
    if layer.name not in quotient.cuts and all(c is None for c in cuts):
        return layer
    rounded_before, impossible_before = tally.rounded, tally.impossible
    terms = []
    for term, cut in zip(layer.terms, cuts, strict=True):
        if term.diagonal:
            terms.append(_sliced(term, rows, cut))
        else:
            scale = None if term.row_scale is None else term.row_scale[rows]
            weight = fold_term(term, rows, cut, tally)
            terms.append(replace(term, weight=weight, row_scale=scale))
    bias = fold_bias(layer, rows, cuts, tally, quotient.needed.get(layer.name))
    if tally.rounded > rounded_before:
        tally.inexact.add(layer.name)
    if tally.impossible > impossible_before:
        tally.overflow.add(layer.name)
    numbers: list[Any] = [t.weight for t in terms if not t.diagonal] + [bias]
    for array in numbers:
        if array is not None and not np.isfinite(array.astype(np.float64)).all():
            tally.overflow.add(layer.name)
    activation = layer.activation
    if activation.slopes is not None:
        activation = Activation(activation.name, activation.attributes, activation.slopes[rows])
    return replace(
        layer,
        width=len(rows),
        terms=tuple(terms),
        bias=bias,
        activation=activation,
        bias_units=None if layer.bias_units is None else layer.bias_units[rows],
        tied=None if layer.tied is None else layer.tied[rows],
    )


def _sliced(term: Term, rows: Array, cut: LayerCut | None) -> Term:
    """Some rows of a diagonal term, after the cut of its source."""
    select = term.select
    if select is not None:
        select = select[rows]
        if cut is not None:
            place = np.full(len(cut.carrier) + 1, -1)
            place[cut.keep] = np.arange(len(cut.keep))
            moved = place[select]  # -1, for none, finds the last entry
            if ((moved < 0) & (select >= 0)).any():
                raise InternalError(f"a kept feature reads one of {term.source} that is cut")
            select = moved
    moments = term.moments
    if moments is not None:
        moments = replace(moments, mean=moments.mean[rows], variance=moments.variance[rows])
    return replace(
        term,
        weight=None if term.weight is None else term.weight[rows],
        select=select,
        at=None if term.at is None else term.at[rows],
        row_scale=None if term.row_scale is None else term.row_scale[rows],
        blocks=term.blocks if term.blocks == 1 or cut is None else len(cut.keep),
        moments=moments,
    )
