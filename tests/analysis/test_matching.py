from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from lumpcli.analysis.matching import divisors, equal_rows, hashes
from lumpcli.ir import Symmetry


def pairs(count):
    left, right = np.meshgrid(np.arange(count), np.arange(count))
    return left.reshape(-1), right.reshape(-1)


def exactly_equal(value, divisor, i, j):
    a, b = ([Fraction(float(v)) / Fraction(float(divisor[k])) for v in value[k]] for k in (i, j))
    return a == b


@pytest.mark.parametrize("bits", [3, 24, 53])
def test_rows_are_equal_when_their_quotients_are(bits):
    rng = np.random.default_rng(bits)
    lead = rng.integers(1, 2**bits, 12) * rng.choice([1.0, -1.0], 12)
    value = lead[:, None] * rng.integers(-4, 5, (1, 6)) * 2.0 ** rng.integers(-3, 3)
    last = value[::4, 5]
    value[::4, 5] = last + 1 if bits < 53 else np.nextafter(last, 9e99)
    left, right = pairs(12)
    found = equal_rows(value, lead, left, right, bits <= 20)
    for i, j, same in zip(left, right, found, strict=True):
        assert same == exactly_equal(value, lead, i, j)
    assert found.any()
    assert not found.all()


def test_equal_rows_have_equal_hashes():
    rng = np.random.default_rng(0)
    lead = rng.choice([1.0, 3.0, -0.7, 2.0**-30], 40)
    value = lead[:, None] * rng.integers(-2, 3, (1, 8))
    label = np.zeros(40, np.int64)
    found = hashes(value, lead, label)
    left, right = pairs(40)
    same = equal_rows(value, lead, left, right, False)
    assert same.sum() > 40
    assert (found[left][same] == found[right][same]).all()
    assert (hashes(value, lead, label) != hashes(value, lead, label + 1)).all()


def test_hashes_tell_small_numbers_apart():
    """Such numbers have few bits, all of them high ones."""
    rng = np.random.default_rng(0)
    value = np.unique(rng.choice([-2.0, -1.0, 0.0, 1.0, 2.0, 4.0], (20_000, 12)), axis=0)
    found = hashes(value, np.ones(len(value)), np.zeros(len(value), np.int64))
    assert len(np.unique(found)) == len(value)


def test_both_zeros_are_one():
    value = np.array([[0.0, 1.0], [-0.0, 1.0]])
    found = hashes(value, np.ones(2), np.zeros(2, np.int64))
    assert found[0] == found[1]


def test_what_is_not_a_number_equals_nothing():
    value = np.array([[np.nan], [np.nan]])
    assert not equal_rows(value, np.ones(2), np.array([0]), np.array([1]), True).any()


@pytest.mark.parametrize(
    ("symmetry", "wanted"),
    [
        (Symmetry.LINEAR, [-3.0, 2.0, 1.0]),
        (Symmetry.ABSOLUTE, [-3.0, 2.0, 1.0]),
        (Symmetry.HOMOGENEOUS, [3.0, 2.0, 1.0]),
        (Symmetry.ODD, [-1.0, 1.0, 1.0]),
        (Symmetry.NONE, [1.0, 1.0, 1.0]),
    ],
)
def test_divisors_are_the_normalisers_of_leads(symmetry, wanted):
    lead = np.array([-3.0, 2.0, 0.0])
    found = divisors(symmetry, lead)
    assert found.tolist() == wanted
    for number, divisor in zip(lead[:2], found, strict=False):
        assert symmetry.normaliser(Fraction(number)) == Fraction(divisor)
