"""From a net to its quotient: facts, then what the chosen passes propose, then one joint cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lumpcli.analysis import Grants, Liveness, Values, liveness_of, loosen, values_of
from lumpcli.errors import UsageError
from lumpcli.ir import Net, Quotient, Rounding, apply, compose, groups
from lumpcli.passes import PASSES


@dataclass(frozen=True)
class Plan:
    """A reduction thought through to the end: facts, quotient, and the net after it."""

    net: Net
    values: Values
    liveness: Liveness
    quotient: Quotient
    reduced: Net
    rounding: Rounding


def plan(net: Net, grants: Grants, passes: Sequence[str] | None = None) -> Plan:
    """What can be cut from a net. `passes` names what to cut (None: all), never what is known."""
    unknown = [p for p in passes or () if p not in PASSES]
    if unknown:
        raise UsageError(f"no pass is called {unknown[0]!r}; there are {', '.join(PASSES)}")
    values = values_of(net, loosen if grants.level == "rounding" else None)
    quotient = Quotient({})
    while True:
        liveness = liveness_of(net, values, quotient)
        claims = []
        # a later claim replaces an earlier one: what needs no carrier comes last
        for name in ("lumping", "unread", "constant"):
            if passes is None or name in passes:
                claims += PASSES[name]().propose(net, values, liveness, grants)
        needed = {name: liveness.needed[name] | liveness.carried[name] for name in liveness.needed}
        smaller = compose(net, claims, grants.level == "strict", needed, quotient)
        done = _widths(net, smaller) == _widths(net, quotient)
        quotient = smaller
        if done or not _kept_rows_matter(net, quotient):
            break
    reduced, rounding = apply(net, quotient)
    return Plan(net, values, liveness, quotient, reduced, rounding)


def _widths(net: Net, quotient: Quotient) -> list[int]:
    return [len(quotient.keep(layer)) for layer in net.layers]


def _kept_rows_matter(net: Net, quotient: Quotient) -> bool:
    """Whether rows may have gone that alone read something, so that it may go too.

    That takes layers that are cut together but whose rows differ, or that hand on constants for
    want of a bias.
    """
    if any(layer.is_dense and layer.bias_fixed for layer in net.layers):
        return bool(quotient.cuts)
    return any(
        sum(layer.is_dense for layer in group) > 1
        for group in groups(net)
        if any(layer.name in quotient.cuts for layer in group)
    )
