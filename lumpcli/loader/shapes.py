"""Static shapes, and types, as far as they follow from inputs and operators.

onnx infers them on a skeleton of the model without large weights. What it cannot follow are shapes
that a model computes from other shapes; those are written into the skeleton, and it infers again.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, helper, numpy_helper

from lumpcli.loader.axes import Dim
from lumpcli.loader.graph import DEFAULT_DOMAINS, FLOATS, Graph, Shapes, all_tensors
from lumpcli.loader.sizes import Size, Sizes, measured
from lumpcli.loader.weights import Weights
from lumpcli.wire import Payloads

_SAME_SHAPE = ("Quant", "BipolarQuant")  # of other domains, unknown to onnx
_MOST_SCALES = 16  # so many scales a Resize may have
_INTEGERS = (TensorProto.INT64, TensorProto.INT32)
_TOLD = {"Reshape": 1, "Expand": 1, "Tile": 1, "ConstantOfShape": 0}  # the input that is a shape

Types = dict[str, np.dtype[Any]]


def infer(graph: Graph, weights: Weights) -> tuple[Shapes, Types, Sizes]:
    """Shapes and types of tensors, and the tensors of sizes.

    Shapes the file claims for inner tensors and outputs are not trusted: stale ones exist.
    """
    skeleton = _skeleton(graph)
    written: dict[int, list[int]] = {}
    while True:
        shapes, types = _inferred(skeleton)
        sizes = measured(graph, weights, shapes)
        fresh = {
            place: told
            for place, number in enumerate(graph.order)
            if place not in written
            for told in [_told(graph.proto.node[number], sizes, shapes)]
            if told is not None
        }
        if not fresh:
            return shapes, types, sizes
        written |= fresh
        for place, told in fresh.items():
            node = skeleton.graph.node[place]
            name = f"shape for node {place}"
            node.input[_TOLD[node.op_type]] = name
            constant = numpy_helper.from_array(np.array(told, np.int64), name)
            skeleton.graph.initializer.append(constant)


def _told(node: onnx.NodeProto, sizes: Sizes, shapes: Shapes) -> list[int] | None:
    """A computed shape for onnx: 0 copies the size of the same axis, -1 is one unknown."""
    slot = _TOLD.get(node.op_type)
    if slot is None or len(node.input) <= slot or node.input[slot] not in sizes:
        return None
    known = shapes.get(node.output[0])
    if known is not None and all(isinstance(size, int) for size in known):
        return None
    before = shapes.get(node.input[0]) if node.op_type == "Reshape" else None
    told = [_entry(entry, place, before) for place, entry in enumerate(sizes[node.input[slot]])]
    if told.count(-1) > 1 or None in told or (node.op_type != "Reshape" and -1 in told):
        return None
    return [entry for entry in told if entry is not None]


def _entry(entry: Size, place: int, before: list[Dim] | None) -> int | None:
    if isinstance(entry.value, int):
        return entry.value
    if before is not None and place < len(before) and entry.value == before[place] is not None:
        return 0
    return -1 if before is not None else None


def _skeleton(graph: Graph) -> ModelProto:
    skeleton = ModelProto()
    skeleton.ir_version = graph.model.ir_version
    skeleton.opset_import.extend(graph.model.opset_import)
    skeleton.functions.extend(graph.model.functions)
    proto = skeleton.graph
    proto.name = "skeleton"
    same: dict[str, str] = {}
    for number in graph.order:
        node = proto.node.add()
        node.CopyFrom(graph.proto.node[number])
        for place, name in enumerate(node.input):
            node.input[place] = same.get(name, name)
        if node.op_type == "Identity" and node.domain in DEFAULT_DOMAINS:
            same[node.output[0]] = node.input[0]
        if node.op_type in _SAME_SHAPE and node.domain not in DEFAULT_DOMAINS:
            node.op_type, node.domain = "Identity", ""
            del node.input[1:], node.attribute[:]
    inputs = {i.name for i in graph.proto.input}
    proto.input.extend(graph.proto.input)
    for given in proto.input:
        for axis, dim in enumerate(given.type.tensor_type.shape.dim):
            if not dim.WhichOneof("value"):
                dim.dim_param = f"{given.name}, axis {axis}"
    for tensor in graph.proto.initializer:
        small = len(tensor.dims) <= 1 and not tensor.external_data
        scales = sum(tensor.dims) <= _MOST_SCALES and tensor.data_type == TensorProto.FLOAT
        if small and (scales or tensor.data_type in _INTEGERS):
            proto.initializer.append(tensor)
        elif tensor.name not in inputs:
            info = helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
            proto.input.append(info)
    for output in graph.proto.output:
        proto.output.add(name=output.name)
    if graph.payloads is not None:
        _fill_lists(skeleton, graph.payloads)
    return skeleton


def _fill_lists(skeleton: ModelProto, payloads: Payloads) -> None:
    """Lists of integers may be shapes: onnx must not take a placeholder for their numbers."""
    for tensor in all_tensors(skeleton):
        if len(tensor.dims) <= 1 and tensor.data_type in _INTEGERS:
            held = payloads.find(tensor.raw_data)
            if held is not None:
                tensor.raw_data = held.content()


def _inferred(skeleton: ModelProto) -> tuple[Shapes, Types]:
    try:
        inferred = onnx.shape_inference.infer_shapes(skeleton, data_prop=True).graph
    except (onnx.shape_inference.InferenceError, RuntimeError, ValueError):
        inferred = skeleton.graph  # what the inputs say is all that is known
    found: Shapes = {}
    types: Types = {}
    for info in [*inferred.input, *inferred.value_info, *inferred.output]:
        tensor = info.type.tensor_type
        if tensor.elem_type in FLOATS:
            types[info.name] = helper.tensor_dtype_to_np_dtype(tensor.elem_type)
        if tensor.HasField("shape"):
            found[info.name] = [
                d.dim_value if d.HasField("dim_value") else d.dim_param or None
                for d in tensor.shape.dim
            ]
    return found, types
