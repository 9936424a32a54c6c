"""Operators that pass features on: Identity, Dropout, Cast, Flatten, Reshape, (Un)Squeeze."""

from __future__ import annotations

import numpy as np
from onnx import helper

from lumpcli.ir import Activation
from lumpcli.loader.trace import Trace, View, attributes_of
from lumpcli.loader.weights import FLOATS, widens


def identity(trace: Trace) -> str | None:
    """The same tensor under another name."""
    if trace.parts(trace.node.input[0]):
        trace.alias(trace.node.input[0])
    return None


def dropout(trace: Trace) -> str | None:
    """Dropout at inference: the identity, unless training mode is on or its mask is used."""
    node = trace.node
    if len(node.output) > 1 and node.output[1] in trace.graph.uses:
        return "its mask is used"
    if len(node.input) > 2 and node.input[2]:
        mode = trace.constant(node.input[2])
        if mode is None or mode.array.any():
            return "it may be in training mode"
    if trace.opset < 7 and not attributes_of(node).get("is_test", 0):
        return "it may be in training mode"
    return identity(trace)


def cast(trace: Trace) -> str | None:
    """To a wider float: the same numbers. To anything else: a function of each."""
    tensor = trace.node.input[0]
    if tensor not in trace.views:
        return None
    to = attributes_of(trace.node)["to"]
    if to in FLOATS and widens(trace.dtype(tensor), helper.tensor_dtype_to_np_dtype(to)):
        trace.alias(tensor)
        return None
    trace.activate(tensor, Activation("Cast", (to,)))
    return None


def flatten(trace: Trace) -> str | None:
    """Flatten that leaves the last axis alone."""
    tensor = trace.node.input[0]
    view = trace.views.get(tensor)
    if view is None:
        return None
    rank = trace.rank(tensor)
    axis = attributes_of(trace.node).get("axis", 1)
    if rank is None or view.axis != -1 or axis not in (-1, rank - 1):
        return "it merges the features with other axes"
    if rank == 2:
        trace.alias(tensor)
    else:
        trace.moved(view, -1)
    return None


def reshape(trace: Trace) -> str | None:
    """Reshape to a constant shape that keeps the last axis, of features."""
    node = trace.node
    view = trace.views.get(node.input[0])
    if view is None:
        return None
    target = trace.constant(node.input[1]) if len(node.input) > 1 else None
    if target is None:
        return "its shape is computed"
    shape = [int(d) for d in target.array.reshape(-1)]
    rank = trace.rank(node.input[0])
    zeros_copy = not attributes_of(node).get("allowzero", 0)
    if view.axis != -1 or not _keeps_last(trace, shape, view.layer.width, rank, zeros_copy):
        return "it may merge or split the feature axis"
    layer = trace.moved(view, -1)
    if shape[-1] > 0:
        trace.site(layer, 1, "width", target, axis=len(shape) - 1)
    return None


def _keeps_last(
    trace: Trace, shape: list[int], width: int, rank: int | None, zeros_copy: bool
) -> bool:
    """Whether the result's last axis is the features', whatever the width becomes.

    Elements stay in order, so it is where the last axis is as long as before. An entry 0 copies the
    axis at its own place: fine unless that moves the features' axis, or another one to the end.
    """
    if not shape or (0 in shape and (rank is None or not zeros_copy)):
        return False
    last = len(shape) - 1
    copied = [place for place, entry in enumerate(shape) if entry == 0]
    keeps_place = rank is not None and last == rank - 1
    if rank is not None and rank - 1 in copied and not keeps_place:
        return False
    if shape[last] != -1:
        return shape[last] == width or (last in copied and keeps_place)
    if keeps_place and copied == list(range(last)):
        return True
    result = trace.shapes.get(trace.node.output[0])
    return result is not None and len(result) > 0 and result[-1] == width


def squeeze(trace: Trace) -> str | None:
    """Squeeze and Unsqueeze of axes other than the features'."""
    node = trace.node
    tensor = node.input[0]
    view = trace.views.get(tensor)
    if view is None:
        return None
    rank = trace.rank(tensor)
    axes = attributes_of(node).get("axes")
    if axes is None and len(node.input) > 1:
        stored = trace.constant(node.input[1])
        axes = None if stored is None else stored.array.reshape(-1).tolist()
    if axes is None or rank is None:
        return "its axes are not known"
    moved_to = _axis_after(node.op_type, view, rank, [int(a) for a in axes])
    if moved_to is None:
        return "it acts on the feature axis"
    trace.moved(view, moved_to)
    return None


def _axis_after(operator: str, view: View, rank: int, axes: list[int]) -> int | None:
    """Where the feature axis is afterwards, counted from the end."""
    if operator == "Squeeze":
        gone = {a % rank for a in axes}
        place = rank + view.axis
        if place in gone:
            return None
        return -sum(1 for a in range(place, rank) if a not in gone)
    total = rank + len(axes)
    new = {a % total for a in axes}
    old = [a for a in range(total) if a not in new]
    return int(np.array(old)[rank + view.axis]) - total
