"""The operands of a node that combines tensors element by element, as terms over features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np

from lumpcli.ir import Symmetry, Term
from lumpcli.loader.draft import Draft, View
from lumpcli.loader.handlers.numbers import table
from lumpcli.loader.trace import Trace

NOT_FOLLOWED = "it is combined with a tensor lumpcli does not follow, or of another shape"

Shape = Sequence[int | str | None]


def operands(trace: Trace, names: Sequence[str]) -> tuple[View, list[tuple[Draft, Term]]] | str:
    """Where the result's features lie, and a term for every operand; or why not.

    At least one operand holds features; the others hold as many along the same axis, or broadcast.
    """
    views = [trace.view(name) for name in names]
    lies = {view.axis for view in views if view is not None and len(view.axes) == 1}
    if len(lies) == 1:  # then those along several axes are needed along this one
        (axis,) = lies
        views = [
            view if view is None else trace.along(name, axis) or view
            for name, view in zip(names, views, strict=True)
        ]
    known = [view for view in views if view is not None]
    if not known:
        return NOT_FOLLOWED
    widest = max(known, key=lambda view: view.layer.width)
    if any(view.axes != widest.axes for view in known):
        return NOT_FOLLOWED
    if len(widest.axes) > 1:
        return _spread(trace, views, names)
    pairs = list(zip(names, views, strict=True))
    for name, view in pairs:  # before anything is made of a node that is not understood
        size = _size(trace, name, view, widest.axis)
        if size not in (1, widest.layer.width):
            return size if isinstance(size, str) else NOT_FOLLOWED
    return widest, [_operand(trace, name, view, widest) for name, view in pairs]


def _spread(
    trace: Trace, views: Sequence[View | None], names: Sequence[str]
) -> tuple[View, list[tuple[Draft, Term]]] | str:
    """Operands whose features lie along several axes: all alike."""
    first = views[0]
    terms = []
    for view, name in zip(views, names, strict=True):
        if first is None or view is None or first.split is None or view.split is None:
            return NOT_FOLLOWED
        if view.split.sizes != first.split.sizes or broadcast(trace, name, first.axes):
            return NOT_FOLLOWED
        if view.split is not first.split:
            view.split.partners.append(first.split)
            first.split.partners.append(view.split)
            for split, other in ((view.split, first.split), (first.split, view.split)):
                if other.cut is not None:
                    split.decide(other.cut)
        terms.append((view.layer, Term("", None, diagonal=True)))
    assert first is not None
    return first, terms


def _size(trace: Trace, name: str, view: View | None, axis: int) -> int | str:
    """How many features an operand has; or why that is not known."""
    if view is not None:
        return view.layer.width
    stored = trace.numbers(name)
    if stored is None and (trace.constant(name) or name in trace.weights.overridable):
        return trace.why_no_numbers(name)
    shape = trace.shapes.get(name) if stored is None else list(stored.array.shape)
    if shape is None:
        return NOT_FOLLOWED
    size = shape[axis] if len(shape) >= -axis else 1
    return size if isinstance(size, int) else NOT_FOLLOWED


def _operand(trace: Trace, name: str, view: View | None, widest: View) -> tuple[Draft, Term]:
    axis, width = widest.axis, widest.layer.width
    stored = trace.numbers(name)
    if view is not None:
        layer = view.layer
    elif stored is not None:
        layer = table(trace, name, stored, axis)
    elif len(trace.shapes[name]) < -axis:
        layer = trace.source(f"{name} (for all features)", 1, "not made by a layer")
    else:
        size = trace.shapes[name][axis]
        layer = trace.features(name, size if isinstance(size, int) else width, axis)
    via, image = broadcast(trace, name, widest.axes), trace.image(name)
    term = Term("", None, diagonal=True, via=via, image=image, hull=True)
    if layer.width < width:
        term = replace(term, select=np.zeros(width, np.int64), broadcast=True)
    return layer, term


def broadcast(trace: Trace, name: str, axes: Sequence[int]) -> str:
    """How an operand's positions are repeated in the result; "" where they are the result's own."""
    result = trace.shapes.get(trace.node.output[0])
    stored = trace.constant(name)
    shape = list(stored.array.shape) if stored is not None else trace.shapes.get(name)
    if shape is None or result is None:
        return f"broadcast to {trace.node.output[0]}"
    own, wanted = _positions(shape, axes), _positions(result, axes)
    own = [*[1] * (len(wanted) - len(own)), *own]
    return "" if own == wanted and None not in own else f"broadcast {own} to {wanted}"


def _positions(shape: Shape, axes: Sequence[int]) -> list[int | str | None]:
    skipped = {len(shape) + axis for axis in axes}
    return [size for place, size in enumerate(shape) if place not in skipped]


def signed(terms: Sequence[tuple[Draft, Term]], signs: Sequence[int]) -> list[tuple[Draft, Term]]:
    """Terms with signs."""
    return [
        (layer, replace(term, scale=Fraction(sign)))
        for (layer, term), sign in zip(terms, signs, strict=True)
    ]


# which ratio of all operands a function of several hands on
COMMON = {"Max": Symmetry.HOMOGENEOUS, "Min": Symmetry.HOMOGENEOUS, "Concat": Symmetry.LINEAR}


def join(trace: Trace, view: View, terms: Sequence[tuple[Draft, Term]], function: str) -> None:
    """A layer of `function(a_i, b_i, ...)`."""
    draft = trace.over(view, terms)
    draft.function = function
    draft.common = COMMON.get(function.split()[0], Symmetry.NONE)
