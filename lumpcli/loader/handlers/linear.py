"""Gemm and MatMul: layers with rows of weights."""

from __future__ import annotations

import math
from fractions import Fraction

from lumpcli.ir import Array, Term
from lumpcli.loader.handlers.numbers import Spread, per_feature
from lumpcli.loader.trace import Draft, Trace, attributes_of


def gemm(trace: Trace) -> str | None:
    """`alpha * A @ B + beta * C` with B constant, possibly transposed; A not."""
    node = trace.node
    attributes = attributes_of(node)
    scales = attributes.get("alpha", 1.0), attributes.get("beta", 1.0)
    if not all(map(math.isfinite, scales)):
        return "alpha or beta is not finite"
    alpha, beta = map(Fraction, scales)
    bias_name = node.input[2] if len(node.input) > 2 else ""
    if attributes.get("transA", 0):
        return "transA is set"
    if bias_name and not beta:
        return "beta is 0, but there is a C"
    weight = trace.numbers(node.input[1])
    if weight is None:
        return trace.why_no_numbers(node.input[1])
    if weight.array.ndim != 2 or not weight.array.size:
        return f"its weights have shape {list(weight.array.shape)}"
    transposed = not attributes.get("transB", 0)
    rows = weight.array.T if transposed else weight.array
    width = len(rows)
    bias: Spread | None = None
    if bias_name:
        found = per_feature(trace, bias_name, -1, width)
        if isinstance(found, str):
            return found
        bias = found
    layer = _dense(trace, node.input[0], rows, -1, alpha)
    trace.site(layer, 1, "weight", weight, transposed=transposed)
    layer.bias_fixed = not beta
    layer.bias_scale = beta or Fraction(1)
    layer.bias_dtype = weight.dtype
    if bias is not None:
        layer.bias = bias.values
    if beta:
        trace.site(layer, 2, "bias", bias.stored if bias is not None else None)
    return None


def matmul(trace: Trace) -> str | None:
    """`x @ W`, or `W @ x`: then features lie along x's last but one axis, or its only one."""
    left, right = trace.node.input
    weight_slot = 1 if trace.constant(right) is not None else 0
    name, data = (right, left) if weight_slot else (left, right)
    weight = trace.numbers(name)
    if weight is None:
        return trace.why_no_numbers(name if trace.constant(name) is not None else right)
    if trace.constant(data) is not None:
        return "both operands are constants"
    if weight.array.ndim != 2 or not weight.array.size:
        return f"its weights have shape {list(weight.array.shape)}"
    axis = -1
    if weight_slot == 0:
        rank = trace.rank(data)
        if rank is None:
            return f"the rank of {data!r} is not known"
        axis = -1 if rank == 1 else -2
    rows = weight.array.T if weight_slot else weight.array
    layer = _dense(trace, data, rows, axis)
    trace.site(layer, weight_slot, "weight", weight, transposed=bool(weight_slot))
    return None


def _dense(
    trace: Trace, tensor: str, rows: Array, axis: int, scale: Fraction = Fraction(1)
) -> Draft:
    """A layer of rows over the features of a tensor: one term for each layer joined in it."""
    terms, begin = [], 0
    for source in trace.sources(tensor, rows.shape[1], axis):
        columns = rows[:, begin : begin + source.width]
        terms.append((source, Term("", columns, scale=scale)))
        begin += source.width
    return trace.layer(rows.shape[0], terms, axis)
