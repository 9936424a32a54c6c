from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from lumpcli.ir import Activation, Fold, Term, apply_fold
from tests.computed import evaluate, outputs, points, same
from tests.nets import FREE, LINEAR, RELU, array, dense, each, net, source

ONE = Fraction(1)
X = source("x", 3)
ROWS = [[1, 2, 0], [-1, 3, 1], [2, 0, -2], [1, 1, 1]]
BIAS = [1, -2, 0, 3]
READ = [[1, -1, 2, 0], [0, 3, 1, -1]]


def applied(made, slopes=(ONE,) * 4):
    """The net without layer f, which computes the same, and what was rounded."""
    after, tally = apply_fold(made, Fold("f", tuple(map(Fraction, slopes))))
    assert [a.name for a in after.layers] == [a.name for a in made.layers if a.name != "f"]
    inputs = points(made, np.random.default_rng(0))
    if not tally.rounded:
        assert same(outputs(made, evaluate(made, inputs)), outputs(after, evaluate(after, inputs)))
    return after, tally


def kernels(rng, *shape):
    return rng.integers(-3, 4, shape).astype("f4")


def test_two_matrices_become_one():
    made = net(X, dense("f", "x", ROWS, BIAS, act=LINEAR), dense("y", "f", READ, [5, 0]))
    after, tally = applied(made)
    assert after["y"].terms[0].source == "x"
    assert after["y"].terms[0].weight.tolist() == (np.array(READ) @ ROWS).tolist()
    assert after["y"].bias.tolist() == (np.array(READ) @ BIAS + [5, 0]).tolist()
    assert (tally.rounded, tally.overflow) == (0, set())


def test_every_reader_takes_the_product():
    f = dense("f", "x", ROWS, BIAS, act=LINEAR)
    g = dense("g", "f", [[1, 0, 0, 1]], [1])
    made = net(X, f, g, dense("y", ["f", "g"], [READ, [[1], [2]]], act=LINEAR))
    after, _ = applied(made)
    assert [t.source for t in after["y"].terms] == ["x", "g"]
    assert after["g"].terms[0].weight.tolist() == [[2, 3, 1]]


def test_a_bias_appears_only_where_there_is_something_to_add():
    for bias, expected in [(None, None), ([0] * 4, None), (BIAS, [3, -9])]:
        f = dense("f", "x", ROWS, bias, act=LINEAR)
        after, _ = applied(net(X, f, dense("y", "f", READ, act=LINEAR)))
        found = after["y"].bias
        assert (found if found is None else found.tolist()) == expected


def test_slopes_count():
    """The second and the last feature are never positive, the others never negative."""
    act = Activation("LeakyRelu", (-0.5,))
    h = dense("h", "x", [[1, 0, 1], [0, 2, 1], [1, 1, 0]])
    f = dense("f", "h", np.abs(ROWS) * [[1], [-1], [1], [-1]], [1, -2, 0, -3], act=act)
    made = net(X, h, f, dense("y", "f", READ, [1, 2], act=LINEAR))
    after, _ = applied(made, (1, -0.5, 1, -0.5))
    assert after["y"].terms[0].weight[0].tolist() == [4.5, 0.5, 3.5]


def test_a_feature_that_is_never_positive_adds_nothing():
    h = dense("h", "x", [[1, 0, 1], [0, 2, 1], [1, 1, 0]])
    f = dense("f", "h", [[1, 2, 0], [-1, -3, -1], [2, 0, 2], [1, 1, 1]], [1, -2, 0, 3], act=RELU)
    after, _ = applied(net(X, h, f, dense("y", "f", READ, act=LINEAR)), (1, 0, 1, 1))
    assert after["y"].terms[0].weight[1].tolist() == [1, -1, 1]


@pytest.mark.parametrize("padded", [False, True])
def test_before_a_kernel(padded):
    """Behind zeros only without a bias."""
    rng = np.random.default_rng(1)
    f = dense("f", "x", kernels(rng, 4, 3, 1, 1), None if padded else BIAS, act=LINEAR)
    term = {"via": "conv", "padded": padded}
    y = dense("y", "f", kernels(rng, 2, 4, 1, 3), [1, 2], act=LINEAR, term=term)
    after, tally = applied(net(X, f, y))
    (made,) = after["y"].terms
    assert (made.weight.shape, made.via, made.padded) == ((2, 3, 1, 3), "conv", padded)
    assert not tally.rounded


@pytest.mark.parametrize("padded", [False, True])
def test_after_a_kernel(padded):
    """Its positions become those of the reader, and its bias is added everywhere."""
    rng = np.random.default_rng(2)
    term = {"via": "conv", "padded": padded, "image": "[4, 4]"}
    f = dense("f", "x", kernels(rng, 4, 3, 2, 2), BIAS, act=LINEAR, term=term)
    after, _ = applied(net(X, f, dense("y", "f", kernels(rng, 2, 4, 1, 1), act=LINEAR)))
    (made,) = after["y"].terms
    assert (made.weight.shape, made.via, made.padded) == ((2, 3, 2, 2), "conv", padded)
    assert made.image == "[4, 4]"


def test_each_number_is_rounded_once():
    """1 + 2**-24 + 2**-48 is a sum that two roundings would take for 1."""
    small = 2.0**-24
    f = dense("f", "x", [[1, 0, 0], [small, 0, 0], [small**2, 0, 0], [0, 1, 0]], act=LINEAR)
    after, tally = applied(net(X, f, dense("y", "f", [[1, 1, 1, 3]], act=LINEAR)))
    assert after["y"].terms[0].weight.tolist() == [[1 + 2.0**-23, 3, 0]]
    assert (tally.folded, tally.rounded) == (3, 1)


def test_numbers_that_grow_too_large_are_told():
    f = dense("f", "x", [[3e38, 0, 0]] * 4, act=LINEAR)
    _, tally = apply_fold(
        net(X, f, dense("y", "f", [[1, 1, 0, 0]], act=LINEAR)), Fold("f", (ONE,) * 4)
    )
    assert tally.overflow == {"y"}


def test_what_else_reads_the_source_stays():
    f = dense("f", "x", ROWS, BIAS, act=LINEAR)
    skip = each("s", 3, Term("x", array([1, 2, 3]), diagonal=True), **FREE)
    made = net(X, f, skip, dense("y", ["s", "f"], [[[1, 1, 1]], [[1, 1, 1, 1]]], act=LINEAR))
    after, _ = applied(made)
    assert after["s"] is made["s"]
    assert after["y"].terms[0] is made["y"].terms[0]
