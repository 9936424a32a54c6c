"""Linear algebra modulo a prime: what cannot be solved there cannot be solved over the rationals.

So a rank found here is never too large, and an equation refuted here is refuted.
"""

from __future__ import annotations

from itertools import product

import numpy as np

from lumpcli.ir import Array, Exact

PRIME = 2**31 - 1  # products of residues fit 64-bit integers
_SUMMED = 1 << 14  # and so do as many products of a residue and half of one
_TRIED = 12  # unknowns of which every choice is tried


def residues(exact: Exact) -> Array | None:
    """A matrix of rationals (rows, columns) modulo the prime; None where a denominator is 0."""
    if any(d % PRIME == 0 for d in exact.denominator):
        return None
    rows = np.array([pow(2, int(e), PRIME) for e in exact.exponent], np.int64)
    columns = np.array([pow(d, -1, PRIME) for d in exact.denominator], np.int64)
    found = (exact.mantissa % PRIME).astype(np.int64) * rows[:, None] % PRIME
    product: Array = found * columns % PRIME
    return product


def multiply(a: Array, b: Array) -> Array:
    """The product of two matrices of residues."""
    total = np.zeros((len(a), b.shape[1]), np.int64)
    for first in range(0, len(b), _SUMMED):
        some, rows = a[:, first : first + _SUMMED], b[first : first + _SUMMED]
        high = (some >> 16) @ rows % PRIME
        total = (total + (high << 16) + (some & 0xFFFF) @ rows) % PRIME
    return total


def reduced(matrix: Array) -> tuple[Array, list[int]]:
    """The reduced row echelon form of a matrix of residues, and its pivot columns."""
    matrix = matrix.copy()
    pivots: list[int] = []
    for column in range(matrix.shape[1]):
        row = len(pivots)
        below = np.flatnonzero(matrix[row:, column])
        if not len(below):
            continue
        matrix[[row, row + below[0]]] = matrix[[row + below[0], row]]
        matrix[row] = matrix[row] * pow(int(matrix[row, column]), -1, PRIME) % PRIME
        factors = matrix[:, column].copy()
        factors[row] = 0
        matrix = (matrix - factors[:, None] * matrix[row]) % PRIME
        pivots.append(column)
    return matrix, pivots


def impossible(matrix: Array, right: Array) -> bool:
    """Whether `matrix @ s = right` has no solution whose entries are all 1 or -1.

    True is certain; False says that nothing was found against it.
    """
    form, pivots = reduced(np.column_stack([matrix, right]))
    unknowns = matrix.shape[1]
    if unknowns in pivots:
        return True
    free = [column for column in range(unknowns) if column not in pivots]
    rows = form[: len(pivots)]
    if len(free) > _TRIED:  # what does not depend on them may be refuted still
        rows, free = rows[~rows[:, free].any(axis=1)], []
    signs = 1, PRIME - 1
    choices = np.array([*product(signs, repeat=len(free))]).reshape(2 ** len(free), len(free))
    values = (rows[:, unknowns] - multiply(choices.astype(np.int64), rows[:, free].T)) % PRIME
    return not np.isin(values, signs).all(axis=1).any()
