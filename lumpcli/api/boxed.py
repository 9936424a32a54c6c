"""A net on a box of inputs: what bounds say of its layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from lumpcli.bounds import Phases, Semantics, feature_bounds, input_shapes, ladder
from lumpcli.box import Box, read_box
from lumpcli.exporter import Guard
from lumpcli.ir import Array, Layer, Net
from lumpcli.loader import Host
from lumpcli.promises import BoxFacts
from lumpcli.redundancy import Request


@dataclass(frozen=True)
class Granted:
    """A box that inputs are granted to lie in, and how to bound the network on it.

    `box`, or entries as on the command line: `lo,hi`, `name=lo,hi`, an .npz or a .vnnlib file.
    `budget` are seconds after which bounding ends; without it the result is reproducible. `guard`:
    what the reduced model does with inputs outside, "clip" or "output" (None: nothing).
    `redundancy`: ReLUs that may be replaced though that changes outputs, within certified bounds.
    """

    box: Box | Sequence[str]
    semantics: Semantics = "real"
    budget: float | None = None
    seed: int = 0
    guard: Guard | None = None
    redundancy: Request | None = None

    def on(self, host: Host) -> Box:
        """The box for a model; UsageError where it does not fit its inputs."""
        shapes = input_shapes(host.graph)
        box = self.box if isinstance(self.box, Box) else read_box(self.box, shapes)
        box.matches(shapes)
        return box


def bounds_on(host: Host, granted: Granted, jobs: int) -> tuple[Box, Phases]:
    """The box, and what is known of what activations read there."""
    box = granted.on(host)
    found = ladder(
        host,
        box,
        seed=granted.seed,
        budget=granted.budget,
        semantics=granted.semantics,
        jobs=jobs,
    )
    return box, found


def facts_in(box: Box, phases: Phases, guard: Guard | None) -> BoxFacts:
    """What was found, for reports."""
    every = [b.phase.reshape(-1) for b in phases.tensors.values()]
    phase = np.concatenate(every) if every else np.zeros(0, np.int8)
    counts = {sign: int((phase == sign).sum()) for sign in (-1, 0, 1)}
    return BoxFacts(
        inputs=box.size,
        inactive=counts[-1],
        active=counts[1],
        unknown=counts[0],
        methods=phases.counts(),
        semantics=phases.semantics,
        unbounded=dict(phases.unbounded),
        guard=guard,
    )


def bounded(host: Host, net: Net, box: Box, phases: Phases) -> Net:
    """The host's net, its layers between the bounds found on a box."""
    return replace(net, layers=tuple(_bounded(host, a, box, phases) for a in net.layers))


def _bounded(host: Host, layer: Layer, box: Box, phases: Phases) -> Layer:
    if not layer.terms:
        return replace(layer, between=_input(host, layer, box))
    found = feature_bounds(host, layer.name, phases)
    if not (np.isfinite(found.lower) | np.isfinite(found.upper)).any():
        return layer
    low = np.where(found.phase == 1, np.maximum(found.lower, 0.0), found.lower)
    high = np.where(found.phase == -1, np.minimum(found.upper, 0.0), found.upper)
    return replace(layer, between=np.stack([low, high]))


def _input(host: Host, layer: Layer, box: Box) -> Array | None:
    """The ends of a graph input's features, over all positions; None for other tensors."""
    ranges = box.ranges.get(layer.name)
    axis = host.axes.get(layer.name, ("", None))[1]
    if ranges is None or axis is None or ranges[0].shape[axis] != layer.width:
        return None
    low, high = (np.moveaxis(end, axis, 0).reshape(layer.width, -1) for end in ranges)
    return np.stack([low.min(axis=1), high.max(axis=1)])
