"""Operators that move elements: numpy does to an array of element numbers what they do."""

from __future__ import annotations

import numpy as np

from lumpcli.bounds.affine import Sum, Unbounded
from lumpcli.bounds.build import Node
from lumpcli.bounds.program import Tensor
from lumpcli.bounds.rounding import Array


def same(node: Node) -> Tensor:
    """Identity and Dropout; Dropout in training draws."""
    if node.kind == "Dropout":
        training = node.constant(2) if node.has(2) else np.array(False)
        if training is None or training.any():
            raise Unbounded("Dropout in training")
    return node.tensor()


def reshape(node: Node) -> Tensor:
    """Reshape to a constant shape."""
    source, shape = node.tensor(), node.integers(1, "shape")
    if shape is None or node.attributes.get("allowzero"):
        raise Unbounded("Reshape without a constant shape")
    full = [source.shape[k] if n == 0 else n for k, n in enumerate(shape)]
    return node.moved(lambda index: index.reshape(full))


def flatten(node: Node) -> Tensor:
    """Flatten."""
    shape = node.tensor().shape
    axis = int(node.attributes.get("axis", 1))
    axis = axis + len(shape) if axis < 0 else axis
    front = int(np.prod(shape[:axis], dtype=np.int64))
    return node.moved(lambda index: index.reshape(front, -1))


def transpose(node: Node) -> Tensor:
    """Transpose."""
    return node.moved(lambda index: index.transpose(node.attributes.get("perm")))


def squeeze(node: Node) -> Tensor:
    """Squeeze."""
    axes = node.integers(1, "axes")
    return node.moved(lambda index: np.squeeze(index, None if axes is None else tuple(axes)))


def unsqueeze(node: Node) -> Tensor:
    """Unsqueeze."""
    axes = node.integers(1, "axes")
    if axes is None:
        raise Unbounded("Unsqueeze without axes")
    return node.moved(lambda index: np.expand_dims(index, tuple(axes)))


def slice_(node: Node) -> Tensor:
    """Slice, by attributes or by inputs."""
    starts, ends = node.integers(1, "starts"), node.integers(2, "ends")
    axes, steps = node.integers(3, "axes"), node.integers(4)
    if starts is None or ends is None:
        raise Unbounded("Slice without bounds")
    rank = len(node.tensor().shape)
    axes = [*range(len(starts))] if axes is None else axes
    steps = [1] * len(starts) if steps is None else steps
    if min(steps) < 1:
        raise Unbounded("Slice backwards")
    cut = [slice(None)] * rank
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        cut[axis % rank] = slice(start, end, step)
    return node.moved(lambda index: index[tuple(cut)])


def gather(node: Node) -> Tensor:
    """Gather by constant indices."""
    chosen = node.constant(1)
    if chosen is None:
        raise Unbounded("Gather by computed indices")
    axis = int(node.attributes.get("axis", 0))
    return node.moved(lambda index: np.take(index, chosen.astype(np.int64), axis=axis))


def pad(node: Node) -> Tensor:
    """Pad with a constant."""
    mode = node.attributes.get("mode", b"constant")
    pads, rank = node.integers(1, "pads"), len(node.tensor().shape)
    if mode != b"constant" or pads is None or len(pads) != 2 * rank or min(pads) < 0 or node.has(3):
        raise Unbounded("Pad other than with a constant, on all axes")
    value = np.array(node.number("value", 0.0))
    if node.has(2):
        value = node.numbers(2).reshape(())
    widths = list(zip(pads[:rank], pads[rank:], strict=True))

    def padded(index: Array) -> Array:
        return np.pad(index, widths, constant_values=-1)

    moved = node.moved(padded)
    if value == 0:
        return moved
    inside = np.pad(np.zeros(node.tensor().shape), widths, constant_values=1.0)
    return node.build.shifted(moved, inside * value)


def expand(node: Node) -> Tensor:
    """Expand to a constant shape."""
    shape = node.integers(1)
    if shape is None:
        raise Unbounded("Expand without a shape")
    full = np.broadcast_shapes(node.tensor().shape, tuple(shape))
    return node.moved(lambda index: np.broadcast_to(index, full))


def concat(node: Node) -> Tensor:
    """Concat of tensors: each padded with zeros, and added."""
    parts = [node.tensor(slot) for slot in range(len(node.proto.input))]
    axis = int(node.attributes.get("axis", 1))
    blank = [np.full(part.shape, -1) for part in parts]
    spread = []
    for place, part in enumerate(parts):
        own = np.arange(int(np.prod(part.shape))).reshape(part.shape)
        pieces = [*blank[:place], own, *blank[place + 1 :]]
        spread.append(node.build.take(part, np.concatenate(pieces, axis=axis)))
    if len(spread) == 1:
        return spread[0]
    return node.build.add(Sum((1,) * len(spread)), spread, spread[0].shape)
