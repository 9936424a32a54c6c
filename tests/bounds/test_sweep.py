"""One sweep: several boxes at once are as each alone, and rungs only tighten."""

from __future__ import annotations

import sys
from functools import partial

import numpy as np
import pytest

from lumpcli.bounds import lower
from lumpcli.bounds.rounding import Arithmetic, Range
from lumpcli.bounds.sweep import open_elements, sweep
from lumpcli.loader import load
from tests.bounds.operators import between_layers
from tests.bounds.rational import dense_model, random_layers

PROGRAM = lower(load(dense_model(random_layers(np.random.default_rng(0), [3, 16, 16, 16]))))
WANTED = partial(open_elements, PROGRAM)


def _boxes(seed: int, count: int) -> Range:
    rng = np.random.default_rng(seed)
    centre, radius = rng.normal(size=(count, 3)), rng.random((count, 3)) * 0.5
    return Range(centre - radius, centre + radius)


def test_boxes_together_are_as_each_alone() -> None:
    boxes = _boxes(1, 5)
    together = sweep(PROGRAM, {0: boxes}, Arithmetic(), wanted=WANTED)
    for k in range(5):
        own = Range(boxes.lower[k : k + 1], boxes.upper[k : k + 1])
        alone = sweep(PROGRAM, {0: own}, Arithmetic(), wanted=lambda n, r: np.ones(16, bool))
        for target in PROGRAM.target_steps:
            wide, narrow = together.ranges[target], alone.ranges[target]
            chosen = WANTED(target, wide)
            assert wide.lower[k][chosen] == pytest.approx(narrow.lower[0][chosen], abs=1e-9)
            assert wide.upper[k][chosen] == pytest.approx(narrow.upper[0][chosen], abs=1e-9)


def test_backward_bounds_tighten_intervals_and_known_ranges_are_believed() -> None:
    boxes = {0: _boxes(2, 1)}
    plain = sweep(PROGRAM, boxes, Arithmetic())
    tight = sweep(PROGRAM, boxes, Arithmetic(), wanted=WANTED)
    known = {t: tight.ranges[t] for t in PROGRAM.target_steps}
    again = sweep(PROGRAM, boxes, Arithmetic(), known=known)
    last = PROGRAM.target_steps[-1]
    widths = [s.ranges[last].upper - s.ranges[last].lower for s in (plain, tight, again)]
    assert (widths[1] <= widths[0]).all()
    assert widths[1].sum() < 0.7 * widths[0].sum()
    assert (widths[2] <= widths[1]).all()


def test_known_phases_are_believed() -> None:
    boxes = {0: _boxes(3, 1)}
    first = PROGRAM.target_steps[0]
    nothing = {t: np.zeros((1, 16), np.int8) for t in PROGRAM.target_steps}
    phases = {**nothing, first: np.full((1, 16), -1, np.int8)}
    assert (sweep(PROGRAM, boxes, Arithmetic(), phases=nothing).ranges[first].upper > 0).any()
    assert (sweep(PROGRAM, boxes, Arithmetic(), phases=phases).ranges[first].upper <= 0).all()


def test_rows_in_blocks_are_as_rows_together(monkeypatch: pytest.MonkeyPatch) -> None:
    boxes = {0: _boxes(4, 2)}
    whole = sweep(PROGRAM, boxes, Arithmetic(), wanted=WANTED)
    monkeypatch.setattr(sys.modules[sweep.__module__], "_ENTRIES", 200)
    parts = sweep(PROGRAM, boxes, Arithmetic(), wanted=WANTED)
    for target in PROGRAM.target_steps:
        assert parts.ranges[target].lower == pytest.approx(whole.ranges[target].lower, abs=1e-12)


def test_a_sweep_may_stop_early() -> None:
    stop = PROGRAM.target_steps[0]
    assert len(sweep(PROGRAM, {0: _boxes(5, 1)}, Arithmetic(), stop=stop).ranges) == stop + 1


def test_images_are_bounded_backward_too() -> None:
    """A difference of two averages of one image: intervals forget that it is one."""
    rng = np.random.default_rng(6)
    program = lower(load(between_layers("AveragePool", rng)))
    size = program.steps[0].size
    box = {0: Range(np.full((1, size), -0.5), np.full((1, size), 0.5))}
    plain = sweep(program, box, Arithmetic())
    tight = sweep(program, box, Arithmetic(), wanted=partial(open_elements, program))
    last = program.targets["d"].step
    assert (tight.ranges[last].upper - tight.ranges[last].lower).sum() < 0.95 * (
        plain.ranges[last].upper - plain.ranges[last].lower
    ).sum()
