"""Pad, Resize, Upsample, Expand, Tile: other positions, the same features."""

from __future__ import annotations

from lumpcli.ir import Symmetry
from lumpcli.loader.draft import View, size_site
from lumpcli.loader.handlers.pooling import one_view
from lumpcli.loader.sizes import Size
from lumpcli.loader.trace import Trace, attributes_of


def pad(trace: Trace) -> str | None:
    """Pad of positions; with a constant other than 0, nothing is known of what it does."""
    node = trace.node
    view = one_view(trace)
    if not isinstance(view, View):
        return view
    attributes = attributes_of(node)
    mode = attributes.get("mode", b"constant").decode()
    pads = [int(p) for p in attributes.get("pads", attributes.get("paddings", ()))]
    value = float(attributes.get("value", 0.0))
    axes: list[int] | None = None
    if len(node.input) > 1:
        found = trace.integers(node.input[1])
        if found is None:
            return "its pads are not constant"
        pads = found
        if len(node.input) > 2 and node.input[2]:
            stored = trace.constant(node.input[2])
            if stored is None or stored.array.size != 1:
                return "its value is not constant"
            value = float(stored.array.reshape(-1)[0])
        if len(node.input) > 3 and node.input[3]:
            axes = trace.integers(node.input[3])
            if axes is None:
                return "its axes are not constant"
    rank = trace.rank(node.input[0]) if axes is not None else len(pads) // 2
    if rank is None or len(pads) != 2 * len(axes if axes is not None else range(rank)):
        return "its pads do not fit"
    where = [a % rank for a in axes] if axes is not None else [*range(rank)]
    for place, axis in enumerate(where):
        if axis == rank + view.axis and (pads[place] or pads[place + len(where)]):
            return "it pads the features"
    zeros = mode == "constant" and value == 0
    cropped = mode != "constant" and min(pads) >= 0
    symmetry = Symmetry.LINEAR if zeros or mode != "constant" else Symmetry.NONE
    key = f"Pad {mode} {pads} {where} of {rank}, {value}, features {view.axis}"
    hull = zeros or mode != "constant"
    trace.moved(view, view.axis, key, symmetry, not cropped, hull)
    return None


_RESIZE_MODES = ("nearest", "linear", "cubic", "bilinear", "trilinear")


def resize(trace: Trace) -> str | None:
    """Resize and Upsample of positions."""
    node = trace.node
    view = one_view(trace)
    if not isinstance(view, View):
        return view
    attributes = attributes_of(node)
    mode = attributes.pop("mode", b"nearest").decode()
    if attributes.get("keep_aspect_ratio_policy", b"stretch") != b"stretch":
        return "it keeps the aspect ratio"
    outside = attributes.get("coordinate_transformation_mode") == b"tf_crop_and_resize"
    if outside or mode not in _RESIZE_MODES:
        return "its mode is not supported"
    rank = trace.rank(node.input[0])
    if rank is None:
        return "its rank is not known"
    axes = [int(a) % rank for a in attributes.pop("axes", range(rank))]
    place = axes.index(rank + view.axis) if rank + view.axis in axes else None
    scales, sizes = _scales_and_sizes(trace)
    if scales is None and sizes is None:
        return "its scales are not constant"
    if place is not None and scales is not None and (place >= len(scales) or scales[place] != 1):
        return "it resizes the feature axis"
    told = scales if scales is not None else [s.value for s in sizes or ()]
    kept = told if place is None else [*told[:place], *told[place + 1 :]]
    key = f"Resize {mode} {kept} {axes} {sorted(attributes.items())}, features {view.axis}"
    hull = mode != "cubic"
    if place is not None and sizes is not None:
        if place >= len(sizes) or sizes[place].value != view.layer.width:
            return "it resizes the feature axis"
        return _sized(trace, view, key, sizes[place], hull)
    trace.moved(view, view.axis, key, hull=hull)
    return None


def _sized(trace: Trace, view: View, key: str, size: Size, hull: bool = True) -> str | None:
    """Features at other positions, where the node states their number."""
    if size.place is None:
        measured = trace.measured(size)
        if measured is None or not measured.cut_like(view.layer):
            return "its sizes cannot be changed"
    draft = trace.moved(view, view.axis, key, hull=hull)
    if size.place is not None:
        node, slot, stored, entry = size.place
        draft.sites.append(size_site(node, slot, stored, draft, entry))
    return None


def _scales_and_sizes(trace: Trace) -> tuple[list[float] | None, list[Size] | None]:
    """What the node is told: scales per axis, or the sizes of the result."""
    node = trace.node
    if "scales" in attributes_of(node):
        return list(attributes_of(node)["scales"]), None
    slots = (1,) if node.op_type == "Upsample" or trace.opset < 11 else (2, 3)
    scales = trace.numbers(node.input[slots[0]]) if len(node.input) > slots[0] else None
    if scales is not None and scales.array.size:
        return [float(x) for x in scales.array.reshape(-1)], None
    if len(slots) > 1 and len(node.input) > slots[1] and node.input[slots[1]]:
        return None, trace.sizes_in(node.input[slots[1]])
    return None, None


def expand(trace: Trace) -> str | None:
    """Expand of positions."""
    node = trace.node
    view = one_view(trace)
    if not isinstance(view, View):
        return view
    sizes = trace.sizes_in(node.input[1])
    if sizes is None:
        return "its shape is not known"
    others = [s.value for k, s in enumerate(sizes) if k - len(sizes) != view.axis]
    key = f"Expand to {others}, features {view.axis} of {len(sizes)}"
    if any(s.value is None for s in sizes):
        key += f", {node.output[0]}"
    if len(sizes) < -view.axis or sizes[view.axis].value == 1:
        trace.moved(view, view.axis, key)
        return None
    size = sizes[view.axis]
    if size.value != view.layer.width:
        return "it repeats its only feature"
    return _sized(trace, view, key, size)


def tile(trace: Trace) -> str | None:
    """Tile of positions."""
    node = trace.node
    view = one_view(trace)
    if not isinstance(view, View):
        return view
    repeats = trace.integers(node.input[1])
    if repeats is None or len(repeats) < -view.axis or repeats[view.axis] != 1:
        return "it may repeat the features"
    trace.moved(view, view.axis, f"Tile {repeats}, features {view.axis}")
    return None
