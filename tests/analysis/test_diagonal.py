from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from lumpcli.analysis import CONSTANT, values_of
from lumpcli.ir import Activation, Net, Term
from tests.analysis.holding import facts_on, partition
from tests.nets import (
    ABS,
    LINEAR,
    RELU,
    SIGMOID,
    array,
    dense,
    each,
    join,
    moved,
    net,
    picked,
    source,
    times,
)

X = source("x", 3)
H = dense("h", "x", [[1, 2, 0], [2, 4, 0], [0, 0, 0]], [0, 0, 5])


def ending(*layers, first=H):
    last = layers[-1]
    return net(X, first, *layers, dense("y", last.name, [[1] * last.width], act=LINEAR))


def test_a_source_is_all_different():
    assert partition(ending(each("s", 3, "h")), "x") == [[0], [1], [2]]


def test_scales_and_shifts():
    made = ending(each("s", 3, times("h", [4, 2, 3], scale=Fraction(1, 3)), bias=[1, 2, 3]))
    h, s = facts_on(made, "h"), facts_on(made, "s")
    assert s[0] == (h[0][0], Fraction(4, 3) * h[0][1], 1)
    assert s[1] == (h[0][0], Fraction(2, 3) * h[1][1], 2)
    assert s[2] == (CONSTANT, 0, 8)


def test_division():
    made = ending(each("s", 3, times("h", [3, 7, 10], inverse=True)))
    assert facts_on(made, "s")[0][1] == Fraction(1, 3) * facts_on(made, "h")[0][1]
    assert facts_on(made, "s")[2] == (CONSTANT, 0, Fraction(1, 2))
    undone = ending(each("s", 3, times("h", 3)), each("t", 3, times("s", [3, 3, 3], inverse=True)))
    assert facts_on(undone, "t") == facts_on(undone, "h")


def test_a_factor_of_zero_makes_a_constant():
    made = ending(each("s", 3, times("h", [0, 1, 1]), bias=[7, 0, 0]))
    assert facts_on(made, "s")[0] == (CONSTANT, 0, 7)
    assert facts_on(ending(each("s", 3, times("h", 0))), "s") == [(CONSTANT, 0, 0)] * 3


@pytest.mark.parametrize(
    ("act", "factors", "bias", "expected"),
    [
        (RELU, [2, 1, 1], [2, 2, 0], [[0, 1]]),
        (RELU, [-2, -1, 1], [2, 2, 0], [[0, 1]]),
        (RELU, [2, 1, 1], [2, 1, 0], [[0], [1]]),
        (RELU, [2, -1, 1], [2, -2, 0], [[0], [1]]),
        (ABS, [2, -1, 1], [2, -2, 0], [[0, 1]]),
        (SIGMOID, [2, 1, 1], [1, 1, 0], [[0, 1]]),
        (SIGMOID, [1, 1, 1], [1, 1, 0], [[0], [1]]),
        (Activation("PRelu", (), array([0.5, 0.25, 0])), [2, 1, 1], [0, 0, 0], [[0], [1]]),
        (Activation("PRelu", (), array([0.5, 0.5, 0])), [2, 1, 1], [0, 0, 0], [[0, 1]]),
    ],
    ids=str,
)
def test_activations_of_single_features(act, factors, bias, expected):
    signed = replace(H, activation=LINEAR)  # else some of these functions are known to be linear
    made = ending(each("s", 3, times("h", factors), bias=bias, act=act), first=signed)
    labels = values_of(made)["s"].class_of.tolist()
    assert (labels[0] == labels[1]) == (expected == [[0, 1]])
    if act is not SIGMOID:
        assert partition(made, "s") == expected


def test_equal_layers_share_their_classes():
    s, t = (each(name, 3, "h", bias=[1, 2, 3], act=RELU) for name in "st")
    made = ending(s, t, each("d", 3, "s", times("t", -1)))
    assert facts_on(made, "s") == facts_on(made, "t")
    assert facts_on(made, "d") == [(CONSTANT, 0, 0)] * 3


