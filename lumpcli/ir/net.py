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
from lumpcli.ir.submatrix import submatrix

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Moments:
    """What a batch normalisation measured: it divides `x - mean` by `sqrt(variance + epsilon)`."""

    mean: Array  # (n,)
    variance: Array  # (n,)
    epsilon: Fraction


@dataclass(frozen=True)
class Term:
    """What a layer reads from one source: `scale * weight @ x_source`.

    Dense: `weight` is (n, n_source, *taps); with `blocks`, it is zero outside that many blocks
    along its diagonal, all of one size (a grouped convolution). Integers are stored numbers of a
    quantised model, each within `limits`; they stand for themselves times `row_scale` (n,).

    Diagonal (skip, scale, depthwise): feature i reads feature i alone, or feature `select[i]`
    (-1: none), at tap `at[i]` where features differ in what they read of it. `weight` is (n,) or
    (n, *taps), None for ones; `inverse` divides by it. A `select` of two axes (n, taps) reads
    another feature per tap. `broadcast`: all read one feature, which is not cut together with them.
    In `blocks` (depthwise with several outputs per channel) as many features have to stay for each
    source feature that stays. `hull`: what is read lies between the least and the greatest of the
    source feature's values, and 0 where `padded`.
    """

    source: str
    weight: Array | None
    diagonal: bool = False
    inverse: bool = False
    scale: Fraction = Fraction(1)
    padded: bool = False  # also reads zeros from outside the image
    via: str = ""  # what moves the positions between source and reader; "" when nothing does
    steered: bool = False  # a tensor says how positions move: indices, attention weights
    symmetry: Symmetry = Symmetry.LINEAR  # how that commutes with a ratio
    image: str = ""  # how large the source's images are: what constants become depends on that
    blocks: int = 1
    row_scale: Array | None = None
    limits: tuple[int, int] | None = None
    frozen: bool = False  # the weights, ones, are the operator's own: no column may change
    select: Array | None = None
    at: Array | None = None
    broadcast: bool = False
    moments: Moments | None = None
    hull: bool = False

    def factor(self, feature: int, tap: int = 0) -> Fraction:
        """What a diagonal term multiplies a feature by, but for its moments."""
        if self.weight is None:
            return self.scale
        row = self.weight[feature]
        stored = Fraction(float(row if self.weight.ndim == 1 else row.reshape(-1)[tap]))
        if self.row_scale is not None:
            stored *= Fraction(float(self.row_scale[feature]))
        return self.scale / stored if self.inverse else self.scale * stored

    def selected(self, width: int) -> Array:
        """The source features a diagonal term of that width reads (width, taps); -1: none."""
        if self.select is None:
            return np.broadcast_to(np.arange(width)[:, None], (width, self.taps))
        if self.select.ndim == 1:
            return np.broadcast_to(self.select[:, None], (width, self.taps))
        return self.select

    def reaches(self, features: Array, source_width: int) -> Array:
        """The source features (source_width,) that some features (n,) bool of a layer read."""
        used = features[:, None] & np.ones(self.taps, bool)
        if self.weight is not None:
            used = used & (self.weight.reshape(len(self.weight), -1) != 0)
        chosen = self.selected(len(features))
        reached = np.zeros(source_width, bool)
        reached[chosen[used & (chosen >= 0)]] = True
        return reached

    @property
    def tied(self) -> bool:
        """Whether a feature and what it reads stay or go together."""
        return self.diagonal and not self.broadcast and self.blocks == 1

    @property
    def gathers(self) -> bool:
        """Whether a feature is made of one source feature per position."""
        return self.select is not None and self.select.ndim == 2

    @property
    def plain(self) -> bool:
        """Whether feature i reads feature i, at its own position."""
        return self.diagonal and self.select is None and not self.via

    @property
    def taps(self) -> int:
        """How many columns a term has per source feature; a diagonal one: per feature."""
        if self.diagonal and self.select is not None and self.gathers:
            return int(self.select.shape[1])
        axis = 1 if self.diagonal else 2
        return 1 if self.weight is None else int(np.prod(self.weight.shape[axis:], dtype=np.int64))

    def entries(self, rows: Array, columns: Array) -> Array:
        """Entries of a dense weight (rows, columns of `flat`), as the numbers they stand for."""
        some = submatrix(self.flat, rows, columns)
        if self.row_scale is None:
            return some
        return some.astype(np.float64) * self.row_scale[rows, None].astype(np.float64)

    @property
    def kernel(self) -> tuple[int, ...]:
        """How the taps of a dense term are laid out."""
        return () if self.weight is None else self.weight.shape[2:]

    @property
    def pointwise(self) -> bool:
        """Whether each position reads the same position alone, by one column per feature."""
        return self.taps == 1 and not self.padded and not self.via

    @property
    def weight_type(self) -> np.dtype[Any] | None:
        """The stored type of the weights; None where none are stored."""
        return None if self.weight is None else self.weight.dtype

    @cached_property
    def by_tap(self) -> Array:
        """A dense weight as (n, n_source, taps)."""
        if self.weight is None:
            raise InternalError("a diagonal term of ones has no matrix")
        return self.weight.reshape(*self.weight.shape[:2], -1)

    @cached_property
    def flat(self) -> Array:
        """A dense weight as (n, n_source * taps); the taps of a source feature are neighbours."""
        if self.weight is None:
            raise InternalError("a diagonal term of ones has no matrix")
        return self.weight.reshape(len(self.weight), -1)


