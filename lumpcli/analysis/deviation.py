"""How far the rounding of folded weights moves what a net computes: docs/theory.md, section 6.

Relative to a layer's *scale*, what it would give if nothing cancelled, one number per layer
suffices: that of what it reads, and how much its own stored numbers are off.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from lumpcli.ir import Join, Layer, Net, Symmetry, Term, lipschitz

CHOOSING = ("Max", "Min", "Concat")  # joins whose values are values of an operand
_FREE = ("graph input", "a constant")  # sources that depend on nothing
_UP = 1 + 2.0**-50  # more than float64 loses in the few operations of one step


@dataclass(frozen=True)
class Deviation:
    """`|change| <= relative * scale` for every input, through `roundings` on the longest path.

    `unbounded` says why nothing is known; then `relative` is infinite.
    """

    relative: float = 0.0
    roundings: int = 0
    unbounded: str | None = None


EXACT = Deviation()


def deviations(net: Net, errors: Mapping[str, float]) -> dict[str, Deviation]:
    """How far each layer of a net is from that of the net before its numbers were rounded.

    `errors` says of layers by how much of itself a stored number may be off (`Rounding.inexact`);
    all other numbers are exact.
    """
    found: dict[str, Deviation] = {}
    exact = True
    for layer in net.layers:
        found[layer.name] = own = _of(layer, found, errors.get(layer.name, 0.0), exact)
        exact = exact and own == EXACT
    return found


def _of(layer: Layer, found: Mapping[str, Deviation], error: float, exact: bool) -> Deviation:
    """The deviation of one layer; `exact`: that of all layers before it is zero."""
    terms = [t for t in layer.terms if t.scale]
    reads = [found[t.source] for t in terms]
    for read in reads:
        if read.unbounded is not None:
            return read
    jumps = _jumps(layer, terms) if error or any(r != EXACT for r in reads) else None
    unseen = None if exact else _unseen(layer, terms)
    if unseen or jumps:
        return Deviation(math.inf, 0, unseen or jumps)
    if function_of(layer) == "Mul":
        relative, roundings = 0.0, sum(r.roundings for r in reads)
        for read in reads:
            relative = _compound(relative, read.relative)
    else:
        relative = max((r.relative for r in reads), default=0.0)
        roundings = max((r.roundings for r in reads), default=0)
    total = Deviation(_compound(relative, error), roundings + bool(error))
    if math.isfinite(total.relative):
        return total
    return Deviation(math.inf, 0, f"a number of {layer.name} may be all rounding")


def _compound(a: float, b: float) -> float:
    """`(1 + a) (1 + b) - 1`, rounded up."""
    return (a + b + a * b) * _UP if a and b else a + b


def _jumps(layer: Layer, terms: list[Term]) -> str | None:
    """Why a small change of what a layer reads need not make a small one."""
    if lipschitz(layer.activation) is None:
        return f"{layer.activation.name} of {layer.name} may turn a small change into a large one"
    if function_of(layer) not in ("", "Mul", *CHOOSING):
        return f"{function_of(layer)} {layer.name} is no product, maximum or minimum"
    if any(t.symmetry is Symmetry.NONE for t in terms):
        return f"{layer.name} mixes positions in a way that is not bounded"
    return None


def function_of(layer: Layer) -> str:
    """The operator of a join; "" of other layers."""
    return layer.function.split()[0] if isinstance(layer, Join) else ""


def _unseen(layer: Layer, terms: list[Term]) -> str | None:
    """Why a layer may depend on earlier ones in a way that the net does not say."""
    if not layer.terms and layer.pinned not in _FREE:
        return f"what {layer.name} depends on is not known"
    if any(t.steered for t in terms):
        return f"another tensor weighs or chooses the positions of {layer.name}"
    return None