def test_sums_of_two_layers():
    made = ending(
        dense("g", "x", [[1, 0, 0], [2, 0, 0], [0, 1, 0]]),
        each("s", 3, "h", "g"),
        each("t", 3, times("g", -2), times("h", -2), bias=[1, 0, 0]),
    )
    assert partition(made, "s") == [[0, 1], [2]]
    s, t = facts_on(made, "s"), facts_on(made, "t")
    assert [c for c, _, _ in s] == [c for c, _, _ in t]
    assert t[0][1] == -2 * s[0][1]
    assert t[0][2] == 1


def test_moved_twice_alike_and_differently():
    layers = [moved("m", 3, "h", "one"), moved("n", 3, "h", "three"), moved("o", 3, "h", "one")]
    made = ending(*layers, each("s", 3, "m", times("o", -1)))
    assert facts_on(made, "m") == facts_on(made, "o")
    assert facts_on(made, "m")[0][0] != facts_on(made, "n")[0][0]
    assert facts_on(made, "m")[2] == (CONSTANT, 0, 5)
    assert facts_on(made, "s") == [(CONSTANT, 0, 0)] * 3


def test_products_know_their_factors():
    made = ending(
        each("s", 3, times("h", [-3, 5, 2])), join("p", 3, "h", "s"), join("q", 3, "h", "h")
    )
    p, q = facts_on(made, "p"), facts_on(made, "q")
    assert p[0][0] == p[1][0] == q[0][0] == q[1][0]
    assert p[1][1] / p[0][1] == Fraction(4 * 5, -3)
    assert p[2] == (CONSTANT, 0, 50)


def test_products_with_offsets_are_told_apart():
    shift = each("s", 3, "h", bias=[1, 2, 1])
    other = each("t", 3, "h", bias=[1, 1, 1])
    made = ending(shift, other, join("p", 3, "h", "s"), join("q", 3, "h", "t"))
    p, q = facts_on(made, "p"), facts_on(made, "q")
    assert p[0][0] == q[0][0]
    assert p[0][0] == p[1][0]  # h1 = 2 h0: 2 h0 (2 h0 + 2) = 4 h0 (h0 + 1)
    assert q[1][0] != q[0][0]


def test_a_function_times_its_argument():
    """SiLU as a fork-join: x * sigmoid(x) of equal features is equal, of multiples it is not."""
    h = dense("h", "x", [[1, 2, 0], [1, 2, 0], [2, 4, 0]], act=LINEAR)
    made: Net = net(X, h, each("s", 3, "h", act=SIGMOID), join("p", 3, "h", "s"),
                    dense("y", "p", [[1, 1, 1]], act=LINEAR))  # fmt: skip
    labels = values_of(made)["p"].class_of.tolist()
    assert labels[0] == labels[1] != labels[2]


def _two(function, rows, others):
    """A function of two layers without activation, feature by feature."""
    h, g = (dense(n, "x", r, act=LINEAR) for n, r in (("h", rows), ("g", others)))
    last = dense("y", "p", [[1] * len(rows)], act=LINEAR)
    return net(X, h, g, join("p", len(rows), "h", "g", function=function), last)


ROWS = [[1, 2, 0], [1, 2, 0], [2, 4, 0], [-1, -2, 0], [2, 4, 0]]
OTHERS = [[1, 0, 0], [1, 0, 0], [2, 0, 0], [-1, 0, 0], [1, 0, 0]]


@pytest.mark.parametrize(
    ("function", "classes"),
    [
        ("Max", [[0, 1, 2], [3], [4]]),
        ("Min", [[0, 1, 2], [3], [4]]),
        ("Concat along axis 0", [[0, 1, 2, 3], [4]]),
        ("Where ['', '1', '']", [[0, 1], [2], [3], [4]]),
    ],
)
def test_functions_hand_on_the_ratio_of_all_operands(function, classes):
    """Max and Min positive ones, Concat of positions any, the others only know equals."""
    assert partition(_two(function, ROWS, OTHERS), "p") == classes


