"""Facts by one forward sweep: value numbering modulo scale, and offset in linear layers.

The corrected form of [R22, Definition 6], which compares plain class sums although its own quotient
(Definition 7) weighs them by the ratios.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from lumpcli.analysis import diagonal
from lumpcli.analysis.dense import Dense, Loosen, Search
from lumpcli.analysis.facts import CONSTANT, LayerValues, Values
from lumpcli.analysis.numbering import Fact, Numbering
from lumpcli.analysis.signs import Ranges, outwards
from lumpcli.ir import Array, Join, Layer, Net, sum_range
from lumpcli.progress import stage


@dataclass(frozen=True)
class Sweep(Values):
    """Facts on every layer, and what the search for multiples saw in each dense one.

    `ranges` are those of the classes' values.
    """

    searches: Mapping[str, Search]
    ranges: Ranges

    def ends(self, layer: str) -> tuple[Array, Array]:
        """Between which ends the features (n,) of a layer lie, for every input."""
        facts = self.layers[layer]
        low, high = np.empty(len(facts.class_of)), np.empty(len(facts.class_of))
        for i, (label, ratio, offset) in enumerate(map(facts.fact, range(len(low)))):
            every = ((label, ratio), *offset.parts) if label != CONSTANT else offset.parts
            some = [(factor, self.ranges.interval(c)) for c, factor in every]
            low[i], high[i] = outwards(sum_range(some, offset.rational))
        return low, high

    def would_change(self, loosen: Loosen, jobs: int = 1) -> bool:
        """Whether facts with that loosening would be others; looks at `jobs` layers at a time."""
        step = stage("comparing", sum(s.columns.layer.nbytes for s in self.searches.values()))

        def changes(search: Search) -> bool:
            found = search.loosened(loosen)
            step.advance(search.columns.layer.nbytes)
            return not np.array_equal(found.label, search.rows.label)

        if jobs == 1:
            return any(map(changes, self.searches.values()))
        with ThreadPoolExecutor(jobs) as pool:
            return any(pool.map(changes, self.searches.values()))


def values_of(net: Net, loosen: Loosen | None = None) -> Sweep:
    """The facts on every layer of the net.

    `loosen` may merge rows of a dense layer that are not exactly proportional; without it all
    facts are exact.
    """
    numbering = Numbering()
    dense = Dense(numbering, loosen)
    step = stage("searching", sum(layer.nbytes for layer in net.layers))
    for layer in net.layers:
        numbering.layers[layer.name] = _facts(numbering, dense, layer)
        step.advance(layer.nbytes)
    zeros = numbering.zeros_by_sign
    return Sweep(numbering.layers, numbering.known, zeros, dense.searches, numbering.ranges)


def _facts(numbering: Numbering, dense: Dense, layer: Layer) -> LayerValues:
    if not layer.terms:
        return _together(diagonal.source(numbering, layer))
    if isinstance(layer, Join):
        return _together(diagonal.join(numbering, layer))
    if layer.is_dense:
        return dense.facts(layer)
    return _together(diagonal.diagonal(numbering, layer))


def _together(facts: list[Fact]) -> LayerValues:
    return LayerValues(
        np.array([f[0] for f in facts], np.int64),
        tuple(f[1] for f in facts),
        tuple(f[2] for f in facts),
    )
