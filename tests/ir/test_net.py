from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from lumpcli.errors import InternalError
from lumpcli.ir import Layer, Net, Symmetry, Term
from tests.nets import LINEAR, dense, each, join, net, picked, source, times

X = source("x", 2)


def ones(*shape: int) -> np.ndarray:
    return np.ones(shape, np.float32)


@pytest.mark.parametrize(
    ("layer", "complaint"),
    [
        (Layer("a", 3, (Term("x", ones(3, 3)),)), "does not fit x"),
        (Layer("a", 3, (Term("x", ones(2, 2)),)), "does not fit x"),
        (Layer("a", 3, (Term("x", None),)), "does not fit x"),
        (Layer("a", 3, (Term("x", None, diagonal=True),)), "does not fit x"),
        (Layer("a", 2, (Term("x", ones(3, 2), diagonal=True),)), "does not fit x"),
        (Layer("a", 3, (picked("x", [0, 1]),)), "does not fit x"),
        (Layer("a", 3, (picked("x", [0, 1, 2]),)), "does not fit x"),
        (Layer("a", 3, (Term("x", ones(3, 2)),), ones(2)), "bias"),
        (Layer("a", 3, (Term("later", ones(3, 2)),)), "does not come before"),
        (Layer("x", 2), "two layers are named x"),
        (Layer("a", 2, (Term("a", None, diagonal=True),)), "does not come before"),
    ],
)
def test_a_net_of_layers_that_do_not_fit_is_refused(layer, complaint):
    with pytest.raises(InternalError, match=complaint):
        Net((X, layer))


def test_shapes_that_fit():
    Net(
        (
            X,
            Layer("taps", 3, (Term("x", ones(3, 2, 3, 3)),), ones(3)),
            Layer("two", 3, (Term("x", ones(3, 2)), Term("taps", ones(3, 3)))),
            Layer("skip", 2, (Term("x", None, diagonal=True), Term("x", ones(2), diagonal=True))),
        )
    )


def test_who_reads_whom():
    made = net(
        X,
        dense("a", "x", ones(2, 2)),
        each("b", 2, "a", "x"),
        dense("c", ["b", "a", "b"], [ones(1, 2)] * 3, act=LINEAR),
    )
    assert [(r.name, t) for r, t in made.readers["a"]] == [("b", 0), ("c", 1)]
    assert [(r.name, t) for r, t in made.dense_readers("a")] == [("c", 1)]
    assert [(r.name, t) for r, t in made.dense_readers("b")] == [("c", 0), ("c", 2)]
    assert made.readers["c"] == []
    assert made["b"].name == "b"
    assert [layer.name for layer in made.dense_layers] == ["a", "c"]
    assert made.outputs[0].layer == "c"
    assert made["c"].symmetry is Symmetry.LINEAR
    assert not join("j", 2, "a", "b").is_dense


def test_the_factor_of_a_diagonal_term():
    third = Fraction(1, 3)
    assert times("x", third).factor(1) == third
    assert times("x", [2, 5]).factor(1) == 5
    assert times("x", [2, 5], scale=third).factor(0) == Fraction(2, 3)
    assert times("x", [3, 5], inverse=True).factor(0) == third
    assert times("x", [3, 5], inverse=True, scale=Fraction(-1)).factor(1) == Fraction(-1, 5)


def test_a_flat_weight_has_the_taps_of_a_feature_next_to_each_other():
    term = Term("x", np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2))
    assert term.taps == 4
    assert term.flat.shape == (2, 12)
    assert term.flat[1, 4:8].tolist() == term.weight[1, 1].reshape(-1).tolist()
    assert Term("x", None, diagonal=True).taps == 1
    assert np.shares_memory(term.flat, term.weight)
    with pytest.raises(InternalError, match="no matrix"):
        _ = Term("x", None, diagonal=True).flat


def test_what_a_diagonal_term_reads():
    plain, some = Term("x", None, diagonal=True), picked("x", [1, -1, 0])
    assert plain.selected(2).tolist() == [[0], [1]]
    assert some.selected(3).tolist() == [[1], [-1], [0]]
    kernel = Term("x", ones(2, 3, 2), diagonal=True, via="d")
    assert kernel.selected(2).tolist() == [[0] * 6, [1] * 6]
    assert kernel.taps == 6
    rows = Term("x", None, diagonal=True, select=np.arange(4).reshape(2, 2), via="u")
    assert rows.selected(2).tolist() == [[0, 1], [2, 3]]
    assert rows.taps == 2
    assert rows.gathers


def test_which_features_are_reached():
    some = picked("x", [1, -1, 0])
    assert some.reaches(np.array([True, True, False]), 3).tolist() == [False, True, False]
    kernel = np.array([[1, 0], [0, 0]], np.float32)
    term = Term("x", kernel, diagonal=True, via="d")
    assert term.reaches(np.array([True, True]), 2).tolist() == [True, False]
    rows = Term("x", None, diagonal=True, select=np.arange(4).reshape(2, 2), via="u")
    assert rows.reaches(np.array([False, True]), 4).tolist() == [False, False, True, True]


def test_kinds_of_diagonal_terms():
    plain, moved = Term("x", None, diagonal=True), Term("x", None, diagonal=True, via="m")
    one = picked("x", [0, 0], broadcast=True)
    assert (plain.plain, moved.plain, one.plain) == (True, False, False)
    assert (plain.tied, moved.tied, one.tied) == (True, True, False)
    assert not Term("x", ones(2, 2)).tied
    assert (plain.gathers, one.gathers) == (False, False)


def test_the_factor_of_a_tap():
    kernel = np.array([[[1, 2]], [[3, 4]]], np.float32)
    term = Term("x", kernel, diagonal=True, scale=Fraction(1, 2), via="d")
    assert [term.factor(1, tap) for tap in range(2)] == [Fraction(3, 2), 2]


def test_taps_of_a_matrix():
    term = Term("x", np.arange(12, dtype=np.float32).reshape(2, 3, 2))
    assert term.by_tap.shape == (2, 3, 2)
    plain = Term("x", ones(2, 3))
    assert plain.by_tap.shape == (2, 3, 1)
    with pytest.raises(InternalError, match="no matrix"):
        _ = Term("x", None, diagonal=True).by_tap


def test_constants_are_not_listed():
    table = dense("t", "x", ones(2, 2), listed=False)
    made = Net((X, table, dense("a", "t", ones(2, 2))))
    assert [layer.name for layer in made.dense_layers] == ["a"]


def test_widths_of_layers_that_there_are_and_are_not():
    made = Net((X, dense("a", "x", ones(3, 2))))
    assert [made.width(name) for name in ("x", "a", "b")] == [2, 3, 0]


def test_terms_that_read_each_position_alone():
    terms = [
        Term("x", ones(3, 2)),
        Term("x", ones(3, 2, 1, 1)),
        Term("x", ones(3, 2, 1, 1), via="every second"),
        Term("x", ones(3, 2, 1, 1), padded=True),
        Term("x", ones(3, 2, 1, 2)),
    ]
    assert [t.pointwise for t in terms] == [True, True, False, False, False]
    assert [t.kernel for t in terms] == [(), (1, 1), (1, 1), (1, 1), (1, 2)]
