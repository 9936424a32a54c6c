from __future__ import annotations

import math
from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lumpcli.ir import Exact, below, fold, integers, round_fraction, round_once, scaled

TYPES = [np.dtype(t) for t in (np.float16, np.float32, np.float64, ml_dtypes.bfloat16)]
# significant bits, exponent of the smallest subnormal, exponent of the first power too large
FORMAT = {"float16": (11, -24, 16), "float32": (24, -149, 128), "float64": (53, -1074, 1024)}
FORMAT["bfloat16"] = (8, -133, 128)
LAW = settings(max_examples=60, deadline=None, derandomize=True, database=None)

finite = st.floats(allow_nan=False, allow_infinity=False)
ratios = st.fractions(min_value=-50, max_value=50, max_denominator=60).filter(bool)


def reference(value: Fraction, dtype: np.dtype) -> Fraction | float:
    """Round to nearest, ties to even, from the definition of the format."""
    bits, tiny, top = FORMAT[dtype.name]
    if value == 0:
        return Fraction(0)
    exponent = math.floor(math.log2(abs(value.numerator)) - math.log2(value.denominator))
    while Fraction(2) ** exponent > abs(value):
        exponent -= 1
    while Fraction(2) ** (exponent + 1) <= abs(value):
        exponent += 1
    unit = Fraction(2) ** max(exponent - bits + 1, tiny)
    rounded = round(value / unit) * unit  # of a fraction: exact, ties to even
    if abs(rounded) >= Fraction(2) ** top:
        return math.inf if value > 0 else -math.inf
    return rounded


def rows_of(dtype: np.dtype, columns: int = 4):
    cell = st.one_of(finite, st.sampled_from([0.0, -0.0, 1.0, 3.0, -0.5, 1e-40, 5e-324, 6e-8]))

    def stored(rows):
        with np.errstate(over="ignore"):
            array = np.array(rows, np.float64).reshape(-1, columns).astype(dtype)
        return np.where(np.isfinite(array.astype(np.float64)), array, dtype.type(1))

    return st.lists(st.lists(cell, min_size=columns, max_size=columns), max_size=3).map(stored)


def fractions(block: np.ndarray) -> list[list[Fraction]]:
    return [[Fraction(float(v)) for v in row] for row in block]


@pytest.mark.parametrize("dtype", TYPES, ids=str)
@given(data=st.data())
@LAW
def test_integers_lose_nothing(dtype, data):
    block = data.draw(rows_of(dtype))
    mantissa, exponent = integers(block)
    found = [
        [scaled(int(m), int(e)) for m in row] for row, e in zip(mantissa, exponent, strict=True)
    ]
    assert found == fractions(block)


def test_integers_of_a_huge_range_are_pythons_own():
    block = np.array([[1e300, 5e-324, -1.0], [0.0, 0.0, 0.0]])
    mantissa, exponent = integers(block)
    assert mantissa.dtype == object
    assert [scaled(m, int(exponent[0])) for m in mantissa[0]] == fractions(block)[0]
    assert exponent[1] == 0
    assert not any(mantissa[1])
    assert integers(np.zeros((2, 0), np.float32))[0].shape == (2, 0)


@pytest.mark.parametrize("dtype", TYPES, ids=str)
@given(data=st.data())
@LAW
def test_fold_is_the_sum_over_fractions(dtype, data):
    block = data.draw(rows_of(dtype, 5))
    starts = data.draw(st.sampled_from([[0], [0, 1], [0, 2, 4], [0, 1, 2, 3, 4], [0, 3]]))
    some = st.one_of(ratios, st.just(Fraction(2) ** 70), st.just(Fraction(1, 3**50)))
    factors = data.draw(st.one_of(st.none(), st.lists(some, min_size=5, max_size=5)))
    folded = fold(block, factors, np.array(starts))
    ends = [*starts[1:], 5]
    weights = factors or [Fraction(1)] * 5
    for i, row in enumerate(fractions(block)):
        for k, (start, end) in enumerate(zip(starts, ends, strict=True)):
            members = zip(row[start:end], weights[start:end], strict=True)
            assert folded.value(i, k) == sum((a * b for a, b in members), Fraction(0))


def test_fold_does_not_overflow_64_bits():
    block = np.full((1, 8), 2.0**53 - 1)
    folded = fold(block, [Fraction(2**9 - 1)] * 8, np.zeros(1, np.int64))
    assert folded.value(0, 0) == 8 * (2**53 - 1) * (2**9 - 1)
    sums = fold(np.full((1, 2000), 2.0**53 - 1), None, np.zeros(1, np.int64))
    assert sums.value(0, 0) == 2000 * (2**53 - 1)
    mixed = fold(np.array([[2.0**61, 1.0]]), None, np.array([0, 1]))
    assert [mixed.value(0, k) for k in (0, 1)] == [2**61, 1]


def test_fold_cancels_exactly():
    block = np.array([[0.1, 0.3, 1e17, 1.0, -1e17]])
    folded = fold(block, [Fraction(3), Fraction(-1), *[Fraction(1)] * 3], np.array([0, 2]))
    assert folded.value(0, 0) == 3 * Fraction(0.1) - Fraction(0.3) != 0
    assert folded.value(0, 1) == 1


