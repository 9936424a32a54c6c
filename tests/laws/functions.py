"""The activations of the laws: what each computes, and what docs/theory.md says it allows."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

Exact = Callable[[Fraction], Fraction]
_ZERO, _HALF, _ONE = Fraction(0), Fraction(1, 2), Fraction(1)
_RISING = ("Relu", "Max", "LeakyRelu", "PRelu", "Sign", "Clip", "HardSigmoid", "Floor", "Identity")
_ODD = ("Tanh", "Erf", "Atan", "Softsign")
_FOLDED = ("Abs", "LeakyRelu", "PRelu")
_BELOW_RELU = ("Gelu", "Mish", "HardSwish")


@dataclass(frozen=True)
class Function:
    """An elementwise function.

    `ratio` is what rows may differ by: linear, positive, absolute, sign, odd, even, point (-1: the
    values sum to 1) or one. `exact` maps rationals to rationals; None: it does so at 0 alone, or
    nowhere (`at_zero` None).
    `opset32` and `opset64` are the first opsets at which onnxruntime has it (None: never).
    Piecewise linear ones say how far values grow, |f(z)| <= gain |z| + shift, and by which power
    of two the finest bit shrinks (`grain`). `near` gives the others' values to float64.
    """

    operator: str
    ratio: str = "one"
    exact: Exact | None = None
    at_zero: Fraction | None = _ZERO
    attributes: tuple[tuple[str, float | str], ...] = ()
    opset32: int = 9
    opset64: int | None = None
    pieces: bool = False
    gain: float = 1.0
    shift: float = 0.0
    grain: float = 1.0
    jumps: bool = False
    near: Callable[[float], float] | None = None
    low: Fraction | None = None
    high: Fraction | None = None

    def between(
        self, low: Fraction | None, high: Fraction | None, slope: float | None
    ) -> tuple[Fraction | None, Fraction | None]:
        """Between which ends its values lie, for arguments between these ends (None: none)."""
        exact = self.exact if slope is None else leaky(slope)
        operator = self.operator
        if exact is not None and operator in _FOLDED and exact(-_ONE) > 0:
            ends = [None if z is None else exact(z) for z in (low, high)]
            straddles = (low is None or low <= 0) and (high is None or high >= 0)
            known = [e for e in ends if e is not None]
            least = _ZERO if straddles else min(known)
            return least, None if None in ends else max(known)
        if operator in _RISING and exact is not None:
            return (
                self.low if low is None else exact(low),
                self.high if high is None else exact(high),
            )
        least, most = self.low, self.high
        if operator in _ODD and low is not None and low >= 0:
            least = _ZERO
        if operator in _ODD and high is not None and high <= 0:
            most = _ZERO
        if operator in _BELOW_RELU:
            most = None if high is None else max(high, _ZERO)
        return least, most

    def runs(self, double: bool, opset: int) -> bool:
        """Whether onnxruntime has it for the type and operator set."""
        first = self.opset64 if double else self.opset32
        return first is not None and first <= opset


def leaky(slope: float) -> Exact:
    """`z if z > 0 else slope z`."""
    return lambda z: z if z > 0 else Fraction(slope) * z


def _clip(low: int, high: int) -> Exact:
    return lambda z: max(Fraction(low), min(Fraction(high), z))


def _sign(z: Fraction) -> Fraction:
    return Fraction((z > 0) - (z < 0))


def _sigmoid(z: float) -> float:
    return 0.5 + 0.5 * math.tanh(z / 2)


def _softplus(z: float) -> float:
    return max(z, 0.0) + math.log1p(math.exp(-abs(z)))


def _elu(z: float, alpha: float = 1.0) -> float:
    return z if z > 0 else alpha * math.expm1(z)


def _gelu(z: float) -> float:
    return 0.5 * z * (1 + math.erf(z / math.sqrt(2)))


def _gelu_tanh(z: float) -> float:
    return 0.5 * z * (1 + math.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z**3)))


IDENTITY = Function("Identity", "linear", lambda z: z, opset64=9, pieces=True)

# "PRelu" has a slope per feature, which its layer holds
FUNCTIONS: dict[str, Function] = {
    "identity": IDENTITY,
    "relu": Function("Relu", "positive", leaky(0), opset64=9, pieces=True, low=_ZERO),
    "max": Function("Max", "positive", leaky(0), opset64=9, pieces=True, low=_ZERO),
    "leaky": Function(
        "LeakyRelu", "positive", leaky(0.5), attributes=(("alpha", 0.5),), pieces=True, grain=0.5
    ),
    "leaky_abs": Function(
        "LeakyRelu", "absolute", leaky(-1), attributes=(("alpha", -1.0),), pieces=True
    ),
    "prelu": Function("PRelu", "positive", pieces=True, grain=0.5),
    "abs": Function("Abs", "absolute", abs, opset64=9, pieces=True),
    "sign": Function(
        "Sign", "sign", _sign, opset64=9, pieces=True, shift=1, jumps=True, high=_ONE, low=-_ONE
    ),
    "clip": Function(
        "Clip",
        "odd",
        _clip(-4, 4),
        attributes=(("min", -4.0), ("max", 4.0)),
        opset64=13,
        pieces=True,
        low=Fraction(-4),
        high=Fraction(4),
    ),
    "relu6": Function(
        "Clip",
        "one",
        _clip(0, 6),
        attributes=(("min", 0.0), ("max", 6.0)),
        opset64=13,
        pieces=True,
        low=_ZERO,
        high=Fraction(6),
    ),
    "hard_sigmoid": Function(
        "HardSigmoid",
        "point",
        exact=lambda z: max(_ZERO, min(Fraction(1), z / 4 + _HALF)),
        attributes=(("alpha", 0.25), ("beta", 0.5)),
        pieces=True,
        shift=1,
        grain=0.25,
        low=_ZERO,
        high=_ONE,
    ),
    "thresholded": Function(
        "ThresholdedRelu",
        exact=lambda z: z if z > 1 else _ZERO,
        attributes=(("alpha", 1.0),),
        opset32=13,
        jumps=True,
        pieces=True,
    ),
    "floor": Function(
        "Floor",
        exact=lambda z: Fraction(math.floor(z)),
        opset64=9,
        jumps=True,
        pieces=True,
        shift=1,
    ),
    "round": Function(
        "Round",
        "odd",
        lambda z: Fraction(round(z)),
        opset32=13,
        opset64=13,
        jumps=True,
        pieces=True,
        shift=1,
    ),
    # from here on values are rounded
    "tanh": Function("Tanh", "odd", opset64=9, near=math.tanh, high=_ONE, low=-_ONE),
    "erf": Function("Erf", "odd", near=math.erf, high=_ONE, low=-_ONE),
    "atan": Function("Atan", "odd", near=math.atan, low=Fraction(-11, 7), high=Fraction(11, 7)),
    "sin": Function("Sin", "odd", opset64=9, near=math.sin, high=_ONE, low=-_ONE),
    "cos": Function(
        "Cos", "even", at_zero=Fraction(1), opset64=9, near=math.cos, high=_ONE, low=-_ONE
    ),
    "softsign": Function("Softsign", "odd", lambda z: z / (1 + abs(z)), high=_ONE, low=-_ONE),
    "sigmoid": Function(
        "Sigmoid", "point", at_zero=_HALF, opset64=9, near=_sigmoid, low=_ZERO, high=_ONE
    ),
    "gelu": Function("Gelu", opset32=22, near=_gelu, low=Fraction(-171, 1000)),
    "gelu_tanh": Function(
        "Gelu",
        attributes=(("approximate", "tanh"),),
        opset32=22,
        near=_gelu_tanh,
        low=Fraction(-171, 1000),
    ),
    "softplus": Function("Softplus", at_zero=None, near=_softplus, low=_ZERO),
    "elu": Function("Elu", attributes=(("alpha", 1.0),), near=_elu, low=-_ONE),
    "selu": Function(
        "Selu",
        near=lambda z: 1.0507009873554805 * _elu(z, 1.6732632423543772),
        low=-Fraction(1.6732632423543772) * Fraction(1.0507009873554805),
    ),
    "celu": Function("Celu", attributes=(("alpha", 1.0),), opset32=13, near=_elu, low=-_ONE),
    "mish": Function(
        "Mish", opset32=22, near=lambda z: z * math.tanh(_softplus(z)), low=Fraction(-309, 1000)
    ),
    "hard_swish": Function(
        "HardSwish",
        exact=lambda z: z * max(_ZERO, min(Fraction(1), z / 6 + _HALF)),
        opset32=22,
        low=Fraction(-3, 8),
    ),
}


def chosen(double: bool, opset: int, *, pieces: bool) -> list[str]:
    """The functions that run there: those exact on small integers, or else those without jumps."""
    return [
        name
        for name, function in FUNCTIONS.items()
        if function.runs(double, opset) and (function.pieces if pieces else not function.jumps)
    ]
