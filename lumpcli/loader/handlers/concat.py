"""Concat: of features, where every part's come one after the other, or of positions."""

from __future__ import annotations

import numpy as np

from lumpcli.ir import Term
from lumpcli.loader.draft import Draft, View
from lumpcli.loader.handlers.numbers import table
from lumpcli.loader.handlers.operands import join, operands
from lumpcli.loader.trace import Trace, attributes_of


def concat(trace: Trace) -> str | None:
    """Concat along the feature axis, or along another one; parts may be unknown or constant."""
    node = trace.node
    if not any(trace.view(name) is not None for name in node.input):
        return None
    axis = attributes_of(node)["axis"]
    if axis >= 0:
        ranks = {trace.rank(name) for name in (*node.input, *node.output)} - {None}
        if len(ranks) != 1:
            return "its rank is not known"
        axis -= ranks.pop() or 0
    if any(_lies_elsewhere(trace.view(name), axis) for name in node.input):
        return _positions(trace, axis)
    parts = [_part(trace, name, axis) for name in node.input]
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return "it joins features with something of unknown width"
    width = sum(part.width for part in known)
    terms, begin = [], 0
    for part in known:
        select = np.full(width, -1)
        select[begin : begin + part.width] = np.arange(part.width)
        terms.append((part, Term("", None, diagonal=True, select=select)))
        begin += part.width
    trace.layer(width, terms, axis)
    return None


def _lies_elsewhere(view: View | None, axis: int) -> bool:
    return view is not None and axis not in view.axes


def _part(trace: Trace, name: str, axis: int) -> Draft | None:
    """The features of one part; a source for what is no layer; None when the width is not known."""
    view = trace.along(name, axis)
    if view is not None:
        return view.layer
    stored = trace.numbers(name)
    if stored is not None and stored.array.ndim >= -axis:
        return table(trace, name, stored, axis)
    shape = trace.shapes.get(name)
    width = shape[axis] if shape is not None and len(shape) >= -axis else None
    if not isinstance(width, int) or width < 1 or trace.constant(name) is not None:
        return None
    return trace.features(name, width, axis)


def _positions(trace: Trace, axis: int) -> str | None:
    """Parts with the same features at positions that come one after the other."""
    found = operands(trace, trace.node.input)
    if isinstance(found, str):
        return found
    view, terms = found
    if any(term.broadcast for _, term in terms):
        return "its parts do not have the same features"
    join(trace, view, terms, f"Concat along axis {axis}")
    return None
