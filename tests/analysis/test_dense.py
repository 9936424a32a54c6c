from __future__ import annotations

from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest

from lumpcli.analysis import CONSTANT, values_of
from lumpcli.ir import Activation
from tests.analysis.holding import allowed, facts_on, ratio_of, violations
from tests.nets import (
    ABS,
    CLIP,
    HALF,
    LINEAR,
    RELU,
    RELU6,
    SIGMOID,
    TANH,
    array,
    dense,
    each,
    net,
    source,
    times,
)

X = source("x", 3)
ROWS = [[1, 2, 0], [3, 1, 1]]


def branches(first, second, *more, width=2):
    """Two layers, and a reader of both."""
    ones = [[1] * width]
    return net(X, *more, first, second, dense("y", [first.name, second.name], [ones, ones]))


def shared(made):
    """For each feature of b: the feature of a in whose class it is, and the ratio of the values."""
    a, b = facts_on(made, "a"), facts_on(made, "b")
    found = []
    for label, ratio, _ in b:
        twin = next((i for i, fact in enumerate(a) if fact[0] == label != CONSTANT), None)
        found.append(None if twin is None else (twin, ratio / a[twin][1]))
    return found


@pytest.mark.parametrize(
    ("act", "rows", "expected"),
    [
        (RELU, [[3, 1, 1], [2, 4, 0]], [(1, 1), (0, 2)]),
        (RELU, [[3, 1, 2], [-1, -2, 0]], [None, None]),
        (ABS, [[3, 1, 2], [-1, -2, 0]], [None, (0, 1)]),
        (LINEAR, [[-6, -2, -2], [1, 2, 0]], [(1, -2), (0, 1)]),
        (CLIP, [[-3, -1, -1], [2, 4, 0]], [(1, -1), None]),
    ],
    ids=str,
)
def test_layers_that_read_alike_share_classes(act, rows, expected):
    assert (
        shared(branches(dense("a", "x", ROWS, act=act), dense("b", "x", rows, act=act))) == expected
    )


def test_the_bias_counts_across_layers():
    a, b = dense("a", "x", ROWS, [1, 2]), dense("b", "x", ROWS, [1, 3])
    assert shared(branches(a, b)) == [(0, 1), None]
    scaled = dense("b", "x", ROWS, [2, 4], bias_scale=HALF)
    assert shared(branches(a, scaled)) == [(0, 1), (1, 1)]


def test_offsets_across_linear_layers():
    made = branches(
        dense("a", "x", ROWS, [1, 2], LINEAR), dense("b", "x", [[2, 4, 0]] * 2, [7, 0], LINEAR)
    )
    a, b = facts_on(made, "a"), facts_on(made, "b")
    assert b[0] == (a[0][0], 2 * a[0][1], 2 * a[0][2] + 5)
    assert b[1] == (a[0][0], 2 * a[0][1], 2 * a[0][2] - 2)


def test_other_functions_do_not_share():
    for first, second in [(RELU, LINEAR), (RELU, TANH), (CLIP, RELU6), (RELU6, CLIP)]:
        made = branches(dense("a", "x", ROWS, act=first), dense("b", "x", ROWS, act=second))
        values = values_of(made)
        assert set(values["a"].class_of) & set(values["b"].class_of) == set()


def test_slopes_across_layers():
    acts = [Activation("PRelu", (), array(s)) for s in ([0.5, 0.25], [0.5, 0.5])]
    made = branches(dense("a", "x", ROWS, act=acts[0]), dense("b", "x", ROWS, act=acts[1]))
    assert shared(made) == [(0, 1), None]


def test_a_copy_of_the_source_is_as_good_as_the_source():
    copy = dense("c", "x", [[0, 0, 2], [0, 1, 0], [1, 0, 0]], [0, 0, 0], LINEAR)
    a = dense("a", "x", [[1, 2, 4], [3, 1, 1]])
    b = dense("b", "c", [[2, 2, 1], [0.5, 1, 3]])
    assert shared(branches(a, b, copy)) == [(0, 1), (1, 1)]


def test_other_sources_do_not_share():
    other = source("z", 3)
    made = branches(dense("a", "x", ROWS), dense("b", "z", ROWS), other)
    assert shared(made) == [None, None]


def test_taps_and_padding_are_ways_of_reading():
    weight = np.arange(12, dtype=np.float32).reshape(2, 3, 2)
    a = dense("a", "x", weight)
    assert shared(branches(a, dense("b", "x", 2 * weight))) == [(0, 2), (1, 2)]
    assert shared(branches(a, dense("b", "x", weight, term={"padded": True}))) == [None, None]


