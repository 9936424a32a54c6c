"""What bounds on a box say of the layers of a net."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lumpcli.bounds.features import feature_bounds
from lumpcli.bounds.ladder import Phases
from lumpcli.bounds.rounding import Array
from lumpcli.box import Box
from lumpcli.ir import Layer, Net
from lumpcli.loader import Host


def bounded(host: Host, net: Net, box: Box, phases: Phases) -> Net:
    """The host's net, its layers between the bounds found on a box."""
    return replace(net, layers=tuple(_bounded(host, a, box, phases) for a in net.layers))


def _bounded(host: Host, layer: Layer, box: Box, phases: Phases) -> Layer:
    if not layer.terms:
        return replace(layer, between=_source(host, layer, box, phases))
    found = feature_bounds(host, layer.name, phases)
    if not (np.isfinite(found.lower) | np.isfinite(found.upper)).any():
        return layer
    low = np.where(found.phase == 1, np.maximum(found.lower, 0.0), found.lower)
    high = np.where(found.phase == -1, np.minimum(found.upper, 0.0), found.upper)
    return replace(layer, between=np.stack([low, high]))


def _source(host: Host, layer: Layer, box: Box, phases: Phases) -> Array | None:
    """The ends of features that no layer makes, over all positions; None where there are none."""
    ranges = box.ranges.get(layer.name, phases.ends.get(layer.name))
    axis = host.axes.get(layer.name, ("", None))[1]
    if ranges is None or axis is None or ranges[0].shape[axis] != layer.width:
        return None
    low, high = (np.moveaxis(end, axis, 0).reshape(layer.width, -1) for end in ranges)
    return np.stack([low.min(axis=1), high.max(axis=1)])
