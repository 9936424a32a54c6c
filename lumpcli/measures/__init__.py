"""Counting and describing: what is in a model, what a reduction changed, and why."""

from lumpcli.measures.bounds import lower_bound, rounding_bounds
from lumpcli.measures.changes import constant_outputs, layer_changes, why_unchanged
from lumpcli.measures.count import features, file_bytes, net_macs, parameters
from lumpcli.measures.measure import measure

__all__ = [
    "constant_outputs",
    "features",
    "file_bytes",
    "layer_changes",
    "lower_bound",
    "measure",
    "net_macs",
    "parameters",
    "rounding_bounds",
    "why_unchanged",
]
