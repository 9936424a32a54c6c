"""Tensors of sizes: what a Reshape, an Expand or a Resize is told, and where it is written.

Exporters write shapes as constants, or compute them from other tensors' shapes (Shape, Gather,
Concat). Where such an entry states the width of a layer, it has to follow when the layer is cut.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from onnx import NodeProto, helper

from lumpcli.loader.axes import Dim
from lumpcli.loader.graph import DEFAULT_DOMAINS, Graph, Shapes
from lumpcli.loader.tensors import filler
from lumpcli.loader.weights import Stored, Weights

_MOST = 64  # entries; longer tensors are no sizes


@dataclass(frozen=True)
class Size:
    """One entry: a number, a symbol, or None where unknown.

    `place` is where a constant is written: node, slot, the stored tensor, the entry in it. `of`
    are the tensors and axes (from the end) whose sizes it depends on.
    """

    value: Dim
    place: tuple[int, int, Stored, int] | None = None
    of: frozenset[tuple[str, int]] = frozenset()

    @property
    def follows(self) -> bool:
        """Whether it is the size of one axis of a tensor, so that it changes by itself."""
        return self.place is None and len(self.of) == 1


Sizes = dict[str, list[Size]]


def sizes_of(stored: Stored, node: int, slot: int) -> list[Size] | None:
    """The entries of a constant, read by a node; None unless they are integers."""
    if stored.array.dtype.kind != "i" or stored.array.size > _MOST:
        return None
    flat = stored.array.reshape(-1).tolist()
    return [Size(int(value), (node, slot, stored, entry)) for entry, value in enumerate(flat)]


def measured(graph: Graph, weights: Weights, shapes: Shapes) -> Sizes:
    """The tensors of sizes that are computed, given the shapes that are known."""
    found: Sizes = {}
    for number in graph.order:
        node = graph.proto.node[number]
        if node.op_type not in _RULES or node.domain not in DEFAULT_DOMAINS:
            continue
        if weights.get(node.output[0]) is not None:
            continue
        if node.op_type == "Shape":
            entries = _shape(node, shapes)
        else:
            read = [_entries(n, number, k, weights, found) for k, n in enumerate(node.input)]
            computed = any(name in found for name in node.input)
            entries = None
            if read and None not in read and (computed or node.op_type == "ConstantOfShape"):
                entries = _RULES[node.op_type](node, [r for r in read if r is not None])
        if entries is not None and len(entries) <= _MOST:
            found[node.output[0]] = entries
    return found


def _entries(
    name: str, number: int, slot: int, weights: Weights, found: Sizes
) -> list[Size] | None:
    if not name:
        return []
    if name in found:
        return found[name]
    stored = weights.get(name)
    return None if stored is None else sizes_of(stored, number, slot)


def _attributes(node: NodeProto) -> dict[str, Any]:
    return {a.name: helper.get_attribute_value(a) for a in node.attribute}


def _shape(node: NodeProto, shapes: Shapes) -> list[Size] | None:
    known = shapes.get(node.input[0])
    if known is None:
        return None
    rank = len(known)
    entries = [
        Size(size, of=frozenset([(node.input[0], axis - rank)])) for axis, size in enumerate(known)
    ]
    limits = _attributes(node)
    return entries[limits.get("start", 0) : limits.get("end", rank)]


def _concat(node: NodeProto, read: list[list[Size]]) -> list[Size] | None:
    return [entry for entries in read for entry in entries]


def _gather(node: NodeProto, read: list[list[Size]]) -> list[Size] | None:
    entries, indices = read
    places = [i.value for i in indices]
    if any(not isinstance(i, int) or not -len(entries) <= i < len(entries) for i in places):
        return None
    return [entries[i] for i in places if isinstance(i, int)]


def _slice(node: NodeProto, read: list[list[Size]]) -> list[Size] | None:
    told = _attributes(node)
    starts, ends = told.get("starts"), told.get("ends")
    steps: Sequence[Any] = [1]
    if starts is None and len(read) > 2:
        starts, ends = ([entry.value for entry in entries] for entries in read[1:3])
        steps = [entry.value for entry in read[4]] if len(read) > 4 and read[4] else [1]
    if starts is None or ends is None or not len(starts) == len(ends) == len(steps) == 1:
        return None
    limits = [starts[0], ends[0], steps[0]]
    if any(not isinstance(limit, int) for limit in limits):
        return None
    return read[0][slice(*limits)]


def _same(node: NodeProto, read: list[list[Size]]) -> list[Size] | None:
    return read[0]


def _reshape(node: NodeProto, read: list[list[Size]]) -> list[Size] | None:
    """Reshape of a list to a list."""
    return read[0] if len(read) == 2 and len(read[1]) == 1 else None


def _cast(node: NodeProto, read: list[list[Size]]) -> list[Size] | None:
    to = helper.tensor_dtype_to_np_dtype(_attributes(node)["to"])
    return read[0] if to.kind == "i" else None


def _filled(node: NodeProto, read: list[list[Size]]) -> list[Size] | None:
    """ConstantOfShape of a known number of integers."""
    told = _attributes(node)
    value = helper.get_attribute_value(node.attribute[0]) if told else None
    count = read[0][0].value if len(read[0]) == 1 else None
    if value is None or value.data_type != value.INT64:
        return None
    if not isinstance(count, int) or not 0 <= count <= _MOST:
        return None
    try:
        number = int(filler(value))
    except ValueError:
        return None
    return [Size(number, of=read[0][0].of)] * count


def _each(
    function: Callable[..., Dim],
) -> Callable[[NodeProto, list[list[Size]]], list[Size] | None]:
    """A rule that combines entries one by one."""

    def rule(node: NodeProto, read: list[list[Size]]) -> list[Size] | None:
        count = max(len(entries) for entries in read)
        if any(len(entries) not in (1, count) for entries in read):
            return None
        found = []
        for k in range(count):
            some = [entries[k if len(entries) > 1 else 0] for entries in read]
            known = [entry.value for entry in some]
            value = None
            if all(isinstance(number, int) for number in known):
                value = function(*known)
            of = frozenset().union(*(entry.of for entry in some))
            found.append(Size(value, of=of))
        return found

    return rule


def _where(node: NodeProto, read: list[list[Size]]) -> list[Size] | None:
    """One of two entries each, by conditions that are known."""
    count = max(len(entries) for entries in read)
    found = []
    for k in range(count):
        condition, yes, no = (entries[k if len(entries) > 1 else 0] for entries in read)
        if condition.value is None:
            return None
        chosen = yes if condition.value else no
        found.append(replace(chosen, of=chosen.of | condition.of))
    return found


def _quotient(left: int, right: int) -> Dim:
    return left // right if right > 0 <= left else None


_RULES: dict[str, Callable[[NodeProto, list[list[Size]]], list[Size] | None]] = {
    "Shape": _same,
    "Concat": _concat,
    "Gather": _gather,
    "Slice": _slice,
    "ConstantOfShape": _filled,
    "Cast": _cast,
    "Reshape": _reshape,
    **dict.fromkeys(("Identity", "Unsqueeze", "Squeeze"), _same),
    "Mul": _each(lambda a, b: a * b),
    "Add": _each(lambda a, b: a + b),
    "Sub": _each(lambda a, b: a - b),
    "Div": _each(_quotient),
    "Equal": _each(lambda a, b: int(a == b)),
    "Where": _where,
}