def test_a_function_of_the_same_operands_in_another_order_is_another_one():
    made = _two("Where", ROWS[:1], OTHERS[:1])
    swapped = join("q", 1, "g", "h", function="Where")
    made = net(*made.layers[:-1], swapped, dense("y", ["p", "q"], [[[1]], [[1]]], act=LINEAR))
    labels = [values_of(made)[name].class_of[0] for name in "pq"]
    assert labels[0] != labels[1]


def test_functions_of_constants_and_offsets():
    """2 max(h, 1) = max(2 h, 2): an offset belongs to the ratio as well."""
    s = each("s", 3, times("h", [1, 1, 1]), bias=[1, 2, 3])
    one = each("o", 3, times("h", 0), bias=[1, 2, 3])
    made = ending(s, one, join("p", 3, "h", "o", function="Max"), join("q", 3, "s", "o"))
    p = facts_on(made, "p")
    assert p[0][0] == p[1][0]
    assert p[1][1] / p[0][1] == 2
    assert facts_on(made, "q")[0][0] == facts_on(made, "s")[0][0]


def test_products_of_three():
    s = each("s", 3, times("h", [2, 3, 5]))
    made = ending(s, join("p", 3, "h", "s", "h"), join("q", 3, "s", "h", "h"))
    assert facts_on(made, "p") == facts_on(made, "q")
    h, p = facts_on(made, "h"), facts_on(made, "p")
    assert h[0][0] == h[1][0]
    assert p[1][1] / p[0][1] == (h[1][1] / h[0][1]) ** 3 * Fraction(3, 2)


def test_features_taken_from_others():
    made = ending(each("s", 4, picked("h", [1, 0, 2, -1])))
    h, s = facts_on(made, "h"), facts_on(made, "s")
    assert s[:3] == [h[1], h[0], h[2]]
    assert s[3] == (CONSTANT, 0, 0)


def test_parts_side_by_side():
    both = each("c", 6, picked("h", [0, 1, 2, -1, -1, -1]), picked("x", [-1, -1, -1, 0, 1, 2]))
    made = ending(both)
    assert facts_on(made, "c") == [*facts_on(made, "h"), *facts_on(made, "x")]


def test_one_feature_for_all():
    one = picked("x", [1] * 3, broadcast=True)
    made = ending(each("s", 3, "h", one), join("p", 3, "h", one))
    s, p = facts_on(made, "s"), facts_on(made, "p")
    assert s[2][0] == facts_on(made, "x")[1][0]
    assert p[0][0] == p[1][0]
    assert p[2] == (facts_on(made, "x")[1][0], 5, 0)


def test_weights_with_a_tap_per_place():
    """A depthwise kernel: equal features with proportional kernels."""
    kernel = array([[1, 2], [1, 2], [3, 4]])
    term = Term("h", kernel, diagonal=True, via="k")
    made = ending(each("s", 3, term, bias=[1, 2, 0]))
    s = facts_on(made, "s")
    assert s[0][0] == s[1][0]
    assert s[1][1] == 2 * s[0][1]
    assert [f[2] for f in s] == [1, 2, 35]


def test_zeros_from_outside_are_no_constants():
    """Behind padding a constant is one at some places, zero at others: still one class."""
    h = dense("h", "x", [[0, 0, 0], [0, 0, 0], [1, 0, 0]], [1, 3, 0])
    padded = Term("h", array([[1, 2], [1, 2], [1, 1]]), diagonal=True, via="k", padded=True)
    made = net(X, h, each("s", 3, padded), dense("y", "s", [[1, 1, 1]], act=LINEAR))
    s = facts_on(made, "s")
    assert s[0][0] == s[1][0] != CONSTANT
    assert s[1][1] == 3 * s[0][1]