@pytest.mark.parametrize("dtype", TYPES, ids=str)
@given(data=st.data())
@LAW
def test_rounding_is_to_nearest_even(dtype, data):
    bits, tiny, top = FORMAT[dtype.name]
    mantissa = data.draw(st.integers(-(2 ** (bits + 3)), 2 ** (bits + 3)))
    exponent = data.draw(st.one_of(st.integers(-8, 8), st.integers(tiny - 4, tiny + 4)))
    near_top = data.draw(st.booleans())
    if near_top:
        exponent = top - bits - 3
    nudge = Fraction(data.draw(st.sampled_from([0, 1, -1])), 10**40)
    value = mantissa * Fraction(2) ** exponent * (1 + nudge)
    expected = reference(value, dtype)
    stored, inexact = round_fraction(value, dtype)
    assert float(stored) == expected
    assert inexact == (expected != value)


@pytest.mark.parametrize("dtype", TYPES, ids=str)
@given(data=st.data())
@LAW
def test_round_once_agrees_with_the_definition(dtype, data):
    block = data.draw(rows_of(dtype, 4))
    factors = data.draw(st.lists(ratios, min_size=4, max_size=4))
    if data.draw(st.booleans()):
        factors = [Fraction(1), Fraction(3, 4), Fraction(-1, 2), Fraction(8)]
    exact = fold(block, factors, np.array([0, 1]))
    stored, inexact = round_once(exact, dtype)
    assert stored.dtype == dtype
    for index in np.ndindex(*stored.shape):
        expected = reference(exact.value(*index), dtype)
        assert float(stored[index]) == expected
        assert bool(inexact[index]) == (expected != exact.value(*index))


def test_a_third_is_rounded_once():
    exact = Exact(np.array([[1, 1]]), np.array([0]), (3, 4))
    stored, inexact = round_once(exact, np.dtype(np.float32))
    assert stored[0].tolist() == [np.float32(1) / np.float32(3), 0.25]
    assert inexact[0].tolist() == [True, False]


@pytest.mark.parametrize(("dtype", "bits"), [(t, FORMAT[t.name][0]) for t in TYPES], ids=str)
def test_ties_go_to_even(dtype, bits):
    unit = Fraction(1, 2 ** (bits - 1))
    down, _ = round_fraction(1 + unit / 2, dtype)
    up, _ = round_fraction(1 + 3 * unit / 2, dtype)
    assert Fraction(float(down)) == 1
    assert Fraction(float(up)) == 1 + 2 * unit
    above, inexact = round_fraction(1 + unit / 2 + Fraction(1, 10**60), dtype)
    assert Fraction(float(above)) == 1 + unit
    assert inexact


@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_overflow_is_an_infinity_that_is_not_exact(dtype):
    for value in (
        Fraction(10) ** 400,
        -(Fraction(10) ** 400),
        Fraction(2) ** FORMAT[dtype.name][2],
    ):
        stored, inexact = round_fraction(value, dtype)
        assert float(stored) == (math.inf if value > 0 else -math.inf)
        assert inexact
    one = Exact(np.array([[1, -1]]), np.array([FORMAT[dtype.name][2]]), (1, 1))
    stored, inexact = round_once(one, dtype)
    assert stored.astype(np.float64).tolist() == [[math.inf, -math.inf]]
    assert inexact.all()


def test_bfloat16_is_not_rounded_twice():
    dtype = np.dtype(ml_dtypes.bfloat16)
    # just above the tie of 1 and 1 + 2**-7: float32 loses the excess and the tie goes to 1
    value = 1 + Fraction(1, 2**8) + Fraction(1, 2**30)
    twice = np.float64(float(value)).astype(np.float32).astype(dtype)
    assert float(twice) == 1.0
    assert float(round_fraction(value, dtype)[0]) == 1 + 2**-7
    exact = Exact(np.array([[2**30 + 2**22 + 1]]), np.array([-30]), (1,))
    stored, inexact = round_once(exact, dtype)
    assert float(stored[0, 0]) == 1 + 2**-7
    assert inexact[0, 0]
    below = Exact(np.array([[-(2**30) - 3 * 2**22 + 1]]), np.array([-30]), (1,))
    assert float(round_once(below, dtype)[0][0, 0]) == -(1 + 2**-7)


def test_double_rounding_through_float64_is_avoided():
    # a tie of float32 plus less than float64 can see
    value = 1 + Fraction(1, 2**24) + Fraction(1, 2**90)
    assert float(round_fraction(value, np.dtype(np.float32))[0]) == 1 + 2**-23
    assert float(round_fraction(-value, np.dtype(np.float32))[0]) == -(1 + 2**-23)
    tiny = Fraction(1, 2**1080)
    for dtype in TYPES:
        stored, inexact = round_fraction(tiny, dtype)
        assert (float(stored), inexact) == (0.0, True)


@given(data=st.data())
@LAW
def test_matrices_below_one_another(data):
    parts = []
    for _ in range(data.draw(st.integers(1, 3))):
        block = data.draw(rows_of(np.dtype(np.float64), 3))
        some = st.one_of(ratios, st.just(Fraction(1, 3**50)))
        factors = data.draw(st.one_of(st.none(), st.lists(some, min_size=3, max_size=3)))
        parts.append(fold(block, factors, np.array([0, 2])))
    whole = below(parts)
    expected = [
        [part.value(i, k) for k in range(2)] for part in parts for i in range(len(part.mantissa))
    ]
    found = [[whole.value(i, k) for k in range(2)] for i in range(len(expected))]
    assert len(whole.mantissa) == len(expected)
    assert found == expected
