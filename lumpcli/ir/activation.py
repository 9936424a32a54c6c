"""Elementwise functions, and what ratio each allows: docs/theory.md section 2.

`Symmetry` says by which ratio two rows may differ while their features stay in one class, and
`value_ratio` what the ratio of the values then is.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt


class Symmetry(Enum):
    """How `f(r z)` relates to `f(z)`."""

    LINEAR = "any r but 0, any offset"
    HOMOGENEOUS = "r > 0: f(r z) = r f(z)"
    ABSOLUTE = "any r but 0: f(r z) = |r| f(z)"
    SIGN = "any r but 0: f(r z) = sign(r) f(z)"
    ODD = "r = 1, -1: f(-z) = -f(z)"
    EVEN = "r = 1, -1: f(-z) = f(z)"
    POINT = "r = 1, -1: f(-z) = 1 - f(z)"
    NONE = "r = 1 only"

    def normaliser(self, lead: Fraction) -> Fraction:
        """What to divide a row by, given its first non-zero entry, before rows are compared."""
        if self in (Symmetry.LINEAR, Symmetry.ABSOLUTE, Symmetry.SIGN):
            return lead
        if self is Symmetry.HOMOGENEOUS:
            return abs(lead)
        if self in (Symmetry.ODD, Symmetry.EVEN, Symmetry.POINT):
            return Fraction(1 if lead > 0 else -1)
        return Fraction(1)

    def value_ratio(self, row_ratio: Fraction) -> Fraction:
        """The ratio of the values of two features whose rows have this ratio."""
        if self is Symmetry.ABSOLUTE:
            return abs(row_ratio)
        if self is Symmetry.SIGN:
            return Fraction(1 if row_ratio > 0 else -1)
        if self is Symmetry.EVEN:
            return Fraction(1)
        return row_ratio

    def value_offset(self, row_ratio: Fraction) -> Fraction:
        """What the values of two features whose rows have this ratio differ by beyond a ratio."""
        return Fraction(1 if self is Symmetry.POINT and row_ratio < 0 else 0)


_SYMMETRY: dict[str, Symmetry] = {
    "Identity": Symmetry.LINEAR,
    "Relu": Symmetry.HOMOGENEOUS,
    "LeakyRelu": Symmetry.HOMOGENEOUS,
    "PRelu": Symmetry.HOMOGENEOUS,
    "Abs": Symmetry.ABSOLUTE,
    "Sign": Symmetry.SIGN,
    "Sigmoid": Symmetry.POINT,
    "Cos": Symmetry.EVEN,
    "Cosh": Symmetry.EVEN,
    **dict.fromkeys(
        ("Tanh", "Erf", "Atan", "Asinh", "Sin", "Sinh", "Tan", "Asin", "Atanh"), Symmetry.ODD
    ),
    **dict.fromkeys(("Softsign", "Round", "Shrink"), Symmetry.ODD),
}


@dataclass(frozen=True)
class Activation:
    """An elementwise function: the operator's name in ONNX and what else determines it.

    `attributes` are its numbers and names in a fixed order; `slopes` (n,) are PRelu's, one each.
    """

    name: str = "Identity"
    attributes: tuple[Any, ...] = ()
    slopes: npt.NDArray[Any] | None = None

    @property
    def symmetry(self) -> Symmetry:
        """What ratio of rows the function allows."""
        if self.name == "Clip" and self.attributes[0] == -self.attributes[1]:
            return Symmetry.ODD
        if self.name == "HardSigmoid" and self.attributes[1] == 0.5:
            return Symmetry.POINT
        return _SYMMETRY.get(self.name, Symmetry.NONE)

    @property
    def is_identity(self) -> bool:
        """Whether the function is `f(z) = z`."""
        return self.name == "Identity"

    def key(self, feature: int) -> tuple[Any, ...]:
        """Two features with equal keys apply the same function."""
        if self.slopes is None:
            return (self.name, self.attributes)
        return leaky_key(float(self.slopes[feature]))

    def at(self, feature: int, z: Fraction) -> Fraction | float | None:
        """The value at a constant: a fraction when it is rational, else the nearest float64.

        None when lumpcli does not know the function.
        """
        name, attributes = self.key(feature)
        if name in _RATIONAL:
            return _RATIONAL[name](z, *attributes)
        if z == 0 and name in _AT_ZERO:
            return _AT_ZERO[name]
        if z > 0 and name in _ABOVE_ZERO:
            return _ABOVE_ZERO[name](z, *attributes)
        if name in _REAL:
            try:
                value = _REAL[name](float(z), *attributes)
            except (OverflowError, ValueError):
                return None
            return value if math.isfinite(value) else None
        return None


def leaky_key(slope: float) -> tuple[Any, ...]:
    """Name and attributes of `z if z > 0 else slope * z`, in normal form."""
    special = {0.0: "Relu", 1.0: "Identity", -1.0: "Abs"}
    if slope in special:
        return (special[slope], ())
    return ("LeakyRelu", (slope,))


def leaky(slope: float) -> Activation:
    """`z if z > 0 else slope * z`, in normal form."""
    return Activation(*leaky_key(slope))


def clip(low: float, high: float) -> Activation:
    """`min(max(z, low), high)`, in normal form: ReLU, or the identity, when it is one."""
    if low == 0.0 and high == math.inf:
        return Activation("Relu")
    if low == -math.inf and high == math.inf:
        return Activation()
    return Activation("Clip", (low, high))


def _clip(z: Fraction, low: float, high: float) -> Fraction:
    if low > -math.inf:
        z = max(z, Fraction(low))
    return min(z, Fraction(high)) if high < math.inf else z


def _hard_sigmoid(z: Fraction, alpha: float, beta: float) -> Fraction:
    return max(Fraction(0), min(Fraction(1), Fraction(alpha) * z + Fraction(beta)))


def _integer(z: Fraction, scale: float, zero: float, low: int, high: int) -> Fraction | None:
    """`z / scale + zero`, rounded and clamped; None where rounding elsewhere might differ."""
    exact = z / Fraction(scale) + Fraction(zero)
    nearest = Fraction(round(exact))
    if abs(abs(exact - nearest) - Fraction(1, 2)) < _NEAR_A_TIE * max(Fraction(1), abs(exact)):
        return None
    return max(Fraction(low), min(Fraction(high), nearest))


def _quant(
    z: Fraction, scale: float, zero: float, low: int, high: int, mode: str
) -> Fraction | None:
    whole = _integer(z, scale, zero, low, high) if mode == "ROUND" else None
    return None if whole is None else (whole - Fraction(zero)) * Fraction(scale)


def _cast(z: Fraction, to: int) -> Fraction | None:
    """The number itself where the type has it; None where it is rounded, or to no float."""
    if to not in _FLOATS or z.denominator.bit_count() > 1:
        return None
    digits, exponent = _FLOATS[to]
    odd = abs(z.numerator) // (z.numerator & -z.numerator or 1)
    normal = Fraction(1, 2**exponent) <= abs(z) <= 2**exponent
    return z if not z or (normal and odd < 2**digits) else None


_FLOATS = {1: (24, 126), 10: (11, 14), 11: (53, 1022), 16: (8, 126)}  # digits, normal up to 2**e

_NEAR_A_TIE = Fraction(1, 10**5)

_RATIONAL: dict[str, Callable[..., Fraction | None]] = {
    "Identity": lambda z: z,
    "Relu": lambda z: max(z, Fraction(0)),
    "LeakyRelu": lambda z, slope: z if z > 0 else Fraction(slope) * z,
    "Abs": abs,
    "Sign": lambda z: Fraction((z > 0) - (z < 0)),
    "Clip": _clip,
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": lambda z: z * max(Fraction(0), min(Fraction(1), z / 6 + Fraction(1, 2))),
    "Softsign": lambda z: z / (1 + abs(z)),
    "ThresholdedRelu": lambda z, alpha: z if z > Fraction(alpha) else Fraction(0),
    "Floor": lambda z: Fraction(math.floor(z)),
    "Ceil": lambda z: Fraction(math.ceil(z)),
    "Round": lambda z: Fraction(round(z)),
    "QuantizeLinear": _integer,
    "Quant": _quant,
    "Cast": _cast,
}

_AT_ZERO: dict[str, Fraction] = {
    **dict.fromkeys(
        ("Tanh", "Erf", "Gelu", "Elu", "Selu", "Celu", "Swish", "Mish", "Sqrt", "Sin", "Tan"),
        Fraction(0),
    ),
    **dict.fromkeys(("Asin", "Asinh", "Atan", "Atanh", "Sinh"), Fraction(0)),
    **dict.fromkeys(("Exp", "Cos", "Cosh"), Fraction(1)),
    "Sigmoid": Fraction(1, 2),
}

_ABOVE_ZERO: dict[str, Callable[..., Fraction]] = {
    "Elu": lambda z, alpha: z,
    "Selu": lambda z, alpha, gamma: Fraction(gamma) * z,
    "Celu": lambda z, alpha: z,
}


def _sigmoid(z: float) -> float:
    return 1 / (1 + math.exp(-z)) if z >= 0 else math.exp(z) / (1 + math.exp(z))


def _gelu(z: float, approximate: str) -> float:
    if approximate == "tanh":
        return 0.5 * z * (1 + math.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z**3)))
    return 0.5 * z * (1 + math.erf(z / math.sqrt(2)))


def _softplus(z: float) -> float:
    return max(z, 0.0) + math.log1p(math.exp(-abs(z)))


_REAL: dict[str, Callable[..., float]] = {
    "Sigmoid": _sigmoid,
    "Tanh": math.tanh,
    "Erf": math.erf,
    "Gelu": _gelu,
    "Softplus": _softplus,
    "Elu": lambda z, alpha: z if z > 0 else alpha * math.expm1(z),
    "Selu": lambda z, alpha, gamma: gamma * (z if z > 0 else alpha * math.expm1(z)),
    "Celu": lambda z, alpha: max(z, 0.0) + min(0.0, alpha * math.expm1(z / alpha)),
    "Swish": lambda z, alpha: z * _sigmoid(alpha * z),
    "Mish": lambda z: z * math.tanh(_softplus(z)),
    "Exp": math.exp,
    "Log": math.log,
    "Sqrt": math.sqrt,
    "Sin": math.sin,
    "Cos": math.cos,
    "Atan": math.atan,
    "Asinh": math.asinh,
    "Sinh": math.sinh,
    "Cosh": math.cosh,
}


def slopes_of(activation: Activation, width: int) -> npt.NDArray[Any]:
    """The slope of every feature (width,), for an activation that has slopes."""
    if activation.slopes is None:
        raise ValueError(f"{activation.name} has no slopes")
    return np.broadcast_to(activation.slopes, (width,))
