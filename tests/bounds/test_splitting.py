"""Splitting settles what samples leave open, its cells cover the box, and it knows when to stop."""

from __future__ import annotations

import numpy as np
import pytest

from lumpcli.bounds import ladder
from lumpcli.bounds.splitting import Cells, joined
from lumpcli.box import Box
from lumpcli.loader import load
from tests.bounds.containing import check
from tests.bounds.rational import dense_model, random_layers


def _cells(count: int) -> Cells:
    rng = np.random.default_rng(0)
    ends = np.sort(rng.normal(size=(2, count, 3)), axis=0)
    return Cells(ends[0], ends[1], rng.integers(-1, 2, (count, 4)).astype(np.int8))


def test_halves_cover_their_cell_and_meet_in_the_middle() -> None:
    cells = _cells(6)
    axes = np.array([0, 1, 2, 0, 1, 2])
    halves = cells.halves(axes)
    first, second = halves[:6], halves[6:]
    for k, axis in enumerate(axes):
        others = [a for a in range(3) if a != axis]
        for half in (first, second):
            assert (half.lower[k, others] == cells.lower[k, others]).all()
            assert (half.upper[k, others] == cells.upper[k, others]).all()
            assert (half.phases[k] == cells.phases[k]).all()
        assert first.lower[k, axis] == cells.lower[k, axis]
        assert first.upper[k, axis] == second.lower[k, axis]
        assert second.upper[k, axis] == cells.upper[k, axis]


def test_a_cell_too_narrow_to_halve_stays_whole() -> None:
    thin = Cells(np.array([[1.0]]), np.array([[np.nextafter(1.0, 2.0)]]), np.zeros((1, 1), np.int8))
    halves = thin.halves(np.array([0]))
    assert {*halves.lower[:, 0], *halves.upper[:, 0]} == {1.0, np.nextafter(1.0, 2.0)}


def test_cells_are_joined_in_order() -> None:
    cells = _cells(4)
    both = joined([cells[:1], cells[1:]])
    assert (both.lower == cells.lower).all()
    assert len(both) == 4


@pytest.mark.parametrize("seed", range(3))
def test_all_that_has_a_phase_is_settled(seed: int) -> None:
    layers = random_layers(np.random.default_rng(seed), [2, 12, 12, 12])
    box = Box.everywhere(-1.0, 1.0, {"x": (1, 2)})
    host = load(dense_model(layers))
    before = ladder(host, box, rungs=("interval", "crown"))
    after = ladder(host, box, rungs=("interval", "crown", "split"), cells=4000)
    open_ones = [int(((b.phase == 0) & ~b.refuted).sum()) for b in after.tensors.values()]
    decided = [sum(int((b.phase != 0).sum()) for b in p.tensors.values()) for p in (before, after)]
    assert open_ones == [0, 0, 0]
    assert decided[1] > decided[0]
    assert after.counts()["split"] > 0
    assert check(dense_model(layers), box, samples=2000, cells=4000).outside == 0


def test_few_cells_settle_less_and_say_nothing_wrong() -> None:
    layers = random_layers(np.random.default_rng(0), [3, 16, 16, 16])
    box = Box.everywhere(-1.0, 1.0, {"x": (1, 3)})
    model = dense_model(layers)
    found = [check(model, box, samples=1000, cells=n) for n in (10, 100, 2000)]
    settled = [f.phases.counts()["split"] for f in found]
    assert [f.outside for f in found] == [0, 0, 0]
    assert settled[0] <= settled[1] <= settled[2]
    assert settled[0] < settled[2]
    assert found[0].phases.cells <= 10


def test_a_hope_that_is_false_is_dropped_and_the_others_are_settled() -> None:
    """A peak so narrow that neither samples nor climbing meet it: |x - 1/3| < 1e-7."""
    narrow = np.float64(2.0**-23)
    layers = [
        (np.array([[1.0, -1.0, 1.0]]), np.array([-1 / 3, 1 / 3, 5.0])),
        (np.array([[-1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]]), np.array([narrow, -3.0])),
    ]
    box = Box.everywhere(-1.0, 1.0, {"x": (1, 1)})
    model = dense_model(layers)
    found = ladder(load(model), box, samples=64).tensors["z1"]
    assert found.phase.tolist() == [[0, 1]]
