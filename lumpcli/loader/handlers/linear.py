"""Gemm and MatMul: layers with rows of weights."""

from __future__ import annotations

import math
from fractions import Fraction

from lumpcli.ir import Array, Term
from lumpcli.loader.draft import Draft
from lumpcli.loader.handlers.attention import product
from lumpcli.loader.handlers.matrix import Matrix, matrix, matrix_sites, put_bias, why_no_bias
from lumpcli.loader.handlers.numbers import PerFeature, per_feature
from lumpcli.loader.trace import Trace, attributes_of


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
    transposed = not attributes.get("transB", 0)
    weight = matrix(trace, node.input[1], int(transposed))
    if isinstance(weight, str):
        return weight
    if weight.array.ndim != 2 or not weight.array.size:
        return f"its weights have shape {list(weight.array.shape)}"
    rows = weight.array.T if transposed else weight.array
    width = len(rows)
    bias: PerFeature | None = None
    quantised = bool(bias_name) and trace.constant(bias_name) is None
    if bias_name and not quantised:
        found = per_feature(trace, bias_name, -1, width)
        if isinstance(found, str):
            return found
        bias = found
    reason = why_no_bias(trace, bias_name, width) if quantised else None
    if reason is not None:
        return reason
    layer = _dense(trace, node.input[0], rows, -1, weight, alpha)
    matrix_sites(trace, layer, 1, weight, transposed)
    layer.bias_fixed = not beta
    layer.bias_scale = beta or Fraction(1)
    layer.bias_dtype = weight.stored.dtype
    if quantised:
        return put_bias(trace, layer, 2, bias_name)
    if bias is not None:
        layer.bias = bias.values
    if beta:
        trace.site(layer, 2, "bias", bias.stored if bias is not None else None)
    return None


def matmul(trace: Trace) -> str | None:
    """`x @ W`, or `W @ x`: then features lie along x's last but one axis, or its only one."""
    left, right = trace.node.input
    stored = [trace.weights.any(name) is not None for name in (left, right)]
    unread = [n for n in (left, right) if n not in trace.graph.producer]
    unread = [n for n in unread if n not in trace.graph_inputs]
    if not any(stored) and not unread:
        return product(trace)
    weight_slot = 1 if stored[1] else 0
    name, data = (right, left) if weight_slot else (left, right)
    weight = matrix(trace, name if any(stored) else unread[0], weight_slot)
    if isinstance(weight, str):
        return weight
    if all(stored):
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
    layer = _dense(trace, data, rows, axis, weight)
    matrix_sites(trace, layer, weight_slot, weight, bool(weight_slot))
    return None


def _dense(
    trace: Trace,
    tensor: str,
    rows: Array,
    axis: int,
    weight: Matrix,
    scale: Fraction = Fraction(1),
) -> Draft:
    """A layer of rows over the features of a tensor."""
    source = trace.features(tensor, rows.shape[1], axis)
    return trace.layer(
        rows.shape[0],
        [(source, Term("", rows, scale=scale, row_scale=weight.row_scale, limits=weight.limits))],
        axis,
    )
