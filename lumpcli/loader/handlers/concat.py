"""Concat of layers along their feature axis: what reads it reads each part by a term of its own."""

from __future__ import annotations

from lumpcli.loader.trace import Trace, View, attributes_of


def concat(trace: Trace) -> str | None:
    """Concat along the feature axis; parts that are no layers become sources."""
    node = trace.node
    if not any(trace.parts(name) for name in node.input):
        return None
    axis = attributes_of(node)["axis"]
    if axis >= 0:
        ranks = {trace.rank(name) for name in (*node.input, *node.output)} - {None}
        if len(ranks) != 1:
            return "its rank is not known"
        axis -= ranks.pop() or 0
    found: list[View] = []
    for name in node.input:
        parts = trace.parts(name) or _source(trace, name, axis)
        if not parts or any(view.axis != axis for view in parts):
            return "it does not join features, or something of unknown width"
        found += parts
    trace.concats[node.output[0]] = tuple(found)
    return None


def _source(trace: Trace, name: str, axis: int) -> tuple[View, ...]:
    """A tensor that is no layer, as a source; empty when its width is not known."""
    shape = trace.shapes.get(name)
    width = shape[axis] if shape is not None and len(shape) >= -axis else None
    if not width or trace.constant(name) is not None:
        return ()
    return (View(trace.features(name, width, axis), axis),)
