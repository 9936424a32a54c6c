from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from lumpcli.analysis import (
    candidates,
    combination,
    independent,
    linear_slopes,
    values_of,
    why_not_combined,
)
from lumpcli.ir import Activation, Term
from tests.nets import ABS, LINEAR, RELU, SIGMOID, array, dense, each, net, source

X = source("x", 3)
H = dense("h", "x", [[1, 2, 0], [3, 1, 1], [-1, 0, 2]], [1, 0, -1])


def found(*layers):
    """Feature, partner, ratio, slope of every candidate of the last layer but the output."""
    last = layers[-1]
    made = net(X, *layers, dense("y", last.name, [[1] * last.width], act=LINEAR))
    values = values_of(made)
    some = candidates(made[last.name], values[last.name], values.searches[last.name])
    return [(c.feature, c.partner, c.ratio, c.slope) for c in some]


def test_features_of_identity_layers():
    rows = [[1, 2, 0], [0, 0, 0], [1, 0, 1]]
    assert found(dense("f", "x", rows, act=LINEAR)) == [(0, -1, 0, 1), (2, -1, 0, 1)]


def test_relus_that_are_linear():
    act = Activation("PRelu", (), array([0.5, 0.5, 0]))
    rows, bias = [[1, 2, 0], [-1, 0, -1], [-1, 0, -1]], [1, 0, 0]
    assert found(H, dense("f", "h", rows, bias, act=act)) == [(0, -1, 0, 1), (1, -1, 0, 0.5)]


@pytest.mark.parametrize(
    ("act", "factor", "slope"),
    [
        (RELU, 2, 1),
        (Activation("LeakyRelu", (0.25,)), 4, 1.25),
        (Activation("PRelu", (), array([0.5, 0.5])), 0.5, 1.5),
        (Activation("Gelu", ("none",)), 1, 1),
        (Activation("Swish", (1.0,)), 1, 1),
        (Activation("HardSwish"), 1, 1),
        (Activation("Softplus"), 1, 1),
    ],
    ids=str,
)
def test_opposite_rows(act, factor, slope):
    row = np.array([1.0, -2.0, 3.0])
    f = dense("f", "x", [row, -factor * row], [4, -4 * factor], act=act)
    assert found(f) == [(1, 0, factor, slope)]


@pytest.mark.parametrize(
    ("act", "rows", "bias"),
    [
        (RELU, [[1, 2, 0], [-2, -4, 0]], [1, -1]),
        (RELU, [[1, 2, 0], [-1, 2, 0]], [0, 0]),
        (RELU, [[1, 2, 0], [2, 4, 0]], [1, 1]),
        (RELU, [[1, 2, 0], [-1, -np.nextafter(np.float32(2), np.float32(3)), 0]], [0, 0]),
        (Activation("Gelu", ("none",)), [[1, 2, 0], [-2, -4, 0]], [0, 0]),
        (Activation("PRelu", (), array([0.5, 0.25])), [[1, 2, 0], [-1, -2, 0]], [0, 0]),
        (Activation("Mish"), [[1, 2, 0], [-1, -2, 0]], [0, 0]),
        (Activation("Clip", (0.0, 6.0)), [[1, 2, 0], [-1, -2, 0]], [0, 0]),
        (SIGMOID, [[1, 2, 0], [-1, -2, 0]], [0, 0]),
        (ABS, [[1, 2, 0], [0, 1, 1]], [0, 0]),
    ],
    ids=str,
)
def test_what_is_no_candidate(act, rows, bias):
    assert found(dense("f", "x", rows, array(bias), act=act)) == []


def test_independent_rows():
    rows = array([[1, 2, 3], [2, 4, 6], [0, 0, 0], [0.5, 0, 1], [1.5, 2, 4], [0, 0, 1]], "f8")
    assert independent(rows) == [0, 3, 5]
    rng = np.random.default_rng(0)
    generic = rng.normal(size=(40, 30)) * 2.0 ** rng.integers(-60, 60, (40, 30))
    assert independent(generic) == list(range(30))
    assert independent(np.zeros((2, 0))) == []


def test_combinations():
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(6, 9)).astype("f4").astype("f8")
    wanted = [Fraction(k, 4) for k in (1, -2, 0, 3, 8, -1)]
    assert combination(rows, np.array([float(c) for c in wanted]) @ rows) == wanted
    assert combination(rows, rng.normal(size=9)) is None
    odd = np.array([[3.0, 1, 0], [1, 5, 0]])
    assert combination(odd, np.array([1.0, 0, 0])) == [Fraction(5, 14), Fraction(-1, 14)]


def test_coefficients_that_are_not_simple_are_computed():
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(4, 4)).astype("f4").astype("f8")
    row = rng.normal(size=4).astype("f4").astype("f8")
    coefficients = combination(rows, row)
    assert coefficients is not None
    made = [
        sum(c * Fraction(float(v)) for c, v in zip(coefficients, column, strict=True))
        for column in rows.T
    ]
    assert made == [Fraction(float(v)) for v in row]


def test_why_rows_may_not_be_combined():
    f = dense("f", "x", [[1, 2, 0], [0, 1, 1]], act=LINEAR)
    y = dense("y", "f", [[1, 1]], act=LINEAR)

    def reason(*readers, layer=f):
        made = net(X, layer, *readers)
        return why_not_combined(made, made["f"])

    assert reason(y) is None
    assert "one by one" in reason(each("y", 2, "f"))
    assert "twice" in reason(dense("y", ["f", "f"], [[[1, 1]]] * 2, act=LINEAR))
    scaled = Term("f", array([[1, 1]]), scale=Fraction(1, 3))
    assert "scaled" in reason(replace(y, terms=(scaled,)))
    assert reason(y, layer=replace(f, pinned="for a reason")) == "for a reason"
    assert reason(dense("y", "x", [[1] * 3], act=LINEAR)) == "nothing reads it"


def test_by_what_features_are_multiples_of_their_rows():
    """The ReLU of what is never negative, or never positive; of the rest nothing is known."""
    f = dense("f", "h", [[1, 2, 0], [-1, 0, -2], [1, -1, 0]], [0, -1, 0])
    made = net(X, H, f, dense("y", "f", [[1] * 3], act=LINEAR))
    values = values_of(made)
    assert linear_slopes(made["f"], values["f"]) == {0: 1, 1: 0}
    assert linear_slopes(made["y"], values["y"]) == {0: 1}
    assert linear_slopes(made["h"], values["h"]) == {}
