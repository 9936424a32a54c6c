"""By how much rounding moves what a net computes on a box of inputs: docs/theory.md, section 6.

An interval analysis of the difference. It needs to know how large the numbers are, which what the
layers lie `between` tells; where it does not, their weights do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from lumpcli.analysis.deviation import CHOOSING, EXACT, deviations, function_of
from lumpcli.analysis.scales import magnified
from lumpcli.analysis.signs import granted, values_between
from lumpcli.ir import Array, Join, Layer, Net, Term, lipschitz

_FLOOR = 2.0**-900  # more than what underflows in one step
_UNIT = 2.0**-50  # several times what one operation loses


@dataclass(frozen=True)
class Stored:
    """A net after numbers of it were rounded, and by how much of itself each may be off, by layer.

    What its layers lie between is true of this net, not only of the one before.
    """

    net: Net
    errors: Mapping[str, float]


def drift(trail: Iterable[Stored]) -> dict[str, float]:
    """How far layers that are graph outputs are from those of the net before all rounding, by name.

    The nets follow one another, each the same function as the one before, but for its rounding.
    """
    total: dict[str, float] = {}
    for stored in trail:
        found = drifts(stored.net, stored.errors)
        for output in {output.layer for output in stored.net.outputs}:
            most = float(found[output].max(initial=0))
            total[output] = (total.get(output, 0.0) + most) * (1 + _UNIT)
    return total


@np.errstate(all="ignore")
def drifts(net: Net, errors: Mapping[str, float]) -> dict[str, Array]:
    """By layer, how far features (n,) are at most from where they were before numbers were rounded.

    That holds at every position, for inputs in the box that the layers are bounded on. Infinite:
    nothing is known. `errors` are as in `deviations`.
    """
    known = deviations(net, errors)
    sizes: dict[str, Array] = {}
    found: dict[str, Array] = {}
    for layer in net.layers:
        if known[layer.name] == EXACT:
            found[layer.name] = np.zeros(layer.width)
        elif known[layer.name].unbounded is not None:
            found[layer.name] = np.full(layer.width, np.inf)
        else:
            error = errors.get(layer.name, 0.0)
            found[layer.name] = _upwards(layer, _drift(layer, sizes, found, error))
        sizes[layer.name] = _size(layer, sizes)
    return found


def _upwards(layer: Layer, sums: Array) -> Array:
    """Sums of magnitudes, made larger by all that float64 may have lost of them."""
    columns = sum(1 if t.diagonal else int(t.flat.shape[1]) for t in layer.terms)
    up = sums * (1 + (columns + 16) * _UNIT) + _FLOOR
    return np.where(np.isnan(up), np.inf, up)


def _drift(
    layer: Layer, sizes: Mapping[str, Array], found: Mapping[str, Array], error: float
) -> Array:
    """Of one layer, given that of those before: |W| d + e (|W| (|x| + d) + |b|), stretched."""
    apart = [_read(layer, term, found[term.source]) for term in layer.terms]
    if not isinstance(layer, Join):
        total = np.sum(apart, axis=0) * (1 + error)
        if error:
            total = total + error * _applied_to(layer, sizes)
    elif function_of(layer) == "Mul":  # a b - a* b* = (a - a*) b + a* (b - b*)
        total, size = apart[0], _size_read(layer, layer.terms[0], sizes)
        for term, more in zip(layer.terms[1:], apart[1:], strict=True):
            other = _size_read(layer, term, sizes)
            total, size = total * other + (size + total) * more, size * other
    else:
        total = np.max(apart, axis=0)
    return np.asarray(total * (lipschitz(layer.activation) or np.inf))


def _read(layer: Layer, term: Term, of: Array) -> Array:
    """What is read of distances of a source's features (n_source,)."""
    if term.diagonal and term.via and not term.hull:  # it may sum over positions
        of = np.where(of == 0, 0.0, np.inf)
    read = magnified(term, of, layer.width)
    if term.moments is None:
        return read
    square = term.moments.variance.astype(np.float64) + float(term.moments.epsilon)
    return np.asarray(read / np.sqrt(square))


def _size_read(layer: Layer, term: Term, sizes: Mapping[str, Array]) -> Array:
    """What is read of magnitudes of a source's features."""
    of = sizes[term.source]
    read = _read(layer, term, of)
    if term.moments is None:
        return read
    mean = np.abs(term.moments.mean.astype(np.float64))
    return np.asarray(read + _read(layer, term, np.ones_like(of)) * mean)


def _applied_to(layer: Layer, sizes: Mapping[str, Array]) -> Array:
    """How large what a layer's function is applied to is at most, told by its weights."""
    read = [_size_read(layer, term, sizes) for term in layer.terms]
    if not isinstance(layer, Join):
        bias = layer.biases(np.arange(layer.width)) * float(layer.bias_scale)
        return np.asarray(np.sum([*read, np.abs(bias)], axis=0))
    if function_of(layer) == "Mul":
        return np.asarray(np.prod(read, axis=0))
    if function_of(layer) in CHOOSING:
        return np.asarray(np.max(read, axis=0))
    return np.full(layer.width, np.inf)


def _size(layer: Layer, sizes: Mapping[str, Array]) -> Array:
    """How large the features of a layer (n,) are at most."""
    low, high = granted(layer, *np.full((2, layer.width), np.inf) * [[-1], [1]])
    if layer.terms and not (np.isfinite(low) & np.isfinite(high)).all():
        most = _upwards(layer, _applied_to(layer, sizes))
        low, high = np.maximum(low, -most), np.minimum(high, most)
    low, high = values_between(layer, np.arange(layer.width), low, high)
    return np.maximum(np.abs(low), np.abs(high))
