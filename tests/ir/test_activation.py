from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from lumpcli.ir import Activation, Symmetry, clip, leaky, leaky_key, slopes_of

HALF, THIRD = Fraction(1, 2), Fraction(1, 3)
GRID = [Fraction(k, 7) for k in range(-30, 31)]
# name, attributes, the function by ONNX's definition: all with rational values
RATIONAL = [
    ("Identity", (), lambda z: z),
    ("Relu", (), lambda z: max(z, 0)),
    ("LeakyRelu", (0.25,), lambda z: z if z >= 0 else z / 4),
    ("Abs", (), abs),
    ("Sign", (), lambda z: (z > 0) - (z < 0)),
    ("Clip", (-1.0, 2.0), lambda z: min(max(z, -1), 2)),
    ("Clip", (-1.5, 1.5), lambda z: min(max(z, Fraction(-3, 2)), Fraction(3, 2))),
    ("Clip", (0.0, 6.0), lambda z: min(max(z, 0), 6)),
    ("Clip", (-math.inf, 1.0), lambda z: min(z, 1)),
    ("HardSigmoid", (0.25, 0.5), lambda z: min(max(z / 4 + Fraction(1, 2), 0), 1)),
    ("HardSwish", (), lambda z: z * min(max(z / 6 + Fraction(1, 2), 0), 1)),
    ("Softsign", (), lambda z: z / (1 + abs(z))),
    ("ThresholdedRelu", (1.0,), lambda z: z if z > 1 else 0),
    ("Floor", (), math.floor),
    ("Ceil", (), math.ceil),
    ("Round", (), round),
]
REAL = [
    ("Sigmoid", (), lambda z: 1 / (1 + math.exp(-z))),
    ("Tanh", (), lambda z: (math.exp(z) - math.exp(-z)) / (math.exp(z) + math.exp(-z))),
    ("Erf", (), math.erf),
    ("Gelu", ("none",), lambda z: z / 2 * (1 + math.erf(z / math.sqrt(2)))),
    (
        "Gelu",
        ("tanh",),
        lambda z: z / 2 * (1 + math.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z**3))),
    ),
    ("Softplus", (), lambda z: math.log(1 + math.exp(z))),
    ("Elu", (2.0,), lambda z: z if z > 0 else 2 * (math.exp(z) - 1)),
    ("Selu", (1.5, 2.0), lambda z: 2 * (z if z > 0 else 1.5 * (math.exp(z) - 1))),
    ("Celu", (2.0,), lambda z: max(0, z) + min(0, 2 * (math.exp(z / 2) - 1))),
    ("Swish", (1.5,), lambda z: z / (1 + math.exp(-1.5 * z))),
    ("Mish", (), lambda z: z * math.tanh(math.log(1 + math.exp(z)))),
    ("Exp", (), math.exp),
    ("Sin", (), math.sin),
    ("Cos", (), math.cos),
    ("Atan", (), math.atan),
    ("Asinh", (), math.asinh),
    ("Sinh", (), math.sinh),
    ("Cosh", (), math.cosh),
]


@pytest.mark.parametrize(("name", "attributes", "function"), RATIONAL)
def test_rational_values_are_exact(name, attributes, function):
    for z in GRID:
        value = Activation(name, attributes).at(0, z)
        assert isinstance(value, Fraction)
        assert value == function(z)


@pytest.mark.parametrize(("name", "attributes", "function"), REAL)
def test_other_values_are_floats(name, attributes, function):
    for z in GRID:
        value = Activation(name, attributes).at(0, z)
        # rational only at 0 (at 0 sigmoid is 1/2), by Niven and Lindemann, or where it is linear
        linear = name in ("Elu", "Selu", "Celu") and z > 0
        assert isinstance(value, Fraction if linear else float) or z == 0
        assert float(value) == pytest.approx(function(float(z)), rel=1e-12, abs=1e-13)


def test_where_a_function_has_no_finite_value_nothing_is_known():
    assert Activation("Exp").at(0, Fraction(1000)) is None
    assert Activation("Log").at(0, Fraction(-1)) is None
    assert Activation("Sqrt").at(0, Fraction(-1)) is None
    assert Activation("Cast", (7,)).at(0, Fraction(1)) is None
    assert Activation("Cast", (7,)).at(0, Fraction(0)) is None
    assert Activation("Sigmoid").at(0, Fraction(-1000)) == 0.0
    assert Activation("Sigmoid").at(0, Fraction(1000)) == 1.0


@pytest.mark.parametrize(
    ("name", "attributes", "factor"),
    [("Elu", (2.0,), 1), ("Celu", (2.0,), 1), ("Selu", (3.0, 0.5), HALF)],
)
def test_above_zero_the_exponential_units_are_exact(name, attributes, factor):
    assert Activation(name, attributes).at(0, THIRD) == factor * THIRD
    assert Activation(name, attributes).at(0, Fraction(1000)) == factor * 1000
    assert isinstance(Activation(name, attributes).at(0, -THIRD), float)


@pytest.mark.parametrize(("to", "dtype"), [(1, np.float32), (10, np.float16), (11, np.float64)])
def test_a_cast_hands_on_the_numbers_its_type_has(to, dtype):
    info = np.finfo(dtype)
    cast = Activation("Cast", (to,))
    ulp = Fraction(float(info.eps))
    for sign in (1, -1):
        for z in (Fraction(0), Fraction(3, 4), 1 + ulp, 5 * ulp, Fraction(float(info.tiny))):
            assert cast.at(0, sign * z) == sign * z == Fraction(float(dtype(float(sign * z))))
        for z in (THIRD, 1 + ulp / 2, 2 + ulp, Fraction(float(info.tiny)) / 2):
            assert cast.at(0, sign * z) is None
        assert cast.at(0, sign * 2 * Fraction(float(info.max))) is None
        assert cast.at(0, sign * Fraction(10) ** 400) is None


