"""Bounds on how fast functions grow, against the slopes of many short chords."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from lumpcli.ir import Activation, lipschitz
from tests.nets import array

ATTRIBUTES = {
    "Clip": (-1.0, 2.5),
    "LeakyRelu": (-1.5,),
    "HardSigmoid": (0.2, 0.5),
    "Swish": (1.7,),
    "Elu": (-2.0,),
    "Selu": (1.6732632423543772, 1.0507009873554805),
    "Celu": (0.5,),
}
PLAIN = ("Identity", "Relu", "Abs", "Sigmoid", "HardSwish", "Erf", "Mish", "Tanh", "Sin", "Cos")
MORE = ("Atan", "Asinh", "Softplus", "Softsign")
KNOWN = [Activation(name, ATTRIBUTES.get(name, ())) for name in (*PLAIN, *MORE, *ATTRIBUTES)]
KNOWN += [Activation("Gelu", (kind,)) for kind in ("none", "tanh")]


def steepest(activation: Activation) -> float:
    """The steepest of chords of 1/64 that cover -8 to 8, both from points and from between them."""
    grid = [k / 128 for k in range(-1024, 1025)]
    values = np.array([float(activation.at(0, Fraction(z))) for z in grid])
    return float(np.abs(values[2:] - values[:-2]).max() * 64)


@pytest.mark.parametrize("activation", KNOWN, ids=lambda a: f"{a.name} {a.attributes}")
def test_no_chord_is_steeper_and_some_is_nearly_as_steep(activation):
    bound = lipschitz(activation)
    assert 0.97 * bound <= steepest(activation) <= bound * (1 + 1e-9)


@pytest.mark.parametrize("slopes", [[0.5, -3.0, 1.0], [0.1, -0.2]])
def test_slopes_of_features(slopes):
    found = lipschitz(Activation("PRelu", (), array(slopes)))
    assert found == max(1.0, *(abs(s) for s in slopes))


@pytest.mark.parametrize(
    ("name", "attributes"),
    [
        *(("Sign", ()), ("Round", ()), ("Floor", ()), ("Exp", ()), ("Log", ()), ("Sqrt", ())),
        *(("ThresholdedRelu", (1.0,)), ("Shrink", (0.5, 0.0)), ("Cast", (1,)), ("Pow", (2.0,))),
        *(("QuantizeLinear", (1.0, 0.0, 0, 255)), ("Celu", (-1.0,)), ("Tan", ())),
    ],
)
def test_functions_that_jump_or_have_no_bound(name, attributes):
    assert lipschitz(Activation(name, attributes)) is None
