from __future__ import annotations

import numpy as np
import pytest

from lumpcli.ir import Group, Layer, Net, Term, groups
from tests.nets import LINEAR, dense, each, join, moved, net, picked, source, times

EYE = [[1, 0], [0, 1]]


def names(made: Net) -> list[list[str]]:
    return [[layer.name for layer in group.layers] for group in groups(made)]


def group_of(made: Net, name: str) -> Group:
    return next(g for g in groups(made) if name in g.slots)


def slots(made: Net, name: str) -> dict[str, list[int]]:
    """The slots of the group a layer is in."""
    return {layer: found.tolist() for layer, found in group_of(made, name).slots.items()}


def test_dense_terms_tie_nothing():
    made = net(source("x"), dense("a", "x", EYE), dense("y", "a", EYE, act=LINEAR))
    assert names(made) == [["x"], ["a"], ["y"]]


def test_skips_scales_joins_and_moves_tie():
    made = net(
        source("x"),
        dense("a", "x", EYE),
        dense("b", "x", EYE),
        each("s", 2, times("a", [2, 3])),
        moved("m", 2, "b"),
        dense("c", "s", EYE),
        join("j", 2, "m", "c"),
        dense("y", "j", EYE, act=LINEAR),
    )
    assert names(made) == [["x"], ["a", "s"], ["b", "m", "c", "j"], ["y"]]
    assert slots(made, "j") == {name: [0, 1] for name in ("b", "m", "c", "j")}


def test_a_residual_stream_is_one_group():
    layers = [source("x"), dense("u0", "x", EYE)]
    for k in range(3):
        layers.append(dense(f"f{k}", f"u{k}", EYE))
        layers.append(each(f"u{k + 1}", 2, f"u{k}", f"f{k}"))
    made = net(*layers, dense("y", "u3", EYE, act=LINEAR))
    assert names(made)[1] == ["u0", "f0", "u1", "f1", "u2", "f2", "u3"]
    assert group_of(made, "u0").count == 2


def test_what_is_broadcast_is_cut_by_itself():
    one = Term("g", None, diagonal=True, select=np.zeros(2, np.int64), broadcast=True)
    made = net(source("x"), dense("g", "x", [[1, 1]]), dense("a", "x", EYE), each("y", 2, "a", one))
    assert names(made) == [["x"], ["g"], ["a", "y"]]


def test_parts_side_by_side_are_one_group_of_as_many_slots():
    made = net(
        source("x"),
        dense("a", "x", EYE),
        dense("b", "x", EYE),
        each("c", 5, picked("a", [0, 1, -1, -1, -1]), picked("b", [-1, -1, 0, 1, -1])),
        dense("y", "c", np.ones((1, 5)), act=LINEAR),
    )
    assert slots(made, "c") == {"a": [0, 1], "b": [2, 3], "c": [0, 1, 2, 3, 4]}
    assert group_of(made, "c").count == 5


def test_who_takes_some_features_shares_their_slots():
    made = net(
        source("x"),
        dense("a", "x", np.ones((4, 2))),
        each("odd", 2, picked("a", [1, 3])),
        each("twice", 3, picked("a", [2, 0, 2])),
        dense("y", ["odd", "twice"], [np.ones((1, 2)), np.ones((1, 3))], act=LINEAR),
    )
    assert slots(made, "a") == {"a": [0, 1, 2, 3], "odd": [1, 3], "twice": [2, 0, 2]}


def test_a_sum_of_parts_ties_what_meets():
    made = net(
        source("x"),
        dense("a", "x", np.ones((4, 2))),
        each("low", 2, picked("a", [0, 1])),
        each("high", 2, picked("a", [2, 3])),
        each("s", 2, "low", "high"),
        dense("y", "s", EYE, act=LINEAR),
    )
    assert slots(made, "s") == {"a": [0, 1, 0, 1], "low": [0, 1], "high": [0, 1], "s": [0, 1]}


