"""How far rounding moves the outputs of a model at most, and how few features it needs at least."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from math import isfinite

from lumpcli.analysis import Deviation, Stored, deviations, drift, fewest
from lumpcli.ir import Net, Quotient, Rounding
from lumpcli.loader import Host, describe
from lumpcli.promises import LowerBound, RoundingBound

_STEPS = "numbers were rounded on the way, in steps that are not bounded together"
_FACTORS = "rows that take over others were rounded before they were compared"


def rounding_bounds(
    host: Host,
    reduced: Net,
    quotient: Quotient,
    rounding: Rounding,
    before: int = 0,
    trail: Sequence[Stored] | None = None,
) -> tuple[RoundingBound, ...]:
    """A bound for every graph output of a model, given what the last cut made of its net.

    `before` is how many numbers were rounded before that cut was looked for; `trail` are all nets
    in which numbers were rounded, on a box (None: there is no box). Where an output is not
    followed, there is a bound for each tensor it is made of, too.
    """
    names = [output.name for output in host.model.graph.output]
    if not rounding.rounded and not before:
        nothing = None if trail is None else 0.0
        return tuple(RoundingBound(name, 0.0, 0, None, nothing) for name in names)
    absolute = _absolute(reduced, trail or ())
    if before or quotient.merges:
        reason = _STEPS if before else _FACTORS
        return tuple(RoundingBound(name, None, 0, reason, absolute.get(name)) for name in names)
    found = deviations(reduced, rounding.inexact)
    followed = {output.tensor: found[output.layer] for output in reduced.outputs}
    bounds: dict[str, RoundingBound] = {}
    for name in names:
        if name in followed:
            bounds[name] = replace(_bound(name, followed[name]), absolute=absolute.get(name))
        else:
            bounds |= {b.tensor: b for b in _beyond(host, name, found)}
    return tuple(bounds.values())


def _absolute(reduced: Net, trail: Sequence[Stored]) -> dict[str, float]:
    """How far outputs that are followed move on the box, by name, where that is known."""
    moved = drift(trail)
    found = {o.tensor: moved[o.layer] for o in reduced.outputs if o.layer in moved}
    return {tensor: most for tensor, most in found.items() if isfinite(most)}


def _bound(name: str, deviation: Deviation) -> RoundingBound:
    if deviation.unbounded is not None:
        return RoundingBound(name, None, 0, deviation.unbounded)
    return RoundingBound(name, deviation.relative, deviation.roundings, None)


def _beyond(host: Host, name: str, found: Mapping[str, Deviation]) -> Iterator[RoundingBound]:
    """An output that is no layer, and the layers it is made of."""
    if name not in host.graph.producer:  # an input, or a constant
        yield RoundingBound(name, 0.0, 0, None)
        return
    node = host.model.graph.node[host.graph.producer[name]]
    yield RoundingBound(name, None, 0, f"{describe(node)} is not followed")
    for tensor in node.input:
        if tensor in host.axes:
            yield _bound(tensor, found[host.axes[tensor][0]])


def lower_bound(net: Net, reduced: Net) -> LowerBound | None:
    """How few features a net of one hidden layer needs at least, and has after a reduction.

    None for other nets, and where the reduced one has no hidden layer any more.
    """
    found = fewest(net)
    reached = 0 if found is None else reduced.width(found.layer)
    return LowerBound(found.layer, found.width, reached) if found and reached else None
