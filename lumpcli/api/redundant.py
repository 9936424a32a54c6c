"""Reductions on a box that change outputs by no more than a certified bound."""

from __future__ import annotations

from typing import Literal

from onnx import ModelProto

from lumpcli.api.boxed import Granted, bounds_on
from lumpcli.exporter import embed, export
from lumpcli.loader import Host
from lumpcli.promises import CertifiedBound, Redundancy
from lumpcli.redundancy import Plan, Request, apply_plan, search

_KEPT: dict[str, Literal["argmax", "argmin"]] = {"max": "argmax", "min": "argmin"}


def without_redundancy(
    host: Host, granted: Granted, request: Request, jobs: int
) -> tuple[ModelProto, Redundancy]:
    """The model with its redundant ReLUs replaced, and what is certified of that.

    It has the layers of the original, in their sizes: an exact reduction on the box makes it
    smaller. Raises UsageError where differences of networks are not followed.
    """
    box, phases = bounds_on(host, granted, jobs)
    found = search(host, box, request, phases=phases, seed=granted.seed)
    exported = export(host, apply_plan(host.net, found))
    embed(exported)
    return exported.model, _told(found)


def _told(found: Plan) -> Redundancy:
    bounds = [CertifiedBound(name, max(some, default=0.0)) for name, some in found.bounds.items()]
    return Redundancy(
        kinds=found.counts(),
        eps=found.request.eps,
        k=found.request.k,
        bounds=tuple(bounds),
        preserved=_KEPT[found.request.pick] if found.preserved else None,
        checks=found.checks,
        refused=found.refused,
    )
