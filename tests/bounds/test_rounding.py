"""The error model: sums in float64 and float32 stay within gamma, in any order."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from lumpcli.bounds.rounding import (
    SMALL,
    UNIT,
    UNIT32,
    Arithmetic,
    Range,
    gamma,
    sized,
    widened,
)


@pytest.mark.parametrize(("kind", "unit"), [(np.float64, UNIT), (np.float32, UNIT32)])
def test_gamma_bounds_sums_of_products_in_any_order(kind: type, unit: float) -> None:
    rng = np.random.default_rng(0)
    worst = 0.0
    for _ in range(50):
        x, y = rng.normal(size=(2, 40)).astype(kind)
        products = [Fraction(float(a)) * Fraction(float(b)) for a, b in zip(x, y, strict=True)]
        total = kind(0)
        for place in rng.permutation(40):
            total += x[place] * y[place]
        error = abs(Fraction(float(total)) - sum(products))
        size = sum(map(abs, products), Fraction(0))
        assert error <= Fraction(gamma(40, unit)) * size
        worst = max(worst, float(error / size))
    assert worst > unit / 10  # rounding does happen


def test_gamma_is_void_for_very_long_sums() -> None:
    assert gamma(2.0**52) == np.inf
    assert gamma(10, UNIT) == pytest.approx(10 * UNIT)


def test_float32_is_charged_for_what_the_network_rounds() -> None:
    real, float32 = Arithmetic(), Arithmetic(float32=True)
    assert float32.charge(10, 5) - real.charge(10, 5) == pytest.approx(5 * UNIT32, rel=1e-5)
    assert float32.charge(10, 0) == real.charge(10, 0) >= 10 * UNIT
    assert (real.floor(3), float32.floor(0)) == (0.0, 0.0)
    assert float32.floor(3) >= 3 * 2.0**-126


def test_phases_meets_and_magnitudes() -> None:
    found = Range(np.array([[-2.0, 0.0, -1.0]]), np.array([[1.0, 3.0, 0.0]]))
    assert found.phase.tolist() == [[0, 1, -1]]
    assert found.magnitude.tolist() == [[2.0, 3.0, 1.0]]
    met = found.meet(Range(np.full((1, 3), -1.0), np.full((1, 3), 2.0)))
    assert (met.lower.tolist(), met.upper.tolist()) == ([[-1.0, 0.0, -1.0]], [[1.0, 2.0, 0.0]])
    known = found.within(np.array([[1, 0, -1]]))
    assert (known.lower.tolist(), known.upper.tolist()) == ([[0, 0, -1]], [[1, 3, 0]])


def test_what_is_no_number_is_infinite() -> None:
    found = widened(np.array([np.nan, 1.0]), np.array([np.nan, 2.0]), 0.5)
    assert found.lower.tolist() == [-np.inf, 0.5]
    assert found.upper.tolist() == [np.inf, 2.5]
    assert found.finite.tolist() == [False, True]


def test_sizes_of_small_numbers_are_raised_and_zero_stays() -> None:
    assert sized(np.array([0.0, -1e-300, -2.0])).tolist() == [0.0, SMALL, 2.0]
