"""Rows that take over others: the numbers of a layer after `Quotient.merges`."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np

from lumpcli.ir.exact import Array
from lumpcli.ir.folding import Rounding, fold_bias, fold_term
from lumpcli.ir.net import Layer, Term
from lumpcli.ir.quotient import LayerCut, Merge, Quotient


def take_over(
    layer: Layer, merge: Merge, cut: LayerCut | None, tally: Rounding
) -> tuple[Array, Array | None]:
    """A merged row (kept, *taps) after the cut of its source, and its bias (), rounded once.

    The rows are laid side by side, so that each number is one sum over rows and columns.
    """
    (term,) = layer.terms
    assert term.weight is not None
    rows, factors = [merge.row, *merge.others], [Fraction(1), *merge.ratios]
    n = term.weight.shape[1]
    if cut is None:
        every = np.arange(n)
        cut = LayerCut(every, every, (Fraction(1),) * n, (Fraction(0),) * n, ())
    wide = replace(term, weight=np.concatenate([term.weight[[i]] for i in rows], axis=1))
    wide_cut = LayerCut(
        cut.keep,
        np.tile(cut.carrier, len(rows)),
        tuple(f * r for f in factors for r in cut.ratio),
        tuple(f * o for f in factors for o in cut.offset),
        (),
        irrational=frozenset(k * n + i for k in range(len(rows)) for i in cut.irrational),
    )
    first = np.zeros(1, np.int64)
    weight = fold_term(wide, first, wide_cut, tally)[0]
    if layer.bias is None:
        alone = replace(layer, width=1, terms=(wide,))
        bias = None if layer.bias_fixed else fold_bias(alone, first, [wide_cut], tally)
    else:  # the other rows' biases are read like constants
        others = layer.bias[merge.others,][None]
        constants = Term("", others, scale=layer.bias_scale)
        zero = (Fraction(0),) * len(merge.others)
        none = LayerCut(first[:0], np.full(len(zero), -1), zero, merge.ratios, ())
        own = layer.bias[[merge.row]]
        both = replace(layer, width=1, terms=(wide, constants), bias=own)
        bias = fold_bias(both, first, [wide_cut, none], tally)
    return weight, None if bias is None else bias[0]


def merged(
    layer: Layer, rows: Array, cut: LayerCut | None, quotient: Quotient, tally: Rounding
) -> tuple[Array, Array | None]:
    """The weight (rows, kept, *taps) and the bias of a layer in which rows take over others."""
    place = {i: k for k, i in enumerate(rows.tolist())}
    merges = quotient.merges[layer.name]
    changed = [i for m in merges for i in (m.row, *m.others)]
    plain = rows[~np.isin(rows, changed)]
    some = fold_term(layer.terms[0], plain, cut, tally)
    weight = np.zeros((len(rows), *some.shape[1:]), some.dtype)
    where = [place[i] for i in plain.tolist()]
    weight[where] = some
    bias = fold_bias(layer, plain, [cut], tally, quotient.needed.get(layer.name))
    biases = {} if bias is None else dict(zip(where, bias, strict=True))
    for merge in merges:
        if merge.row in place:
            weight[place[merge.row]], one = take_over(layer, merge, cut, tally)
            if one is not None:
                biases[place[merge.row]] = one
    if layer.bias is None and not biases:
        return weight, None
    numbers = np.zeros(len(rows), layer.bias_dtype if layer.bias is None else layer.bias.dtype)
    for k, number in biases.items():
        numbers[k] = number
    return weight, numbers
