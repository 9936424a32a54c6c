"""Operators that are affine: one function each, from a node to the tensor it makes."""

from __future__ import annotations

import numpy as np

from lumpcli.bounds.affine import Scale, Sum, Unbounded, usable
from lumpcli.bounds.build import Node
from lumpcli.bounds.opaque import Product
from lumpcli.bounds.program import Tensor
from lumpcli.bounds.rounding import Array
from lumpcli.bounds.windows import windows


def gemm(node: Node) -> Tensor:
    """Gemm with a constant B."""
    node.allow("alpha", "beta", "transA", "transB")
    if node.attributes.get("transA"):
        raise Unbounded("Gemm with transA")
    alpha, beta = node.number("alpha", 1.0), node.number("beta", 1.0)
    source, weight = node.tensor(), node.numbers(1)
    weight = weight.T if node.attributes.get("transB") else weight
    rows, inputs = source.shape
    product = node.build.matrix(Tensor(source.step, (1, rows, inputs)), weight[None])
    product = Tensor(product.step, product.shape[1:])
    if alpha != 1.0:
        product = _scaled(node, product, usable(np.array(alpha)), 0)
    if not node.has(2) or beta == 0.0:
        return product
    bias = node.numbers(2)
    if beta == 1.0:
        return node.build.shifted(product, bias)
    # beta times C is rounded here: its magnitude is charged twice over
    full = np.broadcast_to(bias * beta, product.shape).reshape(-1)
    bias_step = Sum((1,), bias=usable(full), heft=2 * np.abs(full))
    return node.build.add(bias_step, [product], product.shape)


def matmul(node: Node) -> Tensor:
    """MatMul with one constant matrix, on the right or on the left."""
    node.allow()
    right = node.constant(1)
    if right is not None:
        return _times_right(node, node.tensor(0), usable(right))
    left, source = node.numbers(0), node.tensor(1)
    if left.ndim != 2 or len(source.shape) < 2:
        raise Unbounded("MatMul of a constant that is no matrix")
    turned = _turned(node, source)
    return _turned(node, _times_right(node, turned, left.T))


def _turned(node: Node, source: Tensor) -> Tensor:
    index = np.arange(int(np.prod(source.shape))).reshape(source.shape)
    return node.build.take(source, np.swapaxes(index, -1, -2))


def _times_right(node: Node, source: Tensor, weight: Array) -> Tensor:
    if weight.ndim > 2 and all(n == 1 for n in weight.shape[:-2]):
        shape = (1,) * max(0, weight.ndim - len(source.shape)) + source.shape
        source, weight = Tensor(source.step, shape), weight.reshape(weight.shape[-2:])
    if weight.ndim != 2 or source.shape[-1] != weight.shape[0]:
        raise Unbounded("MatMul by a constant that is no matrix")
    positions = int(np.prod(source.shape[:-1], dtype=np.int64))
    flat = Tensor(source.step, (1, positions, weight.shape[0]))
    return Tensor(node.build.matrix(flat, weight[None]).step, (*source.shape[:-1], weight.shape[1]))


