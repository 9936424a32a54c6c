from __future__ import annotations

from fractions import Fraction

import numpy as np

from lumpcli.analysis import scales
from lumpcli.ir import Term
from tests.nets import LINEAR, dense, each, join, net, picked, source, times


def test_nothing_cancels():
    f = dense("f", "x", [[1, -2], [-3, 1]], [-5, 0])
    made = net(source("x", 2), f, dense("y", "f", [[1, -1]], [2], act=LINEAR))
    assert scales(made) == {"x": 1, "f": 8, "y": 8 + 4 + 2}


def test_features_read_one_by_one():
    f = dense("f", "x", [[1, -2], [-3, 7]])
    third = Term("f", np.array([-4, 2], "f4"), diagonal=True, inverse=True)
    made = net(
        source("x", 2),
        f,
        each("a", 2, times("f", [2, -3]), times("f", Fraction(-1, 2))),
        each("b", 2, third),
        each("c", 3, picked("f", [0, -1, 0])),
        join("d", 2, "f", "a"),
        join("e", 2, "f", "b", function="Max"),
    )
    expected = {"x": 1, "f": 10, "a": 35, "b": 5, "c": 3, "d": 350, "e": 10}
    assert scales(made) == expected


def test_kernels_and_scaled_terms():
    rows = np.ones((1, 2, 3), "f4")
    made = net(source("x", 2), dense("y", "x", rows, [1], term={"scale": Fraction(-1, 2)}))
    assert scales(made) == {"x": 1, "y": 4}
