from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from lumpcli.analysis import CONSTANT, loosen, values_of
from lumpcli.ir import Activation
from tests.analysis.holding import facts_on, partition, violations
from tests.nets import (
    ABS,
    CLIP,
    LEAKY,
    LINEAR,
    MISH,
    RELU,
    RELU6,
    SIGMOID,
    SIGN,
    TANH,
    array,
    dense,
    each,
    join,
    moved,
    net,
    random_net,
    source,
    times,
)

X = source("x", 2)
THIRD = Fraction(1, 3)


def hidden(rows, bias=None, act=RELU, **more):
    """One layer, and a reader of nothing in particular."""
    first = source("x", len(rows[0]))
    layer = dense("h", "x", rows, bias, act, **more)
    return net(first, layer, dense("y", "h", [[1] * len(rows)], act=LINEAR))


@pytest.mark.parametrize("seed", range(60))
def test_facts_are_true_on_random_nets(seed):
    rng = np.random.default_rng(seed)
    for count in (1, 2):
        made = random_net(rng, count)
        assert violations(made, values_of(made), rng) == []


def test_the_counterexample_to_definition_6():
    """[R22, Definition 6]: plain class sums make v and t equal although v - t = -relu(x)."""
    made = net(
        source("x", 1),
        dense("u", "x", [[1], [2], [-1]], [0, 0, 1]),
        dense("v", "u", [[1, 0, 1], [0, 1, 1]]),
        dense("y", "v", [[1, -1]], act=LINEAR),
    )
    assert partition(made, "u") == [[0, 1], [2]]
    assert partition(made, "v") == [[0], [1]]
    assert facts_on(made, "y")[0][0] != CONSTANT


def test_figure_3():
    """[R22, Figure 3]: the second of two proportional neurons goes, its column is added."""
    made = hidden([[1, 2], [3, 1], [2, 4]], [1, 0, 2])
    assert partition(made, "h") == [[0, 2], [1]]
    assert facts_on(made, "h")[2][1] == 2
    below = net(
        *made.layers[:2],
        dense("g", "h", [[1, 1, 1], [3, 1, 0]], [1, 1]),
        dense("y", "g", [[1, 1]], act=LINEAR),
    )
    assert partition(below, "g") == [[0, 1]]  # 1 + 2 * 1 = 3 + 2 * 0


@pytest.mark.parametrize(
    ("act", "row_ratio", "value_ratio"),
    [
        (RELU, 2, 2),
        (RELU, THIRD * 3 / 4, Fraction(1, 4)),
        (RELU, -2, None),
        (LEAKY, 3, 3),
        (LEAKY, -1, None),
        (LINEAR, -3, -3),
        (ABS, -3, 3),
        (SIGN, -3, -1),
        (SIGN, 4, 1),
        (CLIP, -1, -1),
        (CLIP, 2, None),
        (RELU6, 1, 1),
        (RELU6, 2, None),
        (RELU6, -1, None),
    ],
    ids=str,
)
def test_which_ratios_an_activation_allows(act, row_ratio, value_ratio):
    r = float(row_ratio)
    made = hidden([[1, 2], [r, 2 * r]], [3, 3 * r], act)
    facts = facts_on(made, "h")
    if value_ratio is None:
        assert facts[0][0] != facts[1][0]
    else:
        assert facts[0][0] == facts[1][0]
        assert facts[1][1] / facts[0][1] == value_ratio


@pytest.mark.parametrize(
    ("act", "r", "merged"),
    [
        (TANH, -1, -1),
        (TANH, 2, None),
        (MISH, -1, None),
        (SIGMOID, 1, 1),
        (Activation("Cos"), -1, 1),
        (Activation("Cos"), 2, None),
        (Activation("Gelu", ("none",)), 2, None),
        (Activation("Erf"), -1, -1),
    ],
)
def test_odd_and_even_functions(act, r, merged):
    facts = values_of(hidden([[1, 2], [r, 2 * r]], [3, 3 * r], act))["h"]
    assert (facts.class_of[0] == facts.class_of[1]) == (merged is not None)
    if merged is not None:
        assert facts.ratio[1] / facts.ratio[0] == merged


def test_slopes():
    act = Activation("PRelu", (), array([0.5, 0.5, 0.25, 0, 1, 1]))
    made = hidden([[1, 2], [2, 4], [2, 4], [2, 4], [1, 2], [-1, -2]], None, act)
    assert partition(made, "h")[:3] == [[0, 1], [2], [3]]
    assert facts_on(made, "h")[1][1] == 2


def test_offsets_in_linear_layers():
    made = hidden([[1, 2], [-2, -4], [1, 3]], [5, 1, 5], LINEAR)
    (first, r0, s0), (second, r1, s1), (third, _, _) = facts_on(made, "h")
    assert first == second != third
    assert r1 / r0 == -2
    assert s1 - r1 / r0 * s0 == 11
    # and the reader sees through them: -2 h0 + 11 = h1
    below = net(*made.layers[:2], dense("y", "h", [[2, 1, 0], [0, 0, 1]], [1, 0], LINEAR))
    assert facts_on(below, "y")[0] == (CONSTANT, 0, 12)


def test_a_linear_layer_that_passes_on_shares_the_class_of_its_source():
    made = hidden([[0, 3], [1, 0], [1, 1]], [4, 0, 0], LINEAR)
    x = facts_on(made, "x")
    assert facts_on(made, "h")[:2] == [(x[1][0], 3, 4), (x[0][0], 1, 0)]


