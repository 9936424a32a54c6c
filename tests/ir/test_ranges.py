from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from lumpcli.ir import EVERYTHING, Activation, gain, hull, slope, sum_range, value_range

FUNCTIONS = [
    *("Identity", "Relu", "Abs", "Sign", "Softsign", "Floor", "Ceil", "Round", "HardSwish"),
    *("Sigmoid", "Tanh", "Erf", "Softplus", "Exp", "Sin", "Cos", "Atan", "Asinh", "Sinh"),
    *("Cosh", "Mish", "Log"),
]
KEYS = [
    *((name, ()) for name in FUNCTIONS),
    *(("LeakyRelu", (a,)) for a in (0.5, 2.0, -0.25, -3.0)),
    *(("Clip", ends) for ends in [(-1.0, 1.0), (0.0, 6.0), (-math.inf, 2.0), (2.0, -1.0)]),
    *(("HardSigmoid", (a, 0.5)) for a in (0.2, -0.2)),
    *(("Gelu", (kind,)) for kind in ("none", "tanh")),
    *(("Swish", (a,)) for a in (0.5, 1.0, 4.0, -1.0)),
    *(("Elu", (1.5,)), ("Celu", (0.5,)), ("Selu", (1.6732632, 1.050701))),
    ("QuantizeLinear", (0.5, 3.0, 0, 255)),
]
ENDS = [Fraction(n, 4) for n in (-40, -9, -3, -1, 0, 1, 3, 9, 40)]


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_values_lie_within(key):
    function = Activation(*key)
    points = [Fraction(n, 16) for n in range(-200, 201)]
    value = {z: function.at(0, z) for z in points}
    for low in (-math.inf, *ENDS):
        for high in (math.inf, *(end for end in ENDS if end >= low)):
            least, most = value_range(key, low, high)
            inside = [value[z] for z in points if low <= z <= high]
            assert all(least <= v <= most for v in inside if v is not None)


@pytest.mark.parametrize(
    ("key", "interval", "expected"),
    [
        (("Relu", ()), EVERYTHING, (0, math.inf)),
        (("Relu", ()), (Fraction(-1), Fraction(3)), (0, 3)),
        (("Relu", ()), (Fraction(1, 3), math.inf), (Fraction(1, 3), math.inf)),
        (("Abs", ()), (Fraction(-5), Fraction(2)), (0, 5)),
        (("Abs", ()), (Fraction(-5), Fraction(-2)), (2, 5)),
        (("LeakyRelu", (0.5,)), (Fraction(-4), Fraction(2)), (-2, 2)),
        (("LeakyRelu", (-0.5,)), (-math.inf, Fraction(2)), (0, math.inf)),
        (("Clip", (-1.0, 2.0)), EVERYTHING, (-1, 2)),
        (("Sigmoid", ()), EVERYTHING, (0, 1)),
        (("Tanh", ()), (Fraction(0), math.inf), (0, 1)),
        (("Log", ()), EVERYTHING, EVERYTHING),
        (("Gelu", ("none",)), (-math.inf, Fraction(-2)), (Fraction(-171, 1000), 0)),
    ],
    ids=str,
)
def test_the_ends(key, interval, expected):
    assert value_range(key, *interval) == expected


def test_the_least_values_are_below_the_true_ones():
    """Where the least value of a function is irrational, a little below it is taken."""
    z = np.linspace(-3, 0, 30001)
    gelu = [Activation("Gelu", ("tanh",)).at(0, Fraction(float(v))) for v in z[::10]]
    swish = z / (1 + np.exp(-z))
    mish = z * np.tanh(np.log1p(np.exp(z)))
    for name, attributes, found in [
        ("Gelu", ("none",), np.array(gelu, np.float64)),
        ("Swish", (1.0,), swish),
        ("Mish", (), mish),
    ]:
        least = value_range((name, attributes), *EVERYTHING)[0]
        assert found.min() - 2e-3 < least < found.min()


def test_sums():
    half, unit, positive = Fraction(1, 2), (Fraction(0), Fraction(1)), (Fraction(0), math.inf)
    assert sum_range([(half, unit), (-half, unit)], Fraction(1)) == (half, Fraction(3, 2))
    assert sum_range([(half, positive), (-half, unit)]) == (-half, math.inf)
    assert sum_range([(half, positive), (-half, positive)]) == EVERYTHING
    assert sum_range([(Fraction(0), EVERYTHING)], half) == (half, half)
    assert sum_range([(Fraction(10) ** 400, unit), (half, positive)]) == (0, math.inf)


def test_hull():
    assert hull((Fraction(1), Fraction(2))) == (0, 2)
    assert hull((Fraction(-1), math.inf)) == (-1, math.inf)


@pytest.mark.parametrize(
    ("key", "above", "below"),
    [
        (("Relu", ()), 1, 0),
        (("Abs", ()), 1, -1),
        (("LeakyRelu", (-2.0,)), 1, -2),
        (("Clip", (0.0, 6.0)), None, None),
        (("Elu", (1.0,)), None, None),
        (("Identity", ()), None, None),
    ],
)
def test_slopes(key, above, below):
    assert (slope(key, 1), slope(key, -1), slope(key, 0)) == (above, below, None)


def test_gains():
    """f(-z) = f(z) - g z, at many points."""
    z = [Fraction(n, 7) for n in range(-30, 31)]
    for key in [("Relu", ()), ("LeakyRelu", (-0.5,)), ("HardSwish", ()), ("Gelu", ("tanh",))]:
        f, g = Activation(*key), gain(key)
        assert all(abs(f.at(0, -v) - f.at(0, v) + g * v) < 1e-12 for v in z)
    assert gain(("Elu", (1.0,))) is None
