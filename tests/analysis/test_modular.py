"""Residues against Python's integers, ranks and refutations against matrices made to have them."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from lumpcli.analysis.modular import PRIME, impossible, multiply, reduced, residues
from lumpcli.ir import fold


def test_residues_of_rationals():
    rng = np.random.default_rng(0)
    block = rng.standard_normal((3, 4)) * 2.0 ** rng.integers(-80, 80, (3, 4))
    factors = [Fraction(5, 3), Fraction(-7), Fraction(2, 11), Fraction(1, 1024)]
    exact = fold(block, factors, np.array([0, 2]))
    found = residues(exact)
    assert found is not None
    for i, k in np.ndindex(3, 2):
        value = exact.value(i, k)
        assert (int(found[i, k]) * value.denominator - value.numerator) % PRIME == 0
    assert residues(fold(block, [Fraction(1, PRIME)] * 4, np.array([0, 2]))) is None


@pytest.mark.parametrize("length", [3, 40_000])
def test_products_do_not_overflow(length):
    a = np.full((2, length), PRIME - 1)
    b = np.arange(length * 3).reshape(length, 3) * 65_537 % PRIME
    wanted = [-sum(b[:, k].tolist()) % PRIME for k in range(3)]
    assert multiply(a, b).tolist() == [wanted, wanted]


@pytest.mark.parametrize("rank", [0, 1, 3, 5])
def test_the_form_of_a_matrix_of_some_rank(rank):
    rng = np.random.default_rng(rank)
    a, b = rng.integers(PRIME, size=(6, rank)), rng.integers(PRIME, size=(rank, 5))
    matrix = multiply(a, b)
    form, pivots = reduced(matrix)
    assert pivots == list(range(rank))
    assert np.array_equal(form[:rank, pivots], np.eye(rank))
    assert not form[rank:].any()
    assert np.array_equal(multiply(matrix[:, pivots], form[:rank]), matrix)


@pytest.mark.parametrize("unknowns", [4, 20])
@pytest.mark.parametrize("equations", [2, 40])
def test_what_has_a_solution_is_never_refuted(unknowns, equations):
    rng = np.random.default_rng(0)
    for _ in range(20):
        matrix = rng.integers(-3, 4, (equations, unknowns))
        right = matrix @ rng.choice([1, -1], unknowns)
        assert not impossible(matrix % PRIME, right % PRIME)


def refuted(rows, right):
    return impossible(np.array(rows) % PRIME, np.array(right) % PRIME)


def test_what_is_refuted():
    assert refuted([[1, 0], [1, 0]], [1, -1])  # contradictory
    assert refuted([[1, 2], [0, 1]], [3, 2])  # a solution, but not of signs
    assert refuted([[1, 2, 4]], [2])  # sums of signs are odd, and may be 1, 3, 5, 7
    assert not refuted([[1, 2, 4]], [-5])
    many = np.ones((2, 30), np.int64)
    many[1, :29] = 0
    assert refuted(many, [0, 2])  # the last one alone is determined
    assert not refuted(many, [0, 1])
    assert not refuted(np.ones((1, 30), np.int64), [1])  # odd, but too many to try
