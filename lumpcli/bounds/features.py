"""From elements of tensors to features of layers: what is known of each at all positions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lumpcli.bounds.ladder import Bounds, Phases
from lumpcli.bounds.rounding import Array
from lumpcli.loader import Host


@dataclass(frozen=True)
class FeatureBounds:
    """Of what a layer's activation reads, per feature (n,): bounds over all positions.

    `phase` int8: 1 where it is never below 0 at any position, -1 where never above, 0 unknown.
    """

    lower: Array
    upper: Array
    phase: Array


def feature_bounds(host: Host, layer: str, phases: Phases) -> FeatureBounds:
    """Bounds of what the activation of a layer reads; infinite, and 0, where nothing is known.

    `layer` is its name, which is the tensor that its activation makes. Raises KeyError for a layer
    that the net does not have.
    """
    width = host.net[layer].width
    number = host.graph.producer.get(layer)
    names = [] if number is None else list(host.graph.proto.node[number].input)
    read = next((name for name in names if name in phases.tensors), None)
    axis = None if read is None else host.axes.get(read, ("", None))[1]
    if read is None or axis is None or phases.tensors[read].lower.shape[axis] != width:
        unknown = np.full(width, np.inf)
        return FeatureBounds(-unknown, unknown, np.zeros(width, np.int8))
    return _over_positions(phases.tensors[read], axis)


def _over_positions(bounds: Bounds, axis: int) -> FeatureBounds:
    lower, upper, phase = (
        np.moveaxis(array, axis, 0).reshape(array.shape[axis], -1)
        for array in (bounds.lower, bounds.upper, bounds.phase)
    )
    active, inactive = (phase == 1).all(axis=1), (phase == -1).all(axis=1)
    one = active.astype(np.int8) - inactive.astype(np.int8)
    return FeatureBounds(lower.min(axis=1), upper.max(axis=1), one)
