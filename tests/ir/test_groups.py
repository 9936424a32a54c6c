from __future__ import annotations

from lumpcli.ir import groups, pin_of
from tests.nets import LINEAR, dense, each, join, moved, net, source, times

EYE = [[1, 0], [0, 1]]


def names(made):
    return [[layer.name for layer in group] for group in groups(made)]


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


def test_a_residual_stream_is_one_group():
    layers = [source("x"), dense("u0", "x", EYE)]
    for k in range(3):
        layers.append(dense(f"f{k}", f"u{k}", EYE))
        layers.append(each(f"u{k + 1}", 2, f"u{k}", f"f{k}"))
    made = net(*layers, dense("y", "u3", EYE, act=LINEAR))
    assert names(made)[1] == ["u0", "f0", "u1", "f1", "u2", "f2", "u3"]


def test_the_first_pin_of_a_group_counts():
    made = net(
        source("x"),
        dense("a", "x", EYE),
        dense("b", "x", EYE, pinned="read by TopK"),
        each("c", 2, "a", "b", pinned="graph output"),
        dense("y", "x", EYE, act=LINEAR),
    )
    layer, reason = pin_of(groups(made)[1])
    assert (layer.name, reason) == ("b", "read by TopK")
    assert pin_of([made["a"]]) is None
