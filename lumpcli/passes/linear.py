"""Linear features: as many go as the rest, or fewer new ones, can make up for.

A layer's candidates (`analysis.candidates`) leave linear functions of what the layer reads. Those
are made of other candidates that stay, where rows depend on one another; of units that pass on the
source's features; or of units that compute what the only reader makes of them. The way that saves
most is taken: docs/theory.md section 8.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from lumpcli.analysis import (
    Grants,
    Sweep,
    by_size,
    candidates,
    combination,
    independent,
    scales,
    values_of,
    why_not_combined,
)
from lumpcli.ir import (
    SUM,
    Array,
    Candidate,
    Layer,
    Linear,
    Net,
    Symmetry,
    Term,
    Unit,
    Way,
    apply_linear,
    factors_of_reader,
    fold,
    gain,
    nearest,
)
from lumpcli.passes.base import Steps

_LARGEST = 1 << 28  # of work, on deciding which rows are independent
_STEEPEST = 16  # coefficients, and growth of scales, beyond which rounding would be amplified
_FARTHEST = 2.0**12  # a shift beyond which the digits of what is shifted would be lost


def linear_steps(
    net: Net, grants: Grants, values: Sweep | None = None, original: Net | None = None
) -> Steps[Linear]:
    """Steps on one layer after another.

    `values` are those of the net, if known. `original` is what the net computes the same as: no
    step is taken that would make numbers much larger than they are there.
    """
    original = original or net
    steps = Steps[Linear](net, grants)
    for name in steps.places:
        net = steps.net
        if why_not_combined(net, net[name]) is not None:
            continue
        values = values or values_of(net)
        step = propose(net, net[name], values)
        if step is None:
            continue
        after, rounding = apply_linear(net, step)
        if (grants.level == "strict" and rounding.rounded) or rounding.overflow:
            continue
        if _is_louder(after, original):
            continue
        steps.take(step, after, rounding)
        values = None
    return steps


def _is_louder(net: Net, original: Net) -> bool:
    """Whether digits would be lost, in any arithmetic, that are not lost in the original net.

    Told by the layers that are pinned, whose features are what they were.
    """
    before, after = scales(original), scales(net)
    pinned = (layer.name for layer in original.layers if layer.pinned is not None)
    return any(after[name] > _STEEPEST * before[name] for name in pinned)


def propose(net: Net, layer: Layer, values: Sweep) -> Linear | None:
    """How linear features of a layer go, where that makes it narrower; None where it does not."""
    if why_not_combined(net, layer) is not None:
        return None
    found = candidates(layer, values[layer.name], values.searches[layer.name])
    search = _Search(net, layer, values)
    sets = [found, [c for c in found if c.partner < 0], [c for c in found if c.partner >= 0]]
    best: tuple[int, Linear | None] = 0, None
    for some in sets:
        for step in search.steps(some) if some else ():
            saved = layer.width - len(step.keep(layer.width))
            if saved > best[0]:
                best = saved, step
    return best[1]


@dataclass(frozen=True)
class _Search:
    net: Net
    layer: Layer
    values: Sweep

    def steps(self, gone: Sequence[Candidate]) -> list[Linear]:
        """All ways to let candidates go."""
        if not self._takes_constants():
            return []
        found = [self._by_rows(gone)]
        if self.layer.terms[0].pointwise:  # these round less, or not at all
            found = [self._by_sources(gone), self._by_readers(gone), *found]
        return [step for step in found if step is not None]

    def _takes_constants(self) -> bool:
        """Whether every reader has a bias that constants can go into."""
        readers = self.net.readers[self.layer.name]
        return not any(r.bias_fixed or r.terms[index].padded for r, index in readers)

    def _by_rows(self, gone: Sequence[Candidate]) -> Linear | None:
        """Those go whose rows are combinations of the rows of others, which stay."""
        weight = self.layer.terms[0].flat
        if len(gone) ** 2 * weight.shape[1] > _LARGEST:
            return None
        rows = weight[[c.feature for c in gone]].astype(np.float64)
        first = self._over_basis(gone, rows, independent(rows))
        if all(_is_short(c) for made in first.coefficients for c in made):
            return first
        order = by_size(rows)
        return self._over_basis(gone, rows, sorted(order[k] for k in independent(rows[order])))

    def _over_basis(self, gone: Sequence[Candidate], rows: Array, basis: list[int]) -> Linear:
        """Rows that are combinations of those of a basis go."""
        made: dict[Candidate, tuple[Fraction, ...]] = {}
        for k in sorted(set(range(len(gone))) - set(basis)):
            found = combination(rows[basis], rows[k])
            if found is not None and all(abs(c) <= _STEEPEST for c in found):
                made[gone[k]] = tuple(found)
        whole = tuple(gone[k] for k in basis)
        return Linear(self.layer.name, "rows", tuple(made), whole, tuple(made.values()))

    def _by_sources(self, gone: Sequence[Candidate]) -> Linear | None:
        """Units pass on what the layer reads."""
        (term,) = self.layer.terms
        used = np.flatnonzero((term.flat[[c.feature for c in gone]] != 0).any(axis=0)).tolist()
        if len(used) >= len(gone):
            return None
        low, _ = self.values.ends(term.source)
        units = self._units(gone, [float(low[i]) for i in used])
        return self._with_units(gone, "sources", used, units)

    def _by_readers(self, gone: Sequence[Candidate]) -> Linear | None:
        """Units compute what rows of the only reader make of what goes."""
        ((reader, index), *others), (term,) = self.net.readers[self.layer.name], self.layer.terms
        if others or not reader.terms[index].pointwise:
            return None
        features = [c.feature for c in gone]
        rows = np.flatnonzero(reader.terms[index].flat[:, features].any(axis=1)).tolist()
        if len(rows) >= len(gone):
            return None
        step = Linear(self.layer.name, "readers", tuple(gone))
        made = np.array([_made(term, factors_of_reader(self.net, step, row)) for row in rows])
        made = made.reshape(len(rows), term.flat.shape[1])
        ends = self.values.ends(term.source)
        plain = self._with_units(gone, "readers", rows, self._units(gone, _lowest(made, *ends)))
        if len(rows) == 1 or not self._relu_like or not (ends[0] >= 0).all():
            return plain
        room = sorted(features)
        total, slots = room[0], room[1 : len(rows) + 1]
        lifts = [_above(-float(least)) for least in made.min(axis=1)]
        lifted = [Unit((s,), lift=lift) for s, lift in zip(slots, lifts, strict=False)]
        with_total = self._with_units(gone, "readers", [SUM, *rows], [Unit((total,)), *lifted])
        found = [step for step in (plain, with_total) if step is not None]
        return min(found, key=lambda s: sum(len(unit.slots) for unit in s.units), default=None)

    @property
    def _relu_like(self) -> bool:
        return self.layer.symmetry is Symmetry.HOMOGENEOUS

    def _units(self, gone: Sequence[Candidate], lowest: list[float]) -> list[Unit] | None:
        """Units for linear functions that are never below `lowest`, in the places of what goes."""
        room = sorted(c.feature for c in gone)
        farthest = -math.inf if self.layer.bias_fixed else _FARTHEST
        units: list[Unit] = []
        for least in lowest:
            pair = None
            if self.layer.activation.is_identity or (self._relu_like and least >= 0):
                unit = Unit(tuple(room[:1]))
            elif self._relu_like and -least <= farthest:
                unit = Unit(tuple(room[:1]), _above(-least))
            else:
                pair = gain(self.layer.activation.key(room[0])) if room else None
                if not pair or self.layer.activation.slopes is not None:
                    return None
                unit = Unit(tuple(room[:2]), gain=pair)
            if len(unit.slots) < (1 if pair is None else 2):
                return None
            room = room[len(unit.slots) :]
            units.append(unit)
        return units

    def _with_units(
        self, gone: Sequence[Candidate], way: Way, inputs: list[int], units: list[Unit] | None
    ) -> Linear | None:
        if units is None or len(inputs) != len(units):
            return None
        if not units and len(gone) == self.layer.width:  # a layer keeps at least one feature
            gone = gone[1:]
        return Linear(self.layer.name, way, tuple(gone), inputs=tuple(inputs), units=tuple(units))


def _is_short(number: Fraction) -> bool:
    """Whether products with a number need few bits more, so that hardly any is rounded."""
    return abs(number) <= 4 and number.denominator in (1, 2, 4)


def _made(term: Term, factors: list[tuple[int, Fraction]]) -> Array:
    """A sum of multiples of rows (n_source,), nearly; its signs are right."""
    block = term.flat[[i for i, _ in factors]].astype(np.float64).T
    found = fold(block, [factor for _, factor in factors], np.zeros(1, np.int64))
    return np.array([nearest(found.value(k, 0)) for k in range(len(block))])


@np.errstate(invalid="ignore")
def _lowest(rows: Array, low: Array, high: Array) -> list[float]:
    """Below what rows over features between these ends never lie, a little lower for rounding."""
    some = np.where(rows > 0, rows * low, np.where(rows < 0, rows * high, 0))
    found: Array = some.sum(axis=1) - 2.0**-20 * np.abs(some).sum(axis=1)
    return [float(v) if v > -math.inf else -math.inf for v in found]


def _above(number: float) -> Fraction:
    """A number of 7 bits, which every type holds, that is at least as large, and not below 0."""
    if number <= 0:
        return Fraction(0)
    mantissa, exponent = math.frexp(number)
    return Fraction(math.ceil(mantissa * 64) + 1) * Fraction(2) ** (exponent - 6)
