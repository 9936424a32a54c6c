"""Samples see what is there, and climbing sees what samples miss."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from lumpcli.bounds import lower
from lumpcli.bounds.backward import State
from lumpcli.bounds.rounding import Arithmetic, Range
from lumpcli.bounds.samples import Seen, climb, sample
from lumpcli.bounds.sweep import sweep
from lumpcli.box import Box
from lumpcli.loader import load
from lumpcli.progress import stage
from tests.bounds.operators import FLATS, IMAGES, between_layers
from tests.bounds.rational import dense_model, random_layers

QUIET = stage("test", 1)


def _root(layers: list[tuple[np.ndarray, np.ndarray]], box: Box) -> State:
    program = lower(load(dense_model(layers)))
    lower_, upper = box.ranges["x"]
    return sweep(program, {0: Range(lower_, upper)}, Arithmetic())


def test_a_peak_in_a_corner_is_found_by_climbing_only() -> None:
    """The sum of 40 inputs exceeds 39 in a tiny part of the box, which no sample hits."""
    layers = [(np.ones((40, 1), np.float32), np.array([-39.0], np.float32))]
    box = Box.everywhere(-1.0, 1.0, {"x": (1, 40)})
    state = _root(layers, box)
    seen = Seen.nothing(state.program)
    sample(state, box, 0, 2000, seen, QUIET)
    (target,) = state.program.target_steps
    low, up = box.sample(np.random.default_rng(0), 10)["x"].shape[-1], seen.above[target]
    assert low == 40
    assert seen.below[target].all()
    assert not up.any()
    climb(state, box, 0, seen, 16, QUIET)
    assert seen.above[target].all()


def test_too_much_work_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    layers = random_layers(np.random.default_rng(0), [4, 30, 30])
    box = Box.everywhere(-0.2, 0.2, {"x": (1, 4)})
    state = _root(layers, box)
    seen = Seen.nothing(state.program)
    monkeypatch.setattr(sys.modules[sample.__module__], "MOST_WORK", 2 * state.program.entries)
    stage_of_two = stage("test", 1)
    sample(state, box, 0, 100, seen, stage_of_two)
    climb(state, box, 0, seen, 4, stage_of_two)
    assert stage_of_two.done == 2
    assert any(a.any() for a in seen.above.values())


def test_what_is_zero_is_seen_on_neither_side() -> None:
    """A sum that cancels, but for rounding."""
    weight = np.array([[0.1, 0.1], [0.3, -0.7]], np.float32)
    cancel = np.array([[1.0], [-1.0]], np.float32)
    same = [
        (np.stack([weight[:, 0]] * 2, axis=1), np.full(2, 9, np.float32)),
        (cancel, np.zeros(1, "f")),
    ]
    box = Box.everywhere(-1.0, 1.0, {"x": (1, 2)})
    state = _root(same, box)
    seen = Seen.nothing(state.program)
    sample(state, box, 0, 500, seen, QUIET)
    target = state.program.target_steps[-1]
    assert not seen.above[target].any()
    assert not seen.below[target].any()


def test_the_same_seed_sees_the_same() -> None:
    layers = random_layers(np.random.default_rng(0), [4, 30, 30])
    box = Box.everywhere(-0.2, 0.2, {"x": (1, 4)})
    state = _root(layers, box)
    found = []
    for _ in range(2):
        seen = Seen.nothing(state.program)
        sample(state, box, 5, 100, seen, QUIET)
        climb(state, box, 5, seen, 4, QUIET)
        found.append([a.tolist() for a in (*seen.above.values(), *seen.below.values())])
    assert found[0] == found[1]
    assert any(any(row) for row in found[0])


def test_climbing_goes_through_every_operator() -> None:
    """It sees at least as much as the samples it starts from, and steps stay in the box."""
    for name in (*FLATS, *IMAGES):
        rng = np.random.default_rng(1)
        program = lower(load(between_layers(name, rng)))
        shape = program.inputs["x"].shape
        box = Box.everywhere(-0.3, 0.3, {"x": shape})
        ends = [bound.reshape(1, -1) for bound in box.ranges["x"]]
        state = sweep(program, {program.inputs["x"].step: Range(*ends)}, Arithmetic())
        seen = Seen.nothing(program)
        climb(state, box, 0, seen, 3, QUIET)
        assert any(a.any() for a in (*seen.above.values(), *seen.below.values()))
        for t in program.target_steps:
            assert not (seen.above[t] & (state.ranges[t].upper[0] < 0)).any()
            assert not (seen.below[t] & (state.ranges[t].lower[0] > 0)).any()
