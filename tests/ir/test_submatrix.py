from __future__ import annotations

import numpy as np
import pytest

from lumpcli.ir.submatrix import by_rows, submatrix


@pytest.mark.parametrize("order", ["C", "F", "strided"])
@pytest.mark.parametrize("seed", range(20))
def test_it_is_what_plain_indexing_finds(order, seed):
    rng = np.random.default_rng(seed)
    matrix = rng.integers(0, 99, (13, 40)).astype(np.float32)
    if order == "F":
        matrix = np.asfortranarray(matrix)
    if order == "strided":
        matrix = rng.integers(0, 99, (26, 80)).astype(np.float32)[::2, ::2]
    rows = rng.choice(13, int(rng.integers(0, 14)), replace=False)
    columns = rng.choice(40, int(rng.integers(0, 41)), replace=False)
    if seed % 3 == 0:
        rows = np.arange(seed % 7, 9)
    if seed % 4 == 0:
        columns = np.arange(seed % 5, 30)
    if seed % 5 == 0:
        columns = columns[:2]
    found = submatrix(matrix, rows, columns)
    assert found.dtype == matrix.dtype
    assert np.array_equal(found, matrix[np.ix_(rows, columns)])


def test_large_matrices_are_read_in_parts():
    matrix = np.arange(600 * 900, dtype=np.float32).reshape(600, 900)
    rows, columns = np.arange(599, -1, -1), np.arange(899, -1, -1)
    assert np.array_equal(submatrix(matrix, rows, columns), matrix[::-1, ::-1])


def test_how_a_matrix_lies():
    matrix = np.zeros((2, 3))
    assert by_rows(matrix)
    assert not by_rows(matrix.T)