def test_features_read_by_tap_stay_with_the_reader():
    """One feature per row of heads: it and all of its row stay or go together."""
    rows = Term("a", None, diagonal=True, select=np.arange(6).reshape(2, 3), via="unfold")
    made = net(
        source("x"),
        dense("a", "x", np.ones((6, 2))),
        each("u", 2, rows),
        dense("y", "u", EYE, act=LINEAR),
    )
    assert slots(made, "u") == {"a": [0, 0, 0, 1, 1, 1], "u": [0, 1]}


def test_labels_tie_features_of_one_layer():
    tied = each("t", 4, "a", tied=np.array([7, 3, 7, 3]))
    made = net(
        source("x"), dense("a", "x", np.ones((4, 2))), tied, dense("y", "t", np.ones((1, 4)))
    )
    assert slots(made, "t") == {"a": [0, 1, 0, 1], "t": [0, 1, 0, 1]}


def test_slots_are_numbered_by_their_first_feature():
    made = net(
        source("x"),
        dense("a", "x", np.ones((3, 2))),
        each("b", 3, picked("a", [2, 1, 0])),
        dense("y", "b", np.ones((1, 3)), act=LINEAR),
    )
    assert slots(made, "b") == {"a": [0, 1, 2], "b": [2, 1, 0]}


def test_the_first_pin_of_a_group_counts():
    made = net(
        source("x"),
        dense("a", "x", EYE),
        dense("b", "x", EYE, pinned="read by TopK"),
        each("c", 2, "a", "b", pinned="graph output"),
        dense("y", "x", EYE, act=LINEAR),
    )
    group = group_of(made, "a")
    pinned = group.pin_of(made["a"])
    assert pinned is not None
    assert (pinned[0].name, pinned[1]) == ("b", "read by TopK")
    assert group.pin_of(made["c"]) == (made["c"], "graph output")
    assert group.pinned
    assert not group_of(net(source("x"), dense("a", "x", EYE), dense("y", "a", EYE)), "a").pinned


@pytest.fixture(name="partly")
def _partly() -> Net:
    """Of four features the last two are taken by a layer that is pinned."""
    return net(
        source("x"),
        dense("a", "x", np.ones((4, 2))),
        each("low", 2, picked("a", [0, 1])),
        each("high", 2, picked("a", [2, 3]), pinned="graph output"),
        dense("y", "low", EYE, act=LINEAR),
    )


def test_a_pin_of_some_features_leaves_the_others_free(partly: Net):
    group = group_of(partly, "a")
    assert group.forced.tolist() == [False, False, True, True]
    assert not group.pinned
    assert group.pin_of(partly["a"]) is None
    assert group.pin_of(partly["low"]) is None
    assert group.pin_of(partly["high"]) == (partly["high"], "graph output")


def test_what_is_kept_of_a_group(partly: Net):
    group = group_of(partly, "a")
    assert group.kept([]).tolist() == [False] * 4
    keep = [(partly["low"], np.array([1])), (partly["high"], np.array([0, 1]))]
    assert group.kept(keep).tolist() == [False, True, True, True]


def test_who_pins_most_of_a_layer_is_named():
    few, most = [0, -1, -1], [-1, 0, 1]
    made = net(
        source("x"),
        dense("p", "x", [[1, 1]], pinned="read by TopK"),
        dense("q", "x", EYE, pinned="graph output"),
        each("c", 3, picked("p", few), picked("q", most)),
        dense("y", "c", np.ones((1, 3)), act=LINEAR),
    )
    pinned = group_of(made, "c").pin_of(made["c"])
    assert pinned is not None
    assert pinned[0].name == "q"


def test_a_long_chain_of_ties():
    layers: list[Layer] = [source("x"), dense("u0", "x", EYE)]
    layers += [each(f"u{k + 1}", 2, f"u{k}") for k in range(3000)]
    (group,) = [g for g in groups(net(*layers)) if len(g.layers) > 1]
    assert len(group.layers) == 3001
