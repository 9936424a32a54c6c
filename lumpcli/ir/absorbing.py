"""A layer that is linear vanishes: its readers read what it reads, through products of matrices.

`W2 (s (W1 x + b1)) + b2 = (W2 s W1) x + (W2 s b1 + b2)`, s the slopes: docs/theory.md section 8.
Where rows or columns have taps, that is one product per tap.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

from lumpcli.ir.applying import with_rounded
from lumpcli.ir.exact import Array
from lumpcli.ir.folding import Rounding
from lumpcli.ir.linear import bias_of, bias_with
from lumpcli.ir.net import Layer, Net, Term
from lumpcli.ir.rounded import fold_once


@dataclass(frozen=True)
class Fold:
    """A layer that goes: feature i is `slopes[i] * (row i . source + bias i)`, or nothing reads it.

    The layer has one dense term. It or a reader's may move positions, not both of them.
    """

    layer: str
    slopes: tuple[Fraction, ...]


def apply_fold(net: Net, step: Fold) -> tuple[Net, Rounding]:
    """The net without the layer; each number of its readers is one exact sum, rounded once."""
    layer, readers = net[step.layer], net.readers[step.layer]
    tallies = {reader.name: Rounding() for reader, _ in readers}
    changed = {
        reader.name: _reader(layer, step, reader, index, tallies[reader.name])
        for reader, index in readers
    }
    layers = (changed.get(a.name, a) for a in net.layers if a is not layer)
    return with_rounded(replace(net, layers=tuple(layers)), tallies)


def _reader(layer: Layer, step: Fold, reader: Layer, index: int, tally: Rounding) -> Layer:
    (own,), read = layer.terms, reader.terms[index]
    weight = _product(read, own, step.slopes, tally)
    moves = read if own.pointwise else own
    image = own.image or read.image
    term = replace(moves, source=own.source, weight=weight, image=image)
    constants = [(i, slope * bias_of(layer, i)) for i, slope in enumerate(step.slopes)]
    bias = bias_with(reader, read, constants, np.zeros(len(weight)), tally)
    terms = (term if k == index else t for k, t in enumerate(reader.terms))
    return replace(reader, terms=tuple(terms), bias=bias)


def _product(read: Term, own: Term, slopes: tuple[Fraction, ...], tally: Rounding) -> Array:
    """The reader's matrix times slopes times the layer's (rows, n_source, *kernel)."""
    left, right = read.by_tap, own.by_tap  # (rows, n, taps), (n, n_source, taps)
    shape, kernel = (len(left), right.shape[1]), (read if own.taps == 1 else own).kernel
    if own.taps == 1:
        rows = np.moveaxis(left, 2, 1).reshape(-1, left.shape[1])
        made = _times(rows, slopes, right[:, :, 0], left.dtype, tally)
        made = np.moveaxis(made.reshape(len(left), -1, shape[1]), 1, 2)
        return np.ascontiguousarray(made).reshape(*shape, *kernel)
    made = _times(left[:, :, 0], slopes, right.reshape(len(right), -1), left.dtype, tally)
    return made.reshape(*shape, *kernel)


def _times(
    left: Array, slopes: tuple[Fraction, ...], right: Array, dtype: np.dtype[Any], tally: Rounding
) -> Array:
    """Rows (r, n) times slopes (n,) times a matrix (n, c), each sum rounded once (r, c)."""
    made = np.zeros((len(left), right.shape[1]), dtype)
    columns, start = np.ascontiguousarray(right.T), np.zeros(1, np.int64)
    for k, row in enumerate(left):
        used = [i for i in np.flatnonzero(row).tolist() if slopes[i]]
        if used:
            factors = [slopes[i] * Fraction(float(row[i])) for i in used]
            sums, inexact = fold_once(columns[:, used], factors, start, dtype)
            made[k] = sums[:, 0]
            tally.count(sums, inexact)
    tally.folded += made.size
    return made
