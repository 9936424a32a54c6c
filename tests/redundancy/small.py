"""Small dense ReLU networks whose last layer is linear, and what they compute when ReLUs are lines.

All in fractions: what is compared with them needs no tolerance.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction

import numpy as np
from onnx import ModelProto

from lumpcli.bounds import Program, Range, ladder, lower
from lumpcli.box import Box
from lumpcli.loader import Host, load
from lumpcli.redundancy import Candidate
from lumpcli.redundancy.cover import Cover
from tests.bounds.rational import Layers
from tests.models import build, node

Lines = Mapping[tuple[str, int], tuple[float, float]]  # slope and offset by layer and feature


def network(layers: Layers, early: Sequence[str] = ()) -> ModelProto:
    """x, then Gemm and Relu (z0, h0, z1, h1, ...), and at last a Gemm, y; `early` outputs, too."""
    nodes, weights, source = [], {}, "x"
    for k, (weight, bias) in enumerate(layers):
        weights |= {f"w{k}": weight, f"b{k}": bias}
        name = f"z{k}" if k < len(layers) - 1 else "y"
        nodes.append(node("Gemm", [source, f"w{k}", f"b{k}"], [name]))
        if name != "y":
            nodes.append(node("Relu", [name], [f"h{k}"]))
            source = f"h{k}"
    width, dtype = layers[0][0].shape[0], layers[0][0].dtype
    outputs = [*early, "y"]
    return build(nodes, weights, inputs={"x": (1, width)}, outputs=outputs, dtype=dtype)


def integers(*layers: tuple[Sequence[Sequence[float]], Sequence[float]]) -> Layers:
    """Layers of weights (outputs, inputs) and biases that float32 holds."""
    return [(np.array(w, np.float32).T, np.array(b, np.float32)) for w, b in layers]


def exact(layers: Layers, point: Iterable[float], lines: Lines) -> dict[str, list[Fraction]]:
    """All values when some ReLUs are lines: z0, h0, ... and y."""
    values, found = [Fraction(float(x)) for x in point], {}
    for k, (weight, bias) in enumerate(layers):
        z = [
            sum((Fraction(float(w)) * v for w, v in zip(column, values, strict=True)), start)
            for column, start in zip(weight.T, map(Fraction, map(float, bias)), strict=True)
        ]
        if k == len(layers) - 1:
            return {**found, "y": z}
        values = [_activated(v, lines.get((f"h{k}", i))) for i, v in enumerate(z)]
        found |= {f"z{k}": z, f"h{k}": values}
    raise AssertionError("no layers")


def _activated(z: Fraction, line: tuple[float, float] | None) -> Fraction:
    return max(z, Fraction(0)) if line is None else Fraction(line[0]) * z + Fraction(line[1])


def lines_of(candidates: Iterable[Candidate]) -> Lines:
    """Slopes and offsets of candidates."""
    return {c.place: (c.slope, c.offset) for c in candidates}


def covered(model: ModelProto, low: float, high: float) -> tuple[Host, Program, Cover]:
    """A cover of the box in which all inputs lie between two numbers, with bounds of all rungs."""
    host = load(model)
    box = everywhere(host, low, high)
    program = lower(host, outputs=True)
    known = {
        program.targets[name].step: Range(b.lower.reshape(1, -1), b.upper.reshape(1, -1))
        for name, b in ladder(host, box).tensors.items()
    }
    return host, program, Cover(program, box, known)


def everywhere(host: Host, low: float, high: float) -> Box:
    """That box."""
    shapes = {name: tensor.shape for name, tensor in lower(host).inputs.items()}
    return Box.everywhere(low, high, shapes)
