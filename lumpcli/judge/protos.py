"""Walks over everything a model holds: nested graphs, functions, tensors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto


def all_nodes(model: ModelProto) -> Iterator[NodeProto]:
    """Every node: of the graph, of the functions, and of the graphs nested in attributes."""
    yield from _walk(model.graph.node)
    for function in model.functions:
        yield from _walk(function.node)


def all_graphs(model: ModelProto) -> Iterator[GraphProto]:
    """The main graph and every graph nested in an attribute (bodies of If, Loop, Scan)."""
    yield model.graph
    for node in all_nodes(model):
        for attribute in node.attribute:
            yield from _bodies(attribute)


def all_tensors(model: ModelProto) -> Iterator[TensorProto]:
    """Every stored tensor: initializers, sparse ones (values, then indices), attributes."""
    for graph in all_graphs(model):
        yield from graph.initializer
        for sparse in graph.sparse_initializer:
            yield sparse.values
            yield sparse.indices
    for node in all_nodes(model):
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            if attribute.HasField("sparse_tensor"):
                yield attribute.sparse_tensor.values
                yield attribute.sparse_tensor.indices


def _walk(nodes: Iterable[NodeProto]) -> Iterator[NodeProto]:
    for node in nodes:
        yield node
        for attribute in node.attribute:
            for body in _bodies(attribute):
                yield from _walk(body.node)


def _bodies(attribute: AttributeProto) -> Iterator[GraphProto]:
    if attribute.HasField("g"):
        yield attribute.g
    yield from attribute.graphs


def sort_nodes(graph: GraphProto) -> None:
    """Put the nodes of a graph in topological order, in place, as near to their own as possible.

    A node that waits for something its graph never makes keeps its place at the end.
    """
    made_by = {name: k for k, node in enumerate(graph.node) for name in node.output if name}
    order: list[int] = []
    done: set[int] = set()
    for first in range(len(graph.node)):
        stack = [first]
        while stack:
            k = stack[-1]
            names = _reads(graph.node[k])
            waits = [made_by[n] for n in names if n in made_by and made_by[n] not in done]
            if k in done or not waits or len(stack) > len(graph.node):
                stack.pop()
                if k not in done:
                    done.add(k)
                    order.append(k)
            else:
                stack.append(waits[0])
    if order != sorted(order):
        nodes = [NodeProto.FromString(graph.node[k].SerializeToString()) for k in order]
        del graph.node[:]
        graph.node.extend(nodes)


def _reads(node: NodeProto) -> list[str]:
    """The tensors a node reads, itself or inside its subgraphs."""
    names = list(node.input)
    for attribute in node.attribute:
        for body in (attribute.g, *attribute.graphs):
            for inner in body.node:
                names += _reads(inner)
            names += [output.name for output in body.output]
    return names
