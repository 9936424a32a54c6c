"""What the user chose, the plan that follows, and its report: no file may grow."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Literal

from lumpcli.analysis import Grants
from lumpcli.errors import InternalError, UsageError
from lumpcli.exporter import Exported, export
from lumpcli.ir import Layer, Net
from lumpcli.loader import Host, why_stays
from lumpcli.measures import (
    constant_outputs,
    features,
    layer_changes,
    lower_bound,
    net_macs,
    rounding_bounds,
    why_unchanged,
)
from lumpcli.pipeline import Plan, plan
from lumpcli.promises import BoxFacts
from lumpcli.results import Change, Level, Result

_GROWS = "a constant is repeated, or has other users: cut, the file would grow"


def threads(jobs: int | None) -> int:
    """How many threads to work in; None: as many as there are cores to use.

    Raise UsageError for a number below 1.
    """
    if jobs is None:
        usable = getattr(os, "sched_getaffinity", None)  # a container may grant a part of them
        return len(usable(0)) if usable is not None else os.cpu_count() or 1
    if jobs < 1:
        raise UsageError(f"jobs must be at least 1, not {jobs}")
    return jobs


def chosen(net: Net, only: Sequence[str], exclude: Sequence[str]) -> Net:
    """The net with those layers pinned that the user does not want cut.

    Patterns are globs of layer or node names; UsageError for one that matches nothing.
    """
    for pattern in (*only, *exclude):
        if not any(_matches(layer, pattern) for layer in net.layers):
            raise UsageError(f"no layer matches {pattern!r}; `lumpcli stats` lists their names")
    reasons = {}
    for layer in net.layers:
        if any(_matches(layer, p) for p in exclude):
            reasons[layer.name] = "excluded by the user"
        elif only and layer.is_dense and not any(_matches(layer, p) for p in only):
            reasons[layer.name] = "not among the layers the user chose"
    return _pinned(net, reasons)


def _matches(layer: Layer, pattern: str) -> bool:
    return any(fnmatchcase(name, pattern) for name in (layer.name, *layer.nodes))


def _pinned(net: Net, reasons: dict[str, str]) -> Net:
    layers = (
        replace(layer, pinned=layer.pinned or reasons.get(layer.name)) for layer in net.layers
    )
    return replace(net, layers=tuple(layers))


def plan_export(
    host: Host,
    net: Net,
    grants: Grants,
    passes: Sequence[str] | None = None,
    *,
    jobs: int = 1,
    whole: bool = False,
) -> tuple[Plan, Exported]:
    """The plan for a net, and the model it gives: one whose constants take no more bytes.

    `jobs`: in how many threads layers may be processed; the result is the same for every number.
    `whole`: layers may leave the file as a whole.
    """
    stays = why_stays(host) if whole else None
    while True:
        done = plan(net, grants, passes, jobs, stays)
        exported = export(host, done.final)
        if not exported.grown:
            return done, exported
        # their columns grow by what is cut before them; only then their rows are to blame
        sources = {t.source for n in exported.grown for t in net[n].terms}
        free = [
            {n for n in blamed if net[n].pinned is None} for blamed in (sources, exported.grown)
        ]
        if not any(free):
            raise InternalError("the reduced model would be larger than the original")
        net = _pinned(net, dict.fromkeys(free[0] or free[1], _GROWS))


def _promise(
    level: Level, on_box: BoxFacts | None
) -> Literal["exact", "within rounding", "numerical"]:
    if on_box is not None and on_box.believed:
        return "numerical"
    return "within rounding" if level == "rounding" else "exact"


def report_of(
    label: str,
    level: Level,
    done: Plan,
    loose: Plan | None,
    changed: bool,
    host: Host,
    on_box: BoxFacts | None,
) -> Result:
    """The report of a plan; what depends on the written file is filled in later."""
    net, reduced = done.net, done.final
    after = features(net, reduced)
    more = 0 if loose is None else after - features(net, loose.final)
    are = "feature is" if more == 1 else "features are"
    last = done.stages[-1]
    before = done.total.rounded - last.rounding.rounded
    trail = None if on_box is None else [net for stage in done.stages for net in stage.trail]
    bounds = rounding_bounds(host, reduced, last.quotient, last.rounding, before, trail)
    return Result(
        source=label,
        output=None,
        changed=changed,
        level=level,
        layers=layer_changes(done.stages),
        features=Change(features(net), after),
        parameters=Change(0, 0),
        macs=Change(net_macs(net), net_macs(reduced)),
        file_bytes=Change(0, 0),
        folded=done.total.folded,
        rounded=done.total.rounded,
        steps=sum(stage.steps for stage in done.stages),
        promise=_promise(level, on_box),
        rounding=() if level == "rounding" else bounds,
        lower_bound=None if level == "rounding" or on_box else lower_bound(net, reduced),
        constant_outputs=constant_outputs(net, done.values),
        why_unchanged=None if changed else why_unchanged(net, done.quotient, host.notes),
        hint=f"{more} more {are} proportional within rounding: --level rounding"
        if more > 0
        else None,
        verdict=None,
        box=on_box,
        notes=host.notes,
    )
