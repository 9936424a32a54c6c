"""Applying a quotient: the numbers of the whole net, folded exactly and each rounded once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np

from lumpcli.errors import InternalError
from lumpcli.ir.activation import Activation
from lumpcli.ir.exact import Array
from lumpcli.ir.folding import Rounding, fold_bias, fold_term
from lumpcli.ir.merging import merged
from lumpcli.ir.net import Layer, Net, Term
from lumpcli.ir.quotient import LayerCut, Quotient
from lumpcli.progress import stage


def apply(net: Net, quotient: Quotient, jobs: int = 1) -> tuple[Net, Rounding]:
    """The net after a reduction, each changed number rounded once to its stored type.

    Layers do not depend on one another here: `jobs` of them are folded at a time.
    """
    tallies = [Rounding() for _ in net.layers]
    step = stage("folding", sum(layer.nbytes for layer in net.layers))

    def one(layer: Layer, tally: Rounding) -> Layer:
        applied = apply_layer(quotient, layer, tally)
        step.advance(layer.nbytes)
        return applied

    if jobs > 1 and quotient.cuts:
        with ThreadPoolExecutor(jobs) as pool:
            layers = tuple(pool.map(one, net.layers, tallies))
    else:
        layers = tuple(map(one, net.layers, tallies))
    total = sum(tallies, start=Rounding())
    return ungranted(replace(net, layers=layers), total.inexact), total


def ungranted(net: Net, rounded: Collection[str]) -> Net:
    """A net in which nothing is granted any more of layers that were rounded, or read such."""
    moved, layers = set(rounded), []
    for layer in net.layers:
        if layer.name in moved or any(term.source in moved for term in layer.terms):
            moved.add(layer.name)
            layer = replace(layer, between=None)
        layers.append(layer)
    return replace(net, layers=tuple(layers)) if moved else net


def with_rounded(after: Net, tallies: Mapping[str, Rounding]) -> tuple[Net, Rounding]:
    """A net with new numbers in the layers of these names, and what was rounded in all of them."""
    total = Rounding(overflow=_overflowing(after[name] for name in tallies))
    for name, tally in tallies.items():
        if tally.rounded:
            tally.inexact[name] = tally.error
        total.include(tally)
    return ungranted(after, total.inexact), total


def _overflowing(layers: Iterable[Layer]) -> set[str]:
    """The names of layers with a weight or a bias that is infinite."""
    numbers = {a.name: [a.bias, *(t.weight for t in a.terms)] for a in layers}
    return {
        name
        for name, arrays in numbers.items()
        if not all(np.isfinite(some).all() for some in arrays if some is not None)
    }


def apply_layer(quotient: Quotient, layer: Layer, tally: Rounding) -> Layer:
    """One layer after a reduction of the net; InternalError where its biases have no place."""
    rows = quotient.keep(layer)
    cuts = [quotient.cuts.get(t.source) for t in layer.terms]
    merges = quotient.merges.get(layer.name)
    if layer.name not in quotient.cuts and all(c is None for c in cuts) and not merges:
        return layer
    own = Rounding()
    terms = []
    for term, cut in zip(layer.terms, cuts, strict=True):
        if term.diagonal:
            terms.append(_sliced(term, rows, cut))
        else:
            scale = None if term.row_scale is None else term.row_scale[rows]
            if merges:
                weight, bias = merged(layer, rows, cut, quotient, own)
            else:
                weight = fold_term(term, rows, cut, own)
            terms.append(replace(term, weight=weight, row_scale=scale))
    if not merges:
        bias = fold_bias(layer, rows, cuts, own, quotient.needed.get(layer.name))
    if own.rounded:
        own.inexact[layer.name] = own.error
    if own.impossible:
        own.overflow.add(layer.name)
    numbers: list[Any] = [t.weight for t in terms if not t.diagonal] + [bias]
    for array in numbers:
        if array is not None and array.dtype.kind != "i" and not np.isfinite(array).all():
            own.overflow.add(layer.name)
    tally.include(own)
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
        between=_between(layer, rows, [i for m in merges or () for i in (m.row, *m.others)]),
    )


def _between(layer: Layer, rows: Array, changed: list[int]) -> Array | None:
    """What is known of the rows that stay; nothing of those that others went into."""
    if layer.between is None:
        return None
    found: Array = layer.between.copy()
    found[:, changed] = np.array([[-np.inf], [np.inf]])
    return found[:, rows]


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
