"""The net evaluated in float64 beside onnxruntime: a second opinion on what was understood."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from onnx import ModelProto

from lumpcli.ir import Array
from lumpcli.loader import Host
from tests.alone import session
from tests.reading import Reading, Unstated, last

Arrays = Mapping[str, Array]


def run(model: ModelProto | str, inputs: Arrays) -> dict[str, Array]:
    """The graph outputs by name."""
    runner = session(model)
    names = [o.name for o in runner.get_outputs()]
    return dict(zip(names, runner.run(names, dict(inputs)), strict=True))


def every_tensor(model: ModelProto, inputs: Arrays) -> dict[str, Array]:
    """Each tensor that the nodes of the top-level graph make, as onnxruntime computes it."""
    wide = ModelProto()
    wide.CopyFrom(model)
    declared = {o.name for o in wide.graph.output}
    for node in wide.graph.node:
        for name in node.output:
            if name and name not in declared:
                wide.graph.output.add(name=name)
    return dict(inputs) | run(wide, inputs)


def disagreements(
    host: Host, inputs: Arrays, tolerance: float = 0.0, *, local: bool = False
) -> list[str]:
    """What the net says and onnxruntime does not.

    Layers whose float64 value is not onnxruntime's, as far as `tolerance` of the scale; tensors
    that do not hold the features they are said to; and terms whose claims on positions are wrong.
    `local`: each layer is computed from the tensors it reads, not from what was computed before.
    """
    tensors = every_tensor(host.model, inputs)
    reading = Reading(host, tensors, local=local)
    try:
        values = reading.values()
    except Unstated as error:
        return [*reading.complaints, str(error)]
    wrong = list(reading.complaints)
    for name, (value, seen) in values.items():
        if seen.shape != value.shape:
            wrong.append(f"{name}: shape {value.shape}, onnxruntime {seen.shape}")
            continue
        finite = seen[np.isfinite(seen)]
        allowed = tolerance * (np.abs(finite).max() if finite.size else 0.0)
        with np.errstate(all="ignore"):
            error = np.abs(seen - value)
        apart = ~(error <= allowed) & ~_alike(seen, value)
        if apart.any():
            wrong.append(f"{name}: off by {np.max(error[apart])} of {allowed}")
    return wrong + _misplaced(host, tensors)


def _misplaced(host: Host, tensors: Arrays) -> list[str]:
    """The tensors that are not the layer they are said to hold, and outputs that are not theirs."""
    wrong = []
    nodes = host.graph.proto.node
    made = {name: place for place, n in enumerate(host.graph.order) for name in nodes[n].output}
    for tensor, (layer, axis) in host.axes.items():
        own = host.axes.get(layer, ("", None))[1]
        if axis is None or own is None or tensor not in tensors:
            continue
        if made.get(tensor, -1) < made.get(layer, -1):  # on the way to the whole layer
            continue
        held, wanted = last(tensors[tensor], axis), last(tensors[layer], own)
        if not np.array_equal(held, wanted, equal_nan=True):
            wrong.append(f"{tensor} is not {layer}")
    for output in host.net.outputs:
        if host.axes.get(output.tensor, ("",))[0] != output.layer:
            wrong.append(f"output {output.tensor} is not {output.layer}")
    return wrong


def _alike(a: Array, b: Array) -> Array:
    return (a == b) | (np.isnan(a) & np.isnan(b))
