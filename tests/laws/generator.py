"""Random networks with planted redundancy, and the ONNX models of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import onnx

from tests.laws.core import Rng, Sketch, chain, residual
from tests.laws.facts import storable
from tests.laws.functions import chosen
from tests.laws.planting import copies, decorate, planted, split, unchanged
from tests.laws.spec import Layer, Network, needed_bits
from tests.laws.writer import FORMS, LAYOUTS, Writer

OPSETS = (9, 13, 22)


@dataclass(frozen=True)
class Case:
    """A network with planted redundancy, the one it was grown from, and its model."""

    core: Network
    network: Network
    model: onnx.ModelProto
    double: bool
    opset: int
    layout: str


def random_case(
    seed: int | Rng,
    *,
    pieces: bool = True,
    shape: str | None = None,
    double: bool | None = None,
    forms: Sequence[str] = FORMS,
) -> Case:
    """A random network; `pieces`: piecewise linear, and so small that its type never rounds.

    Otherwise any activation that does not jump, and moderate numbers.
    """
    rng = np.random.default_rng(seed)
    double = bool(rng.random() < 0.4) if double is None else double
    opset = int(rng.choice(OPSETS))
    layout = str(rng.choice(LAYOUTS, p=[0.7, 0.1, 0.1, 0.1]))
    shape = str(rng.choice(["chain", "residual"])) if shape is None else shape
    core, network = _network(rng, shape, chosen(double, opset, pieces=pieces), double, pieces)
    if rng.random() < 0.1:
        core, network = twin(core), twin(network)
    model = Writer(rng, double, opset, layout, forms).model(network)
    return Case(core, network, model, double, opset, layout)


def _network(
    rng: Rng, shape: str, activations: Sequence[str], double: bool, pieces: bool
) -> tuple[Network, Network]:
    """Draw until the numbers fit: fewer layers and smaller sums each time."""
    depth, mixing, density = int(rng.integers(1, 7)), 0.3, 2.0
    limit = (52 if double else 23) if pieces else 16
    favourites = [str(a) for a in rng.choice(list(activations), 2)]
    likely = [*activations, *["relu"] * len(activations), *favourites * 3]
    while True:
        palette = (-2, -1, -1, 1, 1, 2) if rng.random() < 0.7 else (-3, -1, 1, 2, 3)
        sketch = Sketch(rng, likely, density, palette)
        core = (chain if shape == "chain" else residual)(sketch, depth, 10)
        core = decorate(core, rng)
        most = int(rng.choice([2, 8, 30]))
        network = planted(core, rng, most, mixing)
        if rng.random() < 0.3:
            network = planted(network, rng, 4, mixing)
        if needed_bits(network) <= limit and (not pieces or storable(network)):
            return core, network
        mixing, density = mixing * 0.8, max(1.0, density * 0.8)
        depth = max(1, depth - int(rng.random() < 0.3))


def twin(network: Network) -> Network:
    """Two towers with the same stored weights on inputs of their own, and outputs of their own."""
    names = {layer.name: f"{layer.name}_twin" for layer in network.layers}
    copies = [
        replace(
            layer,
            name=names[layer.name],
            sources=tuple(names[s] for s in layer.sources),
            share=layer.name if layer.kind == "dense" else None,
        )
        for layer in network.layers
    ]
    layers: list[Layer] = [*network.layers, *copies]
    return Network(tuple(layers), (*network.outputs, *(names[o] for o in network.outputs)))


def tied_chain(seed: int) -> Case:
    """A chain in which one layer is applied several times: the same stored numbers each time."""
    rng = np.random.default_rng(seed)
    while True:
        sketch = Sketch(rng, ["relu"], 1.5)
        width = int(rng.integers(2, 7))
        first = sketch.dense(sketch.input(3), width, "relu", bias=True)
        last = sketch.dense(first, width, "relu", bias=True)
        for _ in range(int(rng.integers(1, 4))):
            again = replace(sketch[last], name=sketch.name("d"), sources=(last,), share=last)
            last = sketch.add(again)
        network = _planted_alike(sketch.finish(), rng)
        if needed_bits(network) <= 23:
            model = Writer(rng, False, 13).model(network)
            return Case(network, network, model, False, 13, "batch")


def _planted_alike(network: Network, rng: Rng) -> Network:
    """Copies that are the same in every layer, and no column divided: what is shared stays so."""
    hidden = [group for group in network.groups if not network.fixed(group)]
    chosen = copies(network, hidden[0], rng, 6)
    plan = {}
    for group in network.groups:
        fixed = network.fixed(group)
        plan[group[0].name] = unchanged(group[0].width) if fixed else chosen
    return split(network, plan, rng, 0.0)


def rounded_chain(seed: int) -> tuple[Network, Network]:
    """A chain of random real weights, and the same with copies at random ratios, in float32."""
    rng = np.random.default_rng(seed)
    sketch = Sketch(rng, ["relu", "leaky", "identity"])
    core = chain(sketch, int(rng.integers(1, 4)), 8)
    layers: dict[str, Layer] = {}
    plan: dict[str, np.ndarray] = {}
    for layer in core.layers:
        extra = 0 if core.fixed([layer]) else int(rng.integers(0, 8))
        origin = np.concatenate([np.arange(layer.width), rng.integers(0, layer.width, extra)])
        plan[layer.name] = origin
        if layer.kind == "input":
            continue
        read = len(plan[layer.sources[0]])
        rows, bias = rng.standard_normal((layer.width, read)), rng.standard_normal(layer.width)
        scale = rng.uniform(0.1, 4.0, len(origin))
        scale[: layer.width] = 1
        layers[layer.name] = replace(
            layer,
            width=len(origin),
            weight=_float32(scale[:, None] * _float32(rows)[origin]),
            bias=None if layer.bias is None else _float32(scale * _float32(bias)[origin]),
        )
    return core, core.with_layers(layers)


def _float32(numbers: np.ndarray) -> np.ndarray:
    return numbers.astype(np.float32).astype(np.float64)
