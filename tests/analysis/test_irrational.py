"""Constants through sigmoid and the like: exact by name, to float64 by value."""

from __future__ import annotations

import numpy as np
import pytest

from lumpcli.analysis import CONSTANT, values_of
from tests.nets import LINEAR, RELU, SIGMOID, SIGN, dense, net, source

X = source("x", 2)


def test_irrational_constants_are_known_but_not_rational():
    made = net(
        X,
        dense("h", "x", [[0, 0], [0, 0], [0, 0], [1, 1]], [1, 1, 2, 0], SIGMOID),
        dense("y", "h", [[1, 1, 1, 1]], act=LINEAR),
    )
    values = values_of(made)
    offsets = values["h"].offset
    assert offsets[0] == offsets[1] != offsets[2]
    assert values["h"].class_of.tolist()[:3] == [CONSTANT] * 3
    assert float(values.constant("h", 0)) == pytest.approx(1 / (1 + np.exp(-1.0)), rel=1e-15)
    assert values.constant("h", 3) is None
    assert values.constant("h", 0, rational=True) is None


def test_irrational_constants_further_on():
    made = net(
        X,
        dense("s", "x", [[0, 0], [0, 0], [1, 1]], [1, 2, 0], SIGMOID),
        dense("g", "s", [[1, 1, 0], [2, 2, 0], [1, 0, 1], [1, 0, 1], [2, -2, 0]], act=LINEAR),
        dense("y", "g", [[1, 1, 1, 1, 1]], act=LINEAR),
    )
    values = values_of(made)
    one, two = (1 / (1 + np.exp(-z)) for z in (1.0, 2.0))
    assert float(values.constant("g", 0)) == pytest.approx(one + two)
    assert float(values.constant("g", 1)) == pytest.approx(2 * one + 2 * two)
    assert float(values.constant("g", 4)) == pytest.approx(2 * one - 2 * two)
    assert values.constant("g", 2) is None
    assert values["g"].class_of[2] == values["g"].class_of[3]


def test_irrational_constants_cancel_by_name_not_by_value():
    made = net(
        X,
        dense("s", "x", [[0, 0], [0, 0], [0, 0]], [1, 1, -1], SIGMOID),
        dense("g", "s", [[1, -1, 0], [1, 0, 1]], [0, -1], RELU),  # 0, and 0 in floats only
        dense("y", "g", [[1, 1]], act=LINEAR),
    )
    values = values_of(made)
    assert values.constant("g", 0, rational=True) == 0
    assert values.constant("g", 1, rational=True) is None


def test_irrational_offsets_of_linear_layers():
    """Rows that differ only on a constant are one class; the difference is its multiple."""
    made = net(
        X,
        dense("s", "x", [[0, 0]], [1], SIGMOID),
        dense("h", ["x", "s"], [[[1, 2], [2, 4]], [[1], [5]]], [0, 3], LINEAR),
        dense("y", "h", [[1, 1]], act=LINEAR),
    )
    values = values_of(made)
    h = values["h"]
    ratio = h.ratio[1] / h.ratio[0]
    assert (h.class_of[0], ratio) == (h.class_of[1], 2)
    sigmoid = 1 / (1 + np.exp(-1.0))
    offset = values.offset("h", 1) - ratio * values.offset("h", 0)
    assert float(offset) == pytest.approx(3 + 3 * sigmoid, rel=1e-15)


def test_a_step_of_a_rounded_constant_is_not_known():
    made = net(
        source("x", 1),
        dense("s", "x", [[0], [0], [1]], [3, -3, 0], SIGMOID),
        dense("g", "s", [[1, 1, 0], [0, 0, 1]], [-1, 0], SIGN),  # sign(0), which floats miss
        dense("y", "g", [[1, 1]], act=LINEAR),
    )
    assert values_of(made).constant("g", 0) is None
