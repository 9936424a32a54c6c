"""Reshape and Flatten: axes are merged and split, and features go along.

Elements stay in order, so the axes of both shapes fall into groups of equal size, one after the
other. The group with the features says what happens to them: they keep an axis, are merged with
positions (each channel becomes a block of columns), or are spread over several axes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from lumpcli.ir import Term
from lumpcli.loader.axes import Dim, matching_axes, with_ones
from lumpcli.loader.draft import Draft, DraftSite, Split, View, size_site
from lumpcli.loader.sizes import Size
from lumpcli.loader.trace import Trace, attributes_of

_MERGES = "it may merge or split the feature axis"


def reshape(trace: Trace) -> str | None:
    """Reshape to a shape that is constant, or computed from the shapes of other tensors."""
    node = trace.node
    view = trace.view(node.input[0])
    entries = [Size(d) for d in attributes_of(node).get("shape", ())]  # before opset 5
    if len(node.input) > 1:
        found = trace.sizes_in(node.input[1])
        if found is None:
            return None if view is None else "its shape is computed"
        entries = found
    if view is None:
        return "its shape is the width of a layer" if _measures(trace, entries) else None
    if 0 in [e.value for e in entries] and attributes_of(node).get("allowzero", 0):
        return "it makes an empty tensor"
    return _reshaped(trace, view, entries)


def flatten(trace: Trace) -> str | None:
    """Flatten to two axes."""
    view = trace.view(trace.node.input[0])
    if view is None:
        return None
    if trace.shapes.get(trace.node.output[0]) is None:
        return "the shape of its result is not known"
    return _reshaped(trace, view, None)


def _measures(trace: Trace, entries: Sequence[Size]) -> bool:
    """Whether an entry is the width of a layer."""
    views = [(trace.view(tensor), axis) for e in entries for tensor, axis in e.of]
    return any(view is not None and axis in view.axes for view, axis in views)


def _reshaped(trace: Trace, view: View, entries: Sequence[Size] | None) -> str | None:
    """Features after a reshape; `entries` are what the file says of the new shape, if it does."""
    name, result = trace.node.input[0], trace.node.output[0]
    before = _shape_before(trace, name, view)
    after = _shape_after(trace, result, entries, before)
    if before is None or after is None:
        return "its shape is not known"
    feature_axes = [len(before) + axis for axis in view.axes]
    groups = matching_axes(before, after, feature_axes)
    group = next(g for g in groups if feature_axes[0] in g[0])
    old = [a for a in group[0] if before[a] != 1 or a in feature_axes]
    new = group[1]
    if entries is not None and old == feature_axes and len(old) == 1:
        new = with_ones(new, groups, after)
    plain = all(
        [before[a] for a in g[0] if before[a] != 1] == [after[a] for a in g[1] if after[a] != 1]
        for g in groups
        if g is not group
    )
    key = _key(before, after, new, result, view)
    change = _Change(trace, view, before, after, entries, key, plain and None not in before)
    if len(view.axes) > 1:
        return change.merge(old, new) if sorted(old) == sorted(feature_axes) else _MERGES
    (feature,) = feature_axes
    if not new:
        return _MERGES
    if old == [feature]:
        return change.keep(new[0]) if len(new) == 1 else change.spread(new)
    new = [a for a in new if after[a] != 1] or new[-1:]
    return change.flatten(old, feature, new[0]) if len(new) == 1 else _MERGES


def _shape_before(trace: Trace, name: str, view: View) -> list[Dim] | None:
    known = trace.shapes.get(name)
    if known is None:
        return [None, view.layer.width] if view.axes == (-1,) else None
    shape = list(known)
    if len(view.axes) == 1:
        shape[view.axis] = view.layer.width
    return shape


def _shape_after(
    trace: Trace, result: str, entries: Sequence[Size] | None, before: list[Dim] | None
) -> list[Dim] | None:
    """The shape of the result: as inferred, and as the entries say."""
    known = trace.shapes.get(result)
    if entries is None:
        return None if known is None else list(known)
    if known is not None and len(known) != len(entries):
        return None
    shape: list[Dim] = []
    for place, entry in enumerate(entries):
        size: Dim = None if known is None else known[place]
        if entry.value == 0 and before is not None and place < len(before):
            size = before[place]
        elif entry.value not in (None, -1, 0):
            size = entry.value
        shape.append(size)
    return shape if before is None else _with_the_rest(shape, entries, before)


def _with_the_rest(shape: list[Dim], entries: Sequence[Size], before: Sequence[Dim]) -> list[Dim]:
    """The entry -1 is the only size not known before, if all others are the same numbers."""
    rest = [place for place, entry in enumerate(entries) if entry.value == -1]
    unknown = [size for size in before if not isinstance(size, int)]
    known = [size for size in before if isinstance(size, int)]
    others = [size for place, size in enumerate(shape) if place not in rest]
    told = [size for size in others if isinstance(size, int)]
    only = len(rest) == len(unknown) == 1 and len(told) == len(others)
    if only and math.prod(told) == math.prod(known):
        shape[rest[0]] = unknown[0]
    return shape


def _key(
    before: Sequence[Dim], after: Sequence[Dim], places: Sequence[int], result: str, view: View
) -> str:
    """Equal for reshapes that put the same positions to the same places.

    Sizes that depend on the number of features are left out.
    """
    features = {len(before) + axis for axis in view.axes}
    old = ["n" if axis in features else size for axis, size in enumerate(before)]
    new = ["n" if axis in places else size for axis, size in enumerate(after)]
    unknown = None in before or None in after
    return f"reshape {old} to {new}" + (f", {result}" if unknown else "")


class _Change:
    """What a reshape makes of features, given both shapes and what the file says of the new one."""

    def __init__(
        self,
        trace: Trace,
        view: View,
        before: list[Dim],
        after: list[Dim],
        entries: Sequence[Size] | None,
        key: str,
        plain: bool,
    ) -> None:
        self.trace, self.view, self.before, self.after = trace, view, before, after
        self.entries, self.key = entries, key
        self.others = "" if plain else key  # what happens to the other positions

    def keep(self, place: int) -> str | None:
        """The features keep an axis of their own."""
        reason = self._stated(place)
        if reason is not None:
            return reason
        axis = place - len(self.after)
        draft = self.trace.moved(self.view, axis, self.key)
        self._write(draft, place)
        return None

    def flatten(self, old: list[int], feature: int, place: int) -> str | None:
        """Features and positions are merged: a block of features for every feature."""
        sizes = [size for size in (self.before[axis] for axis in old) if isinstance(size, int)]
        reason = self._stated(place)
        if reason is not None or len(sizes) < len(old):
            return reason or _MERGES
        order = np.arange(int(np.prod(sizes))).reshape(sizes)
        number = old.index(feature)
        index = np.indices(order.shape)
        select = index[number].reshape(-1)
        rest = [size for k, size in enumerate(sizes) if k != number]
        where = np.delete(index, number, axis=0).reshape(len(rest), -1)
        at = np.asarray(np.ravel_multi_index(tuple(where), tuple(rest)))
        via = f"flatten {rest}, features {number}; {self.others}"
        term = Term("", None, diagonal=True, select=select, at=at, via=via, hull=True)
        axis = place - len(self.after)
        draft = self.trace.layer(len(select), [(self.view.layer, term)], axis)
        self._write(draft, place)
        return None

    def spread(self, new: list[int]) -> str | None:
        """The features are spread over several axes."""
        sizes = [self.after[place] for place in new]
        if any(not isinstance(size, int) for size in sizes):
            return _MERGES
        term = Term("", None, diagonal=True, via=self.others, hull=True)
        name = self.trace.node.output[0]
        draft = self.trace.layer(self.view.layer.width, [(self.view.layer, term)], -1, name=name)
        stated = [self._stated(place) for place in new]
        widths = [int(size) for size in sizes if isinstance(size, int)]
        sites = [
            self._site(draft, place, draft.width // width)
            for place, width in zip(new, widths, strict=True)
        ]
        split = Split(
            draft, tuple(widths), tuple(sites), tuple(reason is not None for reason in stated)
        )
        axes = tuple(place - len(self.after) for place in new)
        self.trace.hold(View(draft, axes, split))
        return None

    def merge(self, old: list[int], new: list[int]) -> str | None:
        """Features that lay along several axes lie along one again, maybe in another order."""
        split = self.view.split
        if split is None or len(new) != 1:
            return _MERGES
        reason = self._stated(new[0])
        if reason is not None:
            return reason
        places = [len(self.before) + axis for axis in self.view.axes]
        moved = [k for k, (a, b) in enumerate(zip(places, sorted(places), strict=True)) if a != b]
        cut = (moved or [len(split.sizes) - 1])[-1] if split.cut is None else split.cut
        split.decide(cut, aligned=places != sorted(places))
        order = np.arange(self.view.layer.width).reshape(split.sizes)
        select = order.transpose([places.index(axis) for axis in sorted(old)]).reshape(-1)
        term = Term("", None, diagonal=True, select=select, via=self.others, hull=True)
        axis = new[0] - len(self.after)
        draft = self.trace.layer(len(select), [(self.view.layer, term)], axis)
        self._write(draft, new[0])
        return None

    def _stated(self, place: int) -> str | None:
        """Why what the file says of the features' axis cannot follow a cut; None when it can."""
        if self.entries is None:
            return None
        entry = self.entries[place]
        if entry.value is None:
            return _MERGES
        for number, other in enumerate(self.entries):
            copied = (number - len(self.before),) if other.value == 0 else ()
            if number != place and set(copied) & set(self.view.axes):
                return "it copies the size of the feature axis to another place"
            if number != place and _measures(self.trace, [other]):
                return "its shape has the width of a layer at another place"
        if entry.value == 0:
            here = place - len(self.before) in self.view.axes
            return None if here and len(self.view.axes) == 1 else _MERGES
        if entry.value == -1 or entry.place is not None:
            return None
        fits = entry.value == self.after[place] and self.trace.measured(entry) is not None
        return None if fits else "its shape cannot be changed"

    def _site(self, draft: Draft, place: int, divisor: int = 1) -> DraftSite | None:
        if self.entries is None:
            return None
        entry = self.entries[place]
        if entry.place is None or entry.value in (0, -1):
            return None
        node, slot, stored, number = entry.place
        return size_site(node, slot, stored, draft, number, divisor)

    def _write(self, draft: Draft, place: int) -> None:
        site = self._site(draft, place)
        if site is not None:
            draft.sites.append(site)
        if self.entries is None:
            return
        measured = self.trace.measured(self.entries[place])
        if measured is not None and measured.width != draft.width:
            draft.pinned = "its shape has the width of another layer"
        elif measured is not None and not measured.cut_like(draft):
            # nothing is read of it, but it has to be cut at the same places
            tie = Term("", None, diagonal=True, scale=Fraction(0))
            draft.terms.append((measured, tie))
