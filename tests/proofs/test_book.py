"""Constants, rows and ranges: equal keys are equal functions, and nothing else is."""

from __future__ import annotations

from fractions import Fraction

import pytest

from lumpcli.ir import ZERO, Activation, Shift
from lumpcli.proofs import CONSTANT, Book, Row
from tests.nets import ABS, LINEAR, RELU, SIGMOID, TANH

ONE, HALF = Fraction(1), Fraction(1, 2)
INFINITY = float("inf")


def constant(book, act, z):
    return book.define(act, Row.of({}, z))


def combination(book, act, weights, bias=ZERO):
    return book.define(act, Row.of(weights, bias))


def test_constants_of_rational_functions_are_numbers():
    assert constant(Book(), RELU, Shift(-HALF)) == (CONSTANT, 0, ZERO)
    assert constant(Book(), LINEAR, Shift(HALF)) == (CONSTANT, 0, Shift(HALF))


def test_irrational_constants_are_symbols_told_apart_by_definition():
    book = Book()
    one, other = (constant(book, SIGMOID, Shift(z)) for z in (ONE, ONE + Fraction(1, 9**20)))
    assert one[0] == other[0] == CONSTANT
    assert one != other
    assert one == constant(book, SIGMOID, Shift(ONE))
    (symbol, weight), *_ = one[2].parts
    assert weight == 1
    assert abs(book.known[symbol] - 0.7310585786300049) < 1e-16


def test_odd_functions_of_opposite_constants_are_opposite():
    book = Book()
    plus, minus = (constant(book, TANH, Shift(z)) for z in (ONE, -ONE))
    assert plus[2] + minus[2] == ZERO


def test_an_irrational_constant_is_never_stepped():
    book = Book()
    z = constant(book, SIGMOID, Shift(ONE))[2]
    for name in ("Sign", "Floor", "Ceil", "Round"):
        label, ratio, offset = constant(book, Activation(name), z)
        assert label != CONSTANT
        assert (abs(ratio), offset) == (1, ZERO)


def test_rows_are_integers_in_lowest_terms():
    row = Row.of({5: Fraction(-9, 4), 2: Fraction(-3, 2), 3: Fraction(0)}, ZERO)
    assert (row.labels.tolist(), row.whole.tolist(), row.scale) == ([2, 5], [2, 3], Fraction(-3, 4))


def test_combinations_are_one_class_up_to_what_the_function_allows():
    book = Book()
    one = combination(book, RELU, {1: ONE, 2: HALF}, Shift(ONE))
    twice = combination(book, RELU, {1: ONE * 2, 2: ONE}, Shift(ONE * 2))
    assert twice == (one[0], one[1] * 2, one[2])
    assert combination(book, RELU, {1: -ONE, 2: -HALF}, Shift(-ONE))[0] != one[0]
    assert combination(book, RELU, {1: ONE, 2: HALF})[0] != one[0]
    assert combination(book, RELU, {1: ONE, 3: HALF}, Shift(ONE))[0] != one[0]
    assert combination(book, ABS, {1: ONE, 2: HALF}, Shift(ONE))[0] != one[0]
    odd = combination(book, TANH, {1: ONE})
    assert combination(book, TANH, {1: -ONE}) == (odd[0], -odd[1], ZERO)
    assert combination(book, TANH, {1: HALF})[0] != odd[0]


def test_long_integers_are_told_apart():
    book, long = Book(), Fraction(1 << 80)
    one, other = (combination(book, RELU, {1: ONE, 2: long + k}) for k in (0, 1))
    assert one[0] != other[0]


def test_linear_layers_hand_on_and_keep_offsets():
    book = Book()
    assert combination(book, LINEAR, {4: HALF, 5: Fraction(0)}, Shift(ONE)) == (4, HALF, Shift(ONE))
    assert combination(book, LINEAR, {4: Fraction(0)}, Shift(ONE)) == (CONSTANT, 0, Shift(ONE))


def test_a_linear_class_has_the_bias_of_its_first_row_or_none():
    book = Book()
    first = book.define(LINEAR, Row.of({1: ONE, 2: ONE}, Shift(ONE)), anchored=True)
    second = book.define(LINEAR, Row.of({1: -ONE, 2: -ONE}, ZERO), anchored=True)
    third = book.define(LINEAR, Row.of({1: ONE, 2: ONE}, ZERO))
    assert first[2] == ZERO
    assert (second[0], second[1] / first[1], second[2]) == (first[0], -1, Shift(ONE))
    assert third[0] != first[0]
    assert third[2] == ZERO


# --- where values lie


def ranged():
    """Class 0 lies in [1, 2], class 1 is at least 0, class 2 is anything, class 3 in [3, 4]."""
    ends = {0: (ONE, ONE * 2), 1: (Fraction(0), INFINITY), 3: (ONE * 3, ONE * 4)}
    return Book(ranges=ends, classes=4)


@pytest.mark.parametrize(
    ("weights", "bias", "ends"),
    [
        ({0: ONE, 1: HALF}, -1, (0, INFINITY)),
        ({0: -ONE, 1: HALF}, 2, (0, INFINITY)),
        ({0: ONE, 1: -HALF}, -2, (-INFINITY, 0)),
        ({0: -ONE, 3: HALF}, 1, (0.5, 2)),
        ({0: ONE, 1: ONE, 2: HALF}, 9, (-INFINITY, INFINITY)),
        ({}, 7, (7, 7)),
    ],
)
def test_rows_lie_between_the_sums_of_ends(weights, bias, ends):
    tiny = Fraction(1, 1 << 1074)
    assert ranged().interval(Row.of(weights, Shift(Fraction(bias)))) == ends
    below = ranged().interval(Row.of(weights, Shift(bias - tiny)))
    assert all(a < b or abs(b) == INFINITY for a, b in zip(below, ends, strict=True))


def test_rows_of_many_entries_lie_where_all_of_them_say():
    book = Book(ranges={k: (Fraction(0), ONE) for k in range(200)}, classes=201)
    row = dict.fromkeys(range(200), ONE)
    assert book.interval(Row.of(row, ZERO)) == (0, 200)
    assert book.interval(Row.of({**row, 199: -ONE}, ZERO)) == (-1, 199)
    assert book.interval(Row.of({**row, 200: ONE}, ZERO)) == (-INFINITY, INFINITY)


def test_irrational_constants_lie_where_their_classes_do():
    row = Row.of({0: ONE}, Shift(ONE, ((3, -ONE),)))
    assert ranged().interval(row) == (-2, 0)
    assert ranged().interval(row.times(Fraction(-2))) == (0, 4)


def test_classes_lie_where_their_function_and_their_row_say():
    book = ranged()
    label, ratio, offset = combination(book, LINEAR, {0: ONE * 3, 1: HALF}, Shift(ONE))
    low, high = book.range(label)
    assert (low * ratio + offset.rational, high) == (4, INFINITY)
    relu = combination(book, RELU, {0: ONE * 3, 2: HALF}, Shift(ONE))
    assert book.range(relu[0]) == (0, INFINITY)
    label, ratio, _ = combination(book, RELU, {0: ONE, 3: -ONE}, Shift(ONE * 3))
    assert tuple(end * ratio for end in book.range(label)) == (0, 2)
    label, ratio, _ = book.define(LINEAR, Row.of({0: ONE, 3: ONE}, Shift(ONE)), anchored=True)
    assert tuple(end * ratio for end in book.range(label)) == (5, 7)
