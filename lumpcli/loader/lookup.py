"""What is known of a graph while it is walked: constants, shapes, and who holds which features."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import NodeProto, helper

from lumpcli.ir import all_finite
from lumpcli.loader.draft import Draft, View
from lumpcli.loader.graph import Graph
from lumpcli.loader.shapes import infer
from lumpcli.loader.sizes import Size, sizes_of
from lumpcli.loader.weights import FLOATS, Stored, Weights


class Lookup:
    """The questions a handler may ask about the graph."""

    def __init__(self, graph: Graph, weights: Weights) -> None:
        self.graph = graph
        self.weights = weights
        self.shapes, self.types, self.sizes = infer(graph, weights)
        self.views: dict[str, View] = {}  # tensors with features along one axis
        self.spreads: dict[str, View] = {}  # along several
        self.graph_inputs = {i.name for i in graph.proto.input} - set(weights.tensors)
        self.functions = graph.model.functions
        self.names = graph.names()
        self.number = -1  # of the node being handled
        self._finite: dict[str, bool] = {}  # constants whose numbers were looked at

    @property
    def opset(self) -> int:
        """The version of the default operator set."""
        return self.graph.opset

    @property
    def node(self) -> NodeProto:
        """The node being handled."""
        node: NodeProto = self.graph.proto.node[self.number]
        return node

    def own(self, label: str) -> str:
        """A name for a layer that is no tensor of the file."""
        while label in self.names:
            label += "'"
        return label

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
        if tensor not in self._finite:
            self._finite[tensor] = all_finite(stored.array)
        return stored if self._finite[tensor] else None

    def integers(self, tensor: str) -> list[int] | None:
        """A constant tensor of integers as a list, or None."""
        stored = self.constant(tensor)
        if stored is None or stored.array.dtype.kind != "i":
            return None
        return [int(entry) for entry in stored.array.reshape(-1)]

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

    def view(self, tensor: str) -> View | None:
        """The features a tensor holds, along one axis or several."""
        return self.views.get(tensor) or self.spreads.get(tensor)

    def sizes_in(self, tensor: str) -> list[Size] | None:
        """The entries of a tensor of sizes: constants, or how large other tensors are."""
        if tensor in self.sizes:
            return self.sizes[tensor]
        stored = self.constant(tensor)
        return None if stored is None else sizes_of(stored, self.number, self.slot_of(tensor))

    def image(self, tensor: str) -> str:
        """The sizes of the positions of a tensor; where one is unknown, none are like it."""
        view, shape = self.view(tensor), self.shapes.get(tensor)
        stored = self.constant(tensor)
        if stored is not None:
            shape = list(stored.array.shape)
        if view is None or shape is None or None in shape:
            return f"positions of {tensor}" if stored is None else str(shape)
        features = {len(shape) + axis for axis in view.axes}
        return str([size for place, size in enumerate(shape) if place not in features])

    def measured(self, size: Size) -> Draft | None:
        """The layer whose width an entry is, if it follows one's."""
        if not size.follows:
            return None
        ((tensor, axis),) = size.of
        view = self.views.get(tensor)
        return view.layer if view is not None and view.axis == axis else None

    def slot_of(self, tensor: str) -> int:
        """Which input of the node a tensor is."""
        return list(self.node.input).index(tensor)
