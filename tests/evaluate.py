"""The net evaluated in float64 by numpy: a second opinion on what the loader understood."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
import onnx
import onnxruntime as ort
from onnx import ModelProto, TensorProto, helper

from lumpcli.ir import Activation, Array, Join, Layer, Term
from lumpcli.loader import Host

Arrays = Mapping[str, Array]


def session(model: ModelProto | str) -> ort.InferenceSession:
    """onnxruntime on one thread, with optimisations off."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    source = model if isinstance(model, str) else model.SerializeToString()
    return ort.InferenceSession(source, options, providers=["CPUExecutionProvider"])


def every_tensor(model: ModelProto, inputs: Arrays) -> dict[str, Array]:
    """Each tensor that the nodes of the top-level graph make, as onnxruntime computes it."""
    wide = ModelProto()
    wide.CopyFrom(model)
    declared = {o.name for o in wide.graph.output}
    for node in wide.graph.node:
        for name in node.output:
            if name and name not in declared:
                wide.graph.output.add(name=name)
    names = [o.name for o in wide.graph.output]
    values = session(wide).run(names, dict(inputs))
    return dict(inputs) | dict(zip(names, values, strict=True))


def evaluate(host: Host, tensors: Arrays, *, local: bool = False) -> dict[str, Array]:
    """Every layer of the net by name, laid out like its tensor in the file.

    `tensors` give the layers without terms their values, and moved layers their shapes. `local`:
    each layer is computed from the tensors it reads, not from what was computed before.
    """
    found: dict[str, Array] = {}  # the features along the last axis
    for layer in host.net.layers:
        if layer.terms:
            found[layer.name] = _layer(host, layer, found, tensors)
        if not layer.terms or (local and layer.name in tensors):
            tensor, axis = _place(host, layer.name)
            found[layer.name] = np.moveaxis(tensors[tensor], axis, -1).astype(np.float64)
            if layer.terms:
                found[layer.name, "own"] = _layer(host, layer, found, tensors)  # type: ignore[index]
    return {
        layer.name: np.moveaxis(found[layer.name], -1, _place(host, layer.name)[1])
        for layer in host.net.layers
    }


def _place(host: Host, name: str) -> tuple[str, int]:
    """The tensor that holds a layer and its feature axis; `x (axis -2)` is x read another way."""
    if name in host.axes:
        return name, host.axes[name][1]
    tensor, _, axis = name.rpartition(" (axis ")
    return tensor, int(axis.rstrip(")"))
