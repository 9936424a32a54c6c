"""Add, Sub, Mul, Div, Neg, Sum: with constants per feature, or of two layers."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from lumpcli.ir import Term
from lumpcli.loader.handlers.numbers import Spread, per_feature
from lumpcli.loader.trace import Draft, Trace, View, attributes_of

_MISMATCH = "it is combined with a tensor lumpcli does not follow, or of another shape"


def add(trace: Trace) -> str | None:
    """A bias, or the sum of two layers."""
    operands = _operands(trace)
    if isinstance(operands, str):
        return operands
    if isinstance(operands, tuple):
        return _combine(trace, operands, (1, 1))
    return _shift(trace, operands, Fraction(1))


def subtract(trace: Trace) -> str | None:
    """`x - c`, `c - x`, or the difference of two layers."""
    operands = _operands(trace)
    if isinstance(operands, str):
        return operands
    if isinstance(operands, tuple):
        return _combine(trace, operands, (1, -1))
    if operands.slot == 1:
        return _shift(trace, operands, Fraction(-1))
    layer = _scaled(trace, operands.view, Fraction(-1))
    _put_bias(trace, layer, operands, Fraction(1))
    return None


def multiply(trace: Trace) -> str | None:
    """A scale per feature, or the product of two layers."""
    operands = _operands(trace)
    if isinstance(operands, str):
        return operands
    if isinstance(operands, tuple):
        return join(trace, operands, "Mul")
    return _scale(trace, operands, inverse=False)


def divide(trace: Trace) -> str | None:
    """Division by a constant per feature, or of one layer by another."""
    operands = _operands(trace)
    if isinstance(operands, str):
        return operands
    if isinstance(operands, tuple):
        return join(trace, operands, "Div")
    if operands.slot == 0:
        return "a constant is divided by it"
    if (operands.spread.values == 0).any():
        return f"{trace.node.input[1]!r} has zeros to divide by"
    return _scale(trace, operands, inverse=True)


def negate(trace: Trace) -> str | None:
    """`-x`."""
    view = trace.views.get(trace.node.input[0])
    if view is not None:
        _scaled(trace, view, Fraction(-1))
    return None


def total(trace: Trace) -> str | None:
    """The sum of several layers."""
    views = [trace.views.get(name) for name in trace.node.input]
    known = [v for v in views if v is not None]
    if len(known) < len(views) or any(not _same(known[0], v) for v in known):
        return _MISMATCH
    return _combine(trace, tuple(known), (1,) * len(known))


def join(trace: Trace, views: tuple[View, ...], function: str) -> str | None:
    """A layer of `function(a_i, b_i)`."""
    terms = [(v.layer, Term("", None, diagonal=True)) for v in views]
    trace.layer(views[0].layer.width, terms, views[0].axis).function = function
    return None


class Operands:
    """A layer and a constant per feature; `slot` is the constant's input."""

    def __init__(self, view: View, tensor: str, slot: int, spread: Spread) -> None:
        self.view, self.tensor, self.slot, self.spread = view, tensor, slot, spread


def _operands(trace: Trace) -> Operands | tuple[View, View] | str:
    """The two operands of the node: a layer and a constant, two layers, or why neither."""
    names = trace.node.input
    if trace.opset < 7 and "axis" in attributes_of(trace.node):
        return "it broadcasts along an axis, as before opset 7"
    slot = 1 if trace.constant(names[1]) or names[1] in trace.weights.overridable else 0
    tensor = names[1 - slot]
    view = trace.views.get(tensor)
    if trace.constant(names[slot]) is not None or names[slot] in trace.weights.overridable:
        if view is None:
            return _MISMATCH
        spread = per_feature(trace, names[slot], view.axis, view.layer.width)
        return spread if isinstance(spread, str) else Operands(view, tensor, slot, spread)
    left, right = trace.views.get(names[0]), trace.views.get(names[1])
    if left is None or right is None or not _same(left, right):
        return _MISMATCH
    return left, right


def _same(left: View, right: View) -> bool:
    return left.axis == right.axis and left.layer.width == right.layer.width


def _combine(trace: Trace, views: tuple[View, ...], signs: tuple[int, ...]) -> str | None:
    terms = [
        (v.layer, Term("", None, diagonal=True, scale=Fraction(s)))
        for v, s in zip(views, signs, strict=True)
    ]
    trace.layer(views[0].layer.width, terms, views[0].axis)
    return None


def _shift(trace: Trace, operands: Operands, scale: Fraction) -> str | None:
    """The constant becomes the bias of the layer, or of a new one over it."""
    view = operands.view
    layer = trace.extend(operands.tensor)
    if layer is not None and layer.bias is None:
        trace.grow(layer, view.axis)
        layer.sites = [s for s in layer.sites if s[2] != "bias"]
    else:
        layer = _scaled(trace, view, Fraction(1))
    _put_bias(trace, layer, operands, scale)
    return None


def _put_bias(trace: Trace, layer: Draft, operands: Operands, scale: Fraction) -> None:
    layer.bias, layer.bias_scale, layer.bias_fixed = operands.spread.values, scale, False
    trace.site(layer, operands.slot, "bias", operands.spread.stored, axis=operands.view.axis)


def _scaled(trace: Trace, view: View, scale: Fraction) -> Draft:
    term = Term("", None, diagonal=True, scale=scale)
    return trace.layer(view.layer.width, [(view.layer, term)], view.axis)


def _scale(trace: Trace, operands: Operands, *, inverse: bool) -> str | None:
    view, spread = operands.view, operands.spread
    if spread.is_scalar:
        factor = Fraction(float(np.asarray(spread.values[0])))
        _scaled(trace, view, 1 / factor if inverse else factor)
        return None
    term = Term("", spread.values, diagonal=True, inverse=inverse)
    layer = trace.layer(view.layer.width, [(view.layer, term)], view.axis)
    trace.site(layer, operands.slot, "weight", spread.stored, axis=view.axis)
    return None
