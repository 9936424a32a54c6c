"""A plan as other numbers in the same network, which then computes what the plan says.

A ReLU that becomes a line stays a ReLU, of what is never negative: what is added to its bias is
taken away from the biases of what reads it. So nothing need be believed afterwards: on the box the
changed network is the one that the plan's bounds hold for, up to one rounding of each number that
changed, and an ordinary reduction on the box finds what is constant or linear in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np

from lumpcli.ir import Array, Layer, Net, round_fraction
from lumpcli.redundancy.plan import Plan, Verdict

Changes = Mapping[int, Verdict]  # of the features that are replaced


def apply_plan(net: Net, plan: Plan) -> Net:
    """The net that the plan was found for, with the numbers that the plan asks for."""
    changes = {
        name: {i: v for i, v in enumerate(verdicts) if v.changes}
        for name, verdicts in plan.layers.items()
    }
    return replace(net, layers=tuple(_changed(layer, changes) for layer in net.layers))


def _changed(layer: Layer, changes: Mapping[str, Changes]) -> Layer:
    own = changes.get(layer.name, {})
    read = [v for t in layer.terms for v in changes.get(t.source, {}).values() if v.shift]
    if not own and not read:
        return layer
    bias = _taken_back(layer, changes)
    for i, verdict in own.items():
        bias[i] = Fraction(verdict.slope) * bias[i] + _exact(verdict.offset, verdict.shift)
    terms = tuple(replace(t, weight=_scaled(t.weight, own)) if own else t for t in layer.terms)
    assert layer.bias is not None
    rounded = [round_fraction(value, layer.bias.dtype)[0] for value in bias]
    return replace(layer, terms=terms, bias=np.array(rounded, layer.bias.dtype))


def _scaled(weight: Array | None, own: Changes) -> Array:
    """Rows times their slopes, each number rounded once."""
    assert weight is not None
    result = np.array(weight)
    for i, verdict in own.items():
        if verdict.slope != 1:  # products of two float32 numbers are exact in float64
            result[i] = weight[i].astype(np.float64) * verdict.slope + 0.0
    return result


def _taken_back(layer: Layer, changes: Mapping[str, Changes]) -> list[Fraction]:
    """Biases (n,) without what shifted features that are read add to them."""
    assert layer.bias is not None
    bias = [Fraction(float(b)) for b in layer.bias]
    for term in layer.terms:
        for i, verdict in changes.get(term.source, {}).items():
            if verdict.shift:
                columns = term.by_tap[:, i].astype(np.float64).tolist()
                for row, numbers in enumerate(columns):
                    read = term.scale * _exact(*numbers)
                    bias[row] -= read * Fraction(verdict.shift)
    return bias


def _exact(*numbers: float) -> Fraction:
    """Their sum."""
    return sum(map(Fraction, numbers), Fraction(0))


def shifts_for(lowest: Sequence[float]) -> list[float]:
    """Powers of two that make numbers that are never below `lowest` positive; 0: they are."""
    return [float(2.0 ** np.ceil(np.log2(-low * 1.01))) if low < 0 else 0.0 for low in lowest]
