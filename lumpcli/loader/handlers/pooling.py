"""Operators that work on the positions of each feature alone: pools, pads, resizes, reductions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lumpcli.ir import Symmetry
from lumpcli.loader.draft import View
from lumpcli.loader.trace import Trace, attributes_of

_LINEAR, _POSITIVE, _MAGNITUDE, _ANY = (
    Symmetry.LINEAR,
    Symmetry.HOMOGENEOUS,
    Symmetry.ABSOLUTE,
    Symmetry.NONE,
)


def pool(trace: Trace) -> str | None:
    """MaxPool, AveragePool, LpPool."""
    node = trace.node
    attributes = attributes_of(node)
    view = channels(trace, len(attributes["kernel_shape"]) + 2)
    if not isinstance(view, View):
        return view
    if len(node.output) > 1 and node.output[1]:
        return "its indices are used"
    padding = any(attributes.get("pads", ())) or attributes.get("auto_pad", b"NOTSET") not in (
        b"NOTSET",
        b"VALID",
    )
    partial = bool(attributes.get("ceil_mode", 0))  # windows may lie outside the image
    symmetry, padded = _LINEAR, partial or (padding and attributes.get("count_include_pad", 0))
    if node.op_type == "MaxPool":
        symmetry, padded = _POSITIVE, partial
    elif node.op_type == "LpPool":
        symmetry, padded = _MAGNITUDE, True
    hull = symmetry is not _MAGNITUDE
    trace.moved(view, view.axis, _key(trace, attributes), symmetry, bool(padded), hull)
    return None


def global_pool(trace: Trace) -> str | None:
    """GlobalAveragePool, GlobalMaxPool, GlobalLpPool."""
    view = channels(trace)
    if not isinstance(view, View):
        return view
    name = trace.node.op_type
    symmetry = {"GlobalMaxPool": _POSITIVE, "GlobalLpPool": _MAGNITUDE}.get(name, _LINEAR)
    key = _key(trace, attributes_of(trace.node))
    norm = name == "GlobalLpPool"
    trace.moved(view, view.axis, key, symmetry, norm, not norm)
    return None


def one_view(trace: Trace) -> View | str | None:
    """The features of the node's first input along one axis; None without any.

    Of features along several axes, those along the axis of channels.
    """
    name = trace.node.input[0]
    view, rank = trace.view(name), trace.rank(name)
    if view is None or len(view.axes) == 1:
        return view
    here = None if rank is None else trace.along(name, 1 - rank)
    return here or "its features lie along several axes"


def channels(trace: Trace, rank: int | None = None) -> View | str | None:
    """The features along axis 1 of the node's first input; None when it holds none."""
    name = trace.node.input[0]
    if trace.view(name) is None:
        return None
    rank = rank or trace.rank(name)
    if rank is None:
        return "its rank is not known"
    return trace.along(name, 1 - rank) or "it acts along another axis than the features'"


_REDUCTIONS = {
    "ReduceMean": (_LINEAR, False),
    "ReduceSum": (_LINEAR, True),
    "ReduceMax": (_POSITIVE, False),
    "ReduceMin": (_POSITIVE, False),
    "ReduceL1": (_MAGNITUDE, True),
    "ReduceL2": (_MAGNITUDE, True),
}


def reduce_positions(trace: Trace) -> str | None:
    """ReduceMean and its like over positions; not over features."""
    node = trace.node
    name = node.input[0]
    view = trace.view(name)
    if view is None:
        return None
    attributes = attributes_of(node)
    axes = attributes.pop("axes", None)
    if axes is None and len(node.input) > 1 and node.input[1]:
        axes = trace.integers(node.input[1])
        if axes is None:
            return "its axes are not constant"
    if not axes and attributes.get("noop_with_empty_axes", 0):
        trace.alias(name)
        return None
    if not axes:
        return "it reduces over the features"
    rank = trace.rank(name)
    if rank is None and max(axes) < 0:
        rank = -min(*axes, *view.axes)  # counted from the end, the other axes do not matter
    if rank is None:
        return "its rank is not known"
    gone = {int(a) % rank for a in axes}
    here = _beside(trace, view, [a - rank for a in gone])
    if here is None or rank + here.axis in gone:
        return "it reduces over the features"
    keeps = attributes.get("keepdims", 1)
    axis = here.axis if keeps else -sum(a not in gone for a in range(rank + here.axis, rank))
    symmetry, padded = _REDUCTIONS.get(node.op_type, (_ANY, True))
    key = f"{node.op_type} {sorted(gone)} of {rank}, {keeps}, features {here.axis}"
    trace.moved(here, axis, key, symmetry, padded, hull=not padded)
    return None


def _beside(trace: Trace, view: View, axes: Sequence[int]) -> View | None:
    """The features along one axis, if they lie along several of which some are positions here."""
    if len(view.axes) == 1:
        return view
    left = [axis for axis in view.axes if axis not in axes]
    return trace.along(trace.node.input[0], left[0]) if len(left) == 1 else None


def along_positions(trace: Trace) -> str | None:
    """Softmax, CumSum and the like: a function along one axis, if that is not the features'."""
    node = trace.node
    view = one_view(trace)
    if not isinstance(view, View):
        return view
    rank = trace.rank(node.input[0])
    attributes = attributes_of(node)
    if node.op_type in _SOFTMAX and trace.opset < 13:
        return "it mixes the features"
    axis = attributes.get("axis", -1)
    if node.op_type == "CumSum":
        told = trace.integers(node.input[1])
        if told is None:
            return "its axis is not constant"
        axis = attributes["axis"] = told[0]
    if rank is None or (axis if axis < 0 else axis - rank) == view.axis:
        return "it mixes the features"
    trace.moved(view, view.axis, _key(trace, attributes), _ANY, True, hull=False)
    return None


_SOFTMAX = ("Softmax", "LogSoftmax", "Hardmax")


def _key(trace: Trace, attributes: dict[str, Any]) -> str:
    """Equal for nodes that do the same to positions."""
    return f"{trace.node.op_type} {sorted(attributes.items())} opset {trace.opset}"
