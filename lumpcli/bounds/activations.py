"""Operators that are functions of one tensor, and maxima: from a node to the tensor it makes.

What they read are the targets whose bounds are wanted.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from lumpcli.bounds.affine import Scale, Unbounded
from lumpcli.bounds.build import Node
from lumpcli.bounds.functions import Dipping, Function, Monotone, Piecewise, Stair
from lumpcli.bounds.opaque import Largest
from lumpcli.bounds.program import Tensor
from lumpcli.bounds.rounding import Array
from lumpcli.bounds.windows import windows


def _sigmoid(z: Array) -> Array:
    small = np.exp(-np.abs(z))
    result: Array = np.where(z >= 0, 1.0, small) / (1.0 + small)
    return result


def _softplus(z: Array) -> Array:
    result: Array = np.maximum(z, 0.0) + np.log1p(np.exp(-np.abs(z)))
    return result


def _erf(z: Array) -> Array:
    result: Array = np.vectorize(math.erf, otypes=[np.float64])(z)
    return result


def _gelu(z: Array) -> Array:
    result: Array = 0.5 * z * (1.0 + _erf(z / math.sqrt(2.0)))
    return result


def _bell(z: Array) -> Array:
    with np.errstate(over="ignore"):
        result: Array = np.cosh(z) ** -2.0
    return result


def _unit(z: Array) -> Array:
    result: Array = np.exp(-(z * z)) * (2.0 / math.sqrt(math.pi))
    return result


def _elu(alpha: float) -> Monotone:
    if alpha < 0:
        raise Unbounded("Elu with a negative alpha")
    return Monotone(
        lambda z: np.where(z > 0, z, alpha * np.expm1(np.minimum(z, 0.0))),
        -alpha,
        steepness=lambda z: np.where(z > 0, 1.0, alpha * np.exp(np.minimum(z, 0.0))),
    )


def _softsign(z: Array) -> Array:
    result: Array = np.where(np.isinf(z), np.sign(z), z / (1.0 + np.abs(z)))
    return result


RELU = Piecewise(lambda z: np.maximum(z, 0.0), (0.0,), (0.0, 1.0), exact=True)
SIGMOID = Monotone(_sigmoid, 0.0, 1.0, lambda z: _sigmoid(z) * _sigmoid(-z))

FUNCTIONS: dict[str, Function] = {
    "Relu": RELU,
    "Abs": Piecewise(np.abs, (0.0,), (-1.0, 1.0), exact=True),
    "Sign": Stair(np.sign),
    "Floor": Stair(np.floor),
    "Ceil": Stair(np.ceil),
    "Sigmoid": SIGMOID,
    "Tanh": Monotone(np.tanh, -1.0, 1.0, _bell),
    "Erf": Monotone(_erf, -1.0, 1.0, _unit),
    "Softsign": Monotone(_softsign, -1.0, 1.0, lambda z: (1.0 + np.abs(z)) ** -2.0),
    "Softplus": Monotone(_softplus, 0.0, steepness=_sigmoid),
    "Exp": Monotone(np.exp, 0.0, steepness=np.exp),
}


def function(node: Node) -> Tensor:
    """A function without parameters."""
    node.allow()
    return _apply(node, FUNCTIONS[node.kind])


def _apply(node: Node, chosen: Function, source: Tensor | None = None) -> Tensor:
    """The function of a tensor, which becomes a target."""
    source = source or node.tensor()
    node.build.targets[node.proto.input[0]] = node.tensor()
    return node.build.add(chosen, [source], source.shape)


def leaky_relu(node: Node) -> Tensor:
    """LeakyRelu."""
    node.allow("alpha")
    return _leaky(node, np.array(node.number("alpha", 0.01)))


def prelu(node: Node) -> Tensor:
    """PRelu with constant slopes."""
    node.allow()
    source, slopes = node.tensor(), node.numbers(1)
    return _leaky(node, np.broadcast_to(slopes, source.shape).reshape(-1))


def _leaky(node: Node, slope: Array) -> Tensor:
    return _apply(
        node,
        Piecewise(
            lambda z: np.where(z > 0, z, np.where(slope == 0, 0.0, slope) * np.minimum(z, 0.0)),
            (0.0,),
            (slope, 1.0),
        ),
    )


def clip(node: Node) -> Tensor:
    """Clip between constants."""
    node.allow("min", "max")
    ends = []
    for slot, name, default in ((1, "min", -np.inf), (2, "max", np.inf)):
        given = node.constant(slot)
        if node.has(slot) and (given is None or given.size != 1):
            raise Unbounded("Clip between computed numbers")
        ends.append(float(given.reshape(())) if given is not None else node.number(name, default))
    return _apply(node, _clip(*ends))


def _clip(low: float, high: float) -> Piecewise:
    if not low <= high:
        raise Unbounded("Clip whose lower end is above the upper")
    kinks = tuple(k for k in (low, high) if math.isfinite(k))
    sides = (0.0, 1.0) if (low, high) == (0.0, math.inf) else None
    return Piecewise(lambda z: np.clip(z, low, high), kinks, sides, exact=True)


def hard_sigmoid(node: Node) -> Tensor:
    """HardSigmoid: a scale, a shift and a Clip."""
    node.allow("alpha", "beta")
    source = node.tensor()
    size = int(np.prod(source.shape))
    scale, shift = (
        np.full(size, node.number(name, default))
        for name, default in (("alpha", 0.2), ("beta", 0.5))
    )
    inner = node.build.add(Scale(scale, bias=shift), [source], source.shape)
    return _apply(node, _clip(0.0, 1.0), inner)


def elu(node: Node) -> Tensor:
    """Elu."""
    node.allow("alpha")
    return _apply(node, _elu(node.number("alpha", 1.0)))


def gelu(node: Node) -> Tensor:
    """Gelu by erf."""
    node.allow("approximate")
    if node.attributes.get("approximate", b"none") != b"none":
        raise Unbounded("Gelu that is approximated")
    return _apply(node, Dipping(_gelu, -0.7517915, -0.16997120748))


def largest(node: Node) -> Tensor:
    """MaxPool, GlobalMaxPool and ReduceMax."""
    source = node.tensor()
    index = np.arange(int(np.prod(source.shape))).reshape(source.shape)
    rank = len(source.shape)
    if node.kind == "MaxPool":
        if len(node.proto.output) > 1 or node.attributes.get("storage_order"):
            raise Unbounded("MaxPool with indices")
        seen, after = windows(index, node.attributes["kernel_shape"], node.attributes)
        shape = [*source.shape[:2], *after]
    else:
        axes = [*range(2, rank)] if node.kind == "GlobalMaxPool" else node.integers(1, "axes")
        if not axes:
            raise Unbounded("ReduceMax without axes")
        axes = sorted({a % rank for a in axes})
        keep = node.kind == "GlobalMaxPool" or node.attributes.get("keepdims", 1)
        rest = [a for a in range(rank) if a not in axes]
        seen = index.transpose(*rest, *axes)
        seen = seen.reshape(*[source.shape[a] for a in rest], -1)
        shape = [1 if a in axes else n for a, n in enumerate(source.shape) if keep or a in rest]
    if not (seen >= 0).any(axis=-1).all():
        raise Unbounded("a window of padding alone")
    return node.build.add(Largest(seen.reshape(-1, seen.shape[-1])), [source], shape)


ELEMENTWISE: dict[str, Callable[[Node], Tensor]] = {
    **dict.fromkeys(FUNCTIONS, function),
    "LeakyRelu": leaky_relu,
    "PRelu": prelu,
    "Clip": clip,
    "HardSigmoid": hard_sigmoid,
    "Elu": elu,
    "Gelu": gelu,
}
ACTIVATIONS: dict[str, Callable[[Node], Tensor]] = {
    **ELEMENTWISE,
    **dict.fromkeys(("MaxPool", "GlobalMaxPool", "ReduceMax"), largest),
}
