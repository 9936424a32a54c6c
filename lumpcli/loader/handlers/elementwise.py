"""Activations and other functions of one tensor, element by element."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lumpcli.ir import Activation, leaky
from lumpcli.ir import clip as clip_activation
from lumpcli.loader.handlers.numbers import PerFeature, per_feature, view_beside
from lumpcli.loader.handlers.operands import join, operands
from lumpcli.loader.trace import Trace, attributes_of

_PLAIN = (
    *("Abs", "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "BitwiseNot", "Ceil", "Cos"),
    *("Cosh", "Erf", "Exp", "Floor", "HardSwish", "IsInf", "IsNaN", "Log", "Mish", "Not"),
    *("Reciprocal", "Round", "Sigmoid", "Sign", "Sin", "Sinh", "Softplus", "Softsign", "Sqrt"),
    *("Tan", "Tanh"),
)

# name -> attributes with their defaults, in the order `Activation.attributes` has them
UNARY: dict[str, dict[str, Any]] = {
    "Relu": {},
    "LeakyRelu": {"alpha": 0.01},
    "ThresholdedRelu": {"alpha": 1.0},
    "Elu": {"alpha": 1.0},
    "Selu": {"alpha": 1.6732632423543772, "gamma": 1.0507009873554805},
    "Celu": {"alpha": 1.0},
    "HardSigmoid": {"alpha": 0.2, "beta": 0.5},
    "Gelu": {"approximate": "none"},
    "Shrink": {"lambd": 0.5, "bias": 0.0},
    "Swish": {"alpha": 1.0},
    **{name: {} for name in _PLAIN},
}


def unary(trace: Trace) -> str | None:
    """Any function in `UNARY`."""
    node = trace.node
    given = attributes_of(node)
    defaults = UNARY[node.op_type]
    unknown = set(given) - set(defaults) - {"consumed_inputs"}  # a hint of opsets before 6
    if unknown:
        return f"it has an attribute lumpcli does not know: {min(unknown)}"
    values = tuple(_plain(given.get(name, default)) for name, default in defaults.items())
    if any(isinstance(value, float) and not math.isfinite(value) for value in values):
        return "an attribute is not finite"
    return _apply(trace, _normal(node.op_type, values))


def _plain(value: Any) -> Any:
    """An attribute as it is stored: a number is a float32."""
    if isinstance(value, bytes):
        return value.decode()
    return float(np.float32(value)) if isinstance(value, float) else value


def _normal(name: str, values: tuple[Any, ...]) -> Activation:
    if name == "LeakyRelu":
        return leaky(values[0])
    if name == "ThresholdedRelu" and values[0] == 0:
        return Activation("Relu")
    return Activation(name, values)


def _apply(trace: Trace, activation: Activation) -> str | None:
    trace.activate(trace.node.input[0], activation)
    return None


def clip(trace: Trace) -> str | None:
    """Clip with constant scalar limits, as attributes (before opset 11) or inputs."""
    node = trace.node
    attributes = attributes_of(node)
    limits = [attributes.get("min", -math.inf), attributes.get("max", math.inf)]
    for place, name in enumerate(node.input[1:3]):
        if name:
            bound = trace.constant(name)
            if bound is None or bound.array.size != 1:
                return f"its limit {name!r} is not a constant"
            limits[place] = float(bound.array.reshape(-1)[0])
    if math.isnan(limits[0]) or math.isnan(limits[1]) or limits[0] > limits[1]:
        return "its limits are not a range"
    return _apply(trace, clip_activation(limits[0], limits[1]))


def prelu(trace: Trace) -> str | None:
    """PRelu with one slope, or one per feature."""
    data, slope = trace.node.input
    view = view_beside(trace, data, slope)
    if view is None:
        return None
    several = len(view.axes) > 1
    slopes = per_feature(trace, slope, view.axes[-1], 1 if several else view.layer.width)
    if not isinstance(slopes, PerFeature):
        return "its features lie along several axes" if several else slopes
    if trace.opset < 7 and view.axes != (-1,):
        return "its slopes broadcast as before opset 7"
    if slopes.is_scalar:
        trace.activate(data, leaky(float(slopes.values[0])), view)
        return None
    trace.activate(data, Activation("PRelu", (), slopes.values), view)
    trace.site(trace.views[trace.node.output[0]].layer, 1, "slopes", slopes.stored, axis=view.axis)
    return None


def max_or_min(trace: Trace) -> str | None:
    """Max and Min with one constant number (then a Clip), or of several layers."""
    node = trace.node
    if len(node.input) == 1:
        trace.alias(node.input[0])
        return None
    if len(node.input) == 2:
        number = _scalar(trace)
        if number is not None:
            low, high = (number, math.inf) if node.op_type == "Max" else (-math.inf, number)
            return _apply_to_data(trace, clip_activation(low, high))
    return _combined(trace, node.op_type)


def power(trace: Trace) -> str | None:
    """Pow with a constant scalar exponent, or of two layers."""
    number = _scalar(trace)
    if number is None:
        return _combined(trace, "Pow")
    base_is_constant = trace.constant(trace.node.input[0]) is not None
    return _apply_to_data(
        trace, Activation("ExponentialOf" if base_is_constant else "Pow", (number,))
    )


def several(trace: Trace) -> str | None:
    """Any other function of several tensors, element by element; constants are single numbers."""
    node = trace.node
    if not any(trace.view(name) is not None for name in node.input):
        return "its operands are not followed"
    told, names = [], []
    for name in node.input:
        stored = trace.constant(name)
        if stored is not None and stored.array.size == 1:
            told.append(str(stored.array.reshape(-1)[0]))
        else:
            told.append("")
            names.append(name)
    found = operands(trace, names)
    if isinstance(found, str):
        return found
    options = sorted(attributes_of(node).items())
    join(trace, *found, f"{node.op_type} {told} {options}")
    return None


def _combined(trace: Trace, function: str) -> str | None:
    found = operands(trace, trace.node.input)
    if isinstance(found, str):
        return found
    join(trace, *found, function)
    return None


def _scalar(trace: Trace) -> float | None:
    """The operand that is one finite constant number, if one of the two is."""
    for name in reversed(trace.node.input):
        stored = trace.constant(name)
        if stored is not None and stored.array.size == 1:
            number = float(stored.array.reshape(-1)[0])
            return number if math.isfinite(number) else None
    return None


def _apply_to_data(trace: Trace, activation: Activation) -> str | None:
    left, right = trace.node.input
    trace.activate(right if trace.constant(left) is not None else left, activation)
    return None
