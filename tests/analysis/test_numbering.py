from __future__ import annotations

from fractions import Fraction

import pytest

from lumpcli.analysis import CONSTANT
from lumpcli.analysis.numbering import Numbering
from lumpcli.ir import Activation
from tests.nets import CLIP, LINEAR, RELU, SIGMOID, SIGN, each

ONE, ZERO = Fraction(1), Fraction(0)


def layer(act):
    return each("h", 1, "x", act=act)


def combine(numbering, act, row, bias=0):
    return numbering.combination(
        layer(act), 0, {c: Fraction(w) for c, w in row.items()}, ONE * bias
    )


def test_equal_keys_name_one_class():
    numbering = Numbering()
    assert numbering.number("a") == numbering.number("a") != numbering.number("b")
    assert numbering.fresh() not in (numbering.number("a"), numbering.number("b"))


def test_rational_constants_are_no_class():
    assert Numbering().constant(layer(RELU), 0, Fraction(1, 3)) == (CONSTANT, 0, Fraction(1, 3))
    assert Numbering().constant(layer(RELU), 0, Fraction(-1, 3)) == (CONSTANT, 0, 0)


def test_irrational_constants_are_known_classes():
    numbering = Numbering()
    first, again, other = (numbering.constant(layer(SIGMOID), 0, ONE * z) for z in (0.5, 0.5, 1))
    assert first == again != other
    assert set(numbering.known) == {first[0], other[0]}
    tanh = numbering.constant(layer(Activation("Tanh")), 0, Fraction(0.5))
    assert tanh[0] not in (first[0], other[0])


def test_unknown_functions_of_constants_are_classes_without_a_value():
    numbering = Numbering()
    cast = Activation("Cast", (7,))
    assert numbering.constant(layer(cast), 0, ONE) == numbering.constant(layer(cast), 0, ONE)
    assert numbering.known == {}


def test_what_is_only_nearly_known_is_never_equal():
    numbering = Numbering()
    facts = [numbering.constant(layer(RELU), 0, ONE, exact=False) for _ in range(2)]
    assert facts[0][0] != facts[1][0]
    assert [numbering.known[c] for c, _, _ in facts] == [1, 1]
    step = numbering.constant(layer(SIGN), 0, ONE, exact=False)
    assert step[0] not in numbering.known


def test_combinations():
    numbering = Numbering()
    assert combine(numbering, RELU, {}, -2) == (CONSTANT, 0, 0)
    assert combine(numbering, LINEAR, {7: -2}, 5) == (7, -2, 5)
    a = combine(numbering, LINEAR, {7: 2, 3: 4}, 5)
    b = combine(numbering, LINEAR, {3: -6, 7: -3}, 1)
    assert (a[0], a[2], b[2]) == (b[0], 5, 1)
    assert b[1] / a[1] == Fraction(-3, 2)
    first = combine(numbering, RELU, {7: 2}, 4)
    assert combine(numbering, RELU, {7: 3}, 6) == (first[0], first[1] * 3 / 2, 0)
    assert combine(numbering, RELU, {7: -2}, -4)[0] != first[0]
    assert combine(numbering, RELU, {7: 2}, 5)[0] != first[0]
    odd = combine(numbering, CLIP, {7: 2}, 4)
    assert combine(numbering, CLIP, {7: -2}, -4) == (odd[0], -odd[1], 0)
    assert combine(numbering, CLIP, {7: 4}, 8)[0] != odd[0]


def test_combinations_of_known_classes_are_nearly_known():
    numbering = Numbering()
    a, b = (numbering.constant(layer(SIGMOID), 0, ONE * z)[0] for z in (0.5, 1))
    label, ratio, offset = combine(numbering, RELU, {a: 1, b: 2}, 1)
    sum_of_both = 1 + numbering.known[a] + 2 * numbering.known[b]
    assert numbering.known[label] == pytest.approx(sum_of_both, rel=1e-15)
    assert (ratio, offset) == (1, 0)
    assert combine(numbering, LINEAR, {a: 3}, 1) == (a, 3, 1)
    mixed = combine(numbering, RELU, {a: 1, 99: 2}, 1)
    assert mixed[0] not in numbering.known
