"""Quantised models: rounding of activations, and linear operators on integers.

An operator on integers is several layers: the input without its zero, sums of integers with an
integer bias, and a scale per row that is rounded to the output's integers. Weights behind a
DequantizeLinear or a Quant are read by the handlers of Gemm, MatMul and Conv.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from lumpcli.ir import Activation, Array, Term
from lumpcli.loader.draft import Draft, DraftSite
from lumpcli.loader.handlers.convolution import convolution_term, groups_follow
from lumpcli.loader.quantum import dequantized, quant_limits
from lumpcli.loader.trace import Trace, attributes_of
from lumpcli.loader.weights import Stored


def quantize(trace: Trace) -> str | None:
    """QuantizeLinear with one scale: a function of each number, with steps."""
    scale, zero = _scalar(trace, 1), _zero(trace, 2)
    if trace.view(trace.node.input[0]) is None:
        return None
    if scale is None or zero is None:
        return "its scale and zero are not one constant number each"
    dtype = np.dtype(np.uint8)
    if len(trace.node.input) > 2 and trace.node.input[2]:
        stored = trace.constant(trace.node.input[2])
        assert stored is not None
        dtype = stored.array.dtype
    if dtype.kind not in "iu" or attributes_of(trace.node).get("output_dtype", 0):
        return "it does not make integers"
    limits = np.iinfo(dtype)
    attributes = (scale, zero, int(limits.min), int(limits.max))
    trace.activate(trace.node.input[0], Activation("QuantizeLinear", attributes))
    return None


def dequantize(trace: Trace) -> str | None:
    """DequantizeLinear of activations, with one scale: linear."""
    view = trace.view(trace.node.input[0])
    if view is None:
        return None
    scale, zero = _scalar(trace, 1), _zero(trace, 2)
    if scale is None or zero is None:
        return "its scale and zero are not one constant number each"
    term = Term("", None, diagonal=True, scale=Fraction(scale))
    layer = trace.over(view, [(view.layer, term)])
    if zero:
        layer.bias, layer.bias_scale = np.full(layer.width, -zero), Fraction(scale)
    return None


def quant(trace: Trace) -> str | None:
    """QONNX's Quant of activations, with one scale."""
    node = trace.node
    attributes = attributes_of(node)
    told = [_scalar(trace, slot) for slot in (1, 2, 3)]
    if trace.view(node.input[0]) is None:
        return None
    scale, zero, bits = told
    limits = None if bits is None else quant_limits(bits, attributes)
    if scale is None or zero is None or limits is None:
        return "its scale, zero and number of bits are not one constant number each"
    mode = attributes.get("rounding_mode", b"ROUND").decode()
    trace.activate(node.input[0], Activation("Quant", (scale, zero, *limits, mode)))
    return None


def bipolar_quant(trace: Trace) -> str | None:
    """QONNX's BipolarQuant: plus or minus a scale."""
    scale = _scalar(trace, 1)
    if scale is None:
        return "its scale is not one constant number"
    trace.activate(trace.node.input[0], Activation("BipolarQuant", (scale,)))
    return None


@dataclass(frozen=True)
class _Slots:
    """Where an operator on integers has its inputs; -1: it has none of that kind."""

    scale: int
    zero: int
    weight: int
    weight_scale: int
    weight_zero: int
    bias: int
    result_scale: int
    result_zero: int


_SLOTS = {
    "QLinearConv": _Slots(1, 2, 3, 4, 5, 8, 6, 7),
    "QLinearMatMul": _Slots(1, 2, 3, 4, 5, -1, 6, 7),
    "QGemm": _Slots(1, 2, 3, 4, 5, 6, 7, 8),
    "ConvInteger": _Slots(-1, 2, 1, -1, 3, -1, -1, -1),
    "MatMulInteger": _Slots(-1, 2, 1, -1, 3, -1, -1, -1),
}


def integer_linear(trace: Trace) -> str | None:
    """A matrix or a convolution of constant integers, applied to integers."""
    node = trace.node
    slots = _SLOTS[node.op_type]
    attributes = attributes_of(node)
    weight = _weight(trace, slots)
    if isinstance(weight, str):
        return weight
    zero = _zero(trace, slots.zero)
    scale = 1.0 if slots.scale < 0 else _scalar(trace, slots.scale)
    if zero is None or scale is None or attributes.get("transA", 0):
        return "its input's scale and zero are not one constant number each"
    result = _result(trace, slots)
    if isinstance(result, str):
        return result
    convolution = "Conv" in node.op_type
    turned = not convolution and not attributes.get("transB", 0)
    bias = _optional(trace, slots.bias)
    for slot in (slots.bias, slots.weight_zero, slots.weight_scale):
        if 0 <= slot < len(node.input) and node.input[slot] and not _optional(trace, slot):
            return trace.why_no_numbers(node.input[slot])
    array = weight.array.T if turned else weight.array
    if bias is not None and bias.array.shape != (len(array),):
        return f"its bias has shape {list(bias.array.shape)}"
    if convolution:
        found = convolution_term(trace, node.input[0], array, attributes)
        if isinstance(found, str):
            return found
        source, term = found
    elif array.ndim == 2:
        source = trace.features(node.input[0], array.shape[1], -1)
        term = Term("", array)
    else:
        return f"its weights have shape {list(array.shape)}"
    if weight.quantum is not None:
        term = replace(term, limits=weight.quantum.limits)
    axis = 1 - array.ndim if convolution else -1
    _layers(trace, _Parts(source, term, zero, scale, weight, bias, turned, axis), slots, result)
    return None


