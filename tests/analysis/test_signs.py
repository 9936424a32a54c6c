from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from lumpcli.analysis import CONSTANT, loosen, signs, values_of
from lumpcli.analysis.columns import columns_of
from lumpcli.analysis.facts import INSIDE
from lumpcli.analysis.signs import Ranges, outwards, row_ranges
from lumpcli.ir import Activation, Term
from tests.analysis.holding import facts_on, partition, violations
from tests.computed import evaluate, points
from tests.nets import (
    ABS,
    CLIP,
    LINEAR,
    RELU,
    SIGMOID,
    TANH,
    array,
    dense,
    each,
    net,
    random_net,
    source,
    times,
)

PIECEWISE = ("Identity", "Relu", "LeakyRelu", "Abs", "Clip")
X = source("x", 3)
H = dense("h", "x", [[1, 2, 0], [3, 1, 1], [-1, 0, 2]], [1, 0, -1])


def phases(*layers, name="f"):
    made = net(X, *layers, dense("y", name, [[1] * layers[-1].width], act=LINEAR))
    values = values_of(made)
    if all(layer.activation.name in PIECEWISE for layer in layers):
        assert violations(made, values, np.random.default_rng(1)) == []
    return values[name].phase.tolist()


@pytest.mark.parametrize(
    ("h", "rows", "bias", "expected"),
    [
        (RELU, [[1, 2, 0], [0, 3, 1]], [0, 1], [1, 1]),
        (RELU, [[1, 2, 0], [0, 3, 1]], [-1, -0.5], [0, 0]),
        (RELU, [[-1, 0, -2], [-1, 0, -2]], [0, 1], [-1, 0]),
        (RELU, [[1, -1, 0], [1, 0, 0]], [5, 0], [0, 1]),
        (SIGMOID, [[1, -2, 1], [1, -2, 1], [1, -2, 1]], [2, -2, 1], [1, -1, 0]),
        (TANH, [[1, -2, 0], [1, -2, 0]], [3, -3], [1, -1]),
        (CLIP, [[1, -2, 0], [1, -2, 0]], [2.75, -3], [0, -1]),
        (LINEAR, [[1, 2, 0], [0, 0, 1]], [9, 9], [0, 0]),
        (ABS, [[1, 2, 0], [-1, 0, -1]], [0, 0], [1, -1]),
        (Activation("Softplus"), [[1, 2, 0], [-1, 0, -1]], [0, 0], [1, -1]),
        (Activation("Gelu", ("none",)), [[1, 1, 1], [1, 1, 1]], [0.5, 0.75], [0, 1]),
        (Activation("LeakyRelu", (-0.5,)), [[1, 2, 0], [-1, 0, -1]], [0, 0], [1, -1]),
        (Activation("LeakyRelu", (0.5,)), [[1, 2, 0], [-1, 0, -1]], [0, 0], [0, 0]),
    ],
    ids=str,
)
def test_rows_of_known_sign(h, rows, bias, expected):
    assert (
        phases(dense("h", "x", H.terms[0].weight, act=h), dense("f", "h", rows, bias)) == expected
    )


def test_one_unit_in_the_last_place_decides():
    least = np.nextafter(np.float32(3), np.float32(0))
    rows, bias = [[1, -2, 0]] * 3, [3, least, np.nextafter(np.float32(3), np.float32(4))]
    h = dense("h", "x", H.terms[0].weight, act=TANH)
    assert phases(h, dense("f", "h", rows, array(bias))) == [1, 0, 1]


def test_what_cancels_over_classes_is_no_obstacle():
    """h[3] = 2 h[0], so the row is 3 h[0] - h[3] = h[0]: never negative, though one weight is."""
    h = dense("h", "x", [[1, 2, 0], [3, 1, 1], [0, 0, 1], [2, 4, 0]], [1, 0, 0, 2])
    assert phases(h, dense("f", "h", [[3, 0, 0, -1], [1, 0, 0, -1]])) == [1, -1]


