"""What a term that moves positions computes, by numpy; features lie along the last axis."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence

import numpy as np
from onnx import NodeProto

from lumpcli.ir import Array, Term
from tests.convolve import convolve, geometry
from tests.layouts import last

FLATTEN = re.compile(r"^flatten (?P<rest>\[.*?\]), features (?P<number>\d+); ")
UNFOLD = re.compile(r"^unfold axes (?P<axes>\(.*?\)), keep (?P<place>\d+), others (?P<others>.*)$")


def _kernel(term: Term) -> tuple[Array, tuple[int, ...]]:
    """The weights with one axis of taps, and the sizes of the kernel."""
    assert term.weight is not None
    features = 1 if term.diagonal else 2
    sizes = term.weight.shape[features:]
    return term.weight.reshape(*term.weight.shape[:features], -1), sizes


def convolved(term: Term, node: NodeProto, x: Array, positions: Sequence[int]) -> Array:
    """A convolution, by a dense or a depthwise term of a node's layer."""
    taps, sizes = _kernel(term)
    shape = geometry(node, sizes, x.shape[1:-1], positions[1:])
    return convolve(x, taps, shape, positions[1:], depthwise=term.diagonal)


def leaves_constants(term: Term, node: NodeProto, x: Array, positions: Sequence[int]) -> bool:
    """Whether a convolution makes a constant of ones, if its term says so."""
    if term.padded:
        return True
    ones = convolved(term, node, np.ones_like(x), positions)
    every = _kernel(term)[0].astype(np.float64).sum(axis=-1 if term.diagonal else (1, 2))
    return np.allclose(ones, every, rtol=1e-9, atol=1e-9)


def unfolded(term: Term, x: Array, shape: Sequence[int]) -> Array:
    """Features of a tensor of some shape along one of several axes; the others are positions."""
    told = UNFOLD.match(term.via)
    assert told
    assert term.select is not None
    axes, place = ast.literal_eval(told["axes"]), int(told["place"])
    others = [axis for k, axis in enumerate(axes) if k != place]
    assert [shape[axis] for axis in others] == ast.literal_eval(told["others"])
    order = [a - len(shape) for a in range(len(shape)) if a - len(shape) not in axes]
    order += [axes[place], *others]
    spread = x[..., term.select].reshape([shape[axis] for axis in order])
    return last(spread.transpose(np.argsort(order)), axes[place])


def flattened(term: Term, tensor: Array, axis: int) -> Array:
    """Features along an axis merged with positions beside it: (other positions, features)."""
    told = FLATTEN.match(term.via)
    assert told
    assert term.at is not None
    feature, rest = tensor.ndim + axis, ast.literal_eval(told["rest"])
    long = [a for a in range(tensor.ndim) if tensor.shape[a] != 1 or a == feature]
    begin = long.index(feature) - int(told["number"])
    merged = [a for a in long[begin : begin + len(rest) + 1] if a != feature]
    assert [tensor.shape[a] for a in merged] == rest
    others = [a for a in range(tensor.ndim) if a not in (*merged, feature)]
    blocks = tensor.transpose([*others, *merged, feature])
    blocks = blocks.reshape(-1, int(np.prod(rest)), tensor.shape[feature])
    result: Array = blocks[:, term.at, term.select]
    return result
