"""Many boxes at once: how many elements bounds leave open in each, and which inputs that is due to.

Nothing is claimed of any box: the numbers say where it is worth cutting one.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from lumpcli.bounds.backward import State, Trail, least
from lumpcli.bounds.program import Program
from lumpcli.bounds.rounding import Arithmetic, Array, Range
from lumpcli.bounds.sweep import open_elements, sweep, undecided

_ENTRIES = 2**26  # of rows that boxes of one sweep may need together


def open_counts(program: Program, lower: Array, upper: Array) -> tuple[Array, Array]:
    """Elements that one backward sweep leaves open in each box, and what they owe to each input.

    `lower`, `upper`: (boxes, inputs), all inputs of the program one after the other. Returns the
    counts (boxes,), of elements which an activation cannot treat as a line, and (boxes, inputs) how
    much bounds on both sides of 0 depend on each input, 0 for one that does not matter.
    """
    at_once = max(1, _ENTRIES // (2 * program.largest**2))
    starts = range(0, len(lower), at_once)
    parts = [_counted(program, lower[k : k + at_once], upper[k : k + at_once]) for k in starts]
    return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])


def input_ranges(program: Program, lower: Array, upper: Array) -> dict[int, Range]:
    """Boxes (boxes, inputs) as ranges of the steps that are inputs."""
    found, start = {}, 0
    for tensor in program.inputs.values():
        stop = start + program.steps[tensor.step].size
        found[tensor.step] = Range(lower[:, start:stop], upper[:, start:stop])
        start = stop
    return found


def influence(program: Program, found: Array, trail: Trail) -> Array:
    """How steeply minima (boxes, rows) below 0 follow each input (boxes, inputs).

    `trail`: of the rows that made them.
    """
    weight = (found < 0).astype(np.float64)[:, None]
    parts = [
        np.matmul(weight, np.abs(trail.rows[t.step]))[:, 0]
        if t.step in trail.rows
        else np.zeros((len(found), program.steps[t.step].size))
        for t in program.inputs.values()
    ]
    return np.concatenate(parts, axis=1)


def _counted(program: Program, lower: Array, upper: Array) -> tuple[Array, Array]:
    slopes = np.zeros_like(lower)

    def minimum(state: State, number: int, rows: Array) -> Array:
        trail = Trail()
        found = least(state, number, rows, trail=trail)
        np.add(slopes, influence(program, found, trail), out=slopes)
        return found

    state = sweep(
        program,
        input_ranges(program, lower, upper),
        Arithmetic(False),
        wanted=partial(open_elements, program),
        minimum=minimum,
    )
    counts = np.zeros(len(lower), np.int64)
    for number in program.target_steps:
        counts += undecided(program, number, state.ranges[number]).sum(axis=1)
    return counts, slopes * (upper - lower)
