"""What values elementwise functions return: intervals with exact ends, and where ReLUs are linear.

docs/theory.md section 2.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from fractions import Fraction
from typing import Any

from lumpcli.ir.activation import Activation

End = Fraction | float  # a float is infinite
Interval = tuple[End, End]
EVERYTHING: Interval = (-math.inf, math.inf)

_RISING = ("Identity", "Relu", "LeakyRelu", "Clip", "HardSigmoid", "Floor", "Ceil", "Sign")
_THROUGH_ZERO = ("Tanh", "Erf", "Atan", "Asinh", "Sinh", "Softsign")  # odd, and rising

_LEAST: dict[str, Fraction] = {  # where the true bound is irrational, a little below it
    **dict.fromkeys(("Sigmoid", "HardSigmoid", "Softplus", "Exp", "Sqrt"), Fraction(0)),
    **dict.fromkeys(("Tanh", "Erf", "Softsign", "Sin", "Cos", "Sign"), Fraction(-1)),
    "Atan": Fraction(-11, 7),
    "Cosh": Fraction(1),
    "Gelu": Fraction(-171, 1000),
    "HardSwish": Fraction(-3, 8),
    "Mish": Fraction(-309, 1000),
}
_MOST: dict[str, Fraction] = {
    **dict.fromkeys(("Sigmoid", "HardSigmoid"), Fraction(1)),
    **dict.fromkeys(("Tanh", "Erf", "Softsign", "Sin", "Cos", "Sign"), Fraction(1)),
    "Atan": Fraction(11, 7),
}
# at most the argument where that is positive, at most 0 elsewhere
_BELOW_RELU = ("Gelu", "Swish", "HardSwish", "Mish")
_MIRRORED = ("Relu", "Gelu", "Swish", "HardSwish", "Softplus")  # less their mirror image: z


def value_range(key: tuple[Any, ...], low: End, high: End) -> Interval:
    """Where `f(z)` lies for z in [low, high]; `key` is `Activation.key` of f."""
    name, attributes = key
    if name == "Abs":
        least = max(low, -high, Fraction(0))
        return least, max(-low, high)
    if name == "LeakyRelu" and attributes[0] < 0:
        ends = [_at(key, low), _at(key, high)]
        return (Fraction(0) if low <= 0 <= high else min(ends)), max(ends)
    if name in _RISING and _is_rising(name, attributes):
        return _at(key, low), _at(key, high)
    least, most = _LEAST.get(name, -math.inf), _MOST.get(name, math.inf)
    if name in ("Elu", "Celu", "Selu") and min(attributes) >= 0:
        least = -Fraction(attributes[0]) * (Fraction(attributes[1]) if name == "Selu" else 1)
    if name == "Swish" and attributes[0] > 0:
        least = Fraction(-279, 1000) / Fraction(attributes[0])
    if name == "Swish" and attributes[0] <= 0:
        return EVERYTHING
    if name in _THROUGH_ZERO:
        least = max(least, Fraction(0)) if low >= 0 else least
        most = min(most, Fraction(0)) if high <= 0 else most
    if name in _BELOW_RELU:
        most = max(high, Fraction(0))
    if name == "QuantizeLinear":
        least, most = (Fraction(a) for a in attributes[2:4])
    return least, most


def _is_rising(name: str, attributes: tuple[Any, ...]) -> bool:
    return name != "HardSigmoid" or attributes[0] > 0


def _at(key: tuple[Any, ...], z: End) -> End:
    """A rising function at an end, which may be infinite."""
    name, attributes = key
    if isinstance(z, Fraction):
        value = Activation(name, attributes).at(0, z)
        if isinstance(value, Fraction):
            return value
        return EVERYTHING[z > 0]
    up = z > 0
    if name == "Relu":
        return z if up else Fraction(0)
    if name == "LeakyRelu":
        slope = Fraction(attributes[0])
        return z if up else times(slope, z)
    if name == "Clip":
        end = attributes[1] if up else min(attributes)  # which may be in disorder
        return end if math.isinf(end) else Fraction(end)
    if name in ("HardSigmoid", "Sign"):
        return (_MOST if up else _LEAST)[name]
    return z


def times(weight: Fraction, end: End) -> End:
    """A multiple of an end; 0 of an infinite one is 0."""
    if isinstance(end, Fraction):
        return weight * end
    if weight == 0:
        return Fraction(0)
    return end if weight > 0 else -end


def sum_range(row: Iterable[tuple[Fraction, Interval]], bias: Fraction = Fraction(0)) -> Interval:
    """Where a sum of multiples of numbers lies, each known to lie in an interval."""
    low: End = bias
    high: End = bias
    for weight, (least, most) in row:
        if weight < 0:
            least, most = most, least
        low, high = _plus(low, times(weight, least)), _plus(high, times(weight, most))
    return low, high


def _plus(end: End, other: End) -> End:
    """The sum of two lower ends, or of two upper ones."""
    return end if isinstance(end, float) else other if isinstance(other, float) else end + other


def hull(interval: Interval, point: Fraction = Fraction(0)) -> Interval:
    """The interval, made wide enough for a point."""
    return min(interval[0], point), max(interval[1], point)


def slope(key: tuple[Any, ...], phase: int) -> Fraction | None:
    """The factor a ReLU-like function multiplies by where z >= 0 (`phase` 1) or z <= 0 (-1).

    None for functions that are not linear there.
    """
    name, attributes = key
    below = {"Relu": Fraction(0), "Abs": Fraction(-1)}
    if name == "LeakyRelu":
        below["LeakyRelu"] = Fraction(attributes[0])
    if name not in below or phase == 0:
        return None
    return Fraction(1) if phase > 0 else below[name]


def gain(key: tuple[Any, ...]) -> Fraction | None:
    """The g of `f(-z) = f(z) - g z`, for `Activation.key` of f; None where there is none."""
    name, attributes = key
    if name == "LeakyRelu":
        return 1 + Fraction(attributes[0])
    return Fraction(1) if name in _MIRRORED else None
