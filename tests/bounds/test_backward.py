"""Backward bounds against exact values: they hold to the last bit, and forged ones do not."""

from __future__ import annotations

from unittest.mock import patch

import numpy as np
import pytest

from lumpcli.bounds import RUNGS, ladder
from lumpcli.bounds.backward import State, least
from lumpcli.bounds.functions import Lines, Piecewise
from lumpcli.bounds.lowering import lower
from lumpcli.bounds.rounding import Arithmetic, Array, Range
from lumpcli.bounds.sweep import open_elements, sweep
from lumpcli.box import Box
from lumpcli.loader import load
from tests.bounds.containing import check
from tests.bounds.rational import Layers, dense_model, exact_values, outside, random_layers


def _violations(layers: Layers, box: Box, points: Array, rungs: int) -> int:
    phases = ladder(load(dense_model(layers)), box, rungs=RUNGS[:rungs], samples=64, cells=40)
    lower, upper = ({n: getattr(b, s) for n, b in phases.tensors.items()} for s in _SIDES)
    return sum(outside(exact_values(layers, p), lower, upper) for p in points)


_SIDES = ("lower", "upper")


@pytest.mark.parametrize("rungs", [1, 2, 3, 4])
@pytest.mark.parametrize("width", [0.0, 2.0**-40, 0.1, 2.0])
def test_exact_values_lie_within_bounds(rungs: int, width: float) -> None:
    for seed in range(4):
        rng = np.random.default_rng(seed)
        layers = random_layers(rng, [3, 12, 12, 6])
        centre = rng.normal(size=(1, 3))
        box = Box({"x": (centre, centre + width)})
        points = box.sample(rng, 12)["x"].reshape(12, 3)
        assert _violations(layers, box, points, rungs) == 0


def test_without_the_rounding_term_exact_values_lie_outside() -> None:
    """On a box of one point the bounds would be the rounded value, which is not the exact one."""
    rng = np.random.default_rng(0)
    layers = random_layers(rng, [30, 30, 30], np.float64)
    point = rng.normal(size=(1, 30))
    box = Box({"x": (point, point)})
    assert _violations(layers, box, point, 2) == 0
    with (
        patch.object(Arithmetic, "charge", lambda self, roundings, own: 0.0),
        patch("lumpcli.bounds.backward.gamma", lambda roundings: 0.0),
    ):
        assert _violations(layers, box, point, 2) > 20


def test_the_charge_of_rows_alone_matters() -> None:
    """The interval's own charge stays; of what is found backward, the rounded value is left."""
    rng = np.random.default_rng(1)
    layers = random_layers(rng, [40, 40], np.float64)
    point = rng.normal(size=(1, 40))
    program = lower(load(dense_model(layers)))
    inputs = {0: Range(point, point)}
    exact = exact_values(layers, point[0])["z0"]
    state = sweep(program, inputs, Arithmetic())
    (last,) = program.target_steps
    rows = np.eye(40)[None]

    def wrong(state: State) -> int:
        found = least(state, last, rows)[0]
        return outside({"z": exact}, {"z": found}, {"z": found + 1.0})

    assert wrong(state) == 0
    state.charges = [np.zeros_like(charge) for charge in state.charges]
    assert wrong(state) > 5


def test_a_forged_line_is_seen_by_onnxruntime() -> None:
    """Upper lines that cut the corner are what containment tests must notice."""
    layers = random_layers(np.random.default_rng(2), [4, 20, 20])
    box = Box.everywhere(-1.0, 1.0, {"x": (1, 4)})
    honest = Piecewise.lines

    def forged(self: Piecewise, source: Range) -> Lines:
        lines = honest(self, source)
        return Lines(lines.low_slope, lines.low, lines.high_slope, lines.high - 1.0)

    model = dense_model(layers)
    assert check(model, box, samples=400).outside == 0
    with patch.object(Piecewise, "lines", forged):
        assert check(model, box, samples=400).outside > 0


def test_small_numbers_are_not_lost_to_underflow() -> None:
    """The product is below every float64: its range may not claim that it is zero."""
    layers = [(np.array([[-(2.0**-499)]]), np.array([0.0]))]
    point = np.array([[2.0**-1070]])
    for rungs in (1, 2):
        box = Box({"x": (point, point)})
        assert _violations([*layers], box, point, rungs) == 0


def test_an_affine_network_has_exact_bounds_on_both_sides() -> None:
    """Small integers: what is charged aside, the bounds are attained at corners."""
    rng = np.random.default_rng(3)
    weight = rng.integers(-4, 5, (5, 7)).astype(np.float32)
    other = rng.integers(-4, 5, (7, 6)).astype(np.float32)
    zero = [np.zeros(n, np.float32) for n in (7, 6)]
    lift = [(weight, zero[0] + 100), (other, zero[1])]  # every ReLU is active
    box = Box.everywhere(-1.0, 1.0, {"x": (1, 5)})
    found = ladder(load(dense_model(lift)), box, rungs=("crown",)).tensors["z1"]
    centre, radius = 100 * other.sum(axis=0), np.abs(weight @ other).sum(axis=0)
    wide = ladder(load(dense_model(lift)), box, rungs=("interval",)).tensors["z1"]
    open_ones = wide.phase[0] == 0
    assert open_ones.any()
    assert found.lower[0][open_ones] == pytest.approx((centre - radius)[open_ones], abs=1e-9)
    assert found.upper[0][open_ones] == pytest.approx((centre + radius)[open_ones], abs=1e-9)


def test_what_is_not_bounded_leaves_rows_without_a_bound() -> None:
    program = lower(load(dense_model(random_layers(np.random.default_rng(4), [2, 3, 3]))))
    endless = np.array([[np.inf, 1.0]])
    state = sweep(program, {0: Range(-endless, endless)}, Arithmetic())
    assert (least(state, program.target_steps[-1], np.eye(3)[None]) == -np.inf).all()
    assert open_elements(program, program.target_steps[0], state.ranges[1]).all()
