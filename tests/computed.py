"""What a net computes, exactly: over fractions.Fraction, with a value per feature and position.

Nothing here uses lumpcli's own arithmetic. What a term's `via` does to positions is anybody's
guess, so it is played by a rotation: by as many places as the key has letters, and one per tap.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from math import isqrt
from typing import Any

import numpy as np

from lumpcli.ir import Activation, Join, Layer, LayerCut, Moments, Net, Quotient, Symmetry, Term

POSITIONS = 3
Values = dict[str, Any]  # layer -> (features, positions) of fractions

ACTIVATIONS: dict[str, Callable[..., Fraction]] = {
    "Identity": lambda z: z,
    "Relu": lambda z: z if z > 0 else Fraction(0),
    "LeakyRelu": lambda z, slope: z if z > 0 else z * Fraction(slope),
    "Abs": lambda z: z if z > 0 else -z,
    "Sign": lambda z: Fraction((z > 0) - (z < 0)),
    "Clip": lambda z, low, high: min(max(z, Fraction(low)), Fraction(high)),
}


def _product(*operands: Fraction) -> Fraction:
    result = Fraction(1)
    for operand in operands:
        result *= operand
    return result


# of a position and the operands there
FUNCTIONS: dict[str, Callable[..., Fraction]] = {
    "Mul": lambda p, *x: _product(*x),
    "Max": lambda p, *x: max(x),
    "Min": lambda p, *x: min(x),
    "Concat": lambda p, *x: x[p % len(x)],
    "Where": lambda p, *x: x[0] * x[-1] + x[0],
}


def exactly(stored: Any) -> Any:
    """An array of fractions."""
    flat = [Fraction(float(v)) for v in np.asarray(stored).reshape(-1)]
    result = np.empty(len(flat), object)
    result[:] = flat
    return result.reshape(np.asarray(stored).shape)


def activate(activation: Activation, feature: int, z: Fraction) -> Fraction:
    """The value of an activation, from ONNX's definition."""
    if activation.slopes is not None:
        return z if z > 0 else z * Fraction(float(activation.slopes[feature]))
    return ACTIVATIONS[activation.name](z, *activation.attributes)


# --- what one term reads


def _shifted(x: Any, steps: int, padded: bool) -> Any:
    result = np.roll(x, -steps, axis=-1)
    if padded and steps:
        result[..., -steps:] = Fraction(0)
    return result


def _moved(term: Term, x: Any, tap: int) -> Any:
    """A row of values after `via`: shifted, or a function of two places that commutes as said."""
    if term.diagonal and not term.via:
        return x
    there = _shifted(x, len(term.via) + tap, term.padded)
    if term.symmetry is Symmetry.LINEAR:
        return there
    if term.symmetry is Symmetry.HOMOGENEOUS:
        return np.maximum(x, there)
    if term.symmetry is Symmetry.ABSOLUTE:
        return abs(x) + abs(there)
    assert term.symmetry is Symmetry.NONE
    if term.padded:
        return x * there + 1
    return np.where(x > there + 1, x, there)


def _normalised(moments: Moments, feature: int, x: Any) -> Any:
    square = Fraction(float(moments.variance[feature])) + moments.epsilon
    root = Fraction(isqrt(square.numerator), isqrt(square.denominator))
    assert root * root == square
    return (x - Fraction(float(moments.mean[feature]))) / root


