from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from lumpcli.analysis import Grants, liveness_of, values_of
from lumpcli.passes import Constant
from tests.nets import ABS, LINEAR, RELU, RELU6, SIGMOID, dense, each, net, source, times
from tests.passes.proposals import features, offsets

PASS = Constant()


def two(rows, bias=None, act=RELU, **more):
    hidden = dense("h", "x", rows, bias, act, **more)
    return net(source("x"), hidden, dense("y", "h", [[1] * len(rows)], act=LINEAR))


@pytest.mark.parametrize(
    ("act", "values"),
    [(RELU, [3, 0]), (LINEAR, [3, -2]), (ABS, [3, 2]), (RELU6, [3, 0])],
    ids=str,
)
def test_fires_on_rows_of_zeros(act, values):
    made = two([[0, 0], [0, 0], [0, 1]], [3, -2, 0], act)
    assert features(PASS, made) == [0, 1]
    assert offsets(PASS, made) == values


def test_fires_where_folded_rows_are_zero():
    made = net(
        source("x"),
        dense("g", "x", [[1, 2], [2, 4]]),
        dense("h", "g", [[2, -1], [1, 1]], [5, 0]),
        dense("y", "h", [[1, 1]], act=LINEAR),
    )
    assert (features(PASS, made), offsets(PASS, made)) == ([0], [5])


def test_declines_one_ulp_away():
    made = net(
        source("x"),
        dense("g", "x", [[1, 2], [2, 4]]),
        dense("h", "g", [[2, -1 - 2.0**-23], [1, 1]], [5, 0]),
        dense("y", "h", [[1, 1]], act=LINEAR),
    )
    assert features(PASS, made) == []
    assert features(PASS, two([[2.0**-149, 0], [1, 0]], [1, 0])) == []


def test_irrational_constants_always_cost_a_rounding():
    made = two([[0, 0], [0, 1]], [1, 0], SIGMOID)
    values = values_of(made)
    liveness = liveness_of(made, values)

    def claimed(level):
        claims = PASS.propose(made, values, liveness, Grants(level))
        return [(i, o) for c in claims for i, o in zip(c.features.tolist(), c.offset, strict=True)]

    assert claimed("strict") == []
    ((feature, value),) = claimed("exact")
    assert feature == 0
    assert value == Fraction(float(1 / (1 + np.exp(-1.0))))


def test_a_pinned_layer_is_claimed_but_not_cut():
    made = two([[0, 0], [0, 1]], [1, 0], pinned="graph output")
    assert features(PASS, made) == [0]  # the fact holds; `compose` leaves pinned layers whole


def test_a_residual_group():
    made = net(
        source("x"),
        dense("a", "x", [[1, 2], [0, 0]], [0, 4]),
        each("b", 2, times("a", -1), "a", bias=[1, 1]),
        dense("y", ["a", "b"], [[[1, 1]], [[1, 1]]], act=LINEAR),
    )
    assert features(PASS, made, "a") == [1]
    assert features(PASS, made, "b") == [0, 1]
    assert offsets(PASS, made, "b") == [1, 1]
