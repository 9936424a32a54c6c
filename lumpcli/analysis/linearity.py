"""Features that are linear in what their layer reads, alone or together with an opposite one.

A ReLU that is never negative, every feature of an identity layer; and the second of two features
with opposite rows, since `f(-z) = f(z) - g z`: docs/theory.md section 8.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from lumpcli.analysis.dense import Search
from lumpcli.analysis.facts import CONSTANT, LayerValues
from lumpcli.analysis.rows import refine
from lumpcli.analysis.siblings import Part, slopes
from lumpcli.ir import Array, Candidate, Layer, Net, Symmetry, Term, fold, gain

_PRIME = 2**31 - 1
_SIMPLE, _FEW = 1 << 12, 24


def candidates(layer: Layer, facts: LayerValues, search: Search) -> list[Candidate]:
    """The features of a dense layer that are linear, those without a partner first, rising."""
    varying = facts.class_of != CONSTANT
    known = sorted(linear_slopes(layer, facts).items())
    alone = [Candidate(i, -1, Fraction(0), f) for i, f in known if f and varying[i]]
    parts = (part for part in search.parts if not part.linear)
    return [*alone, *(c for part in parts for c in _opposites(part))]


def linear_slopes(layer: Layer, facts: LayerValues) -> dict[int, Fraction]:
    """By what features are multiples of their rows, bias included: those that are known to be."""
    if layer.activation.is_identity:
        return dict.fromkeys(range(layer.width), Fraction(1))
    return {} if facts.phase is None else slopes(layer, facts.phase)


def why_not_combined(net: Net, layer: Layer) -> str | None:
    """Why rows of a layer and columns of its readers may not be combined."""
    if layer.pinned is not None:
        return layer.pinned
    readers = net.readers[layer.name]
    if not readers:
        return "nothing reads it"
    if any(reader.terms[index].diagonal for reader, index in readers):
        return "its features are read one by one, too"
    if len({reader.name for reader, _ in readers}) < len(readers):
        return "a layer reads it twice"
    if not layer.is_dense or len(layer.terms) != 1 or layer.tied is not None or layer.parts > 1:
        return "its features are computed in several ways"
    whole = [layer.terms[0], *(reader.terms[index] for reader, index in readers)]
    if not all(map(_plain, whole)) or any(map(_scaled, (layer, *(r for r, _ in readers)))):
        return "its numbers are scaled or quantised"
    return None


def _plain(term: Term) -> bool:
    weight = term.weight
    fit = weight is not None and weight.dtype.kind == "f" and term.blocks == 1
    return fit and term.scale == 1 and term.row_scale is None and not term.frozen


def _scaled(layer: Layer) -> bool:
    return layer.bias_scale != 1 or layer.bias_units is not None


def _opposites(part: Part) -> Iterator[Candidate]:
    """Rows that are negative multiples of an earlier one, bias included."""
    if any(gain(part.layer.activation.key(i)) is None for i in part.rows.tolist()):
        return
    scales = part.layer.symmetry is Symmetry.HOMOGENEOUS
    symmetry = Symmetry.ABSOLUTE if scales else Symmetry.EVEN
    rows = refine(part.folded, symmetry)
    order, counts = np.unique(rows.label, return_counts=True)
    for label in order[counts > 1].tolist():
        members = np.flatnonzero(rows.label == label).tolist()
        first = members[0]
        if not rows.entries[first]:
            continue
        for k in members[1:]:
            ratio = rows.lead[k] / rows.lead[first]
            factor = gain(part.layer.activation.key(int(part.rows[k])))
            if ratio < 0 and factor:
                yield Candidate(int(part.rows[k]), int(part.rows[first]), -ratio, factor)


def independent(rows: Array) -> list[int]:
    """Which rows (k, n) of finite floats are surely independent, one by one from the first on.

    They are told apart modulo a prime: that may take independent rows for dependent ones, never
    the other way round.
    """
    left = _residues(rows)
    chosen = []
    for k in range(len(left)):
        nonzero = np.flatnonzero(left[k])
        if len(nonzero):
            chosen.append(k)
            column = int(nonzero[0])
            pivot = left[k] * pow(int(left[k, column]), -1, _PRIME) % _PRIME
            left[k + 1 :] = (left[k + 1 :] - left[k + 1 :, [column]] * pivot) % _PRIME
    return chosen


def by_size(rows: Array) -> list[int]:
    """An order of rows (k, n): each is the longest of what those before it leave of the others.

    Combinations of the first independent ones then have moderate coefficients.
    """
    left = rows.astype(np.float64)
    order: list[int] = []
    for _ in range(len(rows)):
        sizes = (left * left).sum(axis=1)
        sizes[order] = -1.0
        chosen = int(sizes.argmax())
        order.append(chosen)
        if sizes[chosen] > 0:
            unit = left[chosen] / np.sqrt(sizes[chosen])
            left = left - np.outer(left @ unit, unit)
    return order


def combination(rows: Array, row: Array) -> list[Fraction] | None:
    """The coefficients of independent rows (k, n) that make a row (n,), exactly; None: not found.

    Simple fractions are guessed and checked; where rows are few, others are computed.
    """
    near = np.linalg.lstsq(rows.T, row, rcond=None)[0]
    if np.isfinite(near).all():
        guess = [Fraction(float(c)).limit_denominator(_SIMPLE) for c in near]
        if _makes(rows, guess, row):
            return guess
    solved = _solved(rows, row) if len(rows) <= _FEW else None
    return solved if solved is not None and _makes(rows, solved, row) else None


def _makes(rows: Array, coefficients: list[Fraction], row: Array) -> bool:
    block = np.concatenate([rows, row[None]]).T
    missing = fold(block, [*coefficients, Fraction(-1)], np.zeros(1, np.int64))
    return not missing.mantissa.any()


def _solved(rows: Array, row: Array) -> list[Fraction] | None:
    """Gaussian elimination over the rationals, on as many columns as there are rows."""
    k = len(rows)
    columns = independent(rows.T)[:k]
    if len(columns) < k:
        return None
    some = np.concatenate([rows[:, columns].T, row[columns][:, None]], axis=1)
    matrix = [[Fraction(float(v)) for v in line] for line in some]
    for i in range(k):
        pivot = next((j for j in range(i, k) if matrix[j][i]), None)
        if pivot is None:
            return None
        matrix[i], matrix[pivot] = matrix[pivot], matrix[i]
        matrix[i] = [v / matrix[i][i] for v in matrix[i]]
        for j in range(k):
            if j != i and (factor := matrix[j][i]):
                matrix[j] = [v - factor * w for v, w in zip(matrix[j], matrix[i], strict=True)]
    return [line[k] for line in matrix]


def _residues(rows: Array) -> Array:
    """The numbers modulo a prime (k, n), int64."""
    mantissa, exponent = np.frexp(rows.astype(np.float64))
    whole = (mantissa * 2.0**53).astype(np.int64) % _PRIME
    power = (exponent - 53) % 31  # 2**31 is 1 modulo the prime
    return np.asarray(whole * (np.int64(1) << power.astype(np.int64)) % _PRIME)
