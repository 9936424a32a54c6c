"""Sites: where each number of the net is stored in the file, and how it is laid out there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from lumpcli.ir import Array, Layer
from lumpcli.loader.weights import Stored

Role = Literal["weight", "bias", "slopes", "width"]


@dataclass(frozen=True)
class Site:
    """Numbers of a layer, stored at input `slot` of node number `node`.

    `stored` is what is there now; None for a bias that may be added. A matrix is stored as it is
    or `transposed`; numbers per feature lie along `axis`, counted from the end. Role "width" is an
    entry (`axis`) of a shape that states the layer's width.
    """

    node: int
    slot: int
    layer: str
    role: Role
    stored: Stored | None
    transposed: bool = False
    axis: int = -1

    def values(self, layer: Layer) -> Array | None:
        """What the file must hold here for the net to have this layer; None: nothing."""
        if self.role == "width":
            assert self.stored is not None
            shape = np.array(self.stored.array)
            shape[self.axis] = layer.width
            return shape
        if self.role == "weight":
            if layer.is_dense:  # a term for each layer that the matrix reads
                matrix = np.concatenate([t.weight for t in layer.terms], axis=1)
                return matrix.T if self.transposed else matrix
            numbers = layer.terms[0].weight
        elif self.role == "bias":
            numbers = layer.bias
        else:
            numbers = layer.activation.slopes
        return None if numbers is None else self._along_axis(numbers)

    def _along_axis(self, numbers: Array) -> Array:
        if self.stored is None:
            return numbers
        old = self.stored.array
        if old.size == 1 and (numbers == numbers[0]).all():
            return np.full(old.shape, numbers[0])
        shape = [1] * max(old.ndim, -self.axis)
        shape[self.axis] = len(numbers)
        return numbers.reshape(shape)