@dataclass(frozen=True)
class _Parts:
    source: Draft
    term: Term
    zero: int
    scale: float
    weight: Stored
    bias: Stored | None
    turned: bool
    axis: int


def _layers(
    trace: Trace, parts: _Parts, slots: _Slots, result: tuple[float, Activation] | None
) -> None:
    """The input without its zero; sums of integers; their scale and rounding."""
    name = trace.node.output[0]
    source, quantum = parts.source, parts.weight.quantum
    assert quantum is not None
    if parts.zero:
        plain = Term("", None, diagonal=True)
        source = trace.layer(
            source.width, [(source, plain)], parts.axis, name=trace.own(f"{name} (zero taken away)")
        )
        source.bias = np.full(source.width, -parts.zero)
    width = len(parts.term.weight) if parts.term.weight is not None else 0
    whole = result is None and slots.weight_scale < 0
    sums = trace.layer(
        width, [(source, parts.term)], parts.axis, name="" if whole else trace.own(f"{name} (sums)")
    )
    trace.site(sums, slots.weight, "weight", parts.weight, transposed=parts.turned)
    zero = _optional(trace, slots.weight_zero)
    if zero is not None and zero.array.size > 1:
        trace.site(sums, slots.weight_zero, "repeated", zero)
    if parts.term.diagonal:
        groups_follow(trace, sums, parts.source.width)
    if slots.bias >= 0:
        sums.bias_fixed, sums.bias_dtype = False, np.dtype(np.int32)
        sums.bias = None if parts.bias is None else parts.bias.array
        trace.site(sums, slots.bias, "bias", parts.bias)
    if whole:
        return
    divisor, activation = result or (1.0, Activation())
    rows = quantum.per_row(quantum.axis, width)
    alpha = Fraction(attributes_of(trace.node).get("alpha", 1.0))
    factor = alpha * Fraction(parts.scale) / Fraction(divisor)
    term = Term("", rows, diagonal=True, scale=factor)
    layer = trace.layer(width, [(sums, term)], parts.axis)
    layer.activation = activation
    stored = _optional(trace, slots.weight_scale)
    if stored is not None:
        layer.sites.append(DraftSite(trace.number, slots.weight_scale, "weight", stored))


def _weight(trace: Trace, slots: _Slots) -> Stored | str:
    """The stored integers, their zero taken away."""
    name = trace.node.input[slots.weight]
    stored = trace.constant(name)
    scale, zero = (_optional(trace, slot) for slot in (slots.weight_scale, slots.weight_zero))
    if stored is None or (slots.weight_scale >= 0 and scale is None):
        return trace.why_no_numbers(name)
    one: Array = np.ones((), np.float32)
    convolution = "Conv" in trace.node.op_type
    turned = not convolution and not attributes_of(trace.node).get("transB", 0)
    axis = 1 if turned and stored.array.ndim == 2 else 0
    found = dequantized(
        trace.number,
        stored.array,
        one if scale is None else scale.array,
        None if zero is None else zero.array,
        axis,
    )
    if found is None or stored.array.ndim < 2 or stored.steps:
        return f"{name!r} is stored in a way lumpcli does not read"
    integers, quantum = found
    rows = stored.array.shape[axis]
    if quantum.per_row(axis, rows) is None:
        return f"{name!r} is scaled along another axis than its rows'"
    steps = (*stored.steps, ("Quantum", ()))
    return Stored(name, integers, stored.root, stored.dtype, steps, quantum)


def _result(trace: Trace, slots: _Slots) -> tuple[float, Activation] | str | None:
    """What the sums are divided by, and how they are rounded; None where they stay as they are."""
    stored = _optional(trace, slots.result_zero)
    if slots.result_scale < 0 or len(trace.node.input) <= slots.result_scale:
        return None
    scale = _scalar(trace, slots.result_scale)
    if scale is None or stored is None or stored.array.size != 1:
        return "its result's scale and zero are not one constant number each"
    if stored.array.dtype.kind not in "iu":
        return "its result is not of integers"
    limits = np.iinfo(stored.array.dtype)
    zero = int(stored.array.reshape(-1)[0])
    return scale, Activation("QuantizeLinear", (1.0, zero, int(limits.min), int(limits.max)))


def _optional(trace: Trace, slot: int) -> Stored | None:
    names = trace.node.input
    return trace.constant(names[slot]) if 0 <= slot < len(names) else None


def _scalar(trace: Trace, slot: int) -> float | None:
    """A constant that is one finite number."""
    stored = _optional(trace, slot)
    if stored is None or stored.array.size != 1:
        return None
    number = float(stored.array.reshape(-1)[0])
    return number if np.isfinite(number) else None


def _zero(trace: Trace, slot: int) -> int | None:
    """A zero point: 0 where there is none, None where it is not one constant number."""
    names = trace.node.input
    if not 0 <= slot < len(names) or not names[slot]:
        return 0
    number = _scalar(trace, slot)
    return None if number is None else int(number)