def test_constants():
    made = hidden([[0, 0], [0, 0], [1, 0]], [2, -3, 1])
    assert facts_on(made, "h")[:2] == [(CONSTANT, 0, 2), (CONSTANT, 0, 0)]
    cancelling = net(
        *made.layers[:2],
        dense("g", "h", [[1, 1, 0], [3, 1, 1]], [1, 0]),
        dense("y", "g", [[1, 1]], act=LINEAR),
    )
    assert facts_on(cancelling, "g")[0] == (CONSTANT, 0, 3)


def test_cascades():
    """A lump makes a lump makes a constant."""
    made = net(
        X,
        dense("a", "x", [[1, 1], [2, 2], [1, -1]]),
        dense("b", "a", [[2, 1, 1], [0, 2, 1], [2, -1, 0]], [0, 0, 3]),
        dense("c", "b", [[1, -1, 1], [1, 0, 0]], act=LINEAR),
        dense("y", "c", [[1, 1]], act=LINEAR),
    )
    assert partition(made, "b") == [[0, 1]]
    assert facts_on(made, "b")[2] == (CONSTANT, 0, 3)
    assert facts_on(made, "c")[0] == (CONSTANT, 0, 3)


def test_two_branches_that_compute_the_same():
    made = net(
        X,
        dense("a", "x", [[1, 2], [3, 1]], [1, 0]),
        dense("b", "x", [[2, 4], [3, 1]], [2, 1]),
        each("c", 2, times("a", -2), "b"),
        dense("y", "c", [[1, 1]], act=LINEAR),
    )
    assert facts_on(made, "c")[0] == (CONSTANT, 0, 0)
    assert facts_on(made, "c")[1][0] != CONSTANT


def test_a_residual_that_cancels_is_constant():
    made = net(
        X,
        dense("a", "x", [[1, 2], [3, 1]]),
        each("m", 2, times("a", -1)),
        each("c", 2, "a", "m", bias=[1, 2]),
        dense("y", "c", [[1, 1]], act=LINEAR),
    )
    assert facts_on(made, "c") == [(CONSTANT, 0, 1), (CONSTANT, 0, 2)]


def test_moved_features_are_not_the_unmoved_ones():
    """x + unsqueeze(x) broadcasts: it is not 2 x, and x - unsqueeze(x) is not 0."""
    made = net(
        source("x", 2),
        dense("h", "x", [[1, 2], [2, 4]]),
        moved("m", 2, "h"),
        each("d", 2, "h", times("m", -1)),
        dense("y", "d", [[1, 1]], act=LINEAR),
    )
    assert facts_on(made, "d")[0][0] != CONSTANT
    assert partition(made, "m") == [[0, 1]]
    assert partition(made, "d") == [[0, 1]]
    assert {c for c, _, _ in facts_on(made, "m")} != {c for c, _, _ in facts_on(made, "h")}


def test_a_tap_is_not_the_feature_itself():
    weight = np.zeros((3, 2, 2), np.float32)
    weight[0, 0, 1] = weight[1, 0, 0] = weight[2, 0, 1] = 1
    made = net(
        X,
        dense("h", "x", weight, None, LINEAR),
        dense("g", ["h", "x"], [[[1, 0, 0], [0, 1, 0]], [[-1, 0], [-1, 0]]]),
        dense("y", "g", [[1, 1]], act=LINEAR),
    )
    assert partition(made, "h") == [[0, 2], [1]]
    assert facts_on(made, "g")[0][0] != CONSTANT


def test_constants_at_the_border():
    padded = {"padded": True}
    weight = np.array([[[1, 1], [0, 0]], [[0, 2], [0, 0]], [[1, 1], [0, 0]], [[1, 1], [0, 1]]])
    made = net(
        source("x", 1),
        dense("h", "x", [[0], [1]], [1, 0]),
        dense("g", "h", weight.astype(np.float32), term=padded),
        dense("y", "g", [[1, 1, 1, 1]], act=LINEAR),
    )
    assert partition(made, "g") == [[0, 2], [1], [3]]


def test_products():
    made = net(
        X,
        dense("a", "x", [[1, 2], [2, 4], [0, 0]], [0, 0, 3]),
        dense("b", "a", [[2, 0, 0], [0, 1, 1], [1, 1, 1]], act=LINEAR),
        join("p", 3, "a", "b"),
        join("q", 3, "b", "a"),
        dense("y", "p", [[1, 1, 1]], act=LINEAR),
    )
    assert facts_on(made, "p") == facts_on(made, "q")
    assert facts_on(made, "p")[2][0] == facts_on(made, "b")[2][0]  # 3 * b
    assert facts_on(made, "p")[2][1] == 3 * facts_on(made, "b")[2][1]


def test_a_sweep_knows_whether_loosening_would_find_more():
    third = [1 / 3, 0.7, 0.1]
    exact = [[*third], [2 * v for v in third], [1, 0, 5]]
    near = [[*third], [float(np.float32(0.3) * np.float32(v)) for v in third], [1, 0, 5]]
    for rows, more in ((exact, False), (near, True)):
        found = values_of(net(source("x", 3), dense("h", "x", rows)))
        assert found.would_change(loosen) == more
        loose = values_of(net(source("x", 3), dense("h", "x", rows)), loosen)
        assert (len(set(loose["h"].class_of)) < len(set(found["h"].class_of))) == more
