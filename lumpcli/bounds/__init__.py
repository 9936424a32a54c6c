"""Sound bounds of what activations read, on a box of inputs."""

from lumpcli.bounds.features import FeatureBounds, feature_bounds
from lumpcli.bounds.ladder import RUNGS, Bounds, Phases, Semantics, ladder
from lumpcli.bounds.lowering import input_shapes, lower

__all__ = [
    "RUNGS",
    "Bounds",
    "FeatureBounds",
    "Phases",
    "Semantics",
    "feature_bounds",
    "input_shapes",
    "ladder",
    "lower",
]
