"""All slices in one model: nested Ifs ask the cuts, so every runtime finds the slice of its input.

An If asks about one input, so the model takes one sample at a time: where the original leaves the
number of samples open, it is 1 here. Inputs, outputs and operator sets are the original's. Weights
are Constant nodes of the branches: initializers of old models would have to be inputs as well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, helper
from onnx.numpy_helper import from_array

from lumpcli.errors import UsageError
from lumpcli.family import Cut, Tree
from lumpcli.loader import DEFAULT_DOMAINS
from lumpcli.slicing.stored import Types

_OLDEST = 7  # operator set from which on Greater is as it is
_INTEGERS = 10  # from here on Slice has no attributes, and constants may be integers
_LARGEST = 2**31 - 2**20  # bytes of a model file


def single_model(
    original: ModelProto, slices: Sequence[ModelProto], tree: Tree, types: Types
) -> ModelProto:
    """The model that computes, for one sample, what the slice of the tree does that it lies in.

    Raises UsageError for operator sets below 7, for initializers that callers may override, and
    where the slices are too large for one file.
    """
    _check(original, slices)
    model = ModelProto()
    model.CopyFrom(original)
    graph = model.graph
    inputs = _inputs(graph)
    for field in (
        "node",
        "initializer",
        "sparse_initializer",
        "value_info",
        "quantization_annotation",
    ):
        graph.ClearField(field)
    graph.ClearField("input")
    graph.input.extend(inputs)
    _fix_batch(graph)
    forest = _Forest(model, slices, tree, types)
    if forest.outputs:
        graph.node.extend(forest.nodes(0 if tree.cuts else ~0, ""))
    return model


def _check(original: ModelProto, slices: Sequence[ModelProto]) -> None:
    if _opset(original) < _OLDEST:
        raise UsageError(f"--single-file needs an operator set of at least {_OLDEST}")
    overridable = len(original.graph.input) - len(_inputs(original.graph))
    if overridable and original.ir_version >= 4:
        raise UsageError("--single-file: callers may override initializers of this model")
    if sum(s.ByteSize() for s in slices) > _LARGEST:
        raise UsageError("--single-file: the slices together are too large for one file")


def _opset(model: ModelProto) -> int:
    return next((o.version for o in model.opset_import if o.domain in DEFAULT_DOMAINS), 1)


def _inputs(graph: GraphProto) -> list[ValueInfoProto]:
    """The inputs that are not initializers."""
    stored = {t.name for t in graph.initializer} | {s.values.name for s in graph.sparse_initializer}
    return [info for info in graph.input if info.name not in stored]


def _fix_batch(graph: GraphProto) -> None:
    """Let the number of samples be 1, in the outputs too where they name it as the inputs do."""
    symbols = set()
    for info in graph.input:
        for dim in info.type.tensor_type.shape.dim[:1]:
            if not dim.dim_value > 0:
                symbols.add(dim.dim_param)
                dim.dim_value = 1
    for info in graph.output:
        for dim in info.type.tensor_type.shape.dim:
            if dim.dim_param and dim.dim_param in symbols:
                dim.dim_value = 1


class _Forest:
    """The branches, as lists of nodes."""

    def __init__(
        self, model: ModelProto, slices: Sequence[ModelProto], tree: Tree, types: Types
    ) -> None:
        self.slices, self.tree, self.types = slices, tree, types
        self.opset, graph = _opset(model), model.graph
        self.inputs = {info.name for info in graph.input}
        self.outputs = [info for info in graph.output if info.name not in self.inputs]
        self.own = "slices"
        while any(name.startswith(self.own) for name in self.inputs | set(self._results(""))):
            self.own += "_"

    def _results(self, prefix: str) -> list[str]:
        return [prefix + info.name for info in self.outputs]

    def nodes(self, place: int, prefix: str) -> list[NodeProto]:
        """What computes the outputs, with a prefix to their names, below a place of the tree."""
        if place < 0:
            return self._leaf(~place, prefix)
        cut = self.tree.cuts[place]
        branches = {
            name: self._branch(side, f"{self.own}/{side if side >= 0 else f'slice{~side}'}/")
            for name, side in (("then_branch", cut.high), ("else_branch", cut.low))
        }
        asked = f"{self.own}/cut{place}"
        choice = helper.make_node("If", [asked], self._results(prefix), **branches)
        return [*self._question(cut, asked), choice]

    def _branch(self, place: int, prefix: str) -> GraphProto:
        results = []
        for info in self.outputs:
            result = ValueInfoProto()
            result.CopyFrom(info)
            result.name = prefix + info.name
            results.append(result)
        return helper.make_graph(self.nodes(place, prefix), prefix.strip("/"), [], results)

    def _question(self, cut: Cut, asked: str) -> list[NodeProto]:
        """Whether an element lies above the threshold: not so on it, nor for NaN."""
        flat, place, one, limit = (
            f"{asked}_{n}" for n in ("flat", "place", "element", "threshold")
        )
        threshold = np.array([[cut.threshold]], self.types[cut.input])
        if self.opset < _INTEGERS:
            start, end = [cut.element], [cut.element + 1]
            picked = [helper.make_node("Slice", [flat], [one], axes=[1], starts=start, ends=end)]
        else:
            place = f"{asked}_place"
            picked = [
                _constant(place, from_array(np.array([cut.element], np.int64))),
                helper.make_node("Gather", [flat, place], [one], axis=1),
            ]
        return [
            helper.make_node("Flatten", [cut.input], [flat], axis=0),
            *picked,
            _constant(limit, from_array(threshold)),
            helper.make_node("Greater", [one, limit], [asked]),
        ]

    def _leaf(self, number: int, prefix: str) -> list[NodeProto]:
        """The nodes of a slice, all names but the inputs' with a prefix."""
        graph = self.slices[number].graph
        own = prefix or f"{self.own}/slice{number}/"
        rename = partial(_renamed, self.inputs, own)
        nodes = [_constant(rename(t.name), t) for t in graph.initializer]
        for sparse in graph.sparse_initializer:
            name = rename(sparse.values.name)
            nodes.append(helper.make_node("Constant", [], [name], sparse_value=sparse))
        nodes += [_copied(node, rename) for node in graph.node]
        for result in () if prefix else self._results(""):
            nodes.append(helper.make_node("Identity", [rename(result)], [result]))
        return nodes


def _renamed(inputs: set[str], prefix: str, name: str) -> str:
    return name if not name or name in inputs else prefix + name


def _constant(name: str, tensor: TensorProto) -> NodeProto:
    return helper.make_node("Constant", [], [name], value=tensor)


def _copied(node: NodeProto, rename: Callable[[str], str]) -> NodeProto:
    """A node with other names, in the graphs nested in it too."""
    copy = NodeProto()
    copy.CopyFrom(node)
    if copy.name:
        copy.name = rename(copy.name)
    copy.input[:] = map(rename, node.input)
    copy.output[:] = map(rename, node.output)
    for attribute in copy.attribute:
        for body in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
            _rename_body(body, rename)
    return copy


def _rename_body(body: GraphProto, rename: Callable[[str], str]) -> None:
    for info in (*body.input, *body.output, *body.value_info, *body.initializer):
        info.name = rename(info.name)
    for sparse in body.sparse_initializer:
        sparse.values.name = rename(sparse.values.name)
    nodes = [_copied(node, rename) for node in body.node]
    body.ClearField("node")
    body.node.extend(nodes)
