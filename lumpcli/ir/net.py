"""The layered view of a network: a list of layers, each naming the layers it reads.

A `Net` never changes and holds views of the stored numbers. Rows are axis 0 and columns axis 1 of
every weight, whatever the file's layout is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from lumpcli.errors import InternalError
from lumpcli.ir.activation import Activation, Symmetry

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Term:
    """What a layer reads from one source: `scale * weight @ x_source`.

    Dense: `weight` is (n, n_source, *taps). Diagonal (skip, scale): feature i reads feature i alone
    and `weight` is (n,), or None for ones; `inverse` divides by it.
    """

    source: str
    weight: Array | None
    diagonal: bool = False
    inverse: bool = False
    scale: Fraction = Fraction(1)
    padded: bool = False  # also reads zeros from outside the image
    via: str = ""  # what moves the positions between source and reader; "" when nothing does

    def factor(self, feature: int) -> Fraction:
        """What a diagonal term multiplies a feature by."""
        if self.weight is None:
            return self.scale
        stored = Fraction(float(self.weight[feature]))
        return self.scale / stored if self.inverse else self.scale * stored

    @property
    def taps(self) -> int:
        """How many columns a dense term has per source feature."""
        return 1 if self.weight is None else int(np.prod(self.weight.shape[2:], dtype=np.int64))

    @property
    def weight_type(self) -> np.dtype[Any] | None:
        """The stored type of the weights; None where none are stored."""
        return None if self.weight is None else self.weight.dtype

    @property
    def by_tap(self) -> Array:
        """A dense weight as (n, n_source, taps)."""
        if self.weight is None:
            raise InternalError("a diagonal term of ones has no matrix")
        return self.weight.reshape(*self.weight.shape[:2], -1)

    @property
    def flat(self) -> Array:
        """A dense weight as (n, n_source * taps); the taps of a source feature are neighbours."""
        if self.weight is None:
            raise InternalError("a diagonal term of ones has no matrix")
        return self.weight.reshape(len(self.weight), -1)


@dataclass(frozen=True)
class Layer:
    """Features computed alike: `activation(sum of terms + bias_scale * bias)`.

    A layer without terms is a source: a graph input, or a tensor lumpcli does not understand.
    """

    name: str  # the output tensor
    width: int
    terms: tuple[Term, ...] = ()
    bias: Array | None = None  # (n,)
    bias_scale: Fraction = Fraction(1)
    bias_fixed: bool = True  # the file has no place for (another) bias
    bias_dtype: np.dtype[Any] | None = None  # type a new bias would have, when there is none
    activation: Activation = field(default_factory=Activation)
    pinned: str | None = None  # why it may not be cut
    nodes: tuple[str, ...] = ()  # names of the nodes it was made from
    operators: tuple[str, ...] = ()

    @property
    def is_dense(self) -> bool:
        """Whether the layer has rows of weights over whole layers."""
        return any(not t.diagonal for t in self.terms)

    @property
    def symmetry(self) -> Symmetry:
        """What ratio its activation allows between rows."""
        return self.activation.symmetry


@dataclass(frozen=True)
class Join(Layer):
    """Features `f(a_i, b_i)` of two layers, named by `terms`; `function` is ONNX's Mul, Max, ..."""

    function: str = "Mul"


@dataclass(frozen=True)
class Output:
    """A graph output that carries the features of a layer."""

    tensor: str
    layer: str


@dataclass(frozen=True)
class Net:
    """Layers in topological order; raises InternalError when made of layers that do not fit."""

    layers: tuple[Layer, ...]
    outputs: tuple[Output, ...] = ()

    def __post_init__(self) -> None:
        seen: dict[str, Layer] = {}
        for layer in self.layers:
            _check(layer, seen)
            seen[layer.name] = layer

    @cached_property
    def _by_name(self) -> dict[str, Layer]:
        return {layer.name: layer for layer in self.layers}

    def __getitem__(self, name: str) -> Layer:
        return self._by_name[name]

    @cached_property
    def readers(self) -> dict[str, list[tuple[Layer, int]]]:
        """Who reads each layer: (reader, index of the reader's term)."""
        found: dict[str, list[tuple[Layer, int]]] = {layer.name: [] for layer in self.layers}
        for layer in self.layers:
            for index, term in enumerate(layer.terms):
                found[term.source].append((layer, index))
        return found

    def dense_readers(self, name: str) -> Iterator[tuple[Layer, int]]:
        """The readers of a layer that read all of its features through a matrix."""
        return ((r, t) for r, t in self.readers[name] if not r.terms[t].diagonal)

    @property
    def dense_layers(self) -> list[Layer]:
        """The layers with rows of weights: those a user thinks of as layers."""
        return [layer for layer in self.layers if layer.is_dense]


def _check(layer: Layer, seen: dict[str, Layer]) -> None:
    if layer.name in seen:
        raise InternalError(f"two layers are named {layer.name}")
    if layer.bias is not None and layer.bias.shape != (layer.width,):
        raise InternalError(f"{layer.name}: bias {layer.bias.shape} for width {layer.width}")
    for term in layer.terms:
        source = seen.get(term.source)
        if source is None:
            raise InternalError(f"{layer.name} reads {term.source}, which does not come before it")
        shape = None if term.weight is None else term.weight.shape
        if term.diagonal:
            fits = source.width == layer.width and shape in (None, (layer.width,))
        else:
            fits = shape is not None and shape[:2] == (layer.width, source.width)
        if not fits:
            raise InternalError(f"{layer.name}: weight {shape} does not fit {term.source}")
