"""Operator tests put between two layers of weights, so that there is something to cut.

onnx's own tests of operators have no weights: everything is a graph input. Here the first input
comes from a linear layer with redundant features, the other inputs become constants, and a matrix
reads the first output. What the operator in between does to features then has to be understood, or
left alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

_FLOATS = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16)
_IR = 10  # onnx is ahead of onnxruntime, and nothing here needs the newest format
_WIDTH = 3  # features the reader makes
# what the features 1 and 2 of the first layer become: (multiple of feature 0, bias)
PLANS = {
    "equal, constant": ((1.0, 0.0), (0.0, 0.5)),
    "negative, double": ((-1.0, 0.0), (2.0, 0.0)),
    "shifted": ((1.0, 1.0), (0.5, 0.0)),
}


@dataclass(frozen=True)
class Planted:
    """A model around an operator test, and what to feed it."""

    label: str
    model: ModelProto
    feeds: dict[str, Any]


def surround(model: ModelProto, values: Sequence[Any]) -> Iterator[Planted]:
    """Every way to put a test between layers; `values` are its inputs' in order.

    Features lie along axis 1 (a convolution of kernel 1) or along the last (a matrix). Nothing is
    yielded for what has no features: scalars, text, sequences, integers.
    """
    graph = model.graph
    data = values[0] if values else None
    if not _fits(model) or not isinstance(data, np.ndarray) or len(values) != len(graph.input):
        return
    shape = [d.dim_value for d in graph.output[0].type.tensor_type.shape.dim]
    if not all(isinstance(v, np.ndarray) and v.dtype != object for v in values[1:]):
        return
    for axis in _axes(list(data.shape)):
        for reads in _axes(shape):
            if data.shape[axis] < 2 or shape[reads] < 1:
                continue
            for plan in PLANS:
                label = f"{plan}, axes {axis} and {reads}"
                yield Planted(label, _build(model, values, axis, reads, plan), {"planted_x": data})


def _fits(model: ModelProto) -> bool:
    graph = model.graph
    if not graph.input or not any(o.domain in ("", "ai.onnx") for o in model.opset_import):
        return False
    ends = [end.type.tensor_type for end in (graph.input[0], graph.output[0])]
    return all(end.elem_type in _FLOATS and end.HasField("shape") for end in ends)


def _axes(shape: list[int]) -> list[int]:
    """Where features may lie."""
    return [axis for axis, ranks in ((1, (3, 4, 5)), (-1, range(2, 8))) if len(shape) in ranks]


def _build(
    model: ModelProto, values: Sequence[Any], axis: int, reads: int, plan: str
) -> ModelProto:
    new = ModelProto()
    new.CopyFrom(model)
    new.ir_version = min(new.ir_version, _IR)
    graph = new.graph
    first, last = graph.input[0], graph.output[0]
    entry = helper.make_tensor_value_info(
        "planted_x", first.type.tensor_type.elem_type, values[0].shape
    )
    dtype = values[0].dtype
    ends = last.type.tensor_type
    width = ends.shape.dim[reads].dim_value
    outputs = helper.tensor_dtype_to_np_dtype(ends.elem_type)
    rows, bias = _redundant(values[0].shape[axis], plan)
    read = np.random.default_rng(width).choice([-3, -2, -1, 1, 2, 3], (_WIDTH, width))
    for given, value in zip(list(graph.input)[1:], values[1:], strict=True):
        graph.initializer.append(numpy_helper.from_array(value, given.name))
    head = _layer("planted_x", first.name, rows.astype(dtype), axis, values[0].ndim, graph)
    head += _bias(head[-1], bias.astype(dtype), axis, values[0].ndim, graph)
    tail = _layer(last.name, "planted_y", read.astype(outputs), reads, len(ends.shape.dim), graph)
    nodes = [*head, *graph.node, *tail]
    del graph.node[:], graph.input[:], graph.value_info[:]
    graph.node.extend(nodes)
    graph.input.append(entry)
    others = list(graph.output)[1:]
    del graph.output[:]
    unknown = [None] * len(ends.shape.dim)
    graph.output.append(helper.make_tensor_value_info("planted_y", ends.elem_type, unknown))
    graph.output.extend(others)
    return new


def _redundant(width: int, plan: str) -> tuple[np.ndarray, np.ndarray]:
    """The identity, but for features 1 and 2."""
    rows, bias = np.eye(width), np.zeros(width)
    for feature, (multiple, shift) in enumerate(PLANS[plan], start=1):
        if feature < width:
            rows[feature] = multiple * rows[0]
            bias[feature] = shift
    return rows, bias


def _layer(
    read: str, made: str, rows: np.ndarray, axis: int, rank: int, graph: Any
) -> list[NodeProto]:
    """rows @ read along an axis."""
    name = f"{made}_planted_w"
    if axis == 1:
        kernel = rows.reshape(*rows.shape, *[1] * (rank - 2))
        graph.initializer.append(numpy_helper.from_array(kernel, name))
        return [helper.make_node("Conv", [read, name], [made])]
    graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(rows.T), name))
    return [helper.make_node("MatMul", [read, name], [made])]


def _bias(node: NodeProto, bias: np.ndarray, axis: int, rank: int, graph: Any) -> list[NodeProto]:
    """Give the layer a node makes a bias: a Conv's own, or an Add that follows."""
    made = node.output[0]
    name = f"{made}_planted_b"
    graph.initializer.append(numpy_helper.from_array(bias, name))
    if axis == 1:
        node.input.append(name)
        return []
    node.output[0] = f"{made}_planted_sum"
    return [helper.make_node("Add", [node.output[0], name], [made])]
