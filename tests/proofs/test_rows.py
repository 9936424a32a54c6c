"""Rows are multiples or they are not: exactly, to the last bit, over classes."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from lumpcli.ir import ZERO, Shift
from lumpcli.proofs import (
    CONSTANT,
    Book,
    Facts,
    Refused,
    columns_of,
    multiples,
    reads_little,
    single,
)
from tests.nets import ABS, LINEAR, RELU, SIGMOID, TANH, dense, each, source, times

HALF = Fraction(1, 2)


def book(*layers):
    found = Book()
    for layer in (source("x", 3), *layers):
        found.facts[layer.name] = single(found, layer)
    return found


def known(found, layer):
    first = found.fresh(layer.width)
    facts = [(first + i, Fraction(1), ZERO) for i in range(layer.width)]
    found.facts[layer.name] = Facts.of(facts)
    return columns_of(found, layer)


def compared(rows, bias=None, act=RELU, found=None, reads="x", dtype=np.float32):
    """The fact on row 1, as a multiple of row 0."""
    found = book() if found is None else found
    layer = dense("h", reads, rows, bias, act=act, dtype=np.dtype(dtype))
    columns = known(found, layer)
    ((label, ratio, offset),) = multiples(found, columns, [1], columns, [0])
    assert label == found.facts["h"].class_of[0]
    return ratio, offset


@pytest.mark.parametrize(
    ("act", "factor", "ratio"),
    [(RELU, 3, 3), (ABS, -2, 2), (TANH, -1, -1), (LINEAR, -5, -5), (SIGMOID, 1, 1)],
)
def test_ratios_that_functions_allow(act, factor, ratio):
    rows = np.array([[1, 2, 0], [0, 0, 0]], np.float32)
    rows[1] = rows[0] * factor
    assert compared(rows, [1, factor], act) == (ratio, ZERO)


@pytest.mark.parametrize(("act", "factor"), [(RELU, -1), (TANH, 2), (SIGMOID, 2), (SIGMOID, -1)])
def test_ratios_that_they_do_not(act, factor):
    rows = np.array([[1, 2, 0], [factor, 2 * factor, 0]], np.float32)
    with pytest.raises(Refused, match="no multiple"):
        compared(rows, [1, factor], act)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("place", [(1, 0), (1, 2), "bias"])
def test_one_ulp_is_no_multiple(dtype, place):
    rows = np.array([[1, 2, 0.125], [3, 6, 0.375]], dtype)
    bias = np.array([0.5, 1.5], dtype)
    assert compared(rows, bias, dtype=dtype)[0] == 3
    numbers, where = (bias, 1) if place == "bias" else (rows, place)
    numbers[where] = np.nextafter(numbers[where], dtype(9))
    with pytest.raises(Refused, match="no multiple"):
        compared(rows, bias, dtype=dtype)


def test_linear_rows_have_offsets():
    ratio, offset = compared([[1, 2, 0], [2, 4, 0]], [1, 5], LINEAR)
    assert (ratio, offset) == (2, Shift(Fraction(3)))


def test_rows_are_compared_over_classes():
    twice = each("d", 3, times("x", [1, 3, 1]))
    found = book(twice)
    found.facts["d"] = Facts.of([(0, Fraction(1), ZERO), (0, Fraction(3), ZERO), (2, HALF, ZERO)])
    assert compared([[3, 0, 1], [0, 1, 1]], found=found, reads="d")[0] == 1


def test_wide_exponents_are_compared_in_integers():
    rows = np.array([[2.0**100, 2.0**-100, 1], [3 * 2.0**100, 3 * 2.0**-100, 3]])
    assert compared(rows, dtype=np.float64)[0] == 3
    rows[1, 1] = np.nextafter(rows[1, 1], 1)
    with pytest.raises(Refused, match="no multiple"):
        compared(rows, dtype=np.float64)


def test_rows_of_other_layers():
    found = book()
    one, other = dense("g", "x", [[1, 2, 0]]), dense("h", "x", [[0, 0, 1], [2, 4, 0]])
    first, second = known(found, one), known(found, other)
    ((label, ratio, _),) = multiples(found, second, [1], first, [0])
    assert (label, ratio) == (found.facts["g"].class_of[0], 2)
    third = known(found, dense("k", "x", [[1, 2, 0]], act=TANH))
    with pytest.raises(Refused, match="other functions"):
        multiples(found, third, [0], first, [0])


def test_rows_that_read_little():
    found = book()
    rows = [[0, 0, 0], [0, 3, 0]]
    layer = dense("h", "x", rows, [2, 1], act=LINEAR)
    columns = known(found, layer)
    assert reads_little(found, columns, np.arange(2)) == [
        (CONSTANT, 0, Shift(Fraction(2))),
        (1, 3, Shift(Fraction(1))),
    ]
    relu = known(found, dense("r", "x", rows, [2, 1]))
    with pytest.raises(Refused, match="row 1 is not constant"):
        reads_little(found, relu, np.arange(2))


def test_constants_behind_padding_are_columns_of_their_own():
    constant = each("c", 3, times("x", [1, 1, 0]), bias=[0, 0, 2])
    found = book(constant)
    padded = {"padded": True, "image": "8"}
    layer = dense("h", "c", [[0, 0, 1], [0, 0, 0]], [0, 2], act=LINEAR, term=padded)
    with pytest.raises(Refused, match="not constant or handed on"):
        reads_little(found, known(found, layer), np.array([0]))


def test_what_is_not_finite_is_refused():
    with pytest.raises(Refused, match="not finite"):
        compared([[np.inf, 1, 1], [np.inf, 1, 1]])
