from __future__ import annotations

from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest

from lumpcli.ir.floats import (
    factors_of,
    moderate,
    significant_bits,
    sums,
    two_product,
    two_sum,
)


def numbers(count, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal(count) * 2.0 ** rng.integers(-40, 40, count)


def test_a_sum_and_its_error_are_the_sum():
    a, b = numbers(500), numbers(500, 1)
    for x, y, s, e in zip(a, b, *two_sum(a, b), strict=True):
        assert Fraction(x) + Fraction(y) == Fraction(s) + Fraction(e)
        assert s == x + y


def test_a_product_and_its_error_are_the_product():
    a, b = numbers(500), numbers(500, 1)
    errors = 0
    for x, y, p, e in zip(a, b, *two_product(a, b), strict=True):
        assert Fraction(x) * Fraction(y) == Fraction(p) + Fraction(e)
        errors += e != 0
    assert errors > 400


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf, 1e200, -1e-200, 5e-324])
def test_what_is_too_large_or_small_is_not_moderate(number):
    assert not moderate(np.array([[1.0, number]]))


def test_zeros_and_nothing_are_moderate():
    assert moderate(np.array([[0.0, -0.0, 1e100, -1e-100]]))
    assert moderate(np.zeros((3, 0)))


@pytest.mark.parametrize(
    ("dtype", "bits"),
    [(np.float16, 11), (ml_dtypes.bfloat16, 11), (np.float32, 24), (np.float64, 53), (np.int8, 8)],
)
def test_bits_of_a_type_hold_its_mantissas(dtype, bits):
    assert significant_bits(np.zeros(1, dtype)) == bits


def test_factors_are_integers_over_a_common_denominator():
    found = factors_of([Fraction(1, 2), Fraction(2, 3), Fraction(5)], np.array([0, 2]))
    assert found.whole.tolist() == [3, 4, 5]
    assert found.denominator == (6, 1)
    assert found.bits == 3
    part = found.part(slice(2, 3), slice(1, 2))
    assert (part.whole.tolist(), part.denominator) == ([5], (1,))


def test_factors_that_float64_cannot_hold_are_told():
    assert factors_of([Fraction(2**54 + 1)], np.array([0])).whole is None
    assert factors_of([Fraction(2) ** 500], np.array([0])).whole is None
    assert factors_of([Fraction(2) ** 300], np.array([0])).whole.tolist() == [2.0**300]


@pytest.mark.parametrize("bits", [20, 60])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sums_with_what_they_lost_are_exact(dtype, bits):
    rng = np.random.default_rng(0)
    block = numbers(60).reshape(6, 10).astype(dtype)
    starts = np.array([0, 1, 4, 9])
    factors = rng.integers(-(2**7), 2**7, 10).astype(np.float64)
    if dtype == np.float64:
        bits = 60
    found = sums(block, factors, bits, starts)
    exact_somewhere = False
    for row, group in np.ndindex(6, 4):
        members = range(starts[group], [*starts, 10][group + 1])
        told = sum(Fraction(float(block[row, m])) * int(factors[m]) for m in members)
        value = Fraction(float(found.value[row, group]))
        lost = float(np.broadcast_to(found.lost, (6, 4))[row, group])
        rest = float(np.broadcast_to(found.rest, (6, 4))[row, group])
        if lost == 0:
            exact_somewhere = True
            assert value == told
        assert abs(told - value - Fraction(rest)) <= Fraction(lost) * 8 * Fraction(2) ** -53
    assert exact_somewhere or dtype == np.float64


def test_sums_of_extreme_numbers_are_refused():
    assert sums(np.array([[1e300, 1.0]]), None, 53, np.array([0])) is None
    assert sums(np.array([[np.nan, 1.0]]), None, 53, np.array([0])) is None
    assert sums(np.array([[1e100]]), np.array([1e100]), 106, np.array([0])) is None


def test_groups_of_one_lose_nothing():
    found = sums(np.array([[1.5, 2.5]], np.float32), None, 24, np.array([0, 1]))
    assert found.value.tolist() == [[1.5, 2.5]]
    assert not found.lost.any()


def test_no_coefficients_are_no_factors():
    found = factors_of([], np.zeros(0, np.int64))
    assert found.denominator == ()
    assert found.whole.shape == (0,)
