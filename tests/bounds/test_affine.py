"""Affine operations: adjoint and parts are those of one matrix, ranges hold the exact ones."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from lumpcli.bounds.affine import Affine, Matrix, Scale, Sum, Take, Unbounded, usable
from lumpcli.bounds.rounding import Arithmetic, Array, Range

RNG = np.random.default_rng(0)
OPERATIONS: dict[str, tuple[Affine, tuple[int, ...]]] = {
    "take": (Take(np.array([2, 0, 1]), 3), (3,)),
    "take some": (Take(np.array([4, -1, 0]), 5), (5,)),
    "take twice": (Take(np.array([1, 1, -1, 3, 1, 0]), 4), (4,)),
    "take nothing": (Take(np.array([-1, -1]), 4), (4,)),
    "matrix": (Matrix(RNG.normal(size=(1, 4, 3)), 1, bias=RNG.normal(size=3)), (4,)),
    "matrix at positions": (Matrix(RNG.normal(size=(1, 4, 3)), 5), (20,)),
    "matrix in groups": (Matrix(RNG.normal(size=(2, 3, 4)), 2), (12,)),
    "scale": (Scale(RNG.normal(size=6), bias=RNG.normal(size=6)), (6,)),
    "sum": (Sum((1, -1, 1)), (4, 4, 4)),
    "shift": (Sum((1,), bias=RNG.normal(size=4)), (4,)),
}


def _matrices(operation: Affine, sizes: tuple[int, ...]) -> list[Array]:
    """The matrix (size of the result, size of the source) for each source."""
    found = []
    for place, size in enumerate(sizes):
        units = [np.zeros((size, other)) for other in sizes]
        units[place] = np.eye(size)
        found.append(operation.linear(*units).T)
    return found


@pytest.mark.parametrize("name", OPERATIONS)
def test_adjoint_and_parts_are_those_of_the_matrix(name: str) -> None:
    operation, sizes = OPERATIONS[name]
    matrices = _matrices(operation, sizes)
    rows = np.random.default_rng(1).normal(size=(2, 3, len(matrices[0])))
    for part, matrix in zip(operation.adjoint(rows), matrices, strict=True):
        assert part == pytest.approx(rows @ matrix, abs=1e-14)
        assert (np.count_nonzero(matrix, axis=0) <= operation.fan_out).all()
    high, low = ([np.random.default_rng(k).normal(size=(2, s)) for s in sizes] for k in (2, 3))
    parts = [
        h @ np.maximum(m, 0).T + lo @ np.minimum(m, 0).T
        for m, h, lo in zip(matrices, high, low, strict=True)
    ]
    assert operation.signed(high, low) == pytest.approx(sum(parts), abs=1e-14)


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("float32", [False, True])
def test_ranges_hold_the_exact_range(name: str, float32: bool) -> None:
    operation, sizes = OPERATIONS[name]
    matrices = _matrices(operation, sizes)
    rng = np.random.default_rng(4)
    for scale in (1e-300, 1.0, 1e200):
        ends = [np.sort(rng.normal(size=(2, 1, s)) * scale, axis=0) for s in sizes]
        ranges = [Range(*pair) for pair in ends]
        found, spread = operation.bound(ranges, Arithmetic(float32))
        bias = np.zeros(found.lower.shape[1]) if operation.bias is None else operation.bias
        for j, b in enumerate(bias):
            low = high = size = Fraction(float(b))
            size = abs(size)
            for matrix, (lower, upper) in zip(matrices, ends, strict=True):
                for w, *pair in zip(matrix[j], lower[0], upper[0], strict=True):
                    products = [Fraction(float(w)) * Fraction(float(x)) for x in pair]
                    low, high = low + min(products), high + max(products)
                    size += max(abs(p) for p in products)
            assert Fraction(found.lower[0, j]) <= low <= high <= Fraction(found.upper[0, j])
            assert Fraction(spread[0, j]) >= size * (1 - Fraction(1, 10**12))
            assert found.upper[0, j] - float(high) <= (1e-5 if float32 else 1e-13) * float(size) + (
                1e-30 if float32 else 1e-150
            )


def test_what_is_never_negative_has_a_lower_bound_of_zero() -> None:
    operation = Matrix(np.abs(RNG.normal(size=(1, 5, 4))), 1)
    found, _ = operation.bound([Range(np.zeros((1, 5)), np.ones((1, 5)))], Arithmetic())
    assert (found.lower == 0).all()


def test_only_what_reads_an_infinite_range_is_infinite() -> None:
    operation = Matrix(np.array([[[1.0, 0.0], [0.0, 2.0]]]), 1)
    found, _ = operation.bound(
        [Range(np.array([[-np.inf, -1.0]]), np.array([[0.0, 1.0]]))], Arithmetic()
    )
    assert found.lower[0, 0] == -np.inf
    assert found.upper[0, 1] == pytest.approx(2.0)
    assert np.isfinite(found.lower[0, 1])


def test_overflow_is_infinite() -> None:
    operation = Matrix(np.full((1, 2, 1), 1e200), 1)
    with np.errstate(over="ignore", invalid="ignore"):
        found, _ = operation.bound(
            [Range(np.full((1, 2), 1e150), np.full((1, 2), 1e150))], Arithmetic()
        )
    assert (found.lower[0, 0], found.upper[0, 0]) == (-np.inf, np.inf)


@pytest.mark.parametrize("number", [np.nan, np.inf, 1e-200])
def test_numbers_that_cannot_be_used(number: float) -> None:
    with pytest.raises(Unbounded):
        usable(np.array([1.0, number]))
