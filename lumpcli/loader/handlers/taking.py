"""Split, Slice, Gather: some of the features, or of the positions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lumpcli.ir import Term
from lumpcli.loader.draft import Draft, DraftSite, View
from lumpcli.loader.handlers.limits import slice_limits
from lumpcli.loader.site import Measure
from lumpcli.loader.trace import Trace, attributes_of
from lumpcli.loader.weights import Stored


def _take(trace: Trace, view: View, chosen: Sequence[int], output: int = 0) -> Draft:
    """A layer of some of the features of another."""
    select = np.array(chosen, np.int64)
    term = Term("", None, diagonal=True, select=select)
    node = trace.node
    name = "" if node.output[output] else trace.own(f"{node.input[0]} (part {output})")
    return trace.layer(len(select), [(view.layer, term)], view.axis, output=output, name=name)


def split(trace: Trace) -> str | None:
    """Split of features into ranges, or of positions."""
    node = trace.node
    name = node.input[0]
    view = trace.view(name)
    if view is None:
        return None
    rank = trace.rank(name)
    if rank is None:
        return "its rank is not known"
    attributes = attributes_of(node)
    axis = attributes.get("axis", 0) % rank - rank
    parts = len(node.output)
    stored = trace.constant(node.input[1]) if len(node.input) > 1 and node.input[1] else None
    told = attributes.get("split") if stored is None else stored.array.reshape(-1).tolist()
    if told is None and len(node.input) > 1 and node.input[1]:
        return "its sizes are not constant"
    here = trace.along(name, axis)
    if here is None:
        return _split_positions(trace, view, axis, told)
    width = here.layer.width
    if told is None:
        return _split_evenly(trace, here, parts)
    if len(told) != parts or sum(told) != width or min(told) < 1:
        return "its sizes do not fit"
    ends = np.cumsum(told).tolist()
    drafts = [
        _take(trace, here, range(end - size, end), output)
        for output, (end, size) in enumerate(zip(ends, told, strict=True))
    ]
    extents = tuple((k, draft, _WIDTH, 1) for k, draft in enumerate(drafts))
    if stored is None:
        stored = Stored("split", np.array(told, np.int64), "", np.dtype(np.int64))
        site = DraftSite(trace.number, -1, "extent", stored, attribute="split", extents=extents)
    else:
        site = DraftSite(trace.number, 1, "extent", stored, extents=extents)
    drafts[0].sites.append(site)
    return None


_WIDTH: Measure = "width"
_FIRST: Measure = "first"
_STOP: Measure = "stop"


def _split_evenly(trace: Trace, view: View, parts: int) -> str | None:
    """Parts of one size, which is not written anywhere: as many stay in each."""
    width = view.layer.width
    if width % parts:
        return "its parts are not of one size"
    size = width // parts
    term = Term("", None, diagonal=True)
    name = f"{trace.node.input[0]} (in {parts} parts)"
    if any(draft.tensor == name for draft in trace.drafts):
        name = f"{name} for {trace.node.output[0]}"
    tied = trace.layer(width, [(view.layer, term)], view.axis, name=trace.own(name))
    tied.parts = parts
    for output in range(parts):
        _take(trace, View(tied, view.axes), range(output * size, (output + 1) * size), output)
    return None


def _split_positions(trace: Trace, view: View, axis: int, told: Sequence[int] | None) -> str | None:
    if len(view.axes) > 1:
        return "its features lie along several axes"
    parts = len(trace.node.output)
    shape = trace.shapes.get(trace.node.input[0])
    for output, name in enumerate(trace.node.output):
        if not name:
            continue
        size = shape[axis] if shape is not None else None
        key = f"Split axis {axis} of {size}, {told}, part {output} of {parts}, {view.axis}"
        term = Term("", None, diagonal=True, via=key, hull=True)
        trace.layer(view.layer.width, [(view.layer, term)], view.axis, output=output)
    return None


def slice_(trace: Trace) -> str | None:
    """Slice of a range of features, and of positions."""
    node = trace.node
    name = node.input[0]
    view = trace.view(name)
    if view is None:
        return None
    limits = slice_limits(trace)
    rank = trace.rank(name)
    if isinstance(limits, str) or rank is None:
        return limits if isinstance(limits, str) else "its rank is not known"
    starts, ends, axes, steps = limits
    axes = [a % rank - rank for a in axes]
    if not set(axes) & set(view.axes):
        if len(view.axes) > 1:
            return "its features lie along several axes"
        key = f"Slice {starts} {ends} {axes} {steps} of {rank}, features {view.axis}"
        trace.moved(view, view.axis, key)
        return None
    if len(axes) > 1 or len(set(axes)) < len(axes):
        return "it takes some of the features, and of the positions"
    here = trace.along(name, axes[0])
    if here is None or steps[0] != 1:
        return "it takes every other feature"
    chosen = range(here.layer.width)[starts[0] : ends[0]]
    if not chosen:
        return "it takes no feature"
    draft = _take(trace, here, chosen)
    for place, measure in ((0, _FIRST), (1, _STOP)):
        _limit_site(trace, draft, place, measure, limits[place][0])
    return None


def _limit_site(trace: Trace, draft: Draft, place: int, measure: Measure, limit: int) -> None:
    """Where a limit is written; a limit at the very end stays."""
    extents = ((0, draft, measure, 1),)
    node = trace.node
    if len(node.input) > 1:
        stored = trace.constant(node.input[1 + place])
        draft.sites.append(DraftSite(trace.number, 1 + place, "extent", stored, extents=extents))
        return
    name = ("starts", "ends")[place]
    told = Stored(name, np.array([limit], np.int64), "", np.dtype(np.int64))
    site = DraftSite(trace.number, -1, "extent", told, attribute=name, extents=extents)
    draft.sites.append(site)


def gather(trace: Trace) -> str | None:
    """Gather of features by constant indices, of positions, or of rows of a constant table."""
    node = trace.node
    name, places = node.input[0], node.input[1]
    axis = attributes_of(node).get("axis", 0)
    if trace.view(name) is None:
        return _embedding(trace, axis)
    rank = trace.rank(name)
    if rank is None:
        return "its rank is unknown"
    axis = axis % rank - rank
    view = trace.views.get(name) or trace.along(name, axis)
    if view is None:
        return "its features lie along several axes"
    stored = trace.constant(places)
    if axis != view.axis:
        indices = None if stored is None else (stored.array.shape, stored.array.tobytes())
        rank_of_places = trace.rank(places)
        if rank_of_places is None:
            return "the rank of its indices is not known"
        grown = rank_of_places - 1 if axis > view.axis else 0
        key = f"Gather axis {axis}, features {view.axis}, {indices or places}"
        trace.moved(view, view.axis - grown, key, steered=stored is None)
        return None
    if stored is None or stored.array.ndim > 1 or stored.array.dtype.kind != "i":
        return "it takes features by indices that are not constant"
    width = view.layer.width
    chosen = [int(i) for i in stored.array.reshape(-1)]
    if stored.array.ndim == 0 or any(not -width <= i < width for i in chosen) or not chosen:
        return "it takes one feature as a position"
    draft = _take(trace, view, [i % width for i in chosen])
    trace.site(draft, 1, "indices", stored)
    return None


def _embedding(trace: Trace, axis: int) -> str | None:
    """Rows of a constant table: a layer over the places of the table."""
    node = trace.node
    stored = trace.numbers(node.input[0])
    if stored is None or stored.array.ndim != 2 or axis % 2 != 0:
        return None
    if trace.constant(node.input[1]) is not None:
        return None
    trace.pin(node.input[1], "its output is used as indices")
    width = stored.array.shape[1]
    source = trace.source(f"{node.input[1]} (an index)", len(stored.array), "an index")
    if source.width != len(stored.array) or not width:
        return "its indices are read by tables of another size"
    term = Term("", stored.array.T, via=f"index {node.input[1]}")
    layer = trace.layer(width, [(source, term)], -1)
    trace.site(layer, 0, "weight", stored, transposed=True)
    return None