def test_active_rows_are_linear():
    """Multiples of either sign, up to an offset; a row of one weight is what it reads."""
    rows = [[1, 2, 0], [-2, -4, 0], [2, 4, 0], [0, 3, 0], [1, 2, 0]]
    f = dense("f", "h", rows, [1, 0, 6, 2, -1])
    made = net(X, H, f, dense("y", "f", [[1] * 5], act=LINEAR))
    found, h = facts_on(made, "f"), facts_on(made, "h")
    assert found[0][:2] == (found[2][0], found[2][1] / 2)
    assert found[1] == (CONSTANT, 0, 0)
    assert found[3] == (h[1][0], 3, 2)
    assert found[4][0] not in (found[0][0], CONSTANT)


def test_leaky_rows_are_multiplied_by_the_slope_where_they_are_never_positive():
    leaky = Activation("PRelu", (), array([0.5, 0.25, 0, -1]))
    f = dense("f", "h", [[-1, -2, 0], [1, 2, 0], [-1, 0, -1], [-2, -4, 0]], [0, 4, 0, 0], act=leaky)
    made = net(X, H, f, dense("y", "f", [[1] * 4], act=LINEAR))
    found = facts_on(made, "f")
    assert partition(made, "f") == [[0, 1, 3]]
    assert found[2] == (CONSTANT, 0, 0)
    assert [fact[1] / found[1][1] for fact in found if fact[0] != CONSTANT] == [-0.5, 1, 2]


def test_linear_rows_are_in_the_class_of_earlier_layers():
    """An identity layer and a ReLU that is one share classes."""
    g = dense("g", "h", [[1, 2, 0], [1, -1, 0]], [3, 0], act=LINEAR)
    f = dense("f", "h", [[2, 4, 0], [2, -2, 0]], [0, 0])
    ones = [[1, 1]]
    made = net(X, H, g, f, dense("y", ["g", "f"], [ones, ones], act=LINEAR))
    g_facts, f_facts = facts_on(made, "g"), facts_on(made, "f")
    assert (f_facts[0][0], f_facts[0][1] / g_facts[0][1]) == (g_facts[0][0], 2)
    assert f_facts[1][0] != g_facts[1][0]


def test_behind_padding_values_may_be_zero():
    """sigmoid(x) >= 1/2 is not known, but x = 1 + relu is at least 1: not behind padding."""
    kernel = np.zeros((2, 3, 3), "f4")
    kernel[:, :, 1] = [[1, 2, 0], [1, 0, 1]]
    for padded, expected in ((False, [1, 1]), (True, [0, 1])):
        h = dense("h", "x", H.terms[0].weight, [1, 0, -1])
        g = each("g", 3, times("h", 1), bias=[1, 1, 1])
        term = Term("g", kernel, padded=padded, via="3 by 1", image="g")
        f = dense("f", "g", kernel, [-0.5, 0], term={"padded": padded, "via": "k", "image": "g"})
        made = net(X, h, g, f, dense("y", "f", [[1, 1]], act=LINEAR))
        assert values_of(made)["f"].phase.tolist() == expected, term


def test_layers_that_read_feature_by_feature():
    """relu(relu(x)), a residual sum, a scale: what is never negative is passed on."""
    s = each("s", 3, "h", times("h", [2, 1, -1]), bias=[0, -1, 0], act=RELU)
    made = net(X, H, s, dense("y", "s", [[1, 1, 1]], act=LINEAR))
    h, found = facts_on(made, "h"), facts_on(made, "s")
    assert found[0] == (h[0][0], 3, 0)
    assert found[1][0] != h[1][0]
    assert found[2] == (CONSTANT, 0, 0)


@pytest.mark.parametrize("hull", [True, False])
def test_pools_keep_ends_where_they_are_said_to(hull):
    pool = each("p", 3, Term("h", None, diagonal=True, via="pool", hull=hull))
    f = dense("f", "p", [[1, 2, 0]])
    made = net(X, H, pool, f, dense("y", "f", [[1]], act=LINEAR))
    assert values_of(made)["f"].phase.tolist() == [int(hull)]


def test_phases_and_facts_hold_on_random_nets():
    rng = np.random.default_rng(3)
    told = 0
    for _ in range(150):
        made = random_net(rng)
        values = values_of(made)
        assert violations(made, values, rng) == []
        x = evaluate(made, points(made, rng))
        for layer in made.layers:
            phase = values[layer.name].phase
            for i in [] if phase is None else np.flatnonzero(phase).tolist():
                told += 1
                assert all(v >= 0 for v in x[layer.name][i]) or layer.activation.name != "Relu"
    assert told > 20