def test_a_cast_to_bfloat16():
    cast = Activation("Cast", (16,))
    assert cast.at(0, Fraction(-129, 128)) == Fraction(-129, 128)
    assert cast.at(0, Fraction(257, 256)) is None


@pytest.mark.parametrize(("name", "attributes", "function"), RATIONAL + REAL)
def test_the_symmetry_claimed_is_true(name, attributes, function):
    symmetry = Activation(name, attributes).symmetry
    rows = {
        Symmetry.LINEAR: (2, -1, THIRD, -3),
        Symmetry.ABSOLUTE: (2, -1, THIRD, -3),
        Symmetry.SIGN: (2, -1, THIRD, -3),
        Symmetry.HOMOGENEOUS: (2, THIRD),
        Symmetry.ODD: (1, -1),
        Symmetry.EVEN: (1, -1),
        Symmetry.POINT: (1, -1),
        Symmetry.NONE: (1,),
    }[symmetry]
    for r in rows:
        factor, offset = symmetry.value_ratio(Fraction(r)), symmetry.value_offset(Fraction(r))
        for z in GRID:
            expected = factor * Fraction(function(z)) + offset
            assert float(function(Fraction(r) * z)) == pytest.approx(float(expected), abs=1e-12)


@pytest.mark.parametrize(
    ("activation", "symmetry"),
    [
        (Activation(), Symmetry.LINEAR),
        (Activation("Relu"), Symmetry.HOMOGENEOUS),
        (Activation("LeakyRelu", (0.1,)), Symmetry.HOMOGENEOUS),
        (Activation("PRelu", (), np.ones(2)), Symmetry.HOMOGENEOUS),
        (Activation("Abs"), Symmetry.ABSOLUTE),
        (Activation("Sign"), Symmetry.SIGN),
        (Activation("Tanh"), Symmetry.ODD),
        (Activation("Erf"), Symmetry.ODD),
        (Activation("Clip", (-2.0, 2.0)), Symmetry.ODD),
        (Activation("Clip", (-2.0, 1.0)), Symmetry.NONE),
        (Activation("Cos"), Symmetry.EVEN),
        (Activation("Sigmoid"), Symmetry.POINT),
        (Activation("HardSigmoid", (0.2, 0.5)), Symmetry.POINT),
        (Activation("HardSigmoid", (0.2, 0.4)), Symmetry.NONE),
        (Activation("Gelu", ("none",)), Symmetry.NONE),
        (Activation("Clip", (0.0, 6.0)), Symmetry.NONE),
        (Activation("ThresholdedRelu", (1.0,)), Symmetry.NONE),
        (Activation("NobodyKnows"), Symmetry.NONE),
    ],
)
def test_the_table_of_symmetries(activation, symmetry):
    assert activation.symmetry is symmetry
    assert activation.is_identity == (activation.name == "Identity")


@pytest.mark.parametrize("symmetry", list(Symmetry))
@pytest.mark.parametrize("lead", [Fraction(3), Fraction(-3), THIRD, -THIRD])
def test_normalised_rows_meet_where_the_ratio_is_allowed(symmetry, lead):
    for r in (Fraction(1), Fraction(-1), Fraction(2), Fraction(-5, 7)):
        same = lead / symmetry.normaliser(lead) == r * lead / symmetry.normaliser(r * lead)
        allowed = {
            Symmetry.LINEAR: True,
            Symmetry.ABSOLUTE: True,
            Symmetry.SIGN: True,
            Symmetry.HOMOGENEOUS: r > 0,
            Symmetry.ODD: abs(r) == 1,
            Symmetry.EVEN: abs(r) == 1,
            Symmetry.POINT: abs(r) == 1,
            Symmetry.NONE: r == 1,
        }[symmetry]
        assert same == allowed


def test_value_ratios():
    r = Fraction(-5, 7)
    assert Symmetry.LINEAR.value_ratio(r) == r
    assert Symmetry.ABSOLUTE.value_ratio(r) == -r
    assert Symmetry.SIGN.value_ratio(r) == -1
    assert Symmetry.SIGN.value_ratio(-r) == 1
    assert Symmetry.ODD.value_ratio(Fraction(-1)) == -1
    assert Symmetry.EVEN.value_ratio(Fraction(-1)) == 1


def test_normal_forms():
    assert leaky(0.0) == Activation("Relu")
    assert leaky(-0.0) == Activation("Relu")
    assert leaky(1.0) == Activation()
    assert leaky(-1.0) == Activation("Abs")
    assert leaky(0.5) == Activation("LeakyRelu", (0.5,))
    assert leaky_key(0.5) == ("LeakyRelu", (0.5,))
    assert clip(0.0, math.inf) == Activation("Relu")
    assert clip(-math.inf, math.inf) == Activation()
    assert clip(0.0, 6.0) == Activation("Clip", (0.0, 6.0))


def test_slopes_make_a_function_per_feature():
    activation = Activation("PRelu", (), np.array([0.0, 0.5, 1.0, 0.5, -1.0], np.float32))
    keys = [activation.key(i) for i in range(5)]
    assert [k[0] for k in keys] == ["Relu", "LeakyRelu", "Identity", "LeakyRelu", "Abs"]
    assert keys[1] == keys[3] == Activation("LeakyRelu", (0.5,)).key(0)
    assert [activation.at(i, Fraction(-2)) for i in range(5)] == [0, -1, -2, -1, 2]
    assert slopes_of(activation, 5).shape == (5,)
    with pytest.raises(ValueError, match="no slopes"):
        slopes_of(Activation("Relu"), 3)
