"""From a net to its quotient: facts, then what the chosen passes propose, then one joint cut.

Layers that are linear are folded away after that, and what other linear features leave is made up
for, layer by layer; then all of it once more, until nothing goes any more.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf

from lumpcli.analysis import (
    Grants,
    Liveness,
    Stored,
    Sweep,
    liveness_of,
    loosen,
    sums_of_products,
    values_of,
    why_not_combined,
    zeros_stand,
)
from lumpcli.errors import UsageError
from lumpcli.ir import Fold, Linear, Net, Quotient, Rounding, apply, compose, groups
from lumpcli.passes import (
    FOLD,
    LINEAR,
    PASSES,
    Rewriting,
    Round,
    Steps,
    fold_steps,
    linear_steps,
    merge_factors,
    propose,
)

_NAMES = (*PASSES, LINEAR, FOLD)


@dataclass(frozen=True)
class Plan:
    """A reduction thought through to the end: facts, quotient, and the net after it.

    `known` are the facts the cut rests on, those of the net after `rounds` of rows taking over
    others; `fixed` are the layers whose biases turned out to be unable to take more. `folds`, then
    `linear` are the steps taken on `reduced`, and `after` is the plan of what they left. `trail`
    are the nets of this stage, one after another, in which numbers were rounded.
    """

    net: Net
    values: Sweep
    liveness: Liveness
    quotient: Quotient
    reduced: Net
    rounding: Rounding
    known: Sweep
    rounds: tuple[Round, ...] = ()
    fixed: frozenset[str] = frozenset()
    folds: tuple[Fold, ...] = ()
    linear: tuple[Linear, ...] = ()
    after: Plan | None = None
    trail: tuple[Stored, ...] = ()

    @property
    def stages(self) -> tuple[Plan, ...]:
        """This plan, and those of what its steps left."""
        return (self,) if self.after is None else (self, *self.after.stages)

    @property
    def steps(self) -> int:
        """How many nets this stage makes one from another."""
        cut = bool(self.quotient.cuts or self.quotient.merges)
        return cut + len(self.folds) + len(self.linear)

    @property
    def final(self) -> Net:
        """The net in the end."""
        return self.stages[-1].reduced

    @property
    def total(self) -> Rounding:
        """What is rounded over all stages."""
        return sum((stage.rounding for stage in self.stages), start=Rounding())


def plan(
    net: Net,
    grants: Grants,
    passes: Sequence[str] | None = None,
    jobs: int = 1,
    stays: Mapping[str, str] | None = None,
) -> Plan:
    """What can be cut from a net. `passes` names what to cut (None: all), never what is known.

    `jobs`: how many threads may fold columns. `stays`: why layers may not be folded away, by name;
    without it none are. UsageError for a pass that there is not.
    """
    unknown = [p for p in passes or () if p not in _NAMES]
    if unknown:
        raise UsageError(f"no pass is called {unknown[0]!r}; there are {', '.join(_NAMES)}")
    chosen = _NAMES if passes is None else tuple(passes)
    return _in_stages(net, grants, chosen, jobs, stays, net)


def _in_stages(
    net: Net,
    grants: Grants,
    chosen: Sequence[str],
    jobs: int,
    stays: Mapping[str, str] | None,
    original: Net,
) -> Plan:
    """A cut, steps on what it leaves, and all of it once more until there are no steps."""
    done = _cut(net, grants, chosen, jobs)
    folding = FOLD in chosen and stays is not None
    left = grants.renewed(done.reduced, done.rounding)
    if done.rounding.rounded:
        errors = done.rounding.inexact
        if done.quotient.merges:  # what was compared were rows that had been rounded already
            errors = dict.fromkeys(errors, inf)
        done = replace(done, trail=(Stored(left, errors),))
    values = _values_for_steps(left) if folding or LINEAR in chosen else None
    if values is None:
        return done
    folds = Steps[Fold](left, grants)
    if folding:
        rival = propose if LINEAR in chosen else None
        folds = fold_steps(left, grants, stays or {}, values, rival)
    linear = Steps[Linear](folds.net, grants)
    if LINEAR in chosen:
        linear = linear_steps(folds.net, grants, None if folds.taken else values, original)
    if not folds.taken and not linear.taken:
        return done
    # what lies within stored precision of rounded weights need not do so of the original ones
    exact = replace(grants, level="exact") if grants.level == "rounding" else grants
    return replace(
        done,
        folds=folds.taken,
        linear=linear.taken,
        after=_in_stages(linear.net, exact, chosen, jobs, stays, original),
        rounding=done.rounding + folds.rounding + linear.rounding,
        trail=done.trail + folds.trail + linear.trail,
    )


def _values_for_steps(net: Net) -> Sweep | None:
    """What is known of a net, for steps on linear features; None where there can be none."""
    free = any(a.is_dense and why_not_combined(net, a) is None for a in net.layers)
    return values_of(net) if free else None


def _cut(net: Net, grants: Grants, chosen: Sequence[str], jobs: int) -> Plan:
    """One joint cut of what facts allow."""
    loose = loosen if grants.level == "rounding" else None
    values = values_of(net, loose)
    exact = values
    rewrites = "lumping" in chosen and bool(sums_of_products(net))
    if loose is not None and rewrites:
        exact = values_of(net)
    refused: set[str] = set()
    while True:
        rewriting = Rewriting(net)
        if rewrites:
            zeros = "constant" in chosen
            rewriting = merge_factors(net, exact, grants.level == "strict", zeros, refused)
        done = _plan(net, values, rewriting, grants, chosen, jobs)
        useless = rewriting.useless(done.quotient, done.rounding)
        if not useless:
            return done
        refused |= useless


def _plan(
    net: Net,
    known: Sweep,
    rewriting: Rewriting,
    grants: Grants,
    passes: Sequence[str],
    jobs: int,
) -> Plan:
    """What can be cut from a net that may have been rewritten."""
    values = known
    if rewriting.made:
        values = values_of(rewriting.net, loosen if grants.level == "rounding" else None)
    quotient = Quotient({})
    planned = rewriting.net
    declined: dict[str, str] = {}
    zeros = False
    while True:
        liveness = liveness_of(planned, values, quotient, zeros)
        claims = []
        # a later claim replaces an earlier one: what needs no carrier comes last
        for name in ("lumping", "unread", "constant"):
            if name in passes:
                claims += PASSES[name]().propose(planned, values, liveness, grants)
        claims += rewriting.claims(values)
        needed = {name: liveness.needed[name] | liveness.carried[name] for name in liveness.needed}
        strict = grants.level == "strict"
        smaller, reduced, rounding = compose(planned, claims, strict, needed, quotient, jobs)
        if smaller.fixed or smaller.whole - declined.keys():
            # what cannot be moved into readers has to be right where it is: more is needed
            declined |= {name: smaller.declined[name] for name in smaller.whole}
            planned, quotient = _restricted(planned, smaller.fixed, declined), Quotient({})
            continue
        if not zeros and zeros_stand(planned, values, smaller):
            zeros = not liveness.covers(liveness_of(planned, values, smaller, zeros=True))
            if zeros:  # what keeps them at 0 has gone, and has to stay
                quotient = Quotient({})
                continue
        done = _widths(planned, smaller) == _widths(planned, quotient)
        quotient = smaller
        if done or not _kept_rows_matter(planned, quotient):
            break
    told = {**quotient.declined, **declined}
    quotient = replace(quotient, declined=told, merges=rewriting.merges)
    if rewriting.made:
        reduced, rounding = apply(net, quotient, jobs)
    elif planned is not net:
        reduced = _unrestricted(reduced, net)
    fixed = frozenset[str]()
    if not rewriting.made:
        fixed = frozenset(
            a.name for a in planned.layers if a.bias_fixed and not net[a.name].bias_fixed
        )
    rounds = rewriting.rounds
    return Plan(net, known, liveness, quotient, reduced, rounding, values, rounds, fixed)


def _restricted(net: Net, fixed: Collection[str], whole: Mapping[str, str]) -> Net:
    """The net with layers whose biases cannot take anything more, and layers not to be cut."""
    layers = (
        replace(
            layer,
            bias_fixed=layer.bias_fixed or layer.name in fixed,
            pinned=layer.pinned or whole.get(layer.name),
        )
        for layer in net.layers
    )
    return replace(net, layers=tuple(layers))


def _unrestricted(reduced: Net, net: Net) -> Net:
    """A reduced net whose layers say again what they said of pins and biases at first."""
    layers = (
        replace(layer, bias_fixed=net[layer.name].bias_fixed, pinned=net[layer.name].pinned)
        for layer in reduced.layers
    )
    return replace(reduced, layers=tuple(layers))


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
        sum(layer.is_dense for layer in group.layers) > 1
        for group in groups(net)
        if any(layer.name in quotient.cuts for layer in group.layers)
    )
