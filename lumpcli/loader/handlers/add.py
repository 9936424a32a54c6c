"""Add, Sub, Mul, Div, Neg, Sum: with constants per feature, or of several layers."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from lumpcli.ir import Term
from lumpcli.loader.draft import Draft, View
from lumpcli.loader.handlers.numbers import PerFeature, per_feature, view_beside
from lumpcli.loader.handlers.operands import NOT_FOLLOWED, join, operands, signed
from lumpcli.loader.trace import Trace, attributes_of


@dataclass(frozen=True)
class _Beside:
    """A layer and a constant per feature; `slot` is the constant's input."""

    view: View
    tensor: str
    slot: int
    numbers: PerFeature


def add(trace: Trace) -> str | None:
    """A bias, or the sum of two layers."""
    beside = _beside(trace)
    if isinstance(beside, str):
        return beside
    return _sum(trace, (1, 1)) if beside is None else _shift(trace, beside, Fraction(1))


def subtract(trace: Trace) -> str | None:
    """`x - c`, `c - x`, or the difference of two layers."""
    beside = _beside(trace)
    if isinstance(beside, str):
        return beside
    if beside is None:
        return _sum(trace, (1, -1))
    if beside.slot == 1:
        return _shift(trace, beside, Fraction(-1))
    _put_bias(trace, _scaled(trace, beside.view, Fraction(-1)), beside, Fraction(1))
    return None


def multiply(trace: Trace) -> str | None:
    """A scale per feature, or the product of two layers."""
    beside = _beside(trace)
    if isinstance(beside, str):
        return beside
    return _join(trace, "Mul") if beside is None else _scale(trace, beside, inverse=False)


def divide(trace: Trace) -> str | None:
    """Division by a constant per feature, or of one layer by another."""
    beside = _beside(trace)
    if isinstance(beside, str):
        return beside
    if beside is None:
        return _join(trace, "Div")
    if beside.slot == 0:
        return "a constant is divided by it"
    if (beside.numbers.values == 0).any():
        return f"{trace.node.input[1]!r} has zeros to divide by"
    return _scale(trace, beside, inverse=True)


def negate(trace: Trace) -> str | None:
    """`-x`."""
    view = trace.view(trace.node.input[0])
    if view is not None:
        _scaled(trace, view, Fraction(-1))
    return None


def total(trace: Trace) -> str | None:
    """The sum of several layers."""
    return _sum(trace, (1,) * len(trace.node.input))


def _beside(trace: Trace) -> _Beside | str | None:
    """The layer and the constant per feature among two operands; None where they are neither."""
    names = trace.node.input
    if trace.opset < 7 and "axis" in attributes_of(trace.node):
        return "it broadcasts along an axis, as before opset 7"
    slot = 1 if trace.constant(names[1]) or names[1] in trace.weights.overridable else 0
    tensor = names[1 - slot]
    view = view_beside(trace, tensor, names[slot])
    if trace.constant(names[slot]) is None and names[slot] not in trace.weights.overridable:
        return None
    if view is None:
        return NOT_FOLLOWED
    if len(view.axes) > 1:
        numbers = per_feature(trace, names[slot], -1, 1)
    else:
        numbers = per_feature(trace, names[slot], view.axis, view.layer.width)
    if isinstance(numbers, str):
        return None if trace.numbers(names[slot]) is not None else numbers
    if len(view.axes) > 1:
        spread = np.broadcast_to(numbers.values, (view.layer.width,))
        numbers = PerFeature(numbers.stored, spread)
    return _Beside(view, tensor, slot, numbers)


def _sum(trace: Trace, signs: tuple[int, ...]) -> str | None:
    found = operands(trace, trace.node.input)
    if isinstance(found, str):
        return found
    view, terms = found
    trace.over(view, signed(terms, signs))
    return None


def _join(trace: Trace, function: str) -> str | None:
    found = operands(trace, trace.node.input)
    if isinstance(found, str):
        return found
    join(trace, *found, function)
    return None


def _shift(trace: Trace, beside: _Beside, scale: Fraction) -> str | None:
    """The constant becomes the bias of the layer, or of a new one over it."""
    layer = trace.extend(beside.tensor, beside.view)
    if layer is not None and layer.bias is None:
        trace.grow(layer, beside.view)
        layer.sites = [s for s in layer.sites if s.role != "bias"]
    else:
        layer = _scaled(trace, beside.view, Fraction(1))
    _put_bias(trace, layer, beside, scale)
    return None


def _put_bias(trace: Trace, layer: Draft, beside: _Beside, scale: Fraction) -> None:
    axis = beside.view.axes[-1]
    layer.bias, layer.bias_scale = beside.numbers.values, scale
    layer.bias_fixed = len(beside.view.axes) > 1
    trace.site(layer, beside.slot, "bias", beside.numbers.stored, axis=axis)


def _scaled(trace: Trace, view: View, scale: Fraction) -> Draft:
    return trace.over(view, [(view.layer, Term("", None, diagonal=True, scale=scale))])


def _scale(trace: Trace, beside: _Beside, *, inverse: bool) -> str | None:
    view, numbers = beside.view, beside.numbers
    if numbers.is_scalar:
        factor = Fraction(float(np.asarray(numbers.values[0])))
        _scaled(trace, view, 1 / factor if inverse else factor)
        return None
    term = Term("", numbers.values, diagonal=True, inverse=inverse)
    layer = trace.over(view, [(view.layer, term)])
    trace.site(layer, beside.slot, "weight", numbers.stored, axis=view.axis)
    return None
