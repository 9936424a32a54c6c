"""How few features one hidden layer can have that computes the same: docs/theory.md, section 6."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from lumpcli.analysis.columns import columns_of
from lumpcli.analysis.facts import ONE, LayerValues
from lumpcli.analysis.modular import PRIME, impossible, multiply, reduced, residues
from lumpcli.analysis.rows import refine
from lumpcli.ir import (
    ZERO,
    Activation,
    Array,
    Exact,
    Join,
    Layer,
    Net,
    Symmetry,
    fold,
    integers,
    zeros,
)

_MOST, _MOST_PAIRED = 256, 64  # kinks, for which the affine part is looked at, and how closely


@dataclass(frozen=True)
class Fewest:
    """No network of one hidden layer with the same activation has fewer features and computes this.

    `kinks` are the hyperplanes along which the function bends, `affine` what more is needed for
    the affine map beside the bends, as far as it was proved.
    """

    layer: str
    kinks: int
    affine: int

    @property
    def width(self) -> int:
        """The lower bound; a layer has a feature in any case."""
        return max(1, self.kinks + self.affine)


def fewest(net: Net) -> Fewest | None:
    """The lower bound for a net of one hidden layer; None for all others.

    That is a dense layer over a graph input, with ReLU or LeakyReLU of one slope, and a dense one
    without a function, the only output, that alone reads it.
    """
    if not _has_one_hidden_layer(net):
        return None
    _, hidden, output = net.layers
    bends = _bends(hidden, output)
    kinks = int(bends.kinked.sum())
    both_sides = (bends.sides.mantissa != 0).any(axis=0).reshape(-1, 2).all(axis=1)
    plain = not both_sides.any() or hidden.activation.name == "Abs" or kinks > _MOST
    return Fewest(hidden.name, kinks, 0 if plain else _affine(bends))


# --- which nets


def _has_one_hidden_layer(net: Net) -> bool:
    if len(net.layers) != 3 or any(isinstance(layer, Join) for layer in net.layers):
        return False
    source, hidden, output = net.layers
    ends = output.activation.is_identity and [o.layer for o in net.outputs] == [output.name]
    free = not source.terms and source.pinned == "graph input"
    bends = _bends_once(hidden.activation)
    return free and bends and ends and _reads(hidden, source) and _reads(output, hidden)


def _bends_once(activation: Activation) -> bool:
    """Whether a function is a (Leaky)ReLU of one slope, which is not 1."""
    if activation.slopes is not None:
        slopes = set(activation.slopes.astype(np.float64).tolist())
        return len(slopes) == 1 and not slopes & {1.0, -1.0}
    return activation.name in ("Relu", "LeakyRelu", "Abs")


def _reads(layer: Layer, source: Layer) -> bool:
    """Whether a layer is a matrix of floats over another one, at each position alone."""
    if [t.source for t in layer.terms] != [source.name] or layer.bias_units is not None:
        return False
    (term,) = layer.terms
    plain = not (term.diagonal or term.via or term.padded) and term.taps == 1 and bool(term.scale)
    return plain and term.row_scale is None and term.limits is None


# --- hyperplanes


@dataclass(frozen=True)
class _Bends:
    """The hyperplanes along which features of a layer bend: as many as h, all different.

    `rows` (h, inputs) are normals. `sides` (outputs, 2 h) is what the features that are positive on
    one side, and on the other, weigh together in each output. `kinked` (h,): the output bends.
    """

    rows: Exact
    sides: Exact
    kinked: Array


def _bends(hidden: Layer, output: Layer) -> _Bends:
    n = hidden.terms[0].by_tap.shape[1]
    every = LayerValues(np.arange(n), (ONE,) * n, (ZERO,) * n)
    even = replace(hidden, activation=Activation("Abs"))
    found = refine(columns_of(even, {hidden.terms[0].source: every}), Symmetry.ABSOLUTE)
    turning = np.flatnonzero(found.entries > 0)  # the others are constant
    if not len(turning):
        return _Bends(zeros(0, n), zeros(output.width, 0), np.zeros(0, bool))
    _, first, label = np.unique(found.label[turning], return_index=True, return_inverse=True)
    owners = turning[first[label]]
    ratios = [found.lead.ratio(*p) for p in zip(turning.tolist(), owners.tolist(), strict=True)]
    sides = 2 * len(first)
    # a zero per side, so that none is empty
    place = np.concatenate([2 * label + [r < 0 for r in ratios], np.arange(sides)]).astype(np.int64)
    order = np.argsort(place, kind="stable")
    weights = output.terms[0].flat[:, turning].astype(np.float64)
    block = np.column_stack([weights, np.zeros((output.width, sides))])[:, order]
    sizes = [*(abs(r) for r in ratios), *[ONE] * sides]
    factors = [sizes[k] for k in order.tolist()]
    starts = np.searchsorted(place[order], np.arange(sides))
    kinked = (fold(block, factors, starts[::2]).mantissa != 0).any(axis=0)
    mantissa, exponent = integers(hidden.terms[0].flat[turning[first]].astype(np.float64))
    return _Bends(Exact(mantissa, exponent, (1,) * n), fold(block, factors, starts), kinked)


# --- the affine part


def _affine(bends: _Bends) -> int:
    """How many features the affine map beside the bends takes at least: what can be refuted.

    Equations hold in random directions of the inputs and outputs, modulo a prime: whatever they
    refute is refuted.
    """
    rows, sides = residues(bends.rows), residues(bends.sides)
    if rows is None or sides is None:
        return 0
    one, other = sides[:, ::2], sides[:, 1::2]
    outputs, kinks = len(sides), int(bends.kinked.sum())
    rng, count = np.random.default_rng(0), kinks + outputs + 3
    seen = multiply(rows, rng.integers(PRIME, size=(rows.shape[1], count)))
    mixed = rng.integers(PRIME, size=(count, outputs))
    bend, slope = multiply(mixed, (one + other) % PRIME), multiply(mixed, (one - other) % PRIME)
    linear = multiply((one - other) % PRIME, seen)
    _, independent = reduced(np.concatenate([seen[bends.kinked], linear]))
    unseen = len(independent) - min(kinks, int(rows.shape[1]))
    if unseen > 0:
        return 2 * unseen

    def refuted(seen: Array) -> bool:
        """Whether no choice of sides gives the linear map in these directions (hyperplanes, k)."""
        right = (slope * seen.T % PRIME).sum(axis=1) % PRIME
        return impossible((bend * seen.T % PRIME)[:, bends.kinked], right)

    if not refuted(seen):
        return 0
    some = np.flatnonzero(bends.kinked).tolist()
    return 2 if kinks <= _MOST_PAIRED and all(refuted(_along(seen, h)) for h in some) else 1


def _along(seen: Array, h: int) -> Array:
    """Directions along a hyperplane: the given ones less as much of the last as crosses it."""
    last = int(seen[h, -1])
    if not last:
        return np.zeros_like(seen)
    factors = seen[h] * pow(last, -1, PRIME) % PRIME
    moved: Array = (seen - seen[:, -1:] * factors) % PRIME
    return moved
