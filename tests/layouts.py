"""How tensors hold features, and what the loader calls layers that have no tensor of their own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import permutations

import numpy as np

from lumpcli.ir import Array

ALONG = re.compile(r"^(?P<tensor>.*) \(axis (?P<axis>-\d+)\)$")
TABLE = re.compile(r"^(?P<tensor>.*) \(constant, axis (?P<axis>-\d+)\)$")
INDEX = re.compile(r"^(?P<tensor>.*) \(an index\)$")
WHOLE = re.compile(r"^(?P<tensor>.*) \(for all features\)$")
PRODUCTS = re.compile(r"\((sums of )?products\)$")  # whose positions are pairs of positions
SUMS = re.compile(r"^(?P<tensor>.*) \(sums\)$")
# on the way to a tensor
UNSEEN = re.compile(r"\((in \d+ parts|products|sums of products|sums|zero taken away)\)")
POSITIONS = "positions of "


def last(array: Array, axes: int | Sequence[int]) -> Array:
    """A tensor with its features along the last axis, in float64."""
    array = np.asarray(array, np.float64)
    if isinstance(axes, int):
        return np.moveaxis(array, axes, -1)
    places = [array.ndim + axis for axis in axes]
    rest = [axis for axis in range(array.ndim) if axis not in places]
    shape = [array.shape[axis] for axis in rest]
    return array.transpose([*rest, *places]).reshape(*shape, -1)


def laid(value: Array, axes: int | Sequence[int], shape: Sequence[int]) -> Array:
    """The reverse of `last`, for a tensor of some shape."""
    if isinstance(axes, int):
        return np.moveaxis(value, -1, axes)
    places = [len(shape) + axis for axis in axes]
    order = [axis for axis in range(len(shape)) if axis not in places] + places
    spread = value.reshape([shape[axis] for axis in order])
    return spread.transpose(np.argsort(order))


def arrangement(array: Array, value: Array) -> tuple[int, ...] | None:
    """Several axes along which a tensor holds the features of a value, if some do.

    The value may have fewer positions, if it is the same at all of them.
    """
    wanted = value.reshape(-1, value.shape[-1])
    for count in range(2, array.ndim + 1):
        for axes in permutations(range(-array.ndim, 0), count):
            if np.prod([array.shape[axis] for axis in axes]) != wanted.shape[-1]:
                continue
            found = last(array, axes).reshape(-1, wanted.shape[-1])
            if len(wanted) in (1, len(found)) and np.allclose(
                found, wanted, 1e-3, 1e-3, equal_nan=True
            ):
                return axes
    return None


def long(shape: Sequence[int]) -> list[int]:
    """The sizes that are not 1."""
    return [size for size in shape if size != 1]
