"""Layers that are linear as a whole go: what reads them reads what they read, where that is less.

Two layers without a function between them become one; so does a layer of ReLUs that are known to
be never negative with those that read it: docs/theory.md section 8.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction

from lumpcli.analysis import Grants, Sweep, linear_slopes, values_of, why_not_combined
from lumpcli.ir import Fold, Layer, Linear, Net, apply_fold
from lumpcli.passes.base import Steps

_LARGEST = 1 << 27  # multiplications in one layer
_SHORTEST = 4  # bytes of a number: shorter ones would lose digits that others do not lose

Rival = Callable[[Net, Layer, Sweep], Linear | None]


def fold_steps(
    net: Net,
    grants: Grants,
    stays: Mapping[str, str],
    values: Sweep | None = None,
    rival: Rival | None = None,
) -> Steps[Fold]:
    """Steps on one layer after another.

    `stays` says why layers may not go, by name; `values` are those of the net, if known; `rival`
    is another way to make a layer smaller, which is left to it where it leaves fewer numbers.
    """
    steps = Steps[Fold](net, grants)
    for name in steps.places:
        net, layer = steps.net, steps.net[name]
        if (stays.get(name) or why_not_composed(net, layer)) is not None:
            continue
        values = values or values_of(net)
        step = propose(layer, values)
        if step is None or _is_beaten(net, layer, rival and rival(net, layer, values)):
            continue
        after, rounding = apply_fold(net, step)
        exactly = grants.level == "strict" or _is_coarse(net, layer)
        if (exactly and rounding.rounded) or rounding.overflow:
            continue
        steps.take(step, after, rounding)
        values = None
    return steps


def propose(layer: Layer, values: Sweep) -> Fold | None:
    """The step that folds a layer away; None where not all of its features are linear."""
    known = linear_slopes(layer, values[layer.name])
    slopes: list[Fraction] = [known[i] for i in range(layer.width) if i in known]
    return Fold(layer.name, tuple(slopes)) if len(slopes) == layer.width else None


def why_not_composed(net: Net, layer: Layer) -> str | None:
    """Why a layer's matrix and those of its readers may not become one."""
    reason = why_not_combined(net, layer)
    if reason is not None:
        return reason
    (own,), readers = layer.terms, net.readers[layer.name]
    terms = [reader.terms[index] for reader, index in readers]
    if not own.pointwise:
        if not all(term.pointwise for term in terms):
            return "both it and what reads it move positions"
        if any(a.operators[:1] != ("Conv",) for a in (layer, *(r for r, _ in readers))):
            return "what reads it would have to be another operator"
    if layer.bias is not None and layer.bias.any():
        if any(reader.bias_fixed for reader, _ in readers):
            return "what reads it has no place for its bias"
        if any(term.padded for term in terms):
            return "what reads it sees zeros, not its bias, around the image"
    if _numbers_folded(net, layer) >= _numbers(net, layer, layer.width):
        return "what reads it would be larger than both are now"
    if layer.width * _numbers_folded(net, layer) > _LARGEST:
        return "it is too large to be multiplied out exactly"
    return None


def _numbers(net: Net, layer: Layer, width: int) -> int:
    """How many numbers a layer and the matrices that read it hold, at another width."""
    read: int = sum(r.width * r.terms[k].taps for r, k in net.readers[layer.name])
    stored = (layer.bias is not None) + (layer.activation.slopes is not None)
    return width * (int(layer.terms[0].flat.shape[1]) + stored + read)


def _numbers_folded(net: Net, layer: Layer) -> int:
    """How many numbers the readers would hold instead, with biases that they get."""
    (own,) = layer.terms
    shifted = layer.bias is not None and bool(layer.bias.any())
    return sum(
        r.width * r.terms[k].taps * int(own.flat.shape[1])
        + (r.width if shifted and r.bias is None else 0)
        for r, k in net.readers[layer.name]
    )


def _is_beaten(net: Net, layer: Layer, step: Linear | None) -> bool:
    """Whether fewer numbers are left where a step makes the layer narrower."""
    if step is None:
        return False
    left = _numbers(net, layer, len(step.keep(layer.width)))
    return left < _numbers_folded(net, layer)


def _is_coarse(net: Net, layer: Layer) -> bool:
    """Whether products would be rounded to numbers that are shorter than those multiplied."""
    own = layer.terms[0].flat.dtype.itemsize
    read = [r.terms[k].flat.dtype.itemsize for r, k in net.readers[layer.name]]
    return min(read) < max(own, _SHORTEST)
