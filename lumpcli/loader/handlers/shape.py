"""Operators that pass features on: Identity, Dropout, Cast, Transpose, Squeeze, Unsqueeze."""

from __future__ import annotations

from onnx import helper

from lumpcli.ir import Activation
from lumpcli.loader.axes import axis_after
from lumpcli.loader.draft import View
from lumpcli.loader.trace import Trace, attributes_of
from lumpcli.loader.weights import FLOATS, widens


def identity(trace: Trace) -> str | None:
    """The same tensor under another name."""
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
    to = attributes_of(trace.node)["to"]
    if trace.view(tensor) is None:
        return None
    if to in FLOATS and widens(trace.dtype(tensor), helper.tensor_dtype_to_np_dtype(to)):
        trace.alias(tensor)
        return None
    trace.activate(tensor, Activation("Cast", (to,)))
    return None


def transpose(trace: Trace) -> str | None:
    """Transpose: features lie along other axes; positions may change their order."""
    node = trace.node
    view = trace.view(node.input[0])
    if view is None:
        return None
    permutation = attributes_of(node).get("perm")
    rank = trace.rank(node.input[0]) if permutation is None else len(permutation)
    if rank is None:
        return "its rank is not known"
    order = [int(axis) for axis in permutation or reversed(range(rank))]
    axes = tuple(order.index(rank + axis) - rank for axis in view.axes)
    others = [axis for axis in order if axis - rank not in view.axes]
    if others != sorted(others):
        rest = sorted(others)
        key = f"transpose positions {[rest.index(axis) for axis in others]}"
        trace.moved(view, axes, key)
    else:
        trace.hold(View(view.layer, axes, view.split))
    return None


def squeeze(trace: Trace) -> str | None:
    """Squeeze and Unsqueeze of given axes, other than the features'."""
    node = trace.node
    name = node.input[0]
    view = trace.view(name)
    if view is None:
        return None
    rank = trace.rank(name)
    axes = attributes_of(node).get("axes")
    if axes is None and len(node.input) > 1:
        axes = trace.integers(node.input[1])
    if axes is None or rank is None:
        return "its axes are not known"
    told = [int(a) for a in axes]
    squeezes = node.op_type == "Squeeze"
    moved = [axis_after(squeezes, rank + axis, rank, told) for axis in view.axes]
    if None in moved:
        return "it acts on the feature axis"
    key = f"{node.op_type} {sorted(told)} of {rank} axes, features {view.axes}"
    trace.moved(view, [axis for axis in moved if axis is not None], key)
    return None
