"""Chosen slopes (alpha-CROWN): a lower line through 0 may have any free slope; find good ones.

The search is sloppy, by Adam. Nothing depends on it: every bound that it keeps was computed by
`least`, which is safe for all free slopes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lumpcli.bounds.affine import Affine
from lumpcli.bounds.backward import State, Trail, least
from lumpcli.bounds.functions import Free
from lumpcli.bounds.rounding import Array

_RATE = 0.3
_DECAY = 0.95
_MEMORY = 0.9, 0.999  # of Adam's two means
_REST = 5  # rounds between looks at which rows are decided


@dataclass(frozen=True)
class Search:
    """So many rounds of improving slopes, for one box."""

    rounds: int = 30

    def minimum(self, state: State, start: int, rows: Array) -> Array:
        """As `least`, each row with slopes of its own; a row whose bound is above 0 is done."""
        best = least(state, start, rows)
        free = {n: f for n in range(start) if (f := state.free(n)) is not None and f.chosen.any()}
        active = np.flatnonzero((best[0] < 0) & np.isfinite(best[0]))
        slopes = {
            n: np.repeat(np.clip(_heuristic(state, n), f.least, f.most), len(active), axis=0)
            for n, f in free.items()
        }
        means = {n: (np.zeros_like(s), np.zeros_like(s)) for n, s in slopes.items()}
        for turn in range(self.rounds if free else 0):
            if not len(active):
                break
            trail = Trail()
            chosen = {n: (f.chosen, slopes[n][None]) for n, f in free.items()}
            found = least(state, start, rows[:, active], chosen, trail)[0]
            best[0, active] = np.maximum(best[0, active], found)
            changes = _gradients(state, start, trail, chosen)
            for n, change in changes.items():
                slopes[n] = _stepped(slopes[n], change, means[n], free[n], turn)
            if turn % _REST == _REST - 1:
                kept = best[0, active] < 0
                active = active[kept]
                slopes = {n: s[kept] for n, s in slopes.items()}
                means = {n: (a[kept], b[kept]) for n, (a, b) in means.items()}
        return best


def _heuristic(state: State, number: int) -> Array:
    lines = state.lines_of(number)
    assert lines is not None
    return lines.low_slope


def _stepped(
    slope: Array, change: Array, means: tuple[Array, Array], free: Free, turn: int
) -> Array:
    """One step of Adam upward; the means are changed in place."""
    first, second = means
    first += (1 - _MEMORY[0]) * (change - first)
    second += (1 - _MEMORY[1]) * (change * change - second)
    steady = first / (1 - _MEMORY[0] ** (turn + 1))
    scale = np.sqrt(second / (1 - _MEMORY[1] ** (turn + 1))) + 1e-30
    return np.clip(slope + _RATE * _DECAY**turn * steady / scale, free.least, free.most)


def _gradients(
    state: State, start: int, trail: Trail, slopes: dict[int, tuple[Array, Array]]
) -> dict[int, Array]:
    """How bounds change with the slopes (rows, size), by the point at which each is attained.

    That point, and what the lines make of it, goes forward through the program.
    """
    points: dict[int, Array] = {}
    found = {}
    for number in sorted(trail.rows):
        step, operation = state.program.steps[number], state.program.steps[number].operation
        rows = trail.rows[number][0]
        lines = state.lines_of(number)
        if isinstance(operation, Affine):
            points[number] = operation.value(*[points[s] for s in step.sources])
        elif lines is not None:
            source, above = points[step.sources[0]], rows > 0
            low_slope, low = lines.low_slope[0], lines.low[0]
            if number in slopes:
                chosen, slope = slopes[number][0][0], slopes[number][1][0]
                found[number] = np.where(chosen & above, rows * source, 0.0)
                low_slope = np.where(chosen, slope, low_slope)
                low = np.where(chosen, 0.0, low)
            points[number] = np.where(
                above, low_slope * source + low, lines.high_slope[0] * source + lines.high[0]
            )
        else:
            own = state.ranges[number]
            points[number] = np.where(rows > 0, own.lower[0], own.upper[0])
        if number == start:
            break
    return found
