"""The walk over a graph that builds the layered net: what handlers may ask and do.

Handlers see one node each. They make layers, extend a layer that nobody else reads, pass features
on under another name, or decline with a reason; then the layers the node reads are pinned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
from onnx import NodeProto, helper

from lumpcli.ir import Activation, Array, Join, Layer, Net, Output, Term
from lumpcli.loader.graph import DEFAULT_DOMAINS, Graph, describe, shapes
from lumpcli.loader.site import Role, Site
from lumpcli.loader.weights import FLOATS, Stored, Weights


@dataclass
class Draft:
    """A layer in the making; `tensor` is its output so far."""

    tensor: str
    width: int
    terms: list[tuple[Draft, Term]] = field(default_factory=list)
    bias: Array | None = None
    bias_scale: Fraction = Fraction(1)
    bias_fixed: bool = True
    bias_dtype: np.dtype[Any] | None = None
    activation: Activation | None = None
    function: str | None = None  # of a join
    pinned: str | None = None
    nodes: list[NodeProto] = field(default_factory=list)
    sites: list[tuple[int, int, Role, Stored | None, bool, int]] = field(default_factory=list)

    @property
    def open(self) -> bool:
        """Whether a bias or an activation may still become part of it."""
        moved = len(self.terms) == 1 and bool(self.terms[0][1].via)
        return bool(self.terms) and self.activation is None and self.function is None and not moved


@dataclass(frozen=True)
class View:
    """A tensor that holds the features of a layer, along `axis` (counted from the end)."""

    layer: Draft
    axis: int


class Trace:
    """The net so far, and the questions a handler may ask about the graph."""

    def __init__(self, graph: Graph, weights: Weights) -> None:
        self.graph = graph
        self.weights = weights
        self.shapes, self.types = shapes(graph)
        self.drafts: list[Draft] = []
        self.views: dict[str, View] = {}
        self.concats: dict[str, tuple[View, ...]] = {}  # tensors that join the features of several
        self.graph_inputs = {i.name for i in graph.proto.input} - set(weights.tensors)
        self.number = -1  # of the node being handled

    # --- questions

    @property
    def opset(self) -> int:
        """The version of the default operator set."""
        return self.graph.opset

    def rank(self, tensor: str) -> int | None:
        """The rank of a tensor, where known."""
        stored = self.weights.get(tensor)
        if stored is not None:
            return stored.array.ndim
        shape = self.shapes.get(tensor)
        return None if shape is None else len(shape)

    def dtype(self, tensor: str) -> np.dtype[Any] | None:
        """The type of a tensor's elements, where known."""
        return self.types.get(tensor)

    def constant(self, tensor: str) -> Stored | None:
        """A constant tensor, or None."""
        return self.weights.get(tensor) if tensor else None

    def numbers(self, tensor: str) -> Stored | None:
        """A constant tensor of finite floats, or None."""
        stored = self.constant(tensor)
        if stored is None or helper.np_dtype_to_tensor_dtype(stored.array.dtype) not in FLOATS:
            return None
        return stored if np.isfinite(stored.array.astype(np.float64, copy=False)).all() else None

    def why_no_numbers(self, tensor: str) -> str:
        """Why `numbers` says None."""
        stored = self.constant(tensor)
        if tensor in self.weights.overridable:
            return f"{tensor!r} may be overridden by the caller (see --freeze-initializers)"
        if stored is None:
            return f"{tensor!r} is computed, or stored in a way lumpcli does not read"
        if helper.np_dtype_to_tensor_dtype(stored.array.dtype) not in FLOATS:
            return f"{tensor!r} is of type {stored.array.dtype}"
        return f"{tensor!r} has NaN or infinite entries"

    def parts(self, tensor: str) -> tuple[View, ...]:
        """The layers whose features a tensor holds, one after the other."""
        view = self.views.get(tensor)
        return self.concats.get(tensor, ()) if view is None else (view,)

    def sources(self, tensor: str, width: int, axis: int) -> list[Draft]:
        """The layers a matrix reads along an axis of a tensor, in the order of its columns."""
        joined = self.concats.get(tensor, ())
        fits = all(view.axis == axis for view in joined)
        if joined and fits and sum(view.layer.width for view in joined) == width:
            return [view.layer for view in joined]
        return [self.features(tensor, width, axis)]

    def features(self, tensor: str, width: int, axis: int) -> Draft:
        """The layer whose features lie along an axis of a tensor; a source if unknown."""
        view = self.views.get(tensor)
        if view is not None and view.axis == axis and view.layer.width == width:
            return view.layer
        if self.parts(tensor):
            self.pin(tensor, f"{describe(self.node)} reads it along another axis")
        kind = "graph input" if tensor in self.graph_inputs else "not made by a layer"
        name = tensor if not self.parts(tensor) else f"{tensor} (axis {axis})"
        known = next((d for d in self.drafts if d.tensor == name and d.width == width), None)
        if known is None:
            known = Draft(name, width, pinned=kind)
            self.drafts.append(known)
            if not self.parts(tensor):
                self.views[tensor] = View(known, axis)
        return known

    @property
    def node(self) -> NodeProto:
        """The node being handled."""
        node: NodeProto = self.graph.proto.node[self.number]
        return node

    # --- actions

    def pin(self, tensor: str, reason: str) -> None:
        """Say why the layers behind a tensor may not be cut; the first reason stays."""
        for view in self.parts(tensor):
            view.layer.pinned = view.layer.pinned or reason

    def extend(self, tensor: str) -> Draft | None:
        """The layer behind a tensor, if this node may become part of it: nobody else reads it."""
        view = self.views.get(tensor)
        if view is None or not view.layer.open or view.layer.tensor != tensor:
            return None
        return view.layer if self.graph.sole_use(tensor) else None

    def grow(self, draft: Draft, axis: int) -> None:
        """Make this node part of a layer: its output is now the layer's."""
        draft.tensor = self.node.output[0]
        draft.nodes.append(self.node)
        self.views[draft.tensor] = View(draft, axis)

    def layer(self, width: int, terms: Sequence[tuple[Draft, Term]], axis: int) -> Draft:
        """A new layer made by this node."""
        draft = Draft(self.node.output[0], width, list(terms), nodes=[self.node])
        self.drafts.append(draft)
        self.views[draft.tensor] = View(draft, axis)
        return draft

    def activate(self, tensor: str, activation: Activation) -> None:
        """Apply a function to a tensor's features: as part of their layer, or of a new one."""
        view = self.views.get(tensor)
        if view is None:
            return
        draft = self.extend(tensor)
        if draft is not None:
            self.grow(draft, view.axis)
        else:
            term = Term("", None, diagonal=True)
            draft = self.layer(view.layer.width, [(view.layer, term)], view.axis)
        draft.activation = activation

    def alias(self, tensor: str) -> None:
        """This node passes features on as they are."""
        if tensor in self.concats:
            self.concats[self.node.output[0]] = self.concats[tensor]
        else:
            self.views[self.node.output[0]] = self.views[tensor]

    def moved(self, view: View, axis: int) -> Draft:
        """This node passes features on at other positions."""
        term = Term("", None, diagonal=True, via=self.node.output[0])
        return self.layer(view.layer.width, [(view.layer, term)], axis)

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
        draft.sites.append((self.number, slot, role, stored, transposed, axis))

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
        layers = tuple(_freeze(d) for d in self.drafts)
        sites = [
            Site(node, slot, d.tensor, role, stored, transposed, axis)
            for d in self.drafts
            for node, slot, role, stored, transposed, axis in d.sites
        ]
        return Net(layers, tuple(outputs)), sites


def _freeze(draft: Draft) -> Layer:
    terms = tuple(
        Term(source.tensor, t.weight, t.diagonal, t.inverse, t.scale, t.padded, t.via)
        for source, t in draft.terms
    )
    common: dict[str, Any] = {
        "name": draft.tensor,
        "width": draft.width,
        "terms": terms,
        "bias": draft.bias,
        "bias_scale": draft.bias_scale,
        "bias_fixed": draft.bias_fixed,
        "bias_dtype": draft.bias_dtype,
        "activation": draft.activation or Activation(),
        "pinned": draft.pinned,
        "nodes": tuple(n.name for n in draft.nodes if n.name),
        "operators": tuple(n.op_type for n in draft.nodes),
    }
    if draft.function is not None:
        return Join(**common, function=draft.function)
    return Layer(**common)


def attributes_of(node: NodeProto) -> dict[str, Any]:
    """A node's attributes by name."""
    return {a.name: helper.get_attribute_value(a) for a in node.attribute}


def is_default(node: NodeProto) -> bool:
    """Whether a node's operator is one of ONNX's own."""
    return node.domain in DEFAULT_DOMAINS
