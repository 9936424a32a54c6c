"""Constants and combinations: equal keys are equal functions, and nothing else is."""

from __future__ import annotations

from fractions import Fraction

from lumpcli.ir import ZERO, Activation, Shift
from lumpcli.proofs import CONSTANT, Book, Facts
from tests.nets import LINEAR, RELU, SIGMOID, TANH, dense

ONE, HALF = Fraction(1), Fraction(1, 2)


def layer(act):
    return dense("h", "x", [[1]], act=act)


def test_constants_of_rational_functions_are_numbers():
    assert Book().constant(layer(RELU), 0, Shift(-HALF)) == (CONSTANT, 0, ZERO)
    assert Book().constant(layer(LINEAR), 0, Shift(HALF)) == (CONSTANT, 0, Shift(HALF))


def test_irrational_constants_are_symbols_told_apart_by_definition():
    book = Book()
    one, other = (
        book.constant(layer(SIGMOID), 0, Shift(z)) for z in (ONE, ONE + Fraction(1, 9**20))
    )
    assert one[0] == other[0] == CONSTANT
    assert one != other
    assert one == book.constant(layer(SIGMOID), 0, Shift(ONE))
    (symbol, weight), *_ = one[2].parts
    assert weight == 1
    assert abs(book.known[symbol] - 0.7310585786300049) < 1e-16


def test_odd_functions_of_opposite_constants_are_opposite():
    book = Book()
    plus, minus = (book.constant(layer(TANH), 0, Shift(z)) for z in (ONE, -ONE))
    assert plus[2] + minus[2] == ZERO


def test_an_irrational_constant_is_never_stepped():
    book = Book()
    z = book.constant(layer(SIGMOID), 0, Shift(ONE))[2]
    for name in ("Sign", "Floor", "Ceil", "Round"):
        label, ratio, offset = book.constant(layer(Activation(name)), 0, z)
        assert label != CONSTANT
        assert (abs(ratio), offset) == (1, ZERO)


def test_combinations_are_one_class_up_to_what_the_function_allows():
    book = Book()
    relu, tanh = layer(RELU), layer(TANH)
    one = book.combination(relu, 0, {1: ONE, 2: HALF}, Shift(ONE))
    twice = book.combination(relu, 0, {1: ONE * 2, 2: ONE}, Shift(ONE * 2))
    assert twice == (one[0], one[1] * 2, one[2])
    assert book.combination(relu, 0, {1: -ONE, 2: -HALF}, Shift(-ONE))[0] != one[0]
    assert book.combination(relu, 0, {1: ONE, 2: HALF}, ZERO)[0] != one[0]
    odd = book.combination(tanh, 0, {1: ONE}, ZERO)
    assert book.combination(tanh, 0, {1: -ONE}, ZERO) == (odd[0], -odd[1], ZERO)
    assert book.combination(tanh, 0, {1: HALF}, ZERO)[0] != odd[0]


def test_linear_layers_hand_on_and_keep_offsets():
    book = Book()
    linear = layer(LINEAR)
    assert book.combination(linear, 0, {4: HALF, 5: Fraction(0)}, Shift(ONE)) == (
        4,
        HALF,
        Shift(ONE),
    )
    assert book.combination(linear, 0, {4: Fraction(0)}, Shift(ONE)) == (CONSTANT, 0, Shift(ONE))


def test_facts_are_read_back():
    facts = Facts.of([(3, HALF, ZERO), (CONSTANT, Fraction(0), Shift(ONE))])
    assert facts[1] == (CONSTANT, 0, Shift(ONE))
    assert facts.class_of.tolist() == [3, CONSTANT]
