"""Counting what a model and its net hold: parameters, multiplications, features, bytes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from onnx import TensorProto

from lumpcli.ir import Layer, Net
from lumpcli.loader import DEFAULT_DOMAINS, Host

_FLOATS = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16)


def layer_parameters(layer: Layer) -> int:
    """Stored numbers of a layer: weights, bias and slopes."""
    arrays = [*(t.weight for t in layer.terms), layer.bias, layer.activation.slopes]
    return sum(a.size for a in arrays if a is not None)


def layer_macs(layer: Layer) -> int:
    """Multiplications of a layer's matrices, per position."""
    return sum(t.flat.size for t in layer.terms if not t.diagonal)


def net_macs(net: Net) -> int:
    """Multiplications of all matrices, per position."""
    return sum(layer_macs(layer) for layer in net.layers)


def parameters(host: Host) -> int:
    """Floating-point numbers a model holds: initializers, constants, and weights of any kind."""
    found = {
        t.name: int(np.prod(t.dims)) for t in host.model.graph.initializer if t.data_type in _FLOATS
    }
    for node in host.model.graph.node:
        if node.op_type == "Constant" and node.domain in DEFAULT_DOMAINS:
            stored = host.weights.get(node.output[0])
            if stored is not None and stored.array.dtype.kind not in "iub":
                found[stored.root] = stored.array.size
    for site in host.sites:
        if site.stored is not None and site.role != "width":
            found[site.stored.root] = site.stored.array.size
    return sum(found.values())


def hidden(net: Net) -> list[Layer]:
    """The layers of weights whose features are not themselves graph outputs."""
    outputs = {output.layer for output in net.outputs}
    return [layer for layer in net.dense_layers if layer.name not in outputs]


def features(net: Net, widths: Net | None = None) -> int:
    """Hidden features of a net; with `widths`, as many as those layers have there."""
    return sum((widths or net)[layer.name].width for layer in hidden(net))


def file_bytes(path: Path, data_files: Iterable[Path]) -> int:
    """Size of a model file together with its data files."""
    return path.stat().st_size + sum(file.stat().st_size for file in data_files)
