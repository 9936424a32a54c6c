"""How fast functions of one number grow: docs/theory.md, section 6."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lumpcli.ir.activation import Activation


def lipschitz(activation: Activation) -> float | None:
    """A number L with `|f(a) - f(b)| <= L |a - b|` for all a and b; None where none is known."""
    if activation.slopes is not None:
        return max(1.0, float(np.abs(activation.slopes.astype(np.float64)).max(initial=0.0)))
    bound = _BOUNDS.get(activation.name)
    return None if bound is None else bound(*activation.attributes)


_BOUNDS: dict[str, Callable[..., float | None]] = {
    **dict.fromkeys(
        ("Identity", "Relu", "Abs", "Tanh", "Sin", "Cos", "Atan", "Asinh", "Softplus", "Softsign"),
        lambda: 1.0,
    ),
    "Clip": lambda low, high: 1.0,
    "LeakyRelu": lambda slope: max(1.0, abs(slope)),
    "Sigmoid": lambda: 0.25,
    "HardSigmoid": lambda alpha, beta: abs(alpha),
    "HardSwish": lambda: 1.5,
    "Erf": lambda: 1.13,  # 2 / sqrt(pi), at 0
    "Gelu": lambda approximate: 1.13,  # 1.1290 at sqrt(2); the approximation grows no faster
    "Swish": lambda alpha: 1.1,  # 1.0998, whatever alpha is
    "Mish": lambda: 1.1,  # 1.0885
    "Elu": lambda alpha: max(1.0, abs(alpha)),
    "Selu": lambda alpha, gamma: abs(gamma) * max(1.0, abs(alpha)),
    "Celu": lambda alpha: 1.0 if alpha > 0 else None,
}
