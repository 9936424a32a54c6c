"""ONNX's functions of one number, and of several, in float64 by numpy."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np
from onnx import helper

from lumpcli.ir import Activation, Array


def _sigmoid(z: Array) -> Array:
    return 1 / (1 + np.exp(-z))


def _softplus(z: Array) -> Array:
    return np.logaddexp(0, z)


def _gelu(z: Array, approximate: str) -> Array:
    if approximate == "tanh":
        return 0.5 * z * (1 + np.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z**3)))
    return 0.5 * z * (1 + _erf(z / math.sqrt(2)))


def _quantised(z: Array, scale: float, zero: float, low: int, high: int) -> Array:
    return np.clip(np.rint(z / scale) + zero, low, high)


_ROUNDINGS = {"ROUND": np.rint, "CEIL": np.ceil, "FLOOR": np.floor, "ROUND_TO_ZERO": np.trunc}


def _quant(z: Array, scale: float, zero: float, low: int, high: int, mode: str) -> Array:
    whole = _ROUNDINGS[mode](np.clip(z / scale + zero, low, high))
    return (whole - zero) * scale


_erf = np.vectorize(math.erf, otypes=[np.float64])

_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "Identity": lambda z: z,
    "Relu": lambda z: np.maximum(z, 0),
    "LeakyRelu": lambda z, slope: np.where(z > 0, z, slope * z),
    "ThresholdedRelu": lambda z, alpha: np.where(z > alpha, z, 0),
    "Elu": lambda z, alpha: np.where(z > 0, z, alpha * np.expm1(z)),
    "Selu": lambda z, alpha, gamma: gamma * np.where(z > 0, z, alpha * np.expm1(z)),
    "Celu": lambda z, alpha: np.maximum(z, 0) + np.minimum(0, alpha * np.expm1(z / alpha)),
    "HardSigmoid": lambda z, alpha, beta: np.clip(alpha * z + beta, 0, 1),
    "HardSwish": lambda z: z * np.clip(z / 6 + 0.5, 0, 1),
    "Gelu": _gelu,
    "Shrink": lambda z, lambd, bias: np.where(
        z < -lambd, z + bias, np.where(z > lambd, z - bias, 0)
    ),
    "Swish": lambda z, alpha: z * _sigmoid(alpha * z),
    "Mish": lambda z: z * np.tanh(_softplus(z)),
    "Softplus": _softplus,
    "Softsign": lambda z: z / (1 + np.abs(z)),
    "Sigmoid": _sigmoid,
    "Erf": _erf,
    "Clip": np.clip,
    "Pow": np.power,
    "ExponentialOf": lambda z, base: np.power(base, z),
    "Reciprocal": np.reciprocal,
    "Round": np.rint,
    "Not": lambda z: z == 0,
    "QuantizeLinear": _quantised,
    "Quant": _quant,
    "BipolarQuant": lambda z, scale: np.where(z >= 0, scale, -scale),
    "Acos": np.arccos,
    "Acosh": np.arccosh,
    "Asin": np.arcsin,
    "Asinh": np.arcsinh,
    "Atan": np.arctan,
    "Atanh": np.arctanh,
    **{
        name: getattr(np, name.lower())
        for name in (
            *("Abs", "Ceil", "Cos", "Cosh", "Exp", "Floor", "IsInf", "IsNaN", "Log"),
            *("Sign", "Sin", "Sinh", "Sqrt", "Tan", "Tanh"),
        )
    },
}

_JOINS: dict[str, Callable[..., Any]] = {
    "Mul": np.multiply,
    "Div": np.divide,
    "Max": np.maximum,
    "Min": np.minimum,
    "Pow": np.power,
}


def activate(activation: Activation, z: Array) -> Array:
    """The function of features that lie along the last axis."""
    if activation.slopes is not None:
        return np.where(z > 0, z, z * activation.slopes.astype(np.float64))
    if activation.name == "Cast":
        dtype = helper.tensor_dtype_to_np_dtype(activation.attributes[0])
        return z.astype(dtype).astype(np.float64)
    value = _FUNCTIONS[activation.name](z, *activation.attributes)
    return np.asarray(value, np.float64)


def knows(function: str) -> bool:
    """Whether `combine` has a function of several features."""
    return function in _JOINS


def combine(function: str, operands: list[Array]) -> Array:
    """A function of several features, from left to right."""
    return reduce(_JOINS[function], operands)
