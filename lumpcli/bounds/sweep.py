"""One forward sweep: the range of every tensor, those that activations read tightened backward."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import cast

import numpy as np

from lumpcli.bounds.affine import Affine
from lumpcli.bounds.backward import State, least
from lumpcli.bounds.functions import Function, Piecewise
from lumpcli.bounds.program import Program, Step
from lumpcli.bounds.rounding import Arithmetic, Array, Range

_ENTRIES = 2**22  # of one block of rows
Inputs = Mapping[int, Range]  # ranges (cells, size) by the step of the input
Wanted = Callable[[int, Range], Array]  # step, range so far -> elements to tighten, bool (size,)
Minimum = Callable[[State, int, Array], Array]  # as `least`


def sweep(
    program: Program,
    inputs: Inputs,
    arithmetic: Arithmetic,
    *,
    known: Mapping[int, Range] | None = None,
    phases: Mapping[int, Array] | None = None,
    wanted: Wanted | None = None,
    minimum: Minimum = least,
    stop: int | None = None,
) -> State:
    """Ranges on each of several boxes, up to step `stop`.

    `known` ranges and `phases` (cells, size) of targets are believed. Where `wanted` says so, the
    ranges of targets are tightened by `minimum` of rows over them; otherwise they are intervals.
    """
    state = State(program, arithmetic)
    targets = set(program.target_steps)
    for number, step in enumerate(program.steps):
        found, spread, own = _interval(state, step, inputs.get(number))
        if number in targets:
            if known is not None and number in known:
                found = found.meet(known[number])
            if phases is not None:
                found = found.within(phases[number])
        state.append(found, spread, own)
        if number in targets and wanted is not None:
            chosen = np.flatnonzero(wanted(number, found))
            tighter = _tightened(state, number, chosen, minimum)
            if phases is not None:
                tighter = tighter.within(phases[number])
            state.ranges[number] = tighter
        if number == stop:
            break
    return state


def open_elements(program: Program, number: int, found: Range) -> Array:
    """The elements (size,) bool of a target that are undecided in some cell."""
    return np.asarray(undecided(program, number, found).any(axis=0))


def undecided(program: Program, number: int, found: Range) -> Array:
    """The elements (cells, size) bool of a target that some function cannot yet treat as a line."""
    result: Array = np.zeros(found.lower.shape, bool)
    for reader in program.readers[number]:
        operation = program.steps[reader].operation
        if isinstance(operation, Function):
            np.logical_or(result, operation.undecided(found), out=result)
    return result


def _interval(state: State, step: Step, given: Range | None) -> tuple[Range, Array, int]:
    """Range, magnitudes its elements are made of, and how often the network rounds them."""
    operation, arithmetic = step.operation, state.arithmetic
    sources = [state.ranges[s] for s in step.sources]
    with np.errstate(invalid="ignore", over="ignore"):
        if isinstance(operation, Affine):
            found, spread = operation.bound(sources, arithmetic)
            return found, spread, operation.roundings
        if operation is None:
            found = cast(Range, given)
        elif isinstance(operation, Function):
            found = operation.bound_in(sources[0], arithmetic)
        else:
            found = operation.bound(sources, arithmetic)
    exact = operation is None or (isinstance(operation, Piecewise) and operation.exact)
    return found, found.magnitude, 0 if exact else 1


def _tightened(state: State, number: int, chosen: Array, minimum: Minimum) -> Range:
    own = state.ranges[number]
    lower, upper = own.lower.copy(), own.upper.copy()
    for block in _blocks(state.program, chosen, len(lower)):
        rows = np.zeros((1, 2 * len(block), lower.shape[1]))
        rows[0, np.arange(len(block)), block] = 1.0
        rows[0, np.arange(len(block)) + len(block), block] = -1.0
        rows = np.repeat(rows, len(lower), axis=0)
        found = minimum(state, number, rows)
        lower[:, block] = np.maximum(lower[:, block], found[:, : len(block)])
        upper[:, block] = np.minimum(upper[:, block], -found[:, len(block) :])
    return Range(lower, upper)


def _blocks(program: Program, chosen: Array, cells: int) -> Iterator[Array]:
    count = max(1, _ENTRIES // (2 * cells * program.largest))
    for start in range(0, len(chosen), count):
        yield chosen[start : start + count]
