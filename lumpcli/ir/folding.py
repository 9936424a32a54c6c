"""Folding the numbers of a layer over a cut of what it reads: exactly, each rounded once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from lumpcli.errors import InternalError
from lumpcli.ir.exact import Array, fold
from lumpcli.ir.floats import Factors, factors_of
from lumpcli.ir.net import Layer, Term
from lumpcli.ir.quotient import LayerCut
from lumpcli.ir.rounded import fold_once, largest_error
from lumpcli.ir.scratch import room
from lumpcli.ir.submatrix import as_slice, by_rows

_BLOCK = 1 << 20  # entries folded at a time


@dataclass
class Rounding:
    """How many folded weights there are, and how many of them had to be rounded."""

    folded: int = 0
    rounded: int = 0
    overflow: set[str] = field(default_factory=set)  # layers in which a weight became infinite
    inexact: dict[str, float] = field(default_factory=dict)  # layers with rounding: their `error`
    impossible: int = 0  # integers out of range, or that would not be whole
    error: float = 0.0  # how much of themselves stored numbers are off at most; inf: no bound

    def count(self, stored: Array, inexact: Array) -> None:
        """Count the numbers that were rounded, of stored ones of the same shape."""
        self.rounded += int(inexact.sum())
        self.error = max(self.error, largest_error(stored[inexact]))

    def include(self, other: Rounding) -> None:
        """Add what was counted elsewhere."""
        self.folded += other.folded
        self.rounded += other.rounded
        self.overflow |= other.overflow
        self.inexact |= other.inexact
        self.impossible += other.impossible
        self.error = max(self.error, other.error)

    def __add__(self, other: Rounding) -> Rounding:
        total = Rounding()
        for part in (self, other):
            total.include(part)
        return total


def fold_term(term: Term, rows: Array, cut: LayerCut | None, tally: Rounding) -> Array:
    """The weight of a dense term after the cut of its source, rounded once to its stored type.

    `rows` (r,) are the rows asked for; the result is (r, kept, *taps).
    """
    assert term.weight is not None
    weight: Array = term.weight
    width = weight.shape[1] if cut is None else len(cut.keep)
    shape = (len(rows), width, *weight.shape[2:])
    result = room(shape, weight.dtype, weight.ndim > 2 or by_rows(weight))
    joined = None if cut is None else _joined(cut)
    step = max(1, _BLOCK // max(term.flat.shape[1], 1))
    for first in range(0, len(rows), step):
        part = slice(first, first + step)
        some = weight[as_slice(rows[part])]
        if cut is None or joined is None:
            result[part] = some
        else:
            result[part] = _fold_rows(term, some, cut, joined, tally)
    return result


def _fold_rows(term: Term, weight: Array, cut: LayerCut, joined: _Joined, tally: Rounding) -> Array:
    """Some rows (r, n_source, *taps) after the cut of their source."""
    result: Array = np.take(weight, cut.keep, axis=1)
    if not cut.moves_columns or term.frozen:
        return result
    result[:, joined.unused] = 0
    if not len(joined.starts):
        return result
    some = np.take(weight, joined.members, axis=1)
    r, m = some.shape[:2]
    flat = some if some.ndim == 2 else np.moveaxis(some.reshape(r, m, -1), 1, 2).reshape(-1, m)
    stored, inexact = fold_once(flat, joined.ratios, joined.starts, weight.dtype, joined.factors)
    if weight.dtype.kind == "i":
        tally.impossible += int(inexact.sum()) + int(_beyond(stored, term.limits).sum())
    groups = len(joined.starts)
    columns = stored if some.ndim == 2 else np.moveaxis(stored.reshape(r, -1, groups), 1, 2)
    result[:, joined.places] = columns.reshape(r, groups, *weight.shape[2:])
    tally.folded += stored.size
    tally.count(stored, inexact)
    return result


def _beyond(numbers: Array, limits: tuple[int, int] | None) -> Array:
    """Which numbers an integer type cannot hold."""
    low, high = limits if limits is not None else (-math.inf, math.inf)
    return np.asarray((numbers < low) | (numbers > high))


@dataclass(frozen=True)
class _Joined:
    """Which columns are added up: features by carrier, for carriers of several.

    Group `k` are the `members` from `starts[k]` on, times their `ratios`; its sum goes to place
    `places[k]` among the kept ones. `unused` are the places whose carrier carries nothing.
    """

    members: Array
    ratios: list[Fraction]
    factors: Factors
    starts: Array
    places: Array
    unused: Array


def _joined(cut: LayerCut) -> _Joined:
    carried = np.flatnonzero(cut.carrier >= 0)
    order = carried[np.argsort(cut.carrier[carried], kind="stable")]
    owners, starts, counts = np.unique(cut.carrier[order], return_index=True, return_counts=True)
    several = (counts > 1) | (order[starts] != owners)
    members = order[np.repeat(several, counts)]
    lengths = counts[several]
    unused = np.ones(cut.keep.size, bool)
    unused[np.searchsorted(cut.keep, owners)] = False
    ratios, begin = [cut.ratio[m] for m in members.tolist()], np.cumsum(lengths) - lengths
    return _Joined(
        members,
        ratios,
        factors_of(ratios, begin),
        begin,
        np.searchsorted(cut.keep, owners[several]),
        unused,
    )


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
        (term, shifted, cut)
        for term, cut in zip(layer.terms, cuts, strict=True)
        if cut is not None and not term.diagonal
        for shifted in [np.array([i for i, offset in enumerate(cut.offset) if offset], np.int64)]
        if len(shifted)
    ]
    if not shifts:
        return None if layer.bias is None else layer.bias[rows]
    dtype = layer.bias_dtype if layer.bias is None else layer.bias.dtype
    bias = np.zeros(layer.width) if layer.bias is None else layer.bias
    block = [bias[rows, None].astype(np.float64)]
    factors = [Fraction(1)]
    uncertain = np.zeros(len(rows), bool)
    for term, shifted, cut in shifts:
        columns = (shifted[:, None] * term.taps + np.arange(term.taps)).reshape(-1)
        block.append(term.entries(rows, columns).astype(np.float64))
        scale = term.scale / layer.bias_scale
        factors += [cut.offset[i] * scale for i in shifted.tolist() for _ in range(term.taps)]
        irrational = np.isin(shifted, list(cut.irrational)).repeat(term.taps)
        uncertain |= (block[-1][:, irrational] != 0).any(axis=1)
    if layer.bias_fixed or dtype is None or layer.bias_units is not None:
        added = fold(np.concatenate(block[1:], axis=1), factors[1:], np.zeros(1, np.int64))
        matters = True if needed is None else needed[rows, None]
        if (matters & (added.mantissa != 0)).any():
            raise InternalError(f"{layer.name}: there is no place for what constants add to it")
        return None if layer.bias is None else layer.bias[rows]
    start = np.zeros(1, np.int64)
    stored, inexact = fold_once(np.concatenate(block, axis=1), factors, start, dtype)
    inexact[uncertain] = True
    if dtype.kind == "i":
        limits = np.iinfo(dtype)
        tally.impossible += int(inexact.sum())
        tally.impossible += int(_beyond(stored, (limits.min, limits.max)).sum())
    if layer.bias is None and not stored.any() and not inexact.any():
        return None
    changed = stored[:, 0].astype(np.float64) != bias[rows].astype(np.float64)
    tally.folded += int((changed | inexact[:, 0]).sum())
    tally.count(stored, inexact)
    if uncertain.any():  # by how much the constant itself is off may be all that is left of it
        tally.error = math.inf
    return stored[:, 0].astype(dtype)
