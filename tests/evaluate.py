"""The net evaluated in float64 by numpy: a second opinion on what the loader understood."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import onnxruntime as ort
from onnx import ModelProto, helper

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


def evaluate(host: Host, tensors: Arrays, *, local: bool = False) -> dict[str, Array]:
    """Every layer that has terms, by name, laid out like its tensor in the file.

    `tensors` give the layers without terms their values, and moved layers their shapes. `local`:
    each layer is computed from the tensors it reads, not from what was computed before.
    """
    known: dict[str, Array] = {}  # the features along the last axis
    found: dict[str, Array] = {}
    for layer in host.net.layers:
        tensor, axis = _place(host, layer.name)
        if layer.terms:
            value = _layer(layer, known)
            if any(t.via for t in layer.terms):
                shape = np.moveaxis(tensors[tensor], axis, -1).shape
                value = value.reshape(*shape[:-1], layer.width)
            found[layer.name] = np.moveaxis(value, -1, axis)
        if local or not layer.terms:
            value = np.moveaxis(tensors[tensor], axis, -1).astype(np.float64)
        known[layer.name] = value
    return found


def _place(host: Host, name: str) -> tuple[str, int]:
    """The tensor that holds a layer, and its feature axis; `x (axis -2)` is x read another way."""
    if name in host.axes:
        return name, host.axes[name][1]
    tensor, _, axis = name.rpartition(" (axis ")
    return tensor, int(axis.rstrip(")"))


def _layer(layer: Layer, known: Arrays) -> Array:
    with np.errstate(all="ignore"):
        values = [_term(t, known[t.source]) for t in layer.terms]
        if isinstance(layer, Join):
            return _JOIN[layer.function](*values)
        value = sum(values[1:], values[0])
        if layer.bias is not None:
            value = value + float(layer.bias_scale) * layer.bias.astype(np.float64)
        return _activate(layer.activation, value)


def _term(term: Term, x: Array) -> Array:
    scale = float(term.scale)
    if not term.diagonal:
        return scale * (x @ term.flat.astype(np.float64).T)
    if term.weight is None:
        return scale * x
    weight = term.weight.astype(np.float64)
    return scale * (x / weight if term.inverse else x * weight)


_JOIN = {
    "Mul": np.multiply,
    "Div": np.divide,
    "Max": np.maximum,
    "Min": np.minimum,
    "Pow": np.power,
}


def _activate(activation: Activation, z: Array) -> Array:
    if activation.slopes is not None:
        return np.where(z > 0, z, z * activation.slopes.astype(np.float64))
    if activation.name == "Cast":
        dtype = helper.tensor_dtype_to_np_dtype(activation.attributes[0])
        return z.astype(dtype).astype(np.float64)
    return _FUNCTIONS[activation.name](z, *activation.attributes)


def _sigmoid(z: Array) -> Array:
    return 1 / (1 + np.exp(-z))


def _softplus(z: Array) -> Array:
    return np.logaddexp(0, z)


def _gelu(z: Array, approximate: str) -> Array:
    if approximate == "tanh":
        return 0.5 * z * (1 + np.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z**3)))
    return 0.5 * z * (1 + _erf(z / math.sqrt(2)))


_erf = np.vectorize(math.erf, otypes=[np.float64])

_FUNCTIONS = {
    "Identity": lambda z: z,
    "Relu": lambda z: np.maximum(z, 0),
    "LeakyRelu": lambda z, slope: np.where(z > 0, z, slope * z),
    "ThresholdedRelu": lambda z, alpha: np.where(z > alpha, z, 0),
    "Elu": lambda z, alpha: np.where(z > 0, z, alpha * np.expm1(z)),
    "Selu": lambda z, alpha, gamma: gamma * np.where(z > 0, z, alpha * np.expm1(z)),
    "Celu": lambda z, alpha: np.maximum(z, 0) + np.minimum(0, alpha * np.expm1(z / alpha)),
    "HardSigmoid": lambda z, alpha, beta: np.clip(alpha * z + beta, 0, 1),
    "HardSwish": lambda z: z * np.clip(z / 6 + 0.5, 0, 1),
    "Gelu": _gelu,
    "Shrink": lambda z, lambd, bias: np.where(
        z < -lambd, z + bias, np.where(z > lambd, z - bias, 0)
    ),
    "Swish": lambda z, alpha: z * _sigmoid(alpha * z),
    "Mish": lambda z: z * np.tanh(_softplus(z)),
    "Softplus": _softplus,
    "Softsign": lambda z: z / (1 + np.abs(z)),
    "Sigmoid": _sigmoid,
    "Erf": _erf,
    "Clip": np.clip,
    "Pow": np.power,
    "ExponentialOf": lambda z, base: np.power(base, z),
    "Reciprocal": np.reciprocal,
    "Round": np.rint,
    "Acos": np.arccos,
    "Acosh": np.arccosh,
    "Asin": np.arcsin,
    "Asinh": np.arcsinh,
    "Atan": np.arctan,
    "Atanh": np.arctanh,
    **{
        name: getattr(np, name.lower())
        for name in (
            *("Abs", "Ceil", "Cos", "Cosh", "Exp", "Floor", "IsInf", "IsNaN", "Log"),
            *("Sign", "Sin", "Sinh", "Sqrt", "Tan", "Tanh"),
        )
    },
}


def disagreements(
    host: Host, inputs: Arrays, tolerance: float = 0.0, *, local: bool = False
) -> list[str]:
    """The layers whose float64 value is not onnxruntime's, as far as `tolerance` of the scale."""
    tensors = every_tensor(host.model, inputs)
    wrong = []
    for name, value in evaluate(host, tensors, local=local).items():
        seen = tensors[name].astype(np.float64)
        if seen.ndim > value.ndim:  # a constant of higher rank adds axes of length 1 in front
            value = value.reshape((1,) * (seen.ndim - value.ndim) + value.shape)
        if seen.shape != value.shape:
            wrong.append(f"{name}: shape {value.shape}, onnxruntime {seen.shape}")
            continue
        finite = seen[np.isfinite(seen)]
        allowed = tolerance * (np.abs(finite).max() if finite.size else 0.0)
        with np.errstate(all="ignore"):
            error = np.abs(seen - value)
        apart = ~(error <= allowed) & ~_alike(seen, value)
        if apart.any():
            worst = np.max(error[apart])
            wrong.append(f"{name}: off by {worst} of {allowed}")
    for output in host.net.outputs:
        if not np.array_equal(tensors[output.tensor], tensors[output.layer], equal_nan=True):
            wrong.append(f"{output.tensor} is not {output.layer}")
    return wrong


def _alike(a: Array, b: Array) -> Array:
    return (a == b) | (np.isnan(a) & np.isnan(b))
