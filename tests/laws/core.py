"""Random networks of small integers: chains and residual graphs in which all features matter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from tests.laws.spec import Layer, Matrix, Network

Rng = np.random.Generator


@dataclass
class Sketch:
    """A network being drawn. Weights are sparse, so that values stay small in deep networks."""

    rng: Rng
    activations: Sequence[str]
    density: float = 2.0  # non-zero weights per row, about
    palette: Sequence[int] = (-2, -1, -1, 1, 1, 2)
    layers: list[Layer] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)

    def name(self, stem: str) -> str:
        """A fresh name."""
        return f"{stem}{len(self.layers)}"

    def add(self, layer: Layer) -> str:
        """Put a layer at the end; returns its name."""
        self.layers.append(layer)
        return layer.name

    def __getitem__(self, name: str) -> Layer:
        return next(layer for layer in self.layers if layer.name == name)

    def activation(self) -> str:
        """A random activation."""
        return str(self.rng.choice(list(self.activations)))

    def input(self, width: int) -> str:
        """A graph input."""
        return self.add(Layer(self.name("x"), "input", width))

    def rows(self, width: int, read: int) -> Matrix:
        """Small integers, at least one in every row, and in every column while rows suffice."""
        rng = self.rng
        present = rng.random((width, read)) < min(1.0, self.density / read)
        present[np.arange(width), rng.integers(0, read, width)] = True
        present[rng.integers(0, width, read), np.arange(read)] = True
        numbers = rng.choice(self.palette, (width, read))
        return np.where(present, numbers, 0).astype(np.float64)

    def slopes(self, activation: str, width: int) -> Matrix | None:
        """Slopes for a PRelu: also 0, ReLU. Features with slope 1 or -1 are treated like others."""
        if activation != "prelu":
            return None
        return self.rng.choice([0.5, 0.5, -0.5, 0.0, 0.25], width).astype(np.float64)

    def repeated(self, weight: Matrix, bias: Matrix | None) -> None:
        """Make some rows equal: in a group that alone does not make two features equal."""
        for i in range(1, len(weight)):
            if self.rng.random() < 0.1:
                other = int(self.rng.integers(0, i))
                weight[i] = weight[other]
                if bias is not None and self.rng.random() < 0.8:
                    bias[i] = bias[other]

    def dense(
        self,
        source: str,
        width: int,
        activation: str = "identity",
        *,
        bias: bool | None = None,
        place: bool | None = None,
    ) -> str:
        """A layer with a matrix; `place` False: its operator cannot take a bias."""
        rng = self.rng
        weight = self.rows(width, self[source].width)
        bias = rng.random() < 0.85 if bias is None else bias
        place = bias or (rng.random() < 0.3 if place is None else place)
        numbers = rng.integers(-2, 3, width).astype(np.float64) if bias else None
        self.repeated(weight, numbers)
        return self.add(
            Layer(
                self.name("d"),
                "dense",
                width,
                (source,),
                weight,
                numbers,
                place,
                activation=activation,
                slopes=self.slopes(activation, width),
            )
        )

    def sum(self, sources: Sequence[str], activation: str = "identity") -> str:
        """A sum, or difference, of layers feature by feature."""
        width = self[sources[0]].width
        signs = tuple(-1 if k and self.rng.random() < 0.2 else 1 for k in range(len(sources)))
        return self.add(
            Layer(
                self.name("s"),
                "sum",
                width,
                tuple(sources),
                signs=signs,
                activation=activation,
                slopes=self.slopes(activation, width),
            )
        )

    def activated(self, source: str, activation: str) -> str:
        """An activation of a layer that others read as well."""
        width = self[source].width
        slopes = self.slopes(activation, width)
        return self.add(
            Layer(
                self.name("a"),
                "sum",
                width,
                (source,),
                signs=(1,),
                activation=activation,
                slopes=slopes,
            )
        )

    def scale(self, source: str) -> str:
        """A factor per feature, such as batch normalisation is."""
        width = self[source].width
        factors = self.rng.choice([1.0, 2.0, -1.0, 0.5], width)
        return self.add(Layer(self.name("m"), "scale", width, (source,), factors))

    def product(self, left: str, right: str) -> str:
        """The product of two layers feature by feature."""
        return self.add(Layer(self.name("p"), "product", self[left].width, (left, right)))

    def echo(self, name: str, signs: Matrix | None = None) -> str:
        """A dense layer like another one; `signs` (width,) multiply its rows."""
        layer = self[name]
        signs = np.ones(layer.width) if signs is None else signs
        bias = None if layer.bias is None else signs * layer.bias
        weight = signs[:, None] * layer.matrix
        return self.add(replace(layer, name=self.name("e"), weight=weight, bias=bias))

    def finish(self) -> Network:
        """The network: what nobody reads is read by the outputs."""
        used = {s for layer in self.layers for s in layer.sources}
        loose = [x.name for x in self.layers if x.name not in used and x.name not in self.outputs]
        width = int(self.rng.integers(1, 4))
        heads = [self.dense(name, width) for name in loose]
        if heads and self.rng.random() < 0.3:
            self.outputs.append(heads.pop())
        if len(heads) > 1:
            self.outputs.append(self.sum(heads))
        else:
            self.outputs += heads
        return Network(tuple(self.layers), tuple(self.outputs))


def chain(sketch: Sketch, depth: int, widest: int) -> Network:
    """Input, `depth` hidden layers one after the other, output; two linear ones may follow."""
    rng = sketch.rng
    name = sketch.input(int(rng.integers(1, 7)))
    for _ in range(depth):
        name = sketch.dense(name, int(rng.integers(2, widest + 1)), sketch.activation())
    return sketch.finish()


def residual(sketch: Sketch, depth: int, widest: int) -> Network:
    """A graph of skips, branches that are summed, layers with several readers, and products."""
    rng = sketch.rng
    tensors = [sketch.input(int(rng.integers(1, 6)))]
    if rng.random() < 0.2:
        tensors.append(sketch.input(int(rng.integers(1, 4))))
    stream = sketch.dense(tensors[0], int(rng.integers(2, widest + 1)), sketch.activation())
    tensors.append(stream)
    steps = 0
    while steps < depth:
        steps += 1
        _step(sketch, tensors, str(rng.choice(tensors[-3:])))
    return sketch.finish()


def _step(sketch: Sketch, tensors: list[str], source: str) -> None:
    """One more piece of a residual graph, reading `source`."""
    rng = sketch.rng
    width = int(rng.integers(2, 8))
    kind = rng.choice(
        ["skip", "skip", "skip", "branches", "dense", "fork", "gate", "scale", "echo"]
    )
    hidden = [t for t in tensors if sketch[t].kind != "input"]
    if kind == "skip":
        stream = str(rng.choice(hidden))
        inner = sketch.dense(stream, width, sketch.activation())
        back = sketch.dense(inner, sketch[stream].width)
        activation = sketch.activation() if rng.random() < 0.4 else "identity"
        tensors.append(sketch.sum((stream, back), activation))
    elif kind == "branches":
        other = str(rng.choice(tensors))
        parts = (sketch.dense(source, width), sketch.dense(other, width))
        tensors.append(sketch.sum(parts, sketch.activation()))
    elif kind == "fork":
        linear = sketch.dense(source, width)
        tensors += [linear, sketch.activated(linear, sketch.activation())]
    elif kind == "gate" and "sigmoid" in sketch.activations:
        linear = sketch.dense(source, width)
        tensors.append(sketch.product(linear, sketch.activated(linear, "sigmoid")))
    elif kind == "scale" and sketch[source].kind != "input":
        tensors.append(sketch.scale(source))
    elif kind == "echo":
        first = sketch.dense(source, width, sketch.activation())
        second = sketch.echo(first)
        left = sketch.dense(first, width + 1)
        right = sketch.dense(second, width + 1)
        if rng.random() < 0.5:  # partly the same again, or its opposite: the sum is 0 there
            signs = rng.choice([1.0, -1.0, -1.0], width + 1)
            sketch.layers.pop()
            right = sketch.echo(left, signs)
            sketch.layers[-1] = replace(sketch.layers[-1], sources=(second,))
        tensors.append(sketch.sum((left, right), sketch.activation()))
    else:
        tensors.append(sketch.dense(source, width, sketch.activation()))