@dataclass(frozen=True)
class Layer:
    """Features computed alike: `activation(sum of terms + bias_scale * bias)`.

    A layer without terms is a source: a graph input, or a tensor lumpcli does not understand. On
    the inputs granted, what its activation is applied to lies `between` these ends, at every
    position; None, or infinite ends: nothing is known.
    """

    name: str  # the output tensor
    width: int
    terms: tuple[Term, ...] = ()
    bias: Array | None = None  # (n,)
    bias_scale: Fraction = Fraction(1)
    bias_units: Array | None = None  # (n,): what stored biases are multiples of, each its own
    bias_fixed: bool = True  # the file has no place for (another) bias
    bias_dtype: np.dtype[Any] | None = None  # type a new bias would have, when there is none
    activation: Activation = field(default_factory=Activation)
    pinned: str | None = None  # why it may not be cut
    tied: Array | None = None  # (n,): features with equal labels are kept, or cut, together
    parts: int = 1  # as many features have to stay in each of so many parts of one size
    listed: bool = True  # whether reports name it; a constant seen as a layer is not
    nodes: tuple[str, ...] = ()  # names of the nodes it was made from
    operators: tuple[str, ...] = ()
    between: Array | None = None  # (2, n): lower and upper ends, float64

    @property
    def is_dense(self) -> bool:
        """Whether the layer has rows of weights over whole layers."""
        return any(not t.diagonal for t in self.terms)

    def biases(self, rows: Array) -> Array:
        """The biases of some rows (rows,) in float64, but for `bias_scale`."""
        if self.bias is None:
            return np.zeros(len(rows))
        stored = self.bias[rows].astype(np.float64)
        return stored if self.bias_units is None else stored * self.bias_units[rows]

    @property
    def nbytes(self) -> int:
        """The bytes of its weights."""
        return sum(t.weight.nbytes for t in self.terms if t.weight is not None)

    @property
    def symmetry(self) -> Symmetry:
        """What ratio its activation allows between rows."""
        return self.activation.symmetry


@dataclass(frozen=True)
class Join(Layer):
    """Features `f(a_i, b_i, ...)` of several layers, named by `terms`.

    `function` is ONNX's Mul, Max, ...; `common` says which ratio of all operands it hands on.
    """

    function: str = "Mul"
    common: Symmetry = Symmetry.NONE


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

    def width(self, name: str) -> int:
        """How many features a layer has; 0 where it is not (any more) in the net."""
        layer = self._by_name.get(name)
        return 0 if layer is None else layer.width

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
        return [layer for layer in self.layers if layer.is_dense and layer.listed]


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
            fits = shape is None or shape[0] == layer.width
            if term.select is None:
                fits = fits and source.width == layer.width
            else:
                inside = int(term.select.max(initial=-1)) < source.width
                fits = fits and len(term.select) == layer.width and inside
        else:
            fits = shape is not None and shape[:2] == (layer.width, source.width)
        if not fits:
            raise InternalError(f"{layer.name}: weight {shape} does not fit {term.source}")
