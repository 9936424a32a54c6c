"""Rows over classes, exactly, in lowest terms: multiples look alike, and nothing else does."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from lumpcli.ir import ZERO, Activation, Shift
from lumpcli.proofs import CONSTANT, Book, Refused, columns_of, features, folded_rows
from tests.nets import ABS, LINEAR, RELU, SIGMOID, TANH, dense, each, source, times

HALF = Fraction(1, 2)


def book(*layers):
    found = Book()
    for layer in (source("x", 3), *layers):
        found.facts[layer.name] = features(found, layer)
    return found


def facts(found, layer):
    rows = folded_rows(columns_of(found, layer), np.arange(layer.width))
    made = [Activation(*layer.activation.key(i)) for i in range(layer.width)]
    return [found.define(made[i], row, anchored=len(row.labels) > 1) for i, row in rows]


def compared(rows, bias=None, act=RELU, found=None, reads="x", dtype=np.float32):
    """Ratio and offset of row 1 to row 0; None when they are of two classes."""
    found = book() if found is None else found
    layer = dense("h", reads, rows, bias, act=act, dtype=np.dtype(dtype))
    one, other = facts(found, layer)
    ratio = other[1] / one[1]
    return (ratio, other[2] - one[2] * ratio) if one[0] == other[0] else None


@pytest.mark.parametrize(
    ("act", "factor", "ratio"),
    [(RELU, 3, 3), (ABS, -2, 2), (TANH, -1, -1), (LINEAR, -5, -5), (SIGMOID, 1, 1)],
)
def test_ratios_that_functions_allow(act, factor, ratio):
    rows = np.array([[1, 2, 0], [0, 0, 0]], np.float32)
    rows[1] = rows[0] * factor
    assert compared(rows, [1, factor], act) == (ratio, ZERO)


@pytest.mark.parametrize(("act", "factor"), [(RELU, -1), (TANH, 2), (SIGMOID, 2)])
def test_ratios_that_they_do_not(act, factor):
    rows = np.array([[1, 2, 0], [factor, 2 * factor, 0]], np.float32)
    assert compared(rows, [1, factor], act) is None


def test_sigmoids_of_opposite_rows_add_up_to_one():
    assert compared([[1, 2, 0], [-1, -2, 0]], [1, -1], SIGMOID) == (-1, Shift(Fraction(1)))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("place", [(1, 0), (1, 2), "bias"])
def test_one_ulp_is_no_multiple(dtype, place):
    rows = np.array([[1, 2, 0.125], [3, 6, 0.375]], dtype)
    bias = np.array([0.5, 1.5], dtype)
    assert compared(rows, bias, dtype=dtype)[0] == 3
    numbers, where = (bias, 1) if place == "bias" else (rows, place)
    numbers[where] = np.nextafter(numbers[where], dtype(9))
    assert compared(rows, bias, dtype=dtype) is None


def test_linear_rows_have_offsets():
    assert compared([[1, 2, 0], [2, 4, 0]], [1, 5], LINEAR) == (2, Shift(Fraction(3)))


def test_rows_are_compared_over_classes():
    twice = each("d", 3, times("x", [1, 3, 1]))
    found = book(twice)
    found.facts["d"] = [(0, Fraction(1), ZERO), (0, Fraction(3), ZERO), (2, HALF, ZERO)]
    assert compared([[3, 0, 1], [0, 1, 1]], found=found, reads="d")[0] == 1


def test_wide_exponents_are_compared_in_integers():
    rows = np.array([[2.0**100, 2.0**-100, 1], [3 * 2.0**100, 3 * 2.0**-100, 3]])
    assert compared(rows, dtype=np.float64)[0] == 3
    rows[1, 1] = np.nextafter(rows[1, 1], 1)
    assert compared(rows, dtype=np.float64) is None


def test_rows_of_other_layers_and_of_sums_are_compared():
    found = book()
    (one,) = facts(found, dense("g", "x", [[1, 2, 0]]))
    _, other = facts(found, dense("h", "x", [[0, 0, 1], [2, 4, 0]]))
    assert (other[0], other[1] / one[1]) == (one[0], 2)
    (third,) = facts(found, dense("k", "x", [[1, 2, 0]], act=TANH))
    assert third[0] != one[0]


def test_integers_of_any_length_look_alike():
    """What one layer folds in 64 bits and another in Python's integers is compared all the same."""
    found = book()
    (one,) = facts(found, dense("g", "x", [[1, 3, 0]]))
    rows = np.array([[1, 3, 0], [2.0**-300, 2.0**300, 1]])
    other, _ = facts(found, dense("h", "x", rows, dtype=np.float64))
    assert one == other


def test_rows_that_read_little():
    found = book()
    rows = [[0, 0, 0], [0, 3, 0]]
    assert facts(found, dense("h", "x", rows, [2, 1], act=LINEAR)) == [
        (CONSTANT, 0, Shift(Fraction(2))),
        (1, 3, Shift(Fraction(1))),
    ]
    constant, varies = facts(found, dense("r", "x", rows, [2, 1]))
    assert constant == (CONSTANT, 0, Shift(Fraction(2)))
    assert varies[0] not in (CONSTANT, 1)


def test_constants_behind_padding_are_columns_of_their_own():
    constant = each("c", 3, times("x", [1, 1, 0]), bias=[0, 0, 2])
    found = book(constant)
    padded = {"padded": True, "image": "8"}
    layer = dense("h", "c", [[0, 0, 1], [0, 0, 0]], [0, 2], act=LINEAR, term=padded)
    inside, outside = facts(found, layer)
    assert inside[0] != CONSTANT
    assert outside == (CONSTANT, 0, Shift(Fraction(2)))


def test_what_is_not_finite_is_refused():
    with pytest.raises(Refused, match="not finite"):
        compared([[np.inf, 1, 1], [np.inf, 1, 1]])


def test_what_is_no_matrix_is_refused():
    with pytest.raises(Refused, match="not read through a matrix"):
        columns_of(book(), each("h", 3, "x"))
