"""Graphs as ONNX models, and running them in onnxruntime."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import helper

from tests.graphs.pen import Pen
from tests.graphs.spec import Graph, Rng
from tests.graphs.writing import WRITE

Arrays = dict[str, Any]
_SILENT = 4


def _info(graph: Graph, name: str, words: bool = False) -> onnx.ValueInfoProto:
    """The type and shape of a graph input or output."""
    tensor = graph.tensors[name]
    shape: dict[str, list[int]] = {
        "first": [tensor.width, *tensor.spatial],
        "last": [*tensor.spatial, tensor.width],
    }
    rest = shape.get(tensor.layout, [tensor.width * tensor.positions])
    kind = onnx.TensorProto.INT64 if words else onnx.TensorProto.FLOAT
    rest = list(tensor.spatial) if words else rest
    return helper.make_tensor_value_info(name, kind, [graph.batch or "N", *rest])


def write(graph: Graph, rng: Rng) -> onnx.ModelProto:
    """The model of a graph; equal random numbers write a graph and its planted one alike."""
    pen = Pen(graph, rng)
    inputs = []
    for step in graph.steps:
        if step.kind in ("input", "words"):
            inputs.append(_info(graph, step.output, step.kind == "words"))
        else:
            WRITE[step.kind](pen, step)
    outputs = [_info(graph, name) for name in graph.outputs]
    made = helper.make_graph(pen.nodes, graph.family or "graph", inputs, outputs, pen.initializers)
    opsets = [helper.make_opsetid("", graph.opset)]
    return helper.make_model(made, opset_imports=opsets, ir_version=10 if graph.opset > 20 else 8)


def feeds_for(graph: Graph, rng: Rng, largest: int = 4) -> Arrays:
    """Random small integers for every input."""
    feeds: Arrays = {}
    batch = graph.batch or 3
    for step in graph.steps:
        tensor = graph.tensors[step.output]
        if step.kind == "words":
            shape = (batch, step.settings["length"])
            feeds[step.output] = rng.integers(0, step.settings["words"], shape)
        elif step.kind == "input":
            dims = [d.dim_value for d in _info(graph, step.output).type.tensor_type.shape.dim[1:]]
            numbers = rng.integers(-largest, largest + 1, (batch, *dims))
            feeds[tensor.name] = numbers.astype(np.float32)
    return feeds


def run(model: onnx.ModelProto, feeds: Arrays, *, inside: bool = False) -> Arrays:
    """All outputs by name; `inside`: and what all nodes compute. Optimisations off."""
    if inside:
        wider = onnx.ModelProto()
        wider.CopyFrom(model)
        known = {o.name for o in model.graph.output}
        names = [o for node in model.graph.node for o in node.output if o and o not in known]
        wider.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
        model = wider
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _SILENT
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    names = [o.name for o in model.graph.output]
    return dict(zip(names, session.run(names, feeds), strict=True))
