"""Small dense ReLU networks, and what they compute exactly: in fractions."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

import numpy as np
from onnx import ModelProto

from tests.models import build, node

Array = np.ndarray
Layers = list[tuple[Array, Array]]  # weight (inputs, outputs), bias


def random_layers(
    rng: np.random.Generator, widths: Sequence[int], dtype: type = np.float32
) -> Layers:
    """Random layers; He's scale."""
    return [
        ((rng.normal(size=(m, n)) * np.sqrt(2 / m)).astype(dtype), rng.normal(size=n).astype(dtype))
        for m, n in pairwise(widths)
    ]


def dense_model(layers: Layers) -> ModelProto:
    """x, then Gemm and Relu for each of the layers: z0, y0, z1, y1, ..."""
    nodes, weights, source = [], {}, "x"
    for k, (weight, bias) in enumerate(layers):
        weights |= {f"w{k}": weight, f"b{k}": bias}
        nodes.append(node("Gemm", [source, f"w{k}", f"b{k}"], [f"z{k}"]))
        nodes.append(node("Relu", [f"z{k}"], [f"y{k}"]))
        source = f"y{k}"
    width, dtype = layers[0][0].shape[0], layers[0][0].dtype
    return build(nodes, weights, inputs={"x": (1, width)}, outputs=[source], dtype=dtype)


def exact_values(layers: Layers, point: Sequence[float]) -> dict[str, list[Fraction]]:
    """What each ReLU reads."""
    values, found = [Fraction(float(x)) for x in point], {}
    for k, (weight, bias) in enumerate(layers):
        columns = [[Fraction(float(w)) for w in weight[:, j]] for j in range(weight.shape[1])]
        z = [
            sum((w * v for w, v in zip(column, values, strict=True)), Fraction(float(b)))
            for column, b in zip(columns, bias, strict=True)
        ]
        found[f"z{k}"] = z
        values = [max(x, Fraction(0)) for x in z]
    return found


def outside(
    exact: dict[str, list[Fraction]], lower: dict[str, Array], upper: dict[str, Array]
) -> int:
    """How many exact values are not within float64 bounds."""
    return sum(
        not Fraction(float(low)) <= value <= Fraction(float(high))
        for name, values in exact.items()
        for low, value, high in zip(
            lower[name].reshape(-1), values, upper[name].reshape(-1), strict=True
        )
        if np.isfinite(low) and np.isfinite(high)
    )
