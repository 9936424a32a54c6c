"""Counting what a model and its net hold: parameters, multiplications, features, bytes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from onnx import TensorProto

from lumpcli.ir import Layer, Net
from lumpcli.loader import DEFAULT_DOMAINS, Host, all_tensors

_FLOATS = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16)


def layer_parameters(layer: Layer) -> int:
    """Stored numbers of a layer: weights, bias, slopes, moments."""
    total = sum(a.size for a in (layer.bias, layer.activation.slopes) if a is not None)
    for term in layer.terms:
        if term.weight is not None:
            total += term.weight.size // term.blocks
        if term.moments is not None:
            total += term.moments.mean.size + term.moments.variance.size
    return total


def layer_macs(layer: Layer) -> int:
    """Multiplications of a layer's matrices, per position."""
    return sum(t.flat.size // t.blocks for t in layer.terms if not t.diagonal)


def net_macs(net: Net) -> int:
    """Multiplications of all matrices, per position."""
    return sum(layer_macs(layer) for layer in net.layers)


def parameters(host: Host) -> int:
    """Floating-point numbers a model holds, in subgraphs and functions too.

    A ConstantOfShape counts as what it makes when it serves as weights.
    """
    stored = sum(int(np.prod(t.dims)) for t in all_tensors(host.model) if t.data_type in _FLOATS)
    made = {}
    for node in host.model.graph.node:
        own = host.weights.get(node.output[0]) if node.domain in DEFAULT_DOMAINS else None
        if own is not None and node.op_type == "Constant" and node.attribute[0].name != "value":
            made[own.root] = own.array.size if own.array.dtype.kind == "f" else 0
    for site in host.sites:
        root = "" if site.stored is None else site.stored.root
        number = host.graph.producer.get(root)
        if site.stored is None or site.role in ("extent", "indices") or number is None:
            continue
        if host.model.graph.node[number].op_type == "ConstantOfShape":
            made[root] = site.stored.array.size - 1  # its value is counted already
    return stored + sum(made.values())


def hidden(net: Net) -> list[Layer]:
    """The layers of weights whose features are not themselves graph outputs."""
    outputs = {output.layer for output in net.outputs}
    return [layer for layer in net.dense_layers if layer.name not in outputs]


def features(net: Net, widths: Net | None = None) -> int:
    """Hidden features of a net; with `widths`, as many as those layers have there."""
    return sum((widths or net).width(layer.name) for layer in hidden(net))


def file_bytes(path: Path, data_files: Iterable[Path]) -> int:
    """Size of a model file together with its data files."""
    return path.stat().st_size + sum(file.stat().st_size for file in data_files)
