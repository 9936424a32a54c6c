"""How few features one hidden layer can have that computes the same: docs/theory.md, section 7."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

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
    spread,
    zeros,
)

_MOST, _MOST_PAIRED = 256, 64  # kinks, for which the affine part is looked at, and how closely
_FIRST = 16  # outputs, that are looked at first
_OUTPUTS = 64  # mixtures of outputs, whose linear parts are looked at


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
    planes = _hyperplanes(hidden)
    weights = output.terms[0].flat[:, planes.features]
    kinked = _weigh(weights, planes.sizes, planes.label)
    kinks = int(kinked.sum())
    side, place = np.unique(2 * planes.label + planes.negative, return_inverse=True)
    met = side[_weigh(weights, planes.sizes, place)] // 2
    one_sided = len(np.unique(met)) == len(met) or hidden.activation.name == "Abs"
    if one_sided or kinks > _MOST:
        return Fewest(hidden.name, kinks, 0)
    return Fewest(hidden.name, kinks, _affine(hidden, planes, weights, kinked))


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
    floats = term.weight_type is not None and term.weight_type.kind != "i"
    return plain and floats and term.row_scale is None


# --- hyperplanes


@dataclass(frozen=True)
class _Planes:
    """The hyperplanes along which features of a layer bend; features that do not are left out.

    Feature `features[k]` is a function of `r (w x + b)`, where the hyperplane `label[k]` is that of
    its first feature, `owners[label[k]]`: `sizes[k]` is the magnitude of r, `negative[k]` its sign.
    """

    features: Array
    label: Array
    owners: Array
    sizes: list[Fraction]
    negative: Array


def _hyperplanes(hidden: Layer) -> _Planes:
    n = hidden.terms[0].by_tap.shape[1]
    every = LayerValues(np.arange(n), (ONE,) * n, (ZERO,) * n)
    even = replace(hidden, activation=Activation("Abs"))
    found = refine(columns_of(even, {hidden.terms[0].source: every}), Symmetry.ABSOLUTE)
    features = np.flatnonzero(found.entries > 0)
    _, first, label = np.unique(found.label[features], return_index=True, return_inverse=True)
    owners = features[first]
    pairs = zip(features.tolist(), owners[label].tolist(), strict=True)
    ratios = [found.lead.ratio(i, owner) for i, owner in pairs]
    negative = np.array([r < 0 for r in ratios], np.int64)
    return _Planes(features, label, owners, [abs(r) for r in ratios], negative)


def _sums(weights: Array, sizes: Sequence[Fraction], place: Array, places: int) -> Exact:
    """The columns of features (outputs, k), each times its size, added up by place (outputs, p)."""
    order = np.argsort(place, kind="stable")
    there, starts = np.unique(place[order], return_index=True)
    if not len(order):
        return zeros(len(weights), places)
    block = weights[:, order].astype(np.float64)
    return spread(fold(block, [sizes[k] for k in order.tolist()], starts), there, places)


def _weigh(weights: Array, sizes: Sequence[Fraction], place: Array) -> Array:
    """Which places (p,), numbered without a gap, weigh anything in some output.

    Few outputs tell for nearly all of them; the others are looked at in all outputs.
    """
    places = int(place.max(initial=-1)) + 1
    found = np.zeros(places, bool)
    for some in (weights[:_FIRST], weights):
        open_ = np.flatnonzero(~found[place])
        sums = _sums(some[:, open_], [sizes[k] for k in open_.tolist()], place[open_], places)
        found |= (sums.mantissa != 0).any(axis=0)
    return found


# --- the affine part


def _affine(hidden: Layer, planes: _Planes, weights: Array, kinked: Array) -> int:
    """How many features the affine map beside the bends takes at least: what can be refuted.

    Equations hold in random directions of the inputs and outputs, modulo a prime: whatever they
    refute is refuted.
    """
    normals = hidden.terms[0].flat[planes.owners].astype(np.float64)
    rows = residues(Exact(*integers(normals), (1,) * normals.shape[1]))
    sums = _sums(weights, planes.sizes, 2 * planes.label + planes.negative, 2 * len(kinked))
    sides = residues(sums)
    if rows is None or sides is None:
        return 0
    one, other = sides[:, ::2], sides[:, 1::2]
    kinks, outputs = int(kinked.sum()), min(len(sides), _OUTPUTS)
    rng, count = np.random.default_rng(0), kinks + outputs + 3
    seen = multiply(rows, rng.integers(PRIME, size=(rows.shape[1], count)))
    mixed = rng.integers(PRIME, size=(count, len(sides)))
    bend, slope = multiply(mixed, (one + other) % PRIME), multiply(mixed, (one - other) % PRIME)
    linear = multiply(slope[:outputs], seen)
    _, independent = reduced(np.concatenate([seen[kinked], linear]))
    unseen = len(independent) - min(kinks, int(rows.shape[1]))
    if unseen > 0:
        return 2 * unseen

    def refuted(seen: Array) -> bool:
        """Whether no choice of sides gives the linear map in these directions (hyperplanes, k)."""
        right = (slope * seen.T % PRIME).sum(axis=1) % PRIME
        return impossible((bend * seen.T % PRIME)[:, kinked], right)

    if not refuted(seen):
        return 0
    some = np.flatnonzero(kinked).tolist()
    return 2 if kinks <= _MOST_PAIRED and all(refuted(_along(seen, h)) for h in some) else 1


def _along(seen: Array, h: int) -> Array:
    """Directions along a hyperplane: the given ones less as much of the last as crosses it."""
    last = int(seen[h, -1])
    if not last:
        return np.zeros_like(seen)
    factors = seen[h] * pow(last, -1, PRIME) % PRIME
    moved: Array = (seen - seen[:, -1:] * factors) % PRIME
    return moved
