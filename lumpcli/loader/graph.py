"""A model file read and checked: who makes each tensor, who uses it, in which order to visit."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto

from lumpcli.errors import InputError
from lumpcli.wire import Payloads, read

DEFAULT_DOMAINS = ("", "ai.onnx")
_T = onnx.TensorProto
FLOATS = (_T.FLOAT, _T.DOUBLE, _T.FLOAT16, _T.BFLOAT16)
Shapes = dict[str, list[int | str | None]]  # a string stands for an unknown, but fixed, size


@dataclass(frozen=True)
class Use:
    """A use of a tensor: input `slot` of node number `node`; -1: graph output or a subgraph."""

    node: int
    slot: int


@dataclass
class Graph:
    """The top-level graph of a model, indexed. `order` are node numbers in topological order."""

    model: ModelProto
    folders: tuple[Path, ...]  # where external data may lie
    payloads: Payloads | None = None  # what placeholders in the model stand for
    order: list[int] = field(default_factory=list)
    producer: dict[str, int] = field(default_factory=dict)
    uses: dict[str, list[Use]] = field(default_factory=dict)
    captured: set[str] = field(default_factory=set)  # read inside a subgraph

    @property
    def proto(self) -> GraphProto:
        """The graph in the model."""
        return self.model.graph

    @property
    def opset(self) -> int:
        """The version of the default operator set."""
        return next((o.version for o in self.model.opset_import if o.domain in DEFAULT_DOMAINS), 1)

    def names(self) -> set[str]:
        """Every name of a tensor in the model, those inside subgraphs too."""
        return names_in(self.proto)

    def sole_use(self, tensor: str) -> bool:
        """Whether exactly one node input uses the tensor and nothing else does."""
        return [u.node >= 0 for u in self.uses.get(tensor, [])] == [True]


def read_model(path: Path, whole: bool = False) -> tuple[ModelProto, Payloads | None]:
    """The model in a file, without its external data, and what its placeholders stand for.

    `whole`: there are no placeholders. InputError when there is no model.
    """
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise InputError(f"{path} is not a regular file, and lumpcli reads it more than once")
        if path.is_file() and not path.stat().st_size:
            raise InputError(f"{path} is empty")
        model, payloads = read(path, whole)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise InputError(f"{path} is a folder, not a file") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    except DecodeError:
        raise InputError(f"{path} is not an ONNX model, or is cut short") from None
    if not model.ir_version or not model.HasField("graph") or not model.graph.output:
        raise InputError(f"{path} is not an ONNX model: it has no graph with outputs")
    if model.ir_version >= 3 and not model.opset_import:
        raise InputError(f"{path} names no operator set: not an ONNX model, or cut short")
    return model, payloads


def index(model: ModelProto, folders: Sequence[Path], payloads: Payloads | None = None) -> Graph:
    """Index a model whose external data lies in one of the folders.

    InputError for a duplicate name, a dangling one, or a cycle.
    """
    graph = Graph(model, tuple(folders), payloads)
    proto = model.graph
    given = {i.name for i in proto.initializer} | {i.values.name for i in proto.sparse_initializer}
    sparse = [i.values.name for i in proto.sparse_initializer]
    _require_unique("initializers", [*(i.name for i in proto.initializer), *sparse])
    _require_unique("graph inputs", [i.name for i in proto.input])
    available = given | {i.name for i in proto.input}
    for number, node in enumerate(proto.node):
        for output in filter(None, node.output):
            if output in graph.producer or output in available:
                raise InputError(f"{describe(node)}: the name {output!r} is produced twice")
            graph.producer[output] = number
    _index_uses(graph, available)
    _sort(graph)
    return graph


def _require_unique(kind: str, names: Sequence[str]) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise InputError(f"two {kind} are named {twice[0]!r}")


def _index_uses(graph: Graph, available: set[str]) -> None:
    known = available | set(graph.producer)
    for number, node in enumerate(graph.proto.node):
        for slot, name in enumerate(node.input):
            if name:
                _require(name, known, node)
                graph.uses.setdefault(name, []).append(Use(number, slot))
        for name in captures(node, known):
            graph.captured.add(name)
            graph.uses.setdefault(name, []).append(Use(-1, -1))
    for output in graph.proto.output:
        if output.name not in known:
            raise InputError(f"graph output {output.name!r} is produced by nobody")
        graph.uses.setdefault(output.name, []).append(Use(-1, -1))


def _require(name: str, known: set[str], node: NodeProto) -> None:
    if name not in known:
        raise InputError(f"{describe(node)} reads {name!r}, which nobody produces")


def subgraphs(node: NodeProto) -> Iterator[GraphProto]:
    """The graphs in a node's attributes (If, Loop, Scan)."""
    for attribute in node.attribute:
        if attribute.type == AttributeProto.GRAPH:
            yield attribute.g
        elif attribute.type == AttributeProto.GRAPHS:
            yield from attribute.graphs


