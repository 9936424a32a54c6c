"""Chosen slopes: never worse than the fixed ones, and the gradients that find them are right."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from lumpcli.bounds import lower
from lumpcli.bounds.backward import State, Trail, least
from lumpcli.bounds.program import Program
from lumpcli.bounds.rounding import Arithmetic, Array, Range
from lumpcli.bounds.slopes import Search, _gradients
from lumpcli.bounds.sweep import open_elements, sweep
from lumpcli.loader import load
from tests.bounds.operators import between_layers
from tests.bounds.rational import dense_model, random_layers


def _dense(seed: int) -> Program:
    return lower(load(dense_model(random_layers(np.random.default_rng(seed), [3, 20, 20, 20]))))


def _state(program: Program, radius: float = 0.4) -> State:
    size = program.steps[0].size
    box = {0: Range(np.full((1, size), -radius), np.full((1, size), radius))}
    return sweep(program, box, Arithmetic(), wanted=partial(open_elements, program))


def _rows(program: Program) -> tuple[int, Array]:
    last = program.target_steps[-1]
    size = program.steps[last].size
    return last, np.concatenate([np.eye(size), -np.eye(size)])[None]


@pytest.mark.parametrize("seed", range(4))
def test_chosen_slopes_are_never_worse_and_often_better(seed: int) -> None:
    program = _dense(seed)
    state = _state(program)
    last, rows = _rows(program)
    fixed, chosen = least(state, last, rows), Search(20).minimum(state, last, rows)
    assert (chosen >= fixed).all()
    open_rows = fixed < 0
    assert (chosen > fixed + 1e-3)[open_rows].mean() > 0.3


@pytest.mark.parametrize("name", ["dense", "Concat", "LeakyRelu", "Sub of two"])
def test_gradients_are_those_of_finite_differences(name: str) -> None:
    rng = np.random.default_rng(0)
    program = _dense(7) if name == "dense" else lower(load(between_layers(name, rng)))
    state = _state(program)
    last, rows = _rows(program)
    free = {n: f for n in range(last) if (f := state.free(n)) is not None and f.chosen.any()}
    slopes = {
        n: (
            f.chosen,
            f.least + rng.random((1, rows.shape[1], f.least.shape[1])) * (f.most - f.least),
        )
        for n, f in free.items()
    }
    trail = Trail()
    before = least(state, last, rows, slopes, trail)
    gradients = _gradients(state, last, trail, slopes)
    assert set(gradients) == set(free)
    compared = 0
    for number, gradient in gradients.items():
        for place in np.flatnonzero(free[number].chosen[0])[:5]:
            moved = {n: (c, s.copy()) for n, (c, s) in slopes.items()}
            moved[number][1][..., place] += 1e-7
            change = (least(state, last, rows, moved) - before)[0] / 1e-7
            assert change == pytest.approx(
                gradient[:, place], abs=1e-4 * (1 + np.abs(change).max())
            )
            compared += np.count_nonzero(change)
    assert compared > 10


def test_without_free_slopes_nothing_is_searched() -> None:
    program = _dense(1)
    state = _state(program, radius=0.0)
    last, rows = _rows(program)
    assert (Search(20).minimum(state, last, rows) == least(state, last, rows)).all()
