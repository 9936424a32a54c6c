"""Which sums of products there are, and which rows may be added up in their factors."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from lumpcli.analysis import factor_of, sums_of_products
from lumpcli.ir import Term
from tests.nets import RELU, dense, each, join, moved, net, picked, source, times
from tests.products import KEYS, QUERIES, linear, scores, sums


def factor(made, side=1):
    (found,) = sums_of_products(made)
    return factor_of(made, found.product, side)


def told(found):
    return None if found is None else (found.layer.name, found.rows.tolist(), found.free.tolist())


def test_the_projections_themselves():
    made = scores(heads=2)
    (found,) = sums_of_products(made)
    assert (found.name, found.width, found.heads) == ("p", 4, 2)
    assert told(factor(made, 0)) == ("q", [0, 1, 2, 3], [True] * 4)
    assert told(factor(made, 1)) == ("k", [0, 1, 2, 3], [True] * 4)


def test_products_that_a_matrix_with_weights_reads():
    made = net(
        source("x"),
        linear("q", QUERIES),
        linear("k", KEYS),
        join("p", 4, "q", "k"),
        linear("y", [[1, 2, 3, 4]], reads="p"),
    )
    assert sums_of_products(made) == []


@pytest.mark.parametrize("function", ["Max", "Div"])
def test_other_functions(function):
    product = join("p", 4, "q", "k", function=function)
    made = net(source("x"), linear("q", QUERIES), linear("k", KEYS), product, sums(4))
    assert sums_of_products(made) == []


def test_products_of_three_or_of_weighted_factors():
    for read in (("q", "k", "q"), (times("q", [1, 2, 3, 4]), "k")):
        product = join("p", 4, *read)
        made = net(source("x"), linear("q", QUERIES), linear("k", KEYS), product, sums(4))
        assert sums_of_products(made) == []


def over(*steps):
    """The keys behind some layers; the queries behind nothing that counts."""
    return scores(between=(*steps[:-1], moved("q1", 4, "q"), steps[-1]))


@pytest.mark.parametrize(
    "step",
    [
        moved("k1", 4, "k"),
        each("k1", 4, times("k", Fraction(-1, 8))),
        each("k1", 4, picked("k", [0, 1, 2, 3])),
    ],
)
def test_what_all_features_share_is_passed(step):
    assert told(factor(over(step))) == ("k", [0, 1, 2, 3], [True] * 4)


def test_features_in_another_order():
    step = each("k1", 4, picked("k", [3, 2, 0, 1]))
    assert told(factor(over(step, moved("k2", 4, "k1")))) == ("k", [3, 2, 0, 1], [True] * 4)


@pytest.mark.parametrize(
    "step",
    [
        each("k1", 4, times("k", [1, 2, 1, 1])),
        each("k1", 4, times("k", 0)),
        each("k1", 4, "k", bias=[1, 1, 1, 1]),
        each("k1", 4, "k", act=RELU),
        each("k1", 4, "k", "q"),
        each("k1", 4, "k", pinned="graph output"),
        each("k1", 4, picked("k", [0, 0, 2, 3])),
        each("k1", 4, picked("k", [0, -1, 2, 3])),
        each("k1", 4, times("k", 1, padded=True, via="pad")),
        each("k1", 4, times("k", 1, at=np.arange(4), via="flatten")),
        each("k1", 4, picked("k", [[0, 1]] * 4)),
        join("k1", 4, "k", "q"),
    ],
)
def test_what_lies_between_declines(step):
    assert factor(over(step)) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"act": RELU},
        {"pinned": "by the user"},
        {"listed": False},
        {"bias": [1, 2, 3, 4], "bias_fixed": True},
        {"bias": [1, 2, 3, 4], "bias_units": np.ones(4)},
        {"term": {"limits": (-8, 7)}},
        {"term": {"row_scale": np.ones(4)}},
        {"term": {"frozen": True}},
        {"term": {"blocks": 2}},
    ],
    ids=str,
)
def test_projections_that_decline(changes):
    keys = dense("k", "x", KEYS, **{"act": linear("k", KEYS).activation, **changes})
    made = net(source("x"), linear("q", QUERIES), keys, join("p", 4, "q", "k"), sums(4))
    assert factor(made) is None
    assert factor(made, 0) is not None


def test_integers_and_several_terms_decline():
    whole = linear("k", np.array(KEYS, np.int64))
    two = linear("k", [KEYS, KEYS], reads=["x", "x"])
    for keys in (whole, two):
        made = net(source("x"), linear("q", QUERIES), keys, join("p", 4, "q", "k"), sums(4))
        assert factor(made) is None


def test_weights_that_another_layer_shares():
    keys = linear("k", KEYS)
    shared = linear("v", keys.terms[0].weight.T, reads="q")
    made = net(source("x"), linear("q", QUERIES), keys, join("p", 4, "q", "k"), shared, sums(4))
    assert factor(made) is None


def test_readers_elsewhere_leave_their_rows_alone():
    """Other layers read features 0 and 1 of one projection for all."""
    made = net(
        source("x"),
        linear("a", [*QUERIES, *KEYS]),
        each("q", 4, picked("a", [0, 1, 2, 3])),
        each("k", 4, picked("a", [4, 5, 6, 7])),
        each("v", 2, picked("a", [1, 4])),
        join("p", 4, "q", "k"),
        sums(4),
    )
    assert told(factor(made, 0)) == ("a", [0, 1, 2, 3], [True, False, True, True])
    assert told(factor(made, 1)) == ("a", [4, 5, 6, 7], [False, True, True, True])


@pytest.mark.parametrize("reader", [linear("v", [[1, 1, 1, 1]], reads="k"), each("v", 4, "k")])
def test_readers_of_the_whole_layer(reader):
    made = net(
        source("x"),
        linear("q", QUERIES),
        linear("k", KEYS),
        reader,
        join("p", 4, "q", "k"),
        sums(4),
    )
    assert not factor(made).free.any()


def test_a_layer_times_itself():
    made = net(source("x"), linear("q", QUERIES), join("p", 4, "q", "q"), sums(4))
    assert not factor(made).free.any()


def test_factors_that_are_inputs():
    made = net(source("x", 4), source("z", 4), join("p", 4, "x", "z"), sums(4))
    assert factor(made) is None


def test_pinned_products():
    made = scores()
    layers = tuple(replace(m, pinned="output") if m.name == "p" else m for m in made.layers)
    assert sums_of_products(replace(made, layers=layers)) == []
    assert Term("x", None, diagonal=True).tied
