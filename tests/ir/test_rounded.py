from __future__ import annotations

from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest

from lumpcli.ir import fold, round_once
from lumpcli.ir.rounded import fold_once, largest_error

TYPES = [np.float16, ml_dtypes.bfloat16, np.float32, np.float64]


def entries(kind, shape, rng):
    if kind == "small integers":
        return rng.integers(-5, 6, shape)
    if kind == "normal":
        return rng.standard_normal(shape)
    if kind == "far apart":
        return rng.standard_normal(shape) * 2.0 ** rng.integers(-24, 8, shape)
    return rng.integers(-3, 4, shape) * 2.0 ** rng.integers(-20, 3, shape)


def coefficients(kind, count, rng):
    if kind == "ones":
        return [Fraction(1)] * count
    if kind == "powers of two":
        return [Fraction(2) ** int(k) for k in rng.integers(-5, 5, count)]
    if kind == "simple":
        pairs = zip(rng.integers(-9, 10, count), rng.integers(1, 12, count), strict=True)
        return [Fraction(2 * int(a) + 1, int(b)) for a, b in pairs]
    stored = rng.standard_normal((2, count)).astype(np.float32)
    return [Fraction(float(a)) / Fraction(float(b)) for a, b in stored.T]


def bits(stored):
    return np.where(stored == 0, np.zeros_like(stored), stored).view(f"u{stored.dtype.itemsize}")


@pytest.mark.parametrize("of", ["ones", "powers of two", "simple", "quotients"])
@pytest.mark.parametrize("kind", ["small integers", "normal", "far apart", "sparse"])
@pytest.mark.parametrize("dtype", TYPES)
def test_it_is_the_exact_fold_rounded_once(dtype, kind, of):
    rng = np.random.default_rng([TYPES.index(dtype), len(kind), len(of)])
    for _ in range(25):
        sizes = rng.integers(1, 6, int(rng.integers(1, 5)))
        block = entries(kind, (int(rng.integers(1, 6)), int(sizes.sum())), rng).astype(dtype)
        factors = coefficients(of, block.shape[1], rng)
        starts = np.cumsum([0, *sizes[:-1]])
        stored, inexact = fold_once(block, factors, starts, np.dtype(dtype))
        wanted, lost = round_once(fold(block, factors, starts), np.dtype(dtype))
        assert stored.dtype == wanted.dtype
        assert (bits(stored) == bits(wanted)).all()
        assert (inexact == lost).all()


def test_ties_go_to_even_and_what_is_beside_a_tie_does_not():
    start = np.zeros(1, np.int64)
    ulp = 2.0**-23
    tiny = 2.0**-120
    for parts, nearest in [
        ([1, ulp / 2], 1.0),
        ([1 + ulp, ulp / 2], 1 + 2 * ulp),
        ([1, ulp / 2, tiny], 1 + ulp),
        ([1 + ulp, ulp / 2, -tiny], 1 + ulp),
    ]:
        block = np.array([parts], np.float32)
        stored, inexact = fold_once(block, [Fraction(1)] * len(parts), start, np.dtype(np.float32))
        assert stored.item() == nearest
        assert inexact.item()


def test_a_third_of_a_tie_is_decided_exactly():
    start = np.zeros(1, np.int64)
    middle = np.float32(1.0).astype(np.float64) + 2.0**-24
    block = np.array([[3.0, 3 * 2.0**-24]], np.float32)
    stored, inexact = fold_once(block, [Fraction(1, 3)] * 2, start, np.dtype(np.float32))
    assert middle == 1 + 2.0**-24
    assert stored.item() == 1.0
    assert inexact.item()


def test_overflow_is_infinite_and_inexact():
    block = np.array([[6e4, 6e4]], np.float16)
    stored, inexact = fold_once(block, [Fraction(1)] * 2, np.array([0]), np.dtype(np.float16))
    assert np.isinf(stored).item()
    assert inexact.item()


def test_cancellation_is_exact():
    block = np.array([[0.1, 0.1, 1e-30]], np.float32)
    factors = [Fraction(1), Fraction(-1), Fraction(1)]
    stored, inexact = fold_once(block, factors, np.array([0]), np.dtype(np.float32))
    assert stored.item() == np.float32(1e-30)
    assert not inexact.item()


def test_integers_and_nothing():
    block = np.array([[3, 4]], np.int32)
    stored, inexact = fold_once(block, [Fraction(1), Fraction(2)], np.array([0]), block.dtype)
    assert (stored.item(), inexact.item()) == (11, False)
    empty = np.zeros((0, 2), np.float32)
    assert fold_once(empty, [Fraction(1)] * 2, np.array([0]), empty.dtype)[0].shape == (0, 1)


@pytest.mark.parametrize("dtype", TYPES)
def test_no_number_is_further_off_than_the_largest_error(dtype):
    """Numbers of every size, subnormal ones included, and ones just inside the middle."""
    rng = np.random.default_rng(3)
    stored = (rng.standard_normal(300) * 2.0 ** rng.integers(-30, 12, 300)).astype(dtype)
    tiny = ml_dtypes.finfo(dtype).smallest_subnormal
    stored = np.concatenate([stored[stored != 0], np.array([tiny, 3 * tiny, 1, 2, 4], dtype)])
    for number in stored:
        error = Fraction(largest_error(number[None]))
        above = (Fraction(float(number)) + Fraction(float(np.nextafter(number, dtype(np.inf))))) / 2
        true = abs(above / Fraction(float(number)) - 1)
        assert true <= error
        if number > 0:  # the gap above is the larger one; from 1 to 2 it does not change
            assert error <= 2 * true * (1 + Fraction(1, 2**50))
    assert largest_error(stored) == pytest.approx(
        0.5, rel=1e-15
    )  # half of the smallest number may be rounding


def test_errors_without_a_bound():
    assert largest_error(np.zeros(2, np.float32)) == np.inf
    assert largest_error(np.array([np.inf, 1], np.float16)) == np.inf
    assert largest_error(np.array([3])) == np.inf
    assert largest_error(np.zeros(0, np.float32)) == 0