def test_equal_taps_of_other_kernels_are_not_the_same():
    tall, wide = np.ones((2, 3, 3, 1), np.float32), np.ones((2, 3, 1, 3), np.float32)
    values = values_of(branches(dense("a", "x", tall), dense("b", "x", wide)))
    assert set(values["a"].class_of) & set(values["b"].class_of) == set()


def test_shared_rows_cancel_in_a_common_reader():
    made = net(
        X,
        dense("a", "x", ROWS),
        dense("b", "x", [[2, 4, 0], [3, 1, 1]]),
        dense("y", ["a", "b"], [[[2, 1], [1, 0]], [[-1, -1], [0, 1]]], [4, 0], LINEAR),
    )
    assert facts_on(made, "y")[0] == (CONSTANT, 0, 4)


def test_three_layers_and_classes_that_come_later():
    made = net(
        X,
        dense("a", "x", [[1, 0, 0], [1, 0, 0]]),
        dense("b", "x", [[0, 1, 0], [2, 0, 0]]),
        dense("c", "x", [[0, 3, 0], [4, 0, 0]]),
        each("d", 2, times("c", 1), times("b", [-3, -2])),
        dense("y", "d", [[1, 1]], act=LINEAR),
    )
    assert facts_on(made, "d") == [(CONSTANT, 0, 0)] * 2


@pytest.mark.parametrize("seed", range(20))
def test_branches_by_brute_force(seed):
    rng = np.random.default_rng(seed)
    act = [RELU, LINEAR, ABS, CLIP][seed % 4]
    layers, rows, labels = [X], [], []
    for k in range(4):
        weight = rng.integers(-1, 2, (4, 3)) * rng.choice([1, 2, -1], (4, 1))
        bias = rng.integers(-1, 2, 4)
        layers.append(dense(f"h{k}", "x", weight, bias, act))
        constant = np.zeros((4, 1), int) if act is LINEAR else bias[:, None]
        rows += [[Fraction(int(v)) for v in r] for r in np.hstack([weight, constant])]
    made = net(*layers, dense("y", "h3", [[1] * 4], act=LINEAR))
    values = values_of(made)
    assert violations(made, values, rng) == []
    labels = np.concatenate([values[f"h{k}"].class_of for k in range(4)])
    for i, j in combinations(range(16), 2):
        if any(rows[i][:-1]) and any(rows[j][:-1]):
            r = ratio_of(rows[i], rows[j])
            merged = r is not None and allowed(act.symmetry, r)
            assert (labels[i] == labels[j]) == merged


def test_passed_on_features_in_a_stack():
    """A row with one weight is the feature it reads, whatever columns earlier layers have."""
    first = dense("a", "x", [[1, 2, 0], [0, 1, 1]], act=LINEAR)
    x = facts_on(branches(first, dense("b", "x", ROWS, act=LINEAR)), "x")
    picks = dense("p", "x", [[0, 0, 1], [0, 1, 0]], act=LINEAR)
    again = dense("b", "p", [[0, 3], [5, 0]], [1, 0], LINEAR)
    made = branches(first, again, picks)
    assert facts_on(made, "p") == [x[2], x[1]]
    assert facts_on(made, "b") == [(x[1][0], 3, 1), (x[2][0], 5, 0)]


def test_kernels_belong_to_their_terms():
    tall, wide = np.ones((2, 3, 3, 1), np.float32), np.ones((2, 3, 1, 3), np.float32)
    a = dense("a", ["x", "z"], [tall, wide])
    b = dense("b", ["x", "z"], [wide, tall])
    values = values_of(branches(a, b, source("z", 3)))
    assert set(values["a"].class_of) & set(values["b"].class_of) == set()


@pytest.mark.parametrize("act", [SIGMOID, Activation("HardSigmoid", (0.25, 0.5))], ids=str)
def test_opposite_rows_of_a_sigmoid_sum_to_one(act):
    rows = [[1, 2, 0], [-1, -2, 0], [1, 2, 0], [-2, -4, 0]]
    first, second = (
        dense("a", "x", rows, [3, -3, 3, -3], act=act),
        dense("b", "x", [[-1, -2, 0]], [-3], act=act),
    )
    made = net(X, first, second, dense("y", ["a", "b"], [[[1] * 4], [[1]]], act=LINEAR))
    values = values_of(made)
    a, b = (list(map(values[n].fact, range(made[n].width))) for n in "ab")
    label = a[0][0]
    assert [(c, r, o.rational) for c, r, o in a[:3]] == [
        (label, 1, 0),
        (label, -1, 1),
        (label, 1, 0),
    ]
    assert a[3][0] != label
    assert b[0] == a[1]