def conv(node: Node) -> Tensor:
    """Conv of any rank, grouped, strided, dilated and padded."""
    node.allow("auto_pad", "dilations", "group", "kernel_shape", "pads", "strides")
    source, weight = node.tensor(), node.numbers(1)
    batch, channels = source.shape[:2]
    groups = int(node.attributes.get("group", 1))
    outputs, inputs, *kernel = weight.shape
    if channels != inputs * groups or outputs % groups:
        raise Unbounded("Conv with weights that do not fit")
    index = np.arange(int(np.prod(source.shape))).reshape(source.shape)
    seen, after = windows(index, kernel, node.attributes)
    positions, taps = seen.shape[2:]
    seen = seen.reshape(batch, groups, inputs, positions, taps).transpose(1, 0, 3, 2, 4)
    columns = node.build.take(source, seen.reshape(groups, batch * positions, inputs * taps))
    blocks = weight.reshape(groups, outputs // groups, inputs * taps).transpose(0, 2, 1)
    product = node.build.matrix(columns, blocks)
    numbers = np.arange(int(np.prod(product.shape))).reshape(groups, batch, positions, -1)
    order = numbers.transpose(1, 0, 3, 2).reshape(batch, outputs, *after)
    image = node.build.take(product, order)
    if not node.has(2):
        return image
    return node.build.shifted(image, node.numbers(2).reshape(-1, *[1] * len(after)))


def average(node: Node) -> Tensor:
    """AveragePool."""
    names = ("auto_pad", "ceil_mode", "count_include_pad", "dilations", "kernel_shape", "pads")
    node.allow(*names, "strides")
    source = node.tensor()
    index = np.arange(int(np.prod(source.shape))).reshape(source.shape)
    seen, after = windows(index, node.attributes["kernel_shape"], node.attributes)
    counts = np.full(seen.shape[:-1], seen.shape[-1])
    if not node.attributes.get("count_include_pad"):
        counts = (seen >= 0).sum(axis=-1)
    if not counts.all():
        raise Unbounded("a window of padding alone")
    return _mean(node, seen, counts, (*source.shape[:2], *after))


def reduce(node: Node) -> Tensor:
    """ReduceMean and ReduceSum, GlobalAveragePool."""
    node.allow("axes", "keepdims", "noop_with_empty_axes")
    source = node.tensor()
    rank = len(source.shape)
    axes = [*range(2, rank)] if node.kind == "GlobalAveragePool" else node.integers(1, "axes")
    if axes is None or not axes:
        if node.attributes.get("noop_with_empty_axes"):
            return source
        axes = [*range(rank)]
    axes = sorted({a % rank for a in axes})
    index = np.arange(int(np.prod(source.shape))).reshape(source.shape)
    rest = [a for a in range(rank) if a not in axes]
    seen = index.transpose(*rest, *axes).reshape(*[source.shape[a] for a in rest], -1)
    keep = node.kind == "GlobalAveragePool" or node.attributes.get("keepdims", 1)
    shape = [1 if a in axes else n for a, n in enumerate(source.shape) if keep or a not in axes]
    counts = np.full(seen.shape[:-1], 1 if node.kind == "ReduceSum" else seen.shape[-1])
    return _mean(node, seen, counts, tuple(shape))


def _mean(node: Node, seen: Array, counts: Array, shape: tuple[int, ...]) -> Tensor:
    """Sums over the last axis of `seen` divided by counts."""
    taps = seen.shape[-1]
    columns = node.build.take(node.tensor(), seen.reshape(1, -1, taps))
    total = Tensor(node.build.matrix(columns, np.ones((1, taps, 1))).step, shape)
    if (counts == 1).all():
        return total
    return _scaled(node, total, 1.0 / counts.reshape(shape), 1)


def _scaled(node: Node, source: Tensor, weight: Array, slack: int) -> Tensor:
    full = np.broadcast_to(usable(weight), source.shape).reshape(-1)
    return node.build.add(Scale(full, slack), [source], source.shape)


def add(node: Node) -> Tensor:
    """Add, Sub and Sum, of tensors and constants."""
    node.allow()
    if node.kind != "Sum" and len(node.proto.input) != 2:
        raise Unbounded(f"{node.kind} of {len(node.proto.input)} tensors")
    slots = range(len(node.proto.input))
    constants = [node.constant(slot) for slot in slots]
    signs = [-1 if node.kind == "Sub" and slot == 1 else 1 for slot in slots]
    shapes = [
        node.tensor(slot).shape if c is None else c.shape
        for slot, c in zip(slots, constants, strict=True)
    ]
    shape = np.broadcast_shapes(*shapes)
    moving = [slot for slot in slots if constants[slot] is None]
    parts = [_expanded(node, node.tensor(slot), shape) for slot in moving]
    total = parts[0]
    kept = tuple(signs[slot] for slot in moving)
    if kept != (1,):
        total = node.build.add(Sum(kept), parts, shape)
    for slot in slots:
        number = constants[slot]
        if number is not None:
            total = node.build.shifted(total, signs[slot] * usable(number))
    return total


def _expanded(node: Node, source: Tensor, shape: tuple[int, ...]) -> Tensor:
    index = np.arange(int(np.prod(source.shape))).reshape(source.shape)
    return node.build.take(source, np.broadcast_to(index, shape))


def multiply(node: Node) -> Tensor:
    """Mul and Div by a constant; a product of two tensors has a range only."""
    node.allow()
    place = 0 if node.constant(0) is None else 1
    other = node.constant(1 - place)
    if node.kind == "Div":
        numbers = node.numbers(1)
        if (numbers == 0).any():
            raise Unbounded("Div by zero")
        weight, slack = usable(1.0 / numbers), 1
    elif other is not None:
        weight, slack = usable(other), 0
    else:
        a, b = node.tensor(0), node.tensor(1)
        shape = np.broadcast_shapes(a.shape, b.shape)
        both = [_expanded(node, x, shape) for x in (a, b)]
        return node.build.add(Product(), both, shape)
    source = node.tensor(place)
    shape = np.broadcast_shapes(source.shape, weight.shape)
    return _scaled(node, _expanded(node, source, shape), weight, slack)


def negate(node: Node) -> Tensor:
    """Neg."""
    source = node.tensor()
    return node.build.add(Scale(np.full(int(np.prod(source.shape)), -1.0)), [source], source.shape)


def batch_norm(node: Node) -> Tensor:
    """BatchNormalization in inference: a scale and a shift per channel."""
    node.allow("epsilon", "momentum", "spatial", "training_mode")
    if node.attributes.get("training_mode") or node.attributes.get("spatial", 1) != 1:
        raise Unbounded("BatchNormalization in training, or not per channel")
    if len(node.proto.output) > 1 or len(node.proto.input) != 5:
        raise Unbounded("BatchNormalization in training")
    source = node.tensor()
    scale, shift, mean, variance = (node.numbers(slot) for slot in range(1, 5))
    below = variance + node.number("epsilon", 1e-5)
    if (below <= 0).any():
        raise Unbounded("BatchNormalization with a variance that is not positive")
    factor = scale / np.sqrt(below)
    bias, heft = shift - mean * factor, np.abs(shift) + np.abs(mean * factor)
    rank = (-1, *[1] * (len(source.shape) - 2))
    full = [
        np.broadcast_to(x.reshape(rank), source.shape).reshape(-1) for x in (factor, bias, heft)
    ]
    # six roundings: of the sum, the root, the quotient, the product, and of the shift
    operation = Scale(usable(full[0]), 6, bias=full[1], heft=full[2])
    return node.build.add(operation, [source], source.shape)
