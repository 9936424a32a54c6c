"""Which features are read at all: one backward sweep over the full classes.

A class whose folded column is zero in every reader is unread, even though each of its features is
read: that is how exact cancellation makes whole branches go.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from lumpcli.analysis.columns import Columns, columns_of
from lumpcli.analysis.facts import CONSTANT, Values
from lumpcli.ir import Array, Layer, Net, Quotient

_BLOCK = 1 << 20  # entries


@dataclass(frozen=True)
class Liveness:
    """Per layer and feature (n,) bool.

    `read`: some row of a dense reader, or the graph, uses the feature's class. `needed`: its value
    must be right where the feature is kept: it is read, or a needed feature is computed from it.
    `carried`: at least its offset must be right there, since a kept row reads it.
    """

    read: Mapping[str, Array]
    needed: Mapping[str, Array]
    carried: Mapping[str, Array]

    def covers(self, other: Liveness) -> bool:
        """Whether all that must be right by another one must be right by this one."""
        return all(
            not (other.needed[name] | other.carried[name])[~(own | self.carried[name])].any()
            for name, own in self.needed.items()
        )


def liveness_of(
    net: Net, values: Values, quotient: Quotient | None = None, zeros: bool = False
) -> Liveness:
    """Who is read, by one sweep from the outputs back; by the kept rows only, given a quotient.

    Nobody reads a feature that is 0, as long as it goes, or its columns do. `zeros`: those that
    stay are read, so that they have to stay 0.
    """
    quotient = quotient or Quotient({})
    read = {layer.name: np.zeros(layer.width, bool) for layer in net.layers}
    needed = {layer.name: np.zeros(layer.width, bool) for layer in net.layers}
    carried = {layer.name: np.zeros(layer.width, bool) for layer in net.layers}
    for layer in reversed(net.layers):
        live = needed[layer.name]
        live |= read[layer.name]
        if layer.pinned is not None:
            live[:] = True
            read[layer.name][:] = True
        reading = np.zeros(layer.width, bool)
        reading[quotient.keep(layer)] = True
        phase = values[layer.name].phase
        fixed = carried[layer.name]
        if zeros:
            fixed = fixed | _constants_that_stand(layer, values, quotient)
        signed = fixed & (phase != 0) if phase is not None else False
        reading &= live | signed  # what is constant by its sign alone has to keep that
        if layer.is_dense:
            for source, used in _dense_reads(layer, reading, values).items():
                read[source] |= used
            for term in layer.terms:  # columns that stay read zeros, too, which have to stay zeros
                needed[term.source] |= term.frozen and values.zeros_by_sign and bool(reading.any())
        else:
            # also where reads cancel: a kept feature computes both
            for term in layer.terms:
                needed[term.source] |= term.reaches(reading, net[term.source].width)
        if not layer.is_dense:
            # a constant may be one only because what varies in its operands cancels, or by its sign
            fixed = fixed & (values[layer.name].class_of == CONSTANT)
            fixed[np.setdiff1d(np.arange(layer.width), quotient.keep(layer))] = False
            for term in layer.terms:
                needed[term.source] |= term.reaches(fixed, net[term.source].width)
        for source, used in _offsets_read(layer, live, carried[layer.name], quotient, values):
            kept = quotient.keep(net[source])
            carried[source][kept] |= used[kept]
            if layer.is_dense and layer.bias_fixed:
                # no bias takes the offset, so the feature is kept: leave its value as it is
                varies = values[source].class_of[kept] != CONSTANT
                needed[source][kept] |= used[kept] & varies
    return Liveness(read, needed, carried)


def _constants_that_stand(layer: Layer, values: Values, quotient: Quotient) -> Array:
    """Those that stay with the columns they are read through (n,) bool.

    What is constant by the weights of its row alone is so whatever it reads.
    """
    facts, found = values[layer.name], np.zeros(layer.width, bool)
    if layer.is_dense and facts.phase is None:
        return found
    found[quotient.keep(layer)] = True
    cut = quotient.cuts.get(layer.name)
    if cut is not None:
        found &= cut.carrier == np.arange(layer.width)
    if layer.is_dense and facts.phase is not None:
        found &= facts.phase != 0
    found &= facts.class_of == CONSTANT
    return found


def zeros_stand(net: Net, values: Values, quotient: Quotient) -> bool:
    """Whether features stay that are constant, so that it matters what they are computed from."""
    inner = (layer for layer in net.layers if layer.terms and layer.pinned is None)
    return any(_constants_that_stand(layer, values, quotient).any() for layer in inner)


def _offsets_read(
    layer: Layer, live: Array, carried: Array, quotient: Quotient, values: Values
) -> list[tuple[str, Array]]:
    """Per source: the features with an offset that some row reads whose offset must be right.

    A row with a bias of its own can take what it reads into it; others hand constants on.
    """
    kept = np.zeros(layer.width, bool)
    kept[quotient.keep(layer)] = True
    found = []
    for term in layer.terms:
        facts = values[term.source]
        if not len(facts.shifted):
            continue
        shifted = np.zeros(len(facts.class_of), bool)
        shifted[facts.shifted] = True
        rows = kept & (live | carried)
        if term.diagonal:
            found.append((term.source, shifted & term.reaches(rows, len(shifted))))
            continue
        if not layer.bias_fixed and not term.padded:
            rows = kept & live
            shifted &= facts.class_of != CONSTANT  # the bias takes constants whole
        some = np.flatnonzero(shifted)
        weight = term.by_tap[np.ix_(np.flatnonzero(rows), some)]
        shifted[some] = (weight != 0).any(axis=(0, 2))
        found.append((term.source, shifted))
    return found


def _dense_reads(layer: Layer, live: Array, values: Values) -> dict[str, Array]:
    """Per source: the features whose class has a non-zero folded column in some live row.

    Each source is folded alone: what cancels between two of them is read in both, since one may
    be kept without the other.
    """
    reads = {}
    for name in {t.source for t in layer.terms}:
        alone = replace(layer, terms=tuple(t for t in layer.terms if t.source == name))
        facts = values[name]
        if any(term.frozen for term in alone.terms):  # nothing cancels in columns that stay
            reads[name] = np.full(len(facts.class_of), bool(live.any()))
            reads[name] &= facts.class_of != CONSTANT
            continue
        columns = columns_of(alone, {name: facts})
        used = _classes_used(columns, np.flatnonzero(live))
        reads[name] = np.isin(facts.class_of, used) & (facts.class_of != CONSTANT)
    return reads


def _classes_used(columns: Columns, rows: Array) -> Array:
    """The classes with a folded column that is not zero in the given rows."""
    open_ = np.arange(len(columns.classes))
    used = []
    width = 16
    start = 0
    while start < len(rows) and len(open_):
        some = rows[start : start + width]
        found = _nonzero(columns, some, open_)
        used.append(columns.classes[open_[found]])
        open_ = open_[~found]
        start += width
        width = max(16, min(4 * width, _BLOCK // max(len(open_), 1)))
    return np.unique(np.concatenate(used)) if used else np.zeros(0, np.int64)


def _nonzero(columns: Columns, rows: Array, which: Array) -> Array:
    """Which of the folded columns have a non-zero entry in the rows."""
    found = np.zeros(len(which), bool)
    step = max(1, _BLOCK // max(len(rows), 1))
    borders = np.flatnonzero(np.diff(which) != 1) + 1
    position = 0
    for run in np.split(which, borders):
        for first in range(int(run[0]), int(run[-1]) + 1, step):
            last = min(first + step, int(run[-1]) + 1)
            block = columns.block(rows, first, last)
            found[position : position + last - first] = (block.mantissa != 0).any(axis=0)
            position += last - first
    return found
