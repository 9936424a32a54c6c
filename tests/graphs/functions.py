"""Functions of one number: how they are written, and what planting has to know about them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tests.graphs.spec import Array


def _zero_only(at_zero: float) -> Callable[[Array], Array]:
    """Known at 0 alone."""
    return lambda v: np.where(v == 0, at_zero, np.nan)


def unknown(v: Array) -> Array:
    """Known nowhere."""
    return np.full_like(v, np.nan)


@dataclass(frozen=True)
class Function:
    """A function of one number.

    `ratios`: by what rows may differ. `value` gives constants that are rational, nan for others.
    `linear`: the factor of a linear function, whose copies keep offsets. `exact`: does not round.
    `first`: the first opset that has it. `even`: the ratio of values is the magnitude of the
    rows'.
    """

    ratios: str
    value: Callable[[Array], Array]
    linear: float | None = None
    exact: bool = True
    first: int = 9
    even: bool = False


def _relu(v: Array) -> Array:
    return np.maximum(v, 0)


def _same(v: Array) -> Array:
    return v


FUNCTIONS: dict[str, Function] = {
    "relu": Function("positive", _relu),
    "relu_max": Function("positive", _relu),
    "relu_clip": Function("positive", _relu, first=11),
    "leaky": Function("positive", lambda v: np.where(v > 0, v, 0.5 * v)),
    "abs": Function("any", np.abs, even=True),
    "relu6": Function("one", lambda v: np.clip(v, 0, 6)),
    "clip": Function("unit", lambda v: np.clip(v, -4, 4)),
    "hard_sigmoid": Function("one", lambda v: np.clip(0.25 * v + 0.5, 0, 1)),
    "sigmoid": Function("one", _zero_only(0.5), exact=False),
    "tanh": Function("unit", _zero_only(0.0), exact=False),
    "elu": Function("one", lambda v: np.where(v >= 0, v, np.nan), exact=False),
    "softplus": Function("one", unknown, exact=False),
    "gelu": Function("one", _zero_only(0.0), exact=False, first=20),
    "gelu_erf": Function("one", unknown, exact=False),
    "hard_swish": Function("one", _zero_only(0.0), exact=False, first=14),
    "hard_swish_clip": Function("one", unknown, exact=False),
    "swish": Function("one", unknown, exact=False),
    "identity": Function("any", _same, linear=1.0),
    "dropout": Function("any", _same, linear=1.0),
    "cast": Function("any", _same, linear=1.0),
    "double": Function("one", _same),
    "double_relu": Function("one", _relu),
    "neg": Function("any", np.negative, linear=-1.0),
    "halve": Function("any", lambda v: 0.5 * v, linear=0.5),
    "divide": Function("any", lambda v: 0.5 * v, linear=0.5),
    "twice": Function("any", lambda v: 2.0 * v, linear=2.0),
    "increment": Function("one", lambda v: v + 1.0, linear=1.0),
}

PIECEWISE = (
    *("relu",) * 6,
    *("leaky",) * 2,
    "relu_max",
    "relu_clip",
    "abs",
    "relu6",
    "clip",
    "hard_sigmoid",
)
SMOOTH = ("sigmoid", "tanh", "elu", "softplus", "gelu", "gelu_erf", "hard_swish")
SMOOTH = (*SMOOTH, "hard_swish_clip", "swish")
PLAIN = ("identity", "dropout", "cast", "double", "double_relu", "neg", "halve", "divide", "twice")
PLAIN = (*PLAIN, "increment")
