from __future__ import annotations

from fractions import Fraction

import pytest

from lumpcli.analysis import CONSTANT
from lumpcli.analysis.numbering import Numbering
from lumpcli.ir import Activation
from lumpcli.ir.shift import ZERO, Shift
from tests.nets import CLIP, LINEAR, RELU, SIGMOID, SIGN, each

HALF, ONE = Shift(Fraction(1, 2)), Shift(Fraction(1))


def layer(act):
    return each("h", 1, "x", act=act)


def combine(numbering, act, row, bias=0):
    shift = bias if isinstance(bias, Shift) else Shift(Fraction(bias))
    return numbering.combination(layer(act), 0, {c: Fraction(w) for c, w in row.items()}, shift)


def test_equal_keys_name_one_class():
    numbering = Numbering()
    assert numbering.number("a") == numbering.number("a") != numbering.number("b")
    assert numbering.fresh() not in (numbering.number("a"), numbering.number("b"))


def test_rational_constants_stay_rational():
    third = Shift(Fraction(1, 3))
    assert Numbering().constant(layer(RELU), 0, third) == (CONSTANT, 0, third)
    assert Numbering().constant(layer(RELU), 0, third * Fraction(-1)) == (CONSTANT, 0, ZERO)


def test_irrational_constants_have_names():
    numbering = Numbering()
    first, again, other = (numbering.constant(layer(SIGMOID), 0, z) for z in (HALF, HALF, ONE))
    assert first == again != other
    assert first[:2] == other[:2] == (CONSTANT, 0)
    ((name, coefficient),) = first[2].parts
    assert coefficient == 1
    assert numbering.known[name] == pytest.approx(0.6224593312018546, rel=1e-15)
    assert numbering.constant(layer(Activation("Tanh")), 0, HALF) not in (first, other)


def test_unknown_functions_of_constants_are_classes():
    numbering = Numbering()
    cast = Activation("Cast", (7,))
    first = numbering.constant(layer(cast), 0, ONE)
    assert (
        first == numbering.constant(layer(cast), 0, ONE) != numbering.constant(layer(cast), 0, HALF)
    )
    assert first[0] != CONSTANT
    assert numbering.known == {}


def test_a_cast_of_a_constant_its_type_has_is_that_constant():
    cast = layer(Activation("Cast", (1,)))
    numbering = Numbering()
    assert numbering.constant(cast, 0, HALF) == (CONSTANT, 0, HALF)
    irrational = numbering.constant(layer(SIGMOID), 0, HALF)[2]
    assert numbering.constant(cast, 0, irrational)[0] != CONSTANT  # it is rounded


def test_constants_on_the_linear_side_have_no_names():
    numbering = Numbering()
    elu = layer(Activation("Elu", (1.0,)))
    assert numbering.constant(elu, 0, HALF) == (CONSTANT, 0, HALF)
    assert numbering.known == {}
    assert numbering.constant(elu, 0, ZERO - HALF)[2].parts


def test_functions_of_irrational_constants():
    numbering = Numbering()
    z = numbering.constant(layer(SIGMOID), 0, HALF)[2]
    assert numbering.constant(layer(LINEAR), 0, z) == (CONSTANT, 0, z)
    relu = numbering.constant(layer(RELU), 0, z)
    assert relu == numbering.constant(layer(RELU), 0, z)
    assert relu[2].near(numbering.known) == z.near(numbering.known)
    step = numbering.constant(layer(SIGN), 0, z)
    assert step[0] != CONSTANT  # not known: z is
    assert step[0] not in numbering.known
    assert numbering.constant(layer(SIGN), 0, z - z) == (CONSTANT, 0, ZERO)


def test_combinations():
    numbering = Numbering()
    assert combine(numbering, RELU, {}, -2) == (CONSTANT, 0, ZERO)
    assert combine(numbering, RELU, {7: 0}, 2) == (CONSTANT, 0, Shift(Fraction(2)))
    assert combine(numbering, LINEAR, {7: -2}, 5) == (7, -2, Shift(Fraction(5)))
    a = combine(numbering, LINEAR, {7: 2, 3: 4}, 5)
    b = combine(numbering, LINEAR, {3: -6, 7: -3}, 1)
    assert (a[0], a[2].rational, b[2].rational) == (b[0], 5, 1)
    assert b[1] / a[1] == Fraction(-3, 2)
    first = combine(numbering, RELU, {7: 2}, 4)
    assert combine(numbering, RELU, {7: 3}, 6) == (first[0], first[1] * 3 / 2, ZERO)
    assert combine(numbering, RELU, {7: -2}, -4)[0] != first[0]
    assert combine(numbering, RELU, {7: 2}, 5)[0] != first[0]
    odd = combine(numbering, CLIP, {7: 2}, 4)
    assert combine(numbering, CLIP, {7: -2}, -4) == (odd[0], -odd[1], ZERO)
    assert combine(numbering, CLIP, {7: 4}, 8)[0] != odd[0]


def test_combinations_with_irrational_biases():
    numbering = Numbering()
    z = numbering.constant(layer(SIGMOID), 0, HALF)[2]
    first = combine(numbering, RELU, {7: 1}, z)
    assert combine(numbering, RELU, {7: 3}, z * Fraction(3))[0] == first[0]
    assert combine(numbering, RELU, {7: 3}, z)[0] != first[0]
    near = Shift(z.near(numbering.known))
    assert combine(numbering, RELU, {7: 1}, near)[0] != first[0]
    assert combine(numbering, LINEAR, {7: 1}, z) == (7, 1, z)
