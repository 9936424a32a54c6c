"""MatMul of two computed tensors: weighted sums of positions, or products summed over features."""

from __future__ import annotations

import numpy as np

from lumpcli.ir import Term
from lumpcli.loader.draft import Split, View
from lumpcli.loader.trace import Trace


def product(trace: Trace) -> str | None:
    """`A @ V`, where the features of one factor go along, or `Q @ K` over the features of both."""
    left, right = trace.node.input
    views = trace.view(left), trace.view(right)
    if views[0] is None and views[1] is None:
        return "both of its operands are computed"
    if any(trace.rank(name) in (None, 1) for name in (left, right)):
        return "the ranks of its operands are not known"
    rows = views[0] is not None and -1 in views[0].axes
    columns = views[1] is not None and -2 in views[1].axes
    if rows or columns:
        return _over_features(trace, *views)
    if views[1] is not None and -1 in views[1].axes:
        trace.pin(left, "its output weighs positions")
        return _weighted(trace, views[1], -1, left)
    if views[0] is not None and -2 in views[0].axes:
        trace.pin(right, "its output weighs positions")
        return _weighted(trace, views[0], -2, right)
    return "it has the features of its operands along axes that it repeats"


def _weighted(trace: Trace, view: View, axis: int, weights: str) -> str | None:
    """Sums over positions by weights that are computed: linear, but they may not sum to 1."""
    place = view.axes.index(axis)
    at = None
    result = trace.shapes.get(trace.node.output[0])
    for other, size in zip(view.axes, view.split.sizes if view.split else (), strict=False):
        if other != axis and (result is None or result[other] != size):
            return "it repeats its features"
    if view.split is not None:
        view.split.decide(place)
        at = _elsewhere(view.split, place)
    via = f"MatMul with {weights}"
    term = Term("", None, diagonal=True, via=via, padded=True, at=at, steered=True)
    trace.over(view, [(view.layer, term)])
    return None


def _elsewhere(split: Split, place: int) -> np.ndarray:
    """Per feature (n,), where it lies along the other axes: in which head."""
    index = np.unravel_index(np.arange(split.layer.width), split.sizes)
    others = [k for k in range(len(split.sizes)) if k != place]
    sizes = tuple(split.sizes[k] for k in others)
    found: np.ndarray = np.ravel_multi_index(tuple(index[k] for k in others), sizes)
    return found


def _over_features(trace: Trace, left: View | None, right: View | None) -> str | None:
    """`sum over j of q_j k_j`: a product of features, whose sum leaves none to cut."""
    if left is None or right is None or left.layer.width != right.layer.width:
        return "it sums over the features of one of its operands"
    heads = 1
    if left.split is None or right.split is None:
        if left.axes != (-1,) or right.axes != (-2,):
            return "the features of its operands lie along other axes"
        if left.split is not right.split:
            return "the features of its operands lie along other axes"
    else:
        if -1 not in left.axes:
            return "the features of its operands lie along other axes"
        place = left.axes.index(-1)
        others = [axis for axis in left.axes if axis != -1]
        if -2 not in right.axes or right.axes.index(-2) != place or -2 in others:
            return "the features of its operands lie along other axes"
        if others != [axis for axis in right.axes if axis != -2]:
            return "the features of its operands lie along other axes"
        if left.split.sizes != right.split.sizes or place != len(left.split.sizes) - 1:
            return "the features of its operands lie along other axes"
        left.split.decide(place)
        right.split.decide(place)
        heads = left.layer.width // left.split.sizes[place]
    width = left.layer.width
    name = trace.node.output[0]
    terms = [
        (view.layer, Term("", None, diagonal=True, via=f"{side} of MatMul"))
        for side, view in (("left", left), ("right", right))
    ]
    products = trace.layer(width, terms, -1, name=trace.own(f"{name} (products)"))
    products.function = "Mul"
    ones = np.kron(np.eye(heads), np.ones((1, width // heads))).astype(np.float32)
    term = Term("", ones, blocks=heads, frozen=True)
    total = trace.layer(heads, [(products, term)], -1, name=trace.own(f"{name} (sums of products)"))
    total.listed = False
    total.pinned = "sums of products of features"
    return None