def all_tensors(model: ModelProto) -> Iterator[TensorProto]:
    """Every stored tensor: initializers and attributes, also inside subgraphs and functions."""
    yield from _tensors(model.graph)
    for function in model.functions:
        for node in function.node:
            yield from _tensors_of_node(node)


def _tensors(graph: GraphProto) -> Iterator[TensorProto]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        yield from _tensors_of_node(node)


def _tensors_of_node(node: NodeProto) -> Iterator[TensorProto]:
    for attribute in node.attribute:
        if attribute.HasField("t"):
            yield attribute.t
        yield from attribute.tensors
        for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
            yield from (sparse.values, sparse.indices)
    for body in subgraphs(node):
        yield from _tensors(body)


def names_in(graph: GraphProto) -> set[str]:
    """Every name of a tensor in a graph, those inside its subgraphs too."""
    found = {i.name for i in graph.input} | {i.name for i in graph.initializer}
    found |= {i.values.name for i in graph.sparse_initializer}
    for node in graph.node:
        found |= set(node.input) | set(node.output)
        for body in subgraphs(node):
            found |= names_in(body)
    return found


def local_names(body: GraphProto) -> set[str]:
    """The tensors that a graph makes itself or is given; others of these names it cannot see."""
    found = {i.name for i in body.initializer} | {i.name for i in body.input}
    found |= {i.values.name for i in body.sparse_initializer}
    return found | {name for node in body.node for name in node.output}


def captures(node: NodeProto, outer: set[str]) -> set[str]:
    """Tensors of the outer graphs that a node's subgraphs read; InputError for dangling names."""
    found: set[str] = set()
    for body in subgraphs(node):
        local = local_names(body)
        visible = outer | local
        for inner in body.node:
            for name in filter(None, inner.input):
                _require(name, visible, inner)
                if name not in local:
                    found.add(name)
            found |= captures(inner, visible) - local
        for output in body.output:
            if output.name not in visible:
                raise InputError(f"{describe(node)}: output {output.name!r} is produced by nobody")
            if output.name not in local:
                found.add(output.name)
    return found


def _sort(graph: Graph) -> None:
    """Topological order, as near to the file's order as possible; InputError for a cycle."""
    nodes = graph.proto.node
    known = set(graph.producer) | set(graph.uses)
    waits: list[set[int]] = []
    readers: dict[int, list[int]] = {}
    for number, node in enumerate(nodes):
        names = {n for n in node.input if n} | captures(node, known)
        before = {graph.producer[n] for n in names if n in graph.producer}
        waits.append(before)
        for other in before:
            readers.setdefault(other, []).append(number)
    ready = [n for n in range(len(nodes)) if not waits[n]]
    while ready:
        number = heapq.heappop(ready)
        graph.order.append(number)
        for reader in readers.get(number, []):
            waits[reader].discard(number)
            if not waits[reader]:
                heapq.heappush(ready, reader)
    if len(graph.order) < len(nodes):
        stuck = next(n for n in range(len(nodes)) if waits[n])
        raise InputError(f"{describe(nodes[stuck])} depends on its own output")


def describe(node: NodeProto) -> str:
    """How messages call a node: its operator, and its name or first output."""
    label = node.name or next(iter(node.output), "")
    domain = f"{node.domain}." if node.domain not in DEFAULT_DOMAINS else ""
    return f"{domain}{node.op_type} {label!r}"
