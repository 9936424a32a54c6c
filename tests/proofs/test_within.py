"""Within rounding: one choice of weights has to fit all rows at once."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from lumpcli.proofs import Book, Refused, columns_of, features, within
from tests.nets import ABS, LINEAR, RELU, SIGMOID, SIGN, TANH, dense, source

F = np.float32
THIRD = F(1) / F(3)


def chosen(rows, ratios, act=RELU, bias=None, dtype=F, **more):
    book = Book()
    rows = np.asarray(rows, dtype)
    book.facts["x"] = features(book, source("x", rows.shape[1]))
    layer = dense("h", "x", rows, bias, act=act, dtype=np.dtype(dtype), **more)
    every = [Fraction(1), *map(Fraction, ratios)]
    found = within(book, columns_of(book, layer), range(layer.width), every)
    assert {label for label, _, _ in found} == {book.classes - 1}
    return [(label, ratio / found[0][1], offset) for label, ratio, offset in found]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_rounded_multiples_fit(dtype):
    rng = np.random.default_rng(0)
    row = rng.normal(size=20)
    rows = np.array([row.astype(dtype), (row * 3).astype(dtype)])
    assert chosen(rows, [3], dtype=dtype)[1][1] == 3
    rows[1, 7] = np.nextafter(np.nextafter(rows[1, 7], dtype(9)), dtype(9))
    rows[1, 7] = np.nextafter(rows[1, 7], dtype(9))
    with pytest.raises(Refused, match="no choice of weights"):
        chosen(rows, [3], dtype=dtype)


def test_each_may_fit_where_not_all_do():
    """The middle one of three neighbours is within rounding of both others."""
    up, down = np.nextafter(F(2.5), F(3)), np.nextafter(F(2.5), F(2))
    ratio = Fraction(float(up)) / Fraction(2.5)
    near = 1 + (ratio - 1) / 2
    assert chosen([[2.5, 1], [up, 1]], [near])
    assert chosen([[2.5, 1], [down, 1]], [1 / near])
    with pytest.raises(Refused, match="no choice of weights"):
        chosen([[2.5, 1], [up, 1], [down, 1]], [1, 1])


def test_zeros_stay_zeros():
    with pytest.raises(Refused, match="no choice of weights"):
        chosen([[1, 0], [1, 2.0**-120]], [1])
    assert chosen([[1, 0], [1, 0]], [1])


@pytest.mark.parametrize(
    ("act", "ratio", "allowed"),
    [
        (RELU, -1, False),
        (TANH, -1, True),
        (TANH, 2, False),
        (SIGMOID, 2, False),
        (SIGN, 2, False),
        (LINEAR, -2, True),
        (LINEAR, 0, False),
    ],
)
def test_ratios_are_those_the_function_allows(act, ratio, allowed):
    rows = [[1, 2], [ratio, 2 * ratio]]
    if allowed:
        assert chosen(rows, [ratio], act)[1][1] == ratio
    else:
        with pytest.raises(Refused, match="a ratio is none"):
            chosen(rows, [ratio], act)


def test_ratios_are_those_of_rows_and_values_follow():
    assert chosen([[1, 2], [-3, -6]], [-3], ABS)[1][1] == 3
    assert chosen([[1, 2], [1, 2]], ["40000001/40000000"])[1][1] == Fraction("40000001/40000000")


def test_ratios_are_of_moderate_length():
    with pytest.raises(Refused, match="a ratio is none"):
        chosen([[1, 2], [1, 2]], [Fraction(3**90000, 3**90000 + 1)])


def test_linear_rows_keep_their_offsets():
    found = chosen([[1, 2], [2, 4]], [2], LINEAR, bias=[1, 7])
    assert found[1][2].rational == 5


def test_biases_count_elsewhere():
    with pytest.raises(Refused, match="no choice of weights"):
        chosen([[1, 2], [2, 4]], [2], bias=[1, 7])


def test_integers_are_exact():
    with pytest.raises(Refused, match="integers are not rounded"):
        chosen([[1, 2], [2, 4]], [2], term={"limits": (-8, 7)})
