from __future__ import annotations

import numpy as np
import pytest

from lumpcli.analysis import liveness_of, values_of
from lumpcli.ir import Activation, Net
from tests.nets import LINEAR, RELU, TANH, dense, each, join, moved, net, source, times

X = source("x", 2)


def alive(made: Net, which: str = "read"):
    liveness = liveness_of(made, values_of(made))
    masks = getattr(liveness, which)
    return {name: np.flatnonzero(mask).tolist() for name, mask in masks.items()}


def chain(rows, columns, bias=None, act=RELU, **more):
    last = dense("y", "h", columns, act=LINEAR)
    return net(X, dense("h", "x", rows, bias, act, **more), last)


def test_columns_of_zeros_are_unread():
    made = chain([[1, 0], [0, 1], [1, 1]], [[1, 0, 2], [3, 0, 0]])
    assert alive(made)["h"] == [0, 2]
    assert alive(made)["y"] == [0, 1]


def test_what_cancels_within_a_class_is_unread():
    made = chain([[1, 2], [2, 4], [1, 1]], [[2, -1, 1], [-4, 2, 0]])
    assert alive(made)["h"] == [2]
    almost = chain([[1, 2], [2, 4], [1, 1]], [[2, -1, 1], [-4, 2.5, 0]])
    assert alive(almost)["h"] == [0, 1, 2]


def test_opposite_rows_of_an_odd_function_cancel():
    made = chain([[1, 2], [-1, -2], [1, 1]], [[3, 3, 1]], act=TANH)
    assert alive(made)["h"] == [2]


def test_constants_are_not_read():
    made = chain([[0, 0], [0, 1]], [[1, 1]], [1, 0])
    assert alive(made)["h"] == [1]


def test_a_chain_goes_in_one_sweep():
    layers = [X, dense("h0", "x", [[1, 0], [0, 1], [1, 1]])]
    for k in range(1, 6):  # feature 0 of each is read by feature 0 of the next alone
        layers.append(dense(f"h{k}", f"h{k - 1}", [[1, 1, 1], [0, 1, 1], [0, 1, 2]]))
    made = net(*layers, dense("y", "h5", [[0, 1, 1]], act=LINEAR))
    assert all(alive(made)[f"h{k}"] == [1, 2] for k in range(6))
    assert alive(made)["x"] == [0, 1]


def test_the_graph_reads_what_is_pinned():
    made = chain([[1, 0], [0, 1]], [[0, 0]], pinned="graph output")
    assert alive(made)["h"] == [0, 1]
    assert alive(made, "needed")["h"] == [0, 1]


def residual(columns, u_columns):
    return net(
        X,
        dense("h", "x", [[1, 0], [0, 1], [1, 1]]),
        dense("f", "h", [[1, 2, 0], [0, 1, 0], [2, 0, 0]]),
        each("u", 3, "h", "f"),
        dense("y", ["h", "u"], [columns, u_columns], act=LINEAR),
    )


def test_a_sum_needs_both_its_parts():
    made = residual([[0, 0, 0]], [[1, 0, 0]])
    assert alive(made)["u"] == [0]
    assert alive(made, "needed")["f"] == [0]
    assert alive(made)["f"] == []
    # h0 is needed by u0; f0 reads h0 and h1
    assert alive(made)["h"] == [0, 1]
    assert alive(made, "needed")["h"] == [0, 1]


def test_what_is_needed_only_by_a_sum_is_not_read():
    made = residual([[0, 0, 0]], [[0, 0, 1]])
    assert alive(made)["h"] == [0]  # by f2
    assert alive(made, "needed")["h"] == [0, 2]


def test_a_factor_of_zero_needs_nothing():
    made = net(
        X,
        dense("h", "x", [[1, 0], [0, 1], [1, 1]]),
        each("s", 3, times("h", [0, 3, -3]), bias=[1, 0, 0]),
        dense("y", "s", [[1, 1, 1]], act=LINEAR),
    )
    assert alive(made, "needed")["h"] == [1, 2]
    assert alive(made)["h"] == []


def test_products_and_moves_need_their_operands():
    made = net(
        X,
        dense("h", "x", [[1, 0], [0, 1]]),
        dense("g", "x", [[1, 1], [2, 1]]),
        moved("m", 2, "g"),
        join("p", 2, "h", "m"),
        dense("y", "p", [[0, 1]], act=LINEAR),
    )
    needed = alive(made, "needed")
    assert needed["h"] == needed["m"] == needed["g"] == needed["p"] == [1]


def test_parts_that_cancel_in_a_sum_are_still_computed():
    made = net(
        X,
        dense("h", "x", [[1, 0], [0, 1]]),
        each("d", 2, "h", times("h", [-1, 1])),
        dense("y", "d", [[1, 1]], act=LINEAR),
    )
    assert alive(made)["d"] == [1]
    assert alive(made, "needed")["h"] == [1]


def test_cancellation_between_two_sources_needs_both():
    made = net(
        X,
        dense("h", "x", [[1, 0], [1, 1]], act=LINEAR),
        dense("y", ["h", "x"], [[[1, 0], [0, 1]], [[-1, 1], [0, 1]]], act=LINEAR),
    )
    assert alive(made)["h"] == [0, 1]


def test_one_source_read_twice_is_folded_as_one():
    made = net(
        X,
        dense("h", "x", [[1, 0], [0, 1]]),
        dense("y", ["h", "h"], [[[1, 2]], [[-1, 2]]], act=LINEAR),
    )
    assert alive(made)["h"] == [1]


def test_what_is_constant_by_its_sign_keeps_what_it_reads():
    """g[0] = relu(1/2 - f[0]) is 0 since f[0] is at least 1; h[0] carries 1 behind padding."""
    made = net(
        X,
        dense("f", "x", [[1, 0], [0, 1]], act=Activation("Clip", (1.0, 2.0))),
        dense("g", "f", [[-1, 0], [0, 1]], [0.5, 1]),
        each("h", 2, "g", bias=[1, 0]),
        dense("y", "h", [[1, 1]], act=LINEAR, term={"padded": True, "image": "8"}),
    )
    assert values_of(made)["g"].phase.tolist() == [-1, 1]
    assert alive(made)["f"] == [0, 1]
    assert 0 in alive(made, "needed")["g"]


@pytest.mark.parametrize("rows", [1, 17, 40, 300])
@pytest.mark.parametrize("seed", range(3))
def test_wide_readers_by_brute_force(rows, seed):
    """Columns that are first used by late rows are found all the same."""
    rng = np.random.default_rng(seed)
    width = 70
    columns = np.zeros((rows, width), np.float32)
    used = rng.random(width) < 0.6
    for j in np.flatnonzero(used):
        columns[rng.integers(rows), j] = 1
    hidden = rng.integers(-9, 10, (width, 9)).astype(np.float32)
    hidden[:, 0] = np.arange(1, width + 1)
    reader = dense("y", "h", columns, act=LINEAR)
    made = net(source("x", 9), dense("h", "x", hidden, np.ones(width)), reader)
    facts = values_of(made)["h"]
    folded = {}
    for j, label in enumerate(facts.class_of.tolist()):
        folded[label] = folded.get(label, 0) + columns[:, j] * float(facts.ratio[j])
    expected = [j for j, label in enumerate(facts.class_of.tolist()) if any(folded[label])]
    assert alive(made)["h"] == expected
