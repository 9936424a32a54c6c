"""From elements of tensors to features of layers: what is known of each at all positions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lumpcli.bounds.activations import ELEMENTWISE
from lumpcli.bounds.ladder import Bounds, Phases
from lumpcli.bounds.rounding import Array
from lumpcli.loader import DEFAULT_DOMAINS, Host


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
    read = _read_by_activation(host, layer)
    axis = host.axes.get(read, ("", None))[1]
    bounds = phases.tensors.get(read)
    if bounds is None or axis is None or bounds.lower.shape[axis] != width:
        unknown = np.full(width, np.inf)
        return FeatureBounds(-unknown, unknown, np.zeros(width, np.int8))
    return _over_positions(bounds, axis)


def _read_by_activation(host: Host, layer: str) -> str:
    """The tensor that the activation reads which makes the layer's; "" where none makes it."""
    number = host.graph.producer.get(layer)
    if number is None:
        return ""
    node = host.graph.proto.node[number]
    known = node.domain in DEFAULT_DOMAINS and node.op_type in ELEMENTWISE
    return str(node.input[0]) if known else ""


def _over_positions(bounds: Bounds, axis: int) -> FeatureBounds:
    lower, upper, phase = (
        np.moveaxis(array, axis, 0).reshape(array.shape[axis], -1)
        for array in (bounds.lower, bounds.upper, bounds.phase)
    )
    active, inactive = (phase == 1).all(axis=1), (phase == -1).all(axis=1)
    one = active.astype(np.int8) - inactive.astype(np.int8)
    return FeatureBounds(lower.min(axis=1), upper.max(axis=1), one)
