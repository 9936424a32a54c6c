"""Networks as mathematics: exact numbers, no ONNX and nothing of lumpcli's.

Every number is a dyadic rational that float64 holds exactly. The generator makes such networks,
the writer turns them into ONNX models, the reference says how small they can be.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt

from tests.laws.functions import FUNCTIONS, Function, leaky

Matrix = npt.NDArray[np.float64]
Kind = Literal["input", "dense", "sum", "scale", "product"]


@dataclass(frozen=True)
class Layer:
    """One layer of `width` features, `function(...)` of what it reads feature by feature or whole.

    dense: `weight` (width, width of the source); sum: `signs`, one per source; scale: `weight`
    (width,); product: of two sources. `bias` (width,) may be missing; `place`: whether a dense
    layer's operator could take one. `share` names the layer whose stored tensors it uses.
    """

    name: str
    kind: Kind
    width: int
    sources: tuple[str, ...] = ()
    weight: Matrix | None = None
    bias: Matrix | None = None
    place: bool = True
    signs: tuple[int, ...] = ()
    activation: str = "identity"
    slopes: Matrix | None = None
    share: str | None = None

    @property
    def function(self) -> Function:
        """The activation."""
        return FUNCTIONS[self.activation]

    @property
    def matrix(self) -> Matrix:
        """The weights of a dense layer, or of a scale."""
        assert self.weight is not None
        return self.weight

    @property
    def biases(self) -> Matrix:
        """The bias, zeros where there is none."""
        return np.zeros(self.width) if self.bias is None else self.bias


@dataclass(frozen=True)
class Network:
    """Layers in topological order; `outputs` are graph outputs, never cut."""

    layers: tuple[Layer, ...]
    outputs: tuple[str, ...]

    @cached_property
    def by_name(self) -> dict[str, Layer]:
        """The layers by name."""
        return {layer.name: layer for layer in self.layers}

    def __getitem__(self, name: str) -> Layer:
        return self.by_name[name]

    def readers(self, name: str) -> Iterator[Layer]:
        """The layers that read one."""
        return (layer for layer in self.layers if name in layer.sources)

    @cached_property
    def dense(self) -> list[Layer]:
        """The layers with matrices."""
        return [layer for layer in self.layers if layer.kind == "dense"]

    @cached_property
    def groups(self) -> list[list[Layer]]:
        """Layers that share their indices: tied by everything but matrices."""
        root = {layer.name: layer.name for layer in self.layers}
        for layer in self.layers:
            if layer.kind != "dense":
                for source in layer.sources:
                    old, new = root[layer.name], root[source]
                    root = {k: new if v == old else v for k, v in root.items()}
        found: dict[str, list[Layer]] = {}
        for layer in self.layers:
            found.setdefault(root[layer.name], []).append(layer)
        return list(found.values())

    def fixed(self, group: list[Layer]) -> bool:
        """Whether a group may not be cut: it has a graph input or output."""
        return any(layer.kind == "input" or layer.name in self.outputs for layer in group)

    def hidden(self, widths: dict[str, int] | None = None) -> int:
        """Features of the dense layers that are not graph outputs; `widths` instead of theirs."""
        names = [layer.name for layer in self.dense if layer.name not in self.outputs]
        return sum((widths or {}).get(name, self[name].width) for name in names)

    def with_layers(self, changed: dict[str, Layer]) -> Network:
        """The network with some layers replaced."""
        return replace(self, layers=tuple(changed.get(x.name, x) for x in self.layers))


def needed_bits(network: Network, largest_input: float = 4.0) -> float:
    """How many bits every partial sum of a piecewise linear network fits in, for integer inputs.

    Below 24 float32 computes without rounding, below 53 float64 does.
    """
    top: dict[str, Matrix] = {}
    grain: dict[str, Matrix] = {}
    worst = 0.0
    for layer in network.layers:
        if layer.kind == "input":
            top[layer.name] = np.full(layer.width, largest_input)
            grain[layer.name] = np.ones(layer.width)
            continue
        factors = _factors(layer)
        bound, fine = abs(layer.biases), _grain_of(layer.biases)
        for source, factor in zip(layer.sources, factors, strict=True):
            if layer.kind == "dense":
                bound = bound + abs(factor) @ top[source]
                fine = np.minimum(fine, (_grain_of(factor) * grain[source]).min(axis=1))
            elif layer.kind == "product":
                bound = top[source] if source == layer.sources[0] else bound * top[source]
                fine = grain[source] if source == layer.sources[0] else fine * grain[source]
            else:
                bound = bound + abs(factor) * top[source]
                fine = np.minimum(fine, _grain_of(factor) * grain[source])
        fine = np.minimum(fine, 1.0)
        function = layer.function
        worst = max(worst, float(np.log2(np.maximum(bound, 1.0) / fine).max()))
        top[layer.name] = function.gain * bound + function.shift
        grain[layer.name] = function.grain * fine
    return worst


def _factors(layer: Layer) -> list[Matrix]:
    if layer.kind == "sum":
        return [np.full(layer.width, float(s)) for s in layer.signs]
    if layer.kind == "product":
        return [np.ones(layer.width)] * 2
    return [layer.matrix]


def _grain_of(numbers: Matrix) -> Matrix:
    """The lowest bit of each number, as a power of two; inf for zeros."""
    fraction, power = np.frexp(numbers)
    mantissa = np.ldexp(fraction, 53).astype(np.int64)
    low = (mantissa & -mantissa).astype(np.float64)
    return np.where(mantissa == 0, np.inf, np.ldexp(low, power - 53))


def evaluate(network: Network, inputs: dict[str, Matrix]) -> dict[str, list[list[Fraction]]]:
    """The exact values of all layers, (width, samples), for rational functions only."""
    values: dict[str, list[list[Fraction]]] = {}
    for layer in network.layers:
        if layer.kind == "input":
            values[layer.name] = [[Fraction(float(v)) for v in row] for row in inputs[layer.name]]
            continue
        rows = []
        for i in range(layer.width):
            sums = _sums(layer, i, [values[s] for s in layer.sources])
            slope = None if layer.slopes is None else float(layer.slopes[i])
            exact = layer.function.exact if slope is None else leaky(slope)
            assert exact is not None
            rows.append([exact(z) for z in sums])
        values[layer.name] = rows
    return values


def _sums(layer: Layer, i: int, sources: list[list[list[Fraction]]]) -> list[Fraction]:
    """What the function of feature i is applied to, per sample."""
    bias = Fraction(float(layer.biases[i]))
    if layer.kind == "product":
        return [a * b for a, b in zip(sources[0][i], sources[1][i], strict=True)]
    if layer.kind == "dense":
        row = [Fraction(float(w)) for w in layer.matrix[i]]
        columns = zip(*sources[0], strict=True)
        return [bias + sum(w * v for w, v in zip(row, x, strict=True) if w) for x in columns]
    factors = [Fraction(float(f[i])) for f in _factors(layer)]
    columns = zip(*(source[i] for source in sources), strict=True)
    return [bias + sum(f * v for f, v in zip(factors, x, strict=True)) for x in columns]
