"""Constants beside a layer: one number, one per feature, or a table over positions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lumpcli.ir import Array, Term
from lumpcli.loader.draft import Draft, View
from lumpcli.loader.trace import Trace
from lumpcli.loader.weights import Stored


@dataclass(frozen=True)
class PerFeature:
    """A constant as one number per feature: `values` (width,), a view where it is stored so."""

    stored: Stored
    values: Array

    @property
    def is_scalar(self) -> bool:
        """Whether one stored number serves all features."""
        return self.stored.array.size == 1


def view_beside(trace: Trace, tensor: str, name: str) -> View | None:
    """A tensor's features as numbers beside them tell them apart.

    Where they lie along several axes, and a reader has said along which one they are cut: those
    along that one, if the numbers have that axis. What is left of many numbers may be one, so it
    does not matter how many they are.
    """
    view, stored = trace.view(tensor), trace.numbers(name)
    if view is None or view.split is None or len(view.axes) == 1 or stored is None:
        return view
    if view.split.cut is None or view.split.layer.tied is None:
        return view
    axis = view.axes[view.split.cut]
    return trace.along(tensor, axis) if stored.array.ndim >= -axis else view


def per_feature(trace: Trace, name: str, axis: int, width: int) -> PerFeature | str:
    """A constant read along a feature axis; the reason where it varies along another one."""
    stored = trace.numbers(name)
    if stored is None:
        return trace.why_no_numbers(name)
    array = stored.array
    if array.size == 1:
        return PerFeature(stored, np.broadcast_to(array.reshape(1), (width,)))
    if array.ndim < -axis or array.shape[axis] != width or array.size != width:
        return f"{name!r} of shape {list(array.shape)} is not one number per feature"
    return PerFeature(stored, array.reshape(width))


def table(trace: Trace, name: str, stored: Stored, axis: int) -> Draft:
    """A constant that varies over positions, as a layer: each position is a source feature of it.

    Without the feature axis it is one feature, which all read.
    """
    array = stored.array
    if array.ndim < -axis:
        array = array.reshape((1,) * (-axis - array.ndim) + array.shape)
    weight = np.moveaxis(array, axis, 0).reshape(array.shape[axis], -1)
    label = trace.own(f"{name} (constant, axis {axis})")
    found = next((d for d in trace.drafts if d.tensor == label), None)
    if found is None:
        source = trace.source(f"positions of {name}", weight.shape[1], "a constant")
        found = trace.layer(len(weight), [(source, Term("", weight))], axis, name=label)
        found.listed = False
    known = {(site.node, site.slot) for site in found.sites}
    for slot, read in enumerate(trace.node.input):
        if len(weight) > 1 and read == name and (trace.number, slot) not in known:
            trace.site(found, slot, "table", stored, axis=axis)
    return found
