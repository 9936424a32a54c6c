"""The walk over a graph that builds the layered net: what handlers may ask and do.

Handlers see one node each. They make layers, extend a layer that nobody else reads, pass features
on under another name, or decline with a reason; then the layers the node reads are pinned.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import NodeProto, helper

from lumpcli.ir import Activation, Net, Output, Symmetry, Term
from lumpcli.loader.draft import Draft, DraftSite, View, one_axis, settled
from lumpcli.loader.graph import DEFAULT_DOMAINS, Graph, describe
from lumpcli.loader.lookup import Lookup
from lumpcli.loader.site import Role, Site
from lumpcli.loader.weights import Stored, Weights


class Trace(Lookup):
    """The net so far."""

    def __init__(self, graph: Graph, weights: Weights) -> None:
        super().__init__(graph, weights)
        self.drafts: list[Draft] = []
        self._unfolded: dict[tuple[str, int], Draft] = {}

    # --- the features of a tensor

    def along(self, tensor: str, axis: int) -> View | None:
        """The features that lie along an axis of a tensor; None when those along it are unknown."""
        view = self.views.get(tensor)
        if view is not None:
            return view if view.axis == axis else None
        spread = self.spreads.get(tensor)
        if spread is None or axis not in spread.axes:
            return None
        if (tensor, axis) not in self._unfolded:
            self._unfolded[tensor, axis] = self._unfold(tensor, spread, spread.axes.index(axis))
        return one_axis(self._unfolded[tensor, axis], axis)

    def _unfold(self, tensor: str, spread: View, place: int) -> Draft:
        """A layer of the features along one axis, each made of all those along the others."""
        assert spread.split is not None
        spread.split.decide(place)
        sizes = spread.split.sizes
        order = np.arange(spread.layer.width).reshape(sizes)
        select = np.moveaxis(order, place, 0).reshape(sizes[place], -1)
        others = [size for number, size in enumerate(sizes) if number != place]
        key = f"unfold axes {spread.axes}, keep {place}, others {others}"
        term = Term("", None, diagonal=True, select=select, via=key, hull=True)
        name = self.own(f"{tensor} (axis {spread.axes[place]})")
        draft = Draft(name, sizes[place], [(spread.layer, term)])
        self.drafts.append(draft)
        return draft

    def features(self, tensor: str, width: int, axis: int) -> Draft:
        """The layer whose features lie along an axis of a tensor; a source if unknown."""
        view = self.along(tensor, axis)
        if view is not None and view.layer.width == width:
            return view.layer
        known = self.view(tensor) is not None
        if known:
            self.pin(tensor, f"{describe(self.node)} reads it along another axis")
        kind = "graph input" if tensor in self.graph_inputs else "not made by a layer"
        name = self.own(f"{tensor} (axis {axis})") if known else tensor
        found = next((d for d in self.drafts if d.tensor == name and d.width == width), None)
        if found is None:
            found = Draft(name, width, pinned=kind)
            self.drafts.append(found)
            if not known:
                self.views[tensor] = one_axis(found, axis)
        return found

    def source(self, name: str, width: int, reason: str) -> Draft:
        """A layer of which nothing is known."""
        name = self.own(name)
        found = next((d for d in self.drafts if d.tensor == name), None)
        if found is not None and found.width != width:
            return self.source(f"{name} ({width})", width, reason)
        if found is None:
            found = Draft(name, width, pinned=reason)
            self.drafts.append(found)
        return found

    # --- actions

    def pin(self, tensor: str, reason: str) -> bool:
        """Say why the layers behind a tensor may not be cut; the first reason stays.

        Where the tensor says how large others are, those are meant whose width it tells. Returns
        whether there are any.
        """
        views = [self.view(tensor)]
        for size in self.sizes.get(tensor, []):
            for other, axis in size.of:
                measured = self.view(other)
                views.append(measured if measured is not None and axis in measured.axes else None)
        for view in views:
            if view is not None:
                view.layer.pinned = view.layer.pinned or reason
        return any(view is not None for view in views)

    def extend(self, tensor: str, along: View | None = None) -> Draft | None:
        """The layer behind a tensor, if this node may become part of it: nobody else reads it.

        Not where the node reads the features `along` one of several axes: those are another layer.
        """
        view = self.view(tensor)
        if view is None or not view.layer.open or view.layer.tensor != tensor:
            return None
        if along is not None and along is not view:
            return None
        return view.layer if self.graph.sole_use(tensor) else None

    def grow(self, draft: Draft, view: View) -> None:
        """Make this node part of a layer: its output is now the layer's."""
        draft.tensor = self.node.output[0]
        draft.nodes.append(self.node)
        self.hold(View(draft, view.axes, view.split))

    def hold(self, view: View, output: int = 0) -> None:
        """The node's output holds these features."""
        held = self.views if len(view.axes) == 1 else self.spreads
        held[self.node.output[output]] = view

    def layer(
        self,
        width: int,
        terms: Sequence[tuple[Draft, Term]],
        axis: int,
        *,
        output: int = 0,
        name: str = "",
    ) -> Draft:
        """A new layer made by this node; with a `name`, one on the way to its output."""
        draft = Draft(name or self.node.output[output], width, list(terms), nodes=[self.node])
        self.drafts.append(draft)
        if not name:
            self.hold(one_axis(draft, axis), output)
        return draft

    def over(self, view: View, terms: Sequence[tuple[Draft, Term]]) -> Draft:
        """A new layer that reads feature by feature; its features lie where those of `view` do."""
        name = self.node.output[0]
        draft = self.layer(view.layer.width, terms, -1, name=name)
        self.hold(View(draft, view.axes, view.split))
        return draft

    def activate(self, tensor: str, activation: Activation, along: View | None = None) -> None:
        """Apply a function to a tensor's features: as part of their layer, or of a new one.

        `along`: to those that lie along one axis of several.
        """
        view = along or self.view(tensor)
        if view is None:
            return
        draft = self.extend(tensor, along)
        if draft is not None:
            self.grow(draft, view)
        else:
            draft = self.over(view, [(view.layer, Term("", None, diagonal=True))])
        draft.activation = activation

    def alias(self, tensor: str) -> None:
        """This node passes features on as they are."""
        view = self.view(tensor)
        if view is not None:
            self.hold(view)

    def moved(
        self,
        view: View,
        axes: int | Sequence[int],
        key: str = "",
        symmetry: Symmetry = Symmetry.LINEAR,
        padded: bool = False,
        hull: bool = True,
        steered: bool = False,
    ) -> Draft:
        """This node passes features on at other positions, or a function of several positions.

        Nodes of equal `key` do the same; without one it is like no other. `hull`: what they do
        leaves values between the least and the greatest, and 0 where `padded`. `steered`: a tensor
        that is no constant says at which positions.
        """
        via = key or f"{self.node.op_type} {self.node.output[0]}"
        how: dict[str, Any] = {"symmetry": symmetry, "padded": padded, "hull": hull}
        how |= {"image": self.image(self.node.input[0]), "steered": steered}
        term = Term("", None, diagonal=True, via=via, **how)
        draft = self.layer(view.layer.width, [(view.layer, term)], -1, name=self.node.output[0])
        self.hold(View(draft, (axes,) if isinstance(axes, int) else tuple(axes), view.split))
        return draft

    def site(
        self,
        draft: Draft,
        slot: int,
        role: Role,
        stored: Stored | None,
        *,
        transposed: bool = False,
        axis: int = -1,
    ) -> None:
        """Remember where numbers of a layer are stored."""
        draft.sites.append(DraftSite(self.number, slot, role, stored, transposed, axis))

    # --- the end

    def finish(self) -> tuple[Net, list[Site]]:
        """The net and its sites; graph outputs are pinned."""
        outputs = []
        for info in self.graph.proto.output:
            self.pin(info.name, "graph output")
            if info.name in self.views:
                outputs.append(Output(info.name, self.views[info.name].layer.tensor))
        for name in self.graph.captured:
            self.pin(name, "read inside a subgraph")
        for view in self.spreads.values():
            if view.split is not None and view.split.cut is None:
                reason = "its features lie along several axes"
                view.split.layer.pinned = view.split.layer.pinned or reason
        layers = tuple(draft.freeze() for draft in self.drafts)
        return Net(layers, tuple(outputs)), settled(self.drafts)


def attributes_of(node: NodeProto) -> dict[str, Any]:
    """A node's attributes by name."""
    return {a.name: helper.get_attribute_value(a) for a in node.attribute}


def is_default(node: NodeProto) -> bool:
    """Whether a node's operator is one of ONNX's own."""
    return node.domain in DEFAULT_DOMAINS
