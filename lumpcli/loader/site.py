"""Sites: where each number of the net is stored in the file, and how it is laid out there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from lumpcli.ir import Array, Layer, Net, Term
from lumpcli.loader.weights import Stored

Role = Literal[
    "weight",
    "table",
    "bias",
    "slopes",
    "mean",
    "variance",
    "row scale",
    "bias units",
    "repeated",
    "indices",
    "extent",
]
Measure = Literal["width", "groups", "first", "stop"]


@dataclass(frozen=True)
class Extent:
    """An entry of a shape, or of the limits of a slice, that depends on a layer.

    `width`: the layer's, divided by `divisor`; `groups`: how many features of its source the layer
    reads; `first` and `stop`: which ones it takes.
    """

    entry: int
    layer: str
    measure: Measure = "width"
    divisor: int = 1

    def value(self, net: Net) -> int:
        """The number for a net."""
        layer = net[self.layer]
        if self.measure == "width":
            return layer.width // self.divisor
        select = layer.terms[0].select
        if self.measure == "groups":
            return layer.width if select is None else len(np.unique(select))
        assert select is not None
        return int(select[0]) if self.measure == "first" else int(select[-1]) + 1


@dataclass(frozen=True)
class Site:
    """Numbers of a layer, stored at input `slot` of node number `node`, or in its `attribute`.

    `stored` is what is there now; None for a bias that may be added. A matrix is stored as it is or
    `transposed` (rows and columns); numbers per feature lie along `axis`, counted from the end.
    Role "table": a tensor whose other axes are positions; "repeated": the same number for every
    feature; "indices": which features a Gather takes; "extent": entries of a list of sizes.
    """

    node: int
    slot: int
    layer: str
    role: Role
    stored: Stored | None
    transposed: bool = False
    axis: int = -1
    attribute: str = ""
    extents: tuple[Extent, ...] = ()

    def values(self, net: Net) -> Array | None:
        """What the file must hold here for a net; None: nothing."""
        layer = net[self.layer]
        if self.role == "extent":
            assert self.stored is not None
            sizes = np.array(self.stored.array)
            for extent in self.extents:
                sizes.reshape(-1)[extent.entry] = extent.value(net)
            return sizes
        if self.role == "indices":
            assert self.stored is not None
            select = layer.terms[0].select
            assert select is not None
            return select.astype(self.stored.array.dtype)
        if self.role in ("weight", "table") and layer.is_dense:
            return self._matrix(layer.terms[0])
        if self.role == "repeated":
            assert self.stored is not None
            return np.full(layer.width, self.stored.array.reshape(-1)[0])
        numbers = _numbers(layer, self.role)
        return None if numbers is None else self._along_axis(numbers)

    def _matrix(self, term: Term) -> Array:
        """The weights as they are stored: blocks of a grouped convolution below each other."""
        weight = term.weight
        assert weight is not None
        if term.blocks > 1:
            rows, columns = len(weight) // term.blocks, weight.shape[1] // term.blocks
            parts = [
                weight[b * rows : (b + 1) * rows, b * columns : (b + 1) * columns]
                for b in range(term.blocks)
            ]
            if self.transposed:  # a transposed convolution: (inputs, outputs per group)
                return np.concatenate([part.swapaxes(0, 1) for part in parts])
            return np.concatenate(parts)
        if self.role == "table":
            assert self.stored is not None
            shape = np.moveaxis(self.stored.array, self.axis, 0).shape
            return np.moveaxis(weight.reshape(len(weight), *shape[1:]), 0, self.axis)
        return weight.swapaxes(0, 1) if self.transposed else weight

    def _along_axis(self, numbers: Array) -> Array:
        if self.stored is None:
            return numbers
        old = self.stored.array
        if numbers.ndim > 1:  # depthwise: (channels, 1, *kernel)
            return numbers.reshape(len(numbers), *old.shape[1:])
        if old.size == 1 and (numbers == numbers[0]).all():
            return np.full(old.shape, numbers[0])
        shape = [1] * max(old.ndim, -self.axis)
        shape[self.axis] = len(numbers)
        return numbers.reshape(shape)


def _numbers(layer: Layer, role: Role) -> Array | None:
    """The numbers per feature that a role stands for."""
    if role == "weight":
        return layer.terms[0].weight
    if role == "bias":
        return layer.bias
    if role == "slopes":
        return layer.activation.slopes
    if role == "row scale":
        return layer.terms[0].row_scale
    if role == "bias units":
        return layer.bias_units
    moments = layer.terms[0].moments
    assert moments is not None
    return moments.mean if role == "mean" else moments.variance
