"""Maxima and products: values, ranges, and what climbing needs of them."""

from __future__ import annotations

import numpy as np
import pytest

from lumpcli.bounds.opaque import Largest, Product
from lumpcli.bounds.rounding import Arithmetic, Range

WINDOWS = Largest(np.array([[0, 1], [1, 2], [2, -1]]))


def test_the_largest_of_each_window() -> None:
    assert WINDOWS.value(np.array([[3.0, 1.0, -2.0]])).tolist() == [[3.0, 1.0, -2.0]]
    found = WINDOWS.bound(
        [Range(np.array([[-1.0, 0.0, -5.0]]), np.array([[2.0, 1.0, 4.0]]))], Arithmetic()
    )
    assert (found.lower.tolist(), found.upper.tolist()) == ([[0, 0, -5]], [[2, 4, 4]])


def test_rows_go_to_the_element_that_is_largest_and_add_up() -> None:
    rows = np.array([[[1.0, 10.0, 100.0]], [[1.0, 10.0, 100.0]]])
    points = np.array([[3.0, 1.0, -2.0], [0.0, 1.0, 0.5]])
    (pulled,) = WINDOWS.pull(rows, points)
    assert pulled.tolist() == [[[1.0, 10.0, 100.0]], [[0.0, 11.0, 100.0]]]


@pytest.mark.parametrize("float32", [False, True])
def test_products_of_ranges(float32: bool) -> None:
    rng = np.random.default_rng(0)
    first, second = (Range(*np.sort(rng.normal(size=(2, 1, 50)), axis=0)) for _ in range(2))
    found = Product().bound([first, second], Arithmetic(float32))
    for _ in range(100):
        share = rng.random((2, 50))
        a, b = (
            r.lower + s * (r.upper - r.lower) for r, s in zip((first, second), share, strict=True)
        )
        product = Product().value(a, b)
        assert ((found.lower <= product) & (product <= found.upper)).all()
    corners = np.stack(
        [x * y for x in (first.lower, first.upper) for y in (second.lower, second.upper)]
    )
    assert found.upper == pytest.approx(corners.max(axis=0), abs=1e-6)


def test_zero_times_what_is_unbounded_is_zero() -> None:
    zero, endless = np.zeros((1, 1)), np.full((1, 1), np.inf)
    found = Product().bound([Range(zero, zero), Range(-endless, endless)], Arithmetic())
    assert (found.lower.item(), found.upper.item()) == (0.0, 0.0)


def test_each_factor_is_the_other_ones_derivative() -> None:
    rows, a, b = np.array([[[1.0, 2.0]]]), np.array([[3.0, 4.0]]), np.array([[5.0, 6.0]])
    assert [x.tolist() for x in Product().pull(rows, a, b)] == [[[[5.0, 12.0]]], [[[3.0, 8.0]]]]
