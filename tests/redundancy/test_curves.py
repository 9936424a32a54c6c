"""Gaps and shifts lie between their lines, compared in fractions; what is exact stays so."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from lumpcli.bounds import Function, Range
from lumpcli.redundancy.curves import Gap, Replacement, Shift

SIZE = 200
Exact = list[Fraction]


def fractions(array: np.ndarray) -> Exact:
    return [Fraction(float(x)) for x in array.reshape(-1)]


def random_range(rng: np.random.Generator, scale: float) -> Range:
    """Ranges of all kinds: on either side of 0, across it, ending at it, and of no width."""
    ends = np.sort(rng.normal(size=(2, SIZE)) * scale, axis=0)
    kind = rng.integers(0, 6, SIZE)
    ends[0] = np.where(kind == 0, ends[1], ends[0])
    ends[1] = np.where(kind == 1, 0.0, ends[1])
    ends[0] = np.where((kind == 2) & (ends[1] >= 0), 0.0, ends[0])
    return Range(np.minimum(*ends)[None], np.maximum(*ends)[None])


def random_replacement(rng: np.random.Generator) -> Replacement:
    kind = rng.integers(0, 5, SIZE)
    slope = np.choose(kind, [0.0, 1.0, rng.random(SIZE), 0.0, 0.0])
    offset = np.where((kind == 2) | (kind == 3), rng.normal(size=SIZE), 0.0)
    return Replacement(*(a[None] for a in (kind < 4, slope * (kind < 4), offset)))


def points(rng: np.random.Generator, found: Range, kinks: list[np.ndarray]) -> list[np.ndarray]:
    inside = [rng.random(SIZE)[None] for _ in range(4)]
    some = [found.lower + t * (found.upper - found.lower) for t in inside]
    every = [found.lower, found.upper, *some, *kinks]
    return [np.clip(p, found.lower, found.upper) for p in every]


def relu(z: Fraction) -> Fraction:
    return max(z, Fraction(0))


def replaced(z: Fraction, chosen: bool, slope: float, offset: float) -> Fraction:
    return Fraction(slope) * z + Fraction(offset) if chosen else relu(z)


def outside(function: Function, source: Range, at: np.ndarray, values: Exact) -> int:
    """How many exact values at `at` are not between the lines, or not in the range."""
    lines, found = function.lines(source), function.bound(source)
    exact = [fractions(np.broadcast_to(a, at.shape)) for a in (
        lines.low_slope, lines.low, lines.high_slope, lines.high, found.lower, found.upper
    )]  # fmt: skip
    wrong = 0
    for x, y, a, b, c, d, least, most in zip(fractions(at), values, *exact, strict=True):
        wrong += not (a * x + b <= y <= c * x + d and least <= y <= most)
    return wrong


@pytest.mark.parametrize("seed", range(3))
def test_gaps_lie_between_their_lines(seed: int) -> None:
    rng = np.random.default_rng(seed)
    source, own = random_range(rng, 1.0), random_replacement(rng)
    gap = Gap(own)
    told = list(zip(*(a[0].tolist() for a in (own.chosen, own.slope, own.offset)), strict=True))
    for at in points(rng, source, [np.zeros((1, SIZE))]):
        z = fractions(at)
        exact = [replaced(x, *t) - relu(x) for x, t in zip(z, told, strict=True)]
        assert outside(gap, source, at, exact) == 0


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("scale", [1.0, 2.0**-20])
def test_shifts_lie_between_their_lines_for_every_z(seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    own, change = random_replacement(rng), random_range(rng, scale)
    source = random_range(rng, 1.0)
    shift = Shift(source, own)
    told = list(zip(*(a[0].tolist() for a in (own.chosen, own.slope, own.offset)), strict=True))
    for at in points(rng, change, [-source.lower, -source.upper]):
        for z in points(rng, source, [-at, np.zeros((1, SIZE))]):
            exact = [
                replaced(x + d, *t) - replaced(x, *t)
                for x, d, t in zip(fractions(z), fractions(at), told, strict=True)
            ]
            assert outside(shift, change, at, exact) == 0


def test_what_is_replaced_exactly_costs_nothing() -> None:
    """0 for what is never positive, z for what is never negative."""
    source = Range(np.array([[-2.0, 0.0, -1.0]]), np.array([[0.0, 3.0, 1.0]]))
    own = Replacement(
        np.array([[True, True, False]]), np.array([[0.0, 1.0, 0.0]]), np.zeros((1, 3))
    )
    gap, nothing = Gap(own), Range(np.zeros((1, 3)), np.zeros((1, 3)))
    for function, read in ((gap, source), (Shift(source, own), nothing)):
        found, lines = function.bound(read), function.lines(read)
        assert not found.magnitude.any()
        assert not any(a.any() for a in (lines.low, lines.high))


def test_a_shift_is_a_line_where_both_networks_have_one_phase() -> None:
    low, high = np.array([[1.0, 1.0, -3.0, -3.0, -1.0]]), np.array([[2.0, 2.0, -1.0, -1.0, 1.0]])
    none = Replacement(np.zeros((1, 5), bool), np.zeros((1, 5)), np.zeros((1, 5)))
    change = Range(np.array([[-1.0, -1.5, 0.0, 0.0, -1.0]]), np.array([[1.0, 1.0, 1.0, 1.5, 1.0]]))
    shift = Shift(Range(low, high), none)
    assert shift.undecided(change).tolist() == [[False, True, False, True, True]]
    lines = shift.lines(change)
    assert lines.low_slope[0, :3].tolist() == [1.0, lines.low_slope[0, 1], 0.0]
    assert shift.bound(change).upper[0, 2] == 0.0
    every = Replacement(np.ones((1, 5), bool), np.zeros((1, 5)), np.zeros((1, 5)))
    assert not Shift(Range(low, high), every).undecided(change).any()


def test_values_lie_within_ranges() -> None:
    rng = np.random.default_rng(0)
    source, own, change = random_range(rng, 1.0), random_replacement(rng), random_range(rng, 0.1)
    for function, read in ((Gap(own), source), (Shift(source, own), change)):
        found, middle = function.bound(read), (read.lower + read.upper) / 2
        value = function.value(middle)
        assert ((found.lower <= value) & (value <= found.upper)).all()