def test_rounded_ends_leave_out_nothing(monkeypatch):
    """Sums in float64 are at least as wide as exact ones, and hardly wider."""
    rng = np.random.default_rng(5)
    h = dense("h", "x", rng.normal(size=(300, 3)).astype("f4"), act=SIGMOID)
    f = dense("f", "h", rng.normal(size=(60, 300)).astype("f4"), rng.normal(size=60))
    made = net(X, h, f, dense("y", "f", [[1] * 60], act=LINEAR))
    columns = columns_of(f, values_of(made).layers)
    ranges = Ranges()
    ranges.tell(columns.classes, np.zeros(300), np.linspace(0, 1, 300))
    found = row_ranges(columns, ranges)
    monkeypatch.setattr(signs, "_FEW", 10**9)
    exact = row_ranges(columns, ranges)
    assert (found[0] < exact[0]).all()
    assert (found[1] > exact[1]).all()
    assert np.abs(np.array(found) - np.array(exact)).max() < 1e-11


def test_what_overflows_is_not_known():
    large = np.full((200, 100), 1e300)
    h = dense("h", "x", np.arange(300.0).reshape(100, 3) ** 2, dtype="f8")
    f = dense("f", "h", large, dtype="f8")
    made = net(X, h, f, dense("y", "f", [[1] * 200], act=LINEAR))
    columns = columns_of(f, values_of(made).layers)
    ranges = Ranges()
    ranges.tell(columns.classes, np.full(len(columns.classes), 1e200), np.full(1, math.inf))
    assert np.isneginf(row_ranges(columns, ranges)[0]).all()


def test_ranges_of_classes():
    ranges = Ranges()
    ranges.tell_one(3000, (Fraction(1, 3), math.inf))
    low, high = ranges.of(np.array([3000, 7, INSIDE, 10**6]))
    assert low.tolist() == [
        np.nextafter(1 / 3, 0) if Fraction(1, 3) < 1 / 3 else 1 / 3,
        -math.inf,
        0,
        -math.inf,
    ]
    assert high.tolist() == [math.inf, math.inf, 1, math.inf]
    assert ranges.interval(INSIDE) == (0, 1)


def test_outwards():
    third = Fraction(1, 3)
    low, high = outwards((third, third))
    assert Fraction(low) < third < Fraction(high)
    assert outwards((Fraction(1, 2), math.inf)) == (0.5, math.inf)
    assert outwards((-(Fraction(10) ** 400), Fraction(10) ** 400)) == (-math.inf, math.inf)


def test_rows_within_rounding_join_as_what_they_are_by_name():
    """Their weights may be chosen so that they are not active: no offset, no negative ratio."""
    row = np.array([1, 3, 0], "f4")
    third = (row / 3).astype("f4")
    f = dense("f", "h", [row, third, [0, 3, 1], [0, 6, 2]], [3, 1, 0, 5])
    made = net(X, H, f, dense("y", "f", [[1] * 4], act=LINEAR))
    exact, loose = values_of(made)["f"], values_of(made, loosen)["f"]
    assert exact.phase.tolist() == [1, 1, 1, 1]
    assert exact.class_of[0] != exact.class_of[1]
    assert exact.class_of[2] == exact.class_of[3]
    assert loose.phase.tolist() == [0, 0, 1, 1]
    assert loose.class_of[0] == loose.class_of[1]
    assert abs(loose.ratio[1] - Fraction(1, 3)) < 1e-6
    assert not loose.offset[1]


def test_rows_that_differ_by_more_than_a_ratio_do_not_join_within_rounding():
    third = (np.array([1, 3, 0]) / 3).astype("f4")
    for bias in (-1, 7):
        f = dense("f", "h", [[1, 3, 0], third], [3, bias])
        made = net(X, H, f, dense("y", "f", [[1] * 2], act=LINEAR))
        facts = values_of(made, loosen)["f"]
        assert facts.class_of[0] != facts.class_of[1]