def _read(term: Term, feature: int, values: Any) -> Any:
    """What a diagonal term adds to a feature."""
    total = np.full(POSITIONS, Fraction(0), object)
    if term.select is not None and term.select.ndim == 2:  # another feature at each position
        for position in range(POSITIONS):
            source = term.select[feature, position % term.select.shape[1]]
            total[position] = values[source][position]
        return total
    chosen = [feature] * term.taps if term.select is None else np.ravel(term.select[feature])
    chosen = np.broadcast_to(chosen, (max(len(chosen), term.taps),))
    for tap, source in enumerate(chosen.tolist()):
        if source < 0:
            continue
        x = _moved(term, values[source], tap if term.at is None else int(term.at[feature]))
        if term.moments is not None:
            x = _normalised(term.moments, feature, x)
        factor = term.scale
        if term.weight is not None:
            stored = exactly(term.weight[feature]).reshape(-1)
            stored = stored[tap if len(stored) > 1 else 0]
            factor = factor / stored if term.inverse else factor * stored
        total = total + factor * x
    return total


def _pre_activation(layer: Layer, rows: list[int], values: Values, whole: Values) -> Any:
    z = np.full((len(rows), POSITIONS), Fraction(0), object)
    for term in layer.terms:
        if term.diagonal:
            for k, i in enumerate(rows):
                z[k] += _read(term, i, values[term.source])
            continue
        weight = exactly(term.weight).reshape(layer.width, len(whole[term.source]), -1)
        for tap in range(weight.shape[2]):
            x = _shifted(whole[term.source], len(term.via) + tap, term.padded)
            z += term.scale * (weight[rows, :, tap] @ x)
    if layer.bias is not None:
        z += layer.bias_scale * exactly(layer.bias)[rows, None]
    return z


# --- whole nets


def evaluate(net: Net, inputs: Values, cuts: Mapping[str, LayerCut] | None = None) -> Values:
    """The values of every layer; with `cuts`, of the quotient in exact arithmetic.

    Then only kept features have values, and matrices read `ratio * x[carrier] + offset`.
    """
    cuts = cuts or {}
    values: Values = {}
    whole: Values = {}
    for layer in net.layers:
        cut = cuts.get(layer.name)
        rows = list(range(layer.width)) if cut is None else [int(i) for i in cut.keep]
        x = np.full((layer.width, POSITIONS), None, object)
        if not layer.terms:
            x[rows] = inputs[layer.name]
        elif isinstance(layer, Join):
            function = FUNCTIONS[layer.function.split()[0]]
            for i in rows:
                operands = [_read(t, i, values[t.source]) for t in layer.terms]
                x[i] = [
                    function(p, *column) for p, column in enumerate(zip(*operands, strict=True))
                ]
        else:
            z = _pre_activation(layer, rows, values, whole)
            for k, i in enumerate(rows):
                x[i] = [activate(layer.activation, i, v) for v in z[k]]
        values[layer.name] = x
        whole[layer.name] = x if cut is None else _expand(x, cut)
    return values


def _expand(x: Any, cut: LayerCut) -> Any:
    whole = np.empty_like(x)
    for i, carrier in enumerate(cut.carrier.tolist()):
        assert carrier < 0 or carrier in cut.keep
        whole[i] = cut.offset[i]
        if carrier >= 0:
            whole[i] += cut.ratio[i] * x[carrier]
    return whole


def points(net: Net, rng: np.random.Generator) -> Values:
    """A random rational value for every input and position."""
    return {
        layer.name: exactly(rng.integers(-40, 41, (layer.width, POSITIONS))) / Fraction(7)
        for layer in net.layers
        if not layer.terms
    }


def outputs(net: Net, values: Values) -> list[Any]:
    """The values of the graph's outputs."""
    return [values[o.layer] for o in net.outputs]


def same(left: Sequence[Any], right: Sequence[Any]) -> bool:
    """Whether all values are equal, as fractions."""
    return all(np.array_equal(a, b) for a, b in zip(left, right, strict=True))


def agree(net: Net, quotient: Quotient, rng: np.random.Generator, times: int = 3) -> bool:
    """Whether the quotient, in exact arithmetic, computes what the net does."""
    for _ in range(times):
        inputs = points(net, rng)
        cut = evaluate(net, inputs, quotient.cuts)
        if not same(outputs(net, evaluate(net, inputs)), outputs(net, cut)):
            return False
    return True
