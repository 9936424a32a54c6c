"""A net without its redundancy on a box: what to reduce in place of the host's own."""

from __future__ import annotations

from dataclasses import dataclass, replace

from lumpcli.api.boxed import Granted, bounded, bounds_on
from lumpcli.bounds import Phases
from lumpcli.exporter import embed, export
from lumpcli.ir import Net
from lumpcli.loader import Host, load
from lumpcli.redundancy import Plan, Request, apply_plan, search


@dataclass(frozen=True)
class Replaced:
    """The plan, the net with its numbers, between bounds of its own, and what those are."""

    plan: Plan
    net: Net
    phases: Phases


def without_redundancy(
    host: Host, net: Net, granted: Granted, request: Request, jobs: int = 1
) -> Replaced:
    """The net with ReLUs replaced by 0 and lines, as far as all that is asked for is proved.

    `net` is the host's, perhaps with more layers pinned, which then stay. What is constant or
    linear in the new net is so for every input of the box, and is bounded afresh: reducing it is
    exact. Raises UsageError where `search` does.
    """
    own = replace(host, net=net)
    box, phases = bounds_on(own, replace(granted, semantics="real"), jobs)
    plan = search(own, box, request, phases=phases, seed=granted.seed)
    changed = apply_plan(net, plan)
    exported = export(host, changed)
    embed(exported)
    made = load(exported.model)
    _, fresh = bounds_on(made, granted, jobs)
    return Replaced(plan, bounded(made, changed, box, fresh), fresh)
