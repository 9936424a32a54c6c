"""Cells cover the box, know ranges that hold, and are made once."""

from __future__ import annotations

import numpy as np

from lumpcli.bounds import Arithmetic, sweep
from lumpcli.redundancy.cover import ends_of, ranges_of
from tests.bounds.rational import random_layers
from tests.redundancy.small import covered, network


def test_halves_cover_the_cell_and_are_made_once() -> None:
    rng = np.random.default_rng(0)
    _, _, cover = covered(network(random_layers(rng, [3, 4, 2])), -1.0, 1.0)
    gains = np.array([[0.0, 2.0, 1.0]])
    halves = cover.halved([cover.root], gains)
    assert [h.lower.tolist() for h in halves] == [[-1, -1, -1], [-1, 0, -1]]
    assert [h.upper.tolist() for h in halves] == [[1, 0, 1], [1, 1, 1]]
    assert cover.halved([cover.root], gains[:, ::-1]) == halves
    quarters = cover.halved(halves, np.zeros((2, 3)))  # the widest where nothing is gained
    assert [q.upper[0] - q.lower[0] for q in quarters] == [1, 1, 1, 1]
    assert quarters[:2] == list(halves[0].halves or ())


def test_ranges_of_cells_hold_and_are_tighter() -> None:
    rng = np.random.default_rng(1)
    _, program, cover = covered(network(random_layers(rng, [2, 8, 8, 2], np.float64)), -1.0, 1.0)
    cells = cover.halved(cover.halved([cover.root], np.ones((1, 2))), np.ones((2, 2)))
    lower, upper = ends_of(cells)
    ranges, whole = ranges_of(cells), cover.root.ranges
    loose = sweep(program, cover.inputs(lower, upper), Arithmetic(), known=cover.known)
    deep = program.tensors["z1"].step
    assert (ranges[deep].upper < loose.ranges[deep].upper - 1e-9).any()  # backward bounds
    for k in range(len(cells)):
        points = rng.uniform(lower[k], upper[k], (200, 1, 2))
        for number, values in enumerate(program.evaluate({"x": points})):
            assert (values >= ranges[number].lower[k] - 1e-9).all()
            assert (values <= ranges[number].upper[k] + 1e-9).all()
    target = program.tensors["z1"].step
    widths = (ranges[target].upper - ranges[target].lower).max(axis=0)
    assert (widths <= (whole[target].upper - whole[target].lower)[0]).all()
    assert (widths < (whole[target].upper - whole[target].lower)[0]).any()


def test_middles() -> None:
    rng = np.random.default_rng(2)
    _, _, cover = covered(network(random_layers(rng, [2, 3, 1])), -1.0, 3.0)
    halves = cover.halved([cover.root], np.array([[1.0, 0.0]]))
    assert cover.middles(halves)["x"].tolist() == [[[0.0, 1.0]], [[2.0, 1.0]]]
