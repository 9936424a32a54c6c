from __future__ import annotations

import pytest

from lumpcli.analysis import Grants, liveness_of, values_of
from lumpcli.passes import Unread
from tests.nets import LINEAR, MISH, RELU, TANH, dense, each, net, source
from tests.passes.proposals import features, offsets

PASS = Unread()
CANCEL = ([[1, 2], [2, 4], [1, 1]], [[2, -1, 1]])


def two(rows, columns, bias=None, act=RELU, **more):
    return net(
        source("x"), dense("h", "x", rows, bias, act), dense("y", "h", columns, act=LINEAR, **more)
    )


def test_fires_on_columns_of_zeros_and_on_what_cancels():
    assert features(PASS, two([[1, 0], [0, 1]], [[0, 1]])) == [0]
    assert features(PASS, two(*CANCEL)) == [0, 1]


def test_declines_one_ulp_away():
    rows, ((_, minus, one),) = CANCEL
    assert features(PASS, two(rows, [[2 + 2.0**-22, minus, one]])) == []
    assert features(PASS, two([[1, 2], [2 + 2.0**-22, 4], [1, 1]], CANCEL[1])) == []


def test_offsets_are_what_is_left():
    made = two(CANCEL[0], CANCEL[1], [3, 1, 0], LINEAR)
    assert features(PASS, made) == [0, 1]
    first, second = offsets(PASS, made)
    assert 2 * first - second == 2 * 3 - 1


def test_constants_are_left_to_another_pass():
    assert features(PASS, two([[0, 0], [0, 1]], [[0, 1]], [1, 0])) == []


@pytest.mark.parametrize(("act", "cut"), [(TANH, [0, 1]), (MISH, []), (RELU, [])], ids=str)
def test_opposite_rows_cancel_where_the_function_is_odd(act, cut):
    made = net(
        source("x"),
        dense("h", "x", [[1, 2], [-1, -2]], None, act),
        dense("y", "h", [[1, 1]], act=LINEAR),
    )
    values = values_of(made)
    claims = PASS.propose(made, values, liveness_of(made, values), Grants())
    assert [i for c in claims if c.layer == "h" for i in c.features.tolist()] == cut


def test_pinned_layers_are_read():
    rows, columns = CANCEL
    hidden = dense("h", "x", rows, pinned="graph output")
    assert features(PASS, net(source("x"), hidden, dense("y", "h", columns, act=LINEAR))) == []


def test_a_residual_group():
    made = net(
        source("x"),
        dense("h", "x", [[1, 0], [0, 1], [1, 1]]),
        dense("f", "h", [[1, 1, 0], [1, 2, 0], [1, 3, 0]]),
        each("u", 3, "h", "f"),
        dense("y", "u", [[1, 1, 0]], act=LINEAR),
    )
    assert features(PASS, made, "u") == [2]
    assert features(PASS, made, "h") == [2]  # needed by u2 alone


def test_a_reader_without_a_bias():
    made = two(CANCEL[0], CANCEL[1], [3, 1, 0], LINEAR, bias_fixed=True)
    assert features(PASS, made) == [0, 1]  # claimed; compose keeps what the offsets need


def test_what_only_a_sum_needs_is_unread():
    """u0 = u1 although h0 and h1 differ: one index is enough when no matrix reads h."""
    made = net(
        source("x"),
        dense("h", "x", [[1, 0], [0, 1], [1, 1]]),
        dense("f", "x", [[0, 1], [1, 0], [1, 2]]),
        each("u", 3, "h", "f"),
        dense("y", ["u", "h"], [[[1, 1, 1]], [[0, 0, 1]]], act=LINEAR),
    )
    assert features(PASS, made, "h") == [0, 1]
    assert features(PASS, made, "u") == []
