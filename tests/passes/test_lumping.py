from __future__ import annotations

import pytest

from lumpcli.analysis import Grants, liveness_of, values_of
from lumpcli.ir import Activation
from lumpcli.passes import Lumping
from tests.nets import (
    ABS,
    LEAKY,
    LINEAR,
    MISH,
    RELU,
    RELU6,
    SIGMOID,
    TANH,
    array,
    dense,
    each,
    net,
    source,
)
from tests.passes.proposals import claims_of, features

PASS = Lumping()


def two(rows, bias=None, act=RELU, **more):
    hidden = dense("h", "x", rows, bias, act, **more)
    return net(source("x"), hidden, dense("y", "h", [[1] * len(rows)], act=LINEAR))


def test_fires_on_duplicates_and_multiples():
    made = two([[1, 2], [3, 1], [1, 2], [2, 4], [6, 2]])
    (claim,) = claims_of(PASS, made)
    assert claim.features.tolist() == [0, 1, 2, 3, 4]
    classes = claim.classes.tolist()
    assert classes[0] == classes[2] == classes[3] != classes[1] == classes[4]
    assert [r / claim.ratio[0] for r in claim.ratio] == [
        1,
        claim.ratio[1] / claim.ratio[0],
        1,
        2,
        2,
    ]
    assert claim.kind == "lumped"


def test_who_is_alone_is_not_claimed():
    assert features(PASS, two([[1, 2], [3, 1], [2, 4]])) == [0, 2]
    assert features(PASS, two([[1, 2], [3, 1]])) == []


def test_declines_one_ulp_away():
    assert features(PASS, two([[1, 2], [3, 6]])) == [0, 1]
    assert features(PASS, two([[1, 2], [3, 6 + 2.0**-21]])) == []
    assert features(PASS, two([[1, 2], [3, 6]], [1, 3 + 2.0**-22])) == []


def test_zero_biases_do_not_hide_the_ratio():
    (claim,) = claims_of(PASS, two([[0, 2], [0, 6]], [0, 0]))
    assert claim.ratio[1] / claim.ratio[0] == 3


@pytest.mark.parametrize(
    ("act", "r", "fires"),
    [
        (RELU, -2, False),
        (LEAKY, -2, False),
        (LEAKY, 2, True),
        (LINEAR, -2, True),
        (ABS, -2, True),
        (RELU6, 2, False),
        (TANH, -1, True),
        (TANH, 2, False),
        (MISH, -1, False),
        (SIGMOID, -1, True),
        (SIGMOID, 1, True),
        (Activation("PRelu", (), array([0.5, 0.25])), 2, False),
        (Activation("PRelu", (), array([0.5, 0.5])), 2, True),
    ],
    ids=str,
)
def test_only_ratios_that_the_activation_allows(act, r, fires):
    made = two([[1, 2], [r, 2 * r]], [1, r], act)
    values = values_of(made)
    claims = PASS.propose(made, values, liveness_of(made, values), Grants())
    assert [c.layer for c in claims] == (["h"] if fires else [])


def test_one_input():
    made = net(
        source("x", 1), dense("h", "x", [[1], [2], [-1]]), dense("y", "h", [[1, 1, 1]], act=LINEAR)
    )
    assert features(PASS, made) == [0, 1]


def test_offsets_of_linear_layers():
    (claim,) = claims_of(PASS, two([[1, 2], [-2, -4]], [5, 1], LINEAR))
    ratio = claim.ratio[1] / claim.ratio[0]
    assert ratio == -2
    assert claim.offset[1] - ratio * claim.offset[0] == 11


def test_constants_are_left_to_another_pass():
    assert features(PASS, two([[0, 0], [0, 0]], [1, 1])) == []


def test_a_residual_group():
    made = net(
        source("x"),
        dense("a", "x", [[1, 2], [2, 4], [1, 0]]),
        dense("b", "x", [[3, 1], [6, 2], [1, 1]]),
        each("u", 3, "a", "b"),
        dense("y", ["a", "u"], [[[1, 1, 1]], [[1, 1, 1]]], act=LINEAR),
    )
    assert features(PASS, made, "a") == [0, 1]
    assert features(PASS, made, "u") == [0, 1]
    assert features(PASS, made, "b") == []  # no matrix reads it


def test_a_pinned_layer_is_claimed_but_not_cut():
    assert features(PASS, two([[1, 2], [2, 4]], pinned="graph output")) == [0, 1]
