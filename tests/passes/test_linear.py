from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from lumpcli.analysis import Grants, values_of
from lumpcli.ir import Activation
from lumpcli.passes import linear_steps
from lumpcli.passes.linear import propose
from lumpcli.pipeline import plan
from tests.computed import evaluate, outputs, points, same
from tests.nets import LINEAR, RELU, dense, net, source

LEAKY = Activation("LeakyRelu", (-0.5,))


def whole(rng, *shape):
    """Small integers, none zero."""
    return (rng.integers(1, 5, shape) * rng.choice([-1, 1], shape)).astype("f4")


def opposites(rng, k, n, steep=True):
    """k rows and their opposites, and biases."""
    rows, bias = whole(rng, k, n), whole(rng, k)
    ratio = (2.0 ** rng.integers(-1, 2, k) if steep else np.ones(k)).astype("f4")
    return np.concatenate([rows, -rows * ratio[:, None]]), np.concatenate([bias, -bias * ratio])


def checked(made, level="exact"):
    """The widths after linear steps, which compute the same where nothing was rounded."""
    found = linear_steps(made, Grants(level))
    steps, after, rounding = found.taken, found.net, found.rounding
    for layer in after.layers:
        assert layer.bias is None or len(layer.bias) == layer.width
    if not rounding.rounded:
        inputs = points(made, np.random.default_rng(9))
        assert same(outputs(made, evaluate(made, inputs)), outputs(after, evaluate(after, inputs)))
    return [step.way for step in steps], {a.name: a.width for a in after.layers}, rounding


def one_hidden(rows, bias, out, act=RELU, n=None):
    rng = np.random.default_rng(5)
    f = dense("f", "x", rows, bias, act=act)
    y = dense("y", "f", whole(rng, out, len(rows)), whole(rng, out), act=LINEAR)
    return net(source("x", np.shape(rows)[1]), f, y)


@pytest.mark.parametrize("act", [RELU, LEAKY], ids=str)
@pytest.mark.parametrize(
    ("k", "n", "out", "way", "width"),
    [
        (8, 3, 1, "readers", 8 + 2),  # 2 q
        (8, 3, 4, "rows", 8 + 3),  # p whole pairs
        (8, 3, 2, "rows", 8 + 3),
        (9, 8, 2, "readers", 9 + 4),
        (3, 3, 2, None, 6),  # k = p < 2 q
        (2, 5, 1, None, 4),  # k = 2 q
        (3, 5, 1, "readers", 3 + 2),
    ],
)
def test_opposite_rows_go_where_it_pays(act, k, n, out, way, width):
    """k pairs: k > min(p, 2 q), p the rank of their rows, q of what is left (docs/theory.md)."""
    rows, bias = opposites(np.random.default_rng(k + n), k, n)
    ways, widths, rounding = checked(one_hidden(rows, bias, out, act))
    assert (ways, widths["f"]) == ([way] if way else [], width)
    assert way == "rows" or not rounding.rounded


@pytest.mark.parametrize(("out", "width"), [(1, 9 + 2), (2, 9 + 3), (5, 9 + 4)])
def test_sources_that_are_never_negative(out, width):
    """k pairs: q + 1 features, or one for each of the source's 4."""
    rng = np.random.default_rng(1)
    h = dense("h", "x", whole(rng, 4, 3), whole(rng, 4))
    rows, bias = opposites(rng, 9, 4)
    f = dense("f", "h", rows, bias)
    y = dense("y", "f", whole(rng, out, 18), act=LINEAR)
    made = net(source("x", 3), h, f, y)
    known = values_of(made)["f"].phase
    assert not known.any()
    assert checked(made)[1]["f"] <= width


def test_what_has_no_place_for_a_bias_is_not_shifted():
    """Units pass on numbers of [-1, 1]: shifted, or in pairs where the file has no bias."""
    rng = np.random.default_rng(1)
    h = dense("h", "x", whole(rng, 2, 3), act=Activation("Clip", (-1.0, 1.0)))
    rows, _ = opposites(rng, 9, 2)
    y = dense("y", "f", whole(rng, 5, 18), act=LINEAR)
    for fixed, width in ((False, 9 + 2), (True, 9 + 2 * 2)):
        f = dense("f", "h", rows, bias_fixed=fixed)
        found = linear_steps(net(source("x", 3), h, f, y), Grants())
        assert any(unit.shift for step in found.taken for unit in step.units) != fixed
        assert found.net["f"].width <= width
        assert (found.net["f"].bias is None) == fixed


def test_active_relus_pass_on_what_they_read():
    rng = np.random.default_rng(2)
    h = dense("h", "x", whole(rng, 4, 3), whole(rng, 4))
    f = dense("f", "h", np.abs(whole(rng, 12, 4)), np.abs(whole(rng, 12)))
    for out, width, way in [(7, 4, "sources"), (2, 2, "readers"), (1, 1, "readers")]:
        y = dense("y", "f", np.abs(whole(rng, out, 12)), whole(rng, out), act=LINEAR)
        ways, widths, rounding = checked(net(source("x", 3), h, f, y))
        assert (ways, widths["f"], rounding.rounded) == ([way], width, 0)


def test_rows_of_an_identity_layer_are_cut_to_a_basis():
    rng = np.random.default_rng(3)
    basis = whole(rng, 3, 8)
    rows = np.concatenate([basis, [basis[0] + 2 * basis[1], basis[0] / 2 - basis[2]]]).astype("f4")
    f = dense("f", "x", rows, whole(rng, 5), act=LINEAR)
    g = dense("g", "f", whole(rng, 6, 5), whole(rng, 6))
    made = net(source("x", 8), f, g, dense("y", "g", whole(rng, 2, 6), act=LINEAR))
    assert checked(made) == (["rows"], {"x": 8, "f": 3, "g": 6, "y": 2}, checked(made)[2])


def test_a_wide_identity_layer_passes_on_what_it_reads():
    rng = np.random.default_rng(4)
    f = dense("f", "x", whole(rng, 10, 4), whole(rng, 10), act=LINEAR)
    g = dense("g", "f", whole(rng, 6, 10), whole(rng, 6))
    made = net(source("x", 4), f, g, dense("y", "g", whole(rng, 2, 6), act=LINEAR))
    assert checked(made)[:2] == (["sources"], {"x": 4, "f": 4, "g": 6, "y": 2})


def test_channels_are_cut_to_a_basis():
    """Behind a convolution rows are whole kernels; units would need kernels of kernels."""
    rng = np.random.default_rng(6)
    kernels = whole(rng, 2, 3, 4).astype("f4")
    rows = np.concatenate([kernels, [kernels[0] - kernels[1]]]).astype("f4")
    f = dense("f", "x", rows, [1, 2, 3], act=LINEAR, term={"via": "k"})
    g = dense("g", "f", whole(rng, 5, 3), whole(rng, 5))
    made = net(source("x", 3), f, g, dense("y", "g", whole(rng, 2, 5), act=LINEAR))
    found = linear_steps(made, Grants())
    (step,), after = found.taken, found.net
    assert (step.way, after["f"].width, step.coefficients) == ("rows", 2, ((1, -1),))
    assert (
        after["g"].bias.tolist()
        == (made["g"].bias + made["g"].terms[0].weight[:, 2] * Fraction(4)).tolist()
    )


def test_readers_that_see_padding_take_no_constants():
    rng = np.random.default_rng(6)
    rows = np.concatenate([whole(rng, 2, 4), np.zeros((1, 4), "f4")])
    rows[2] = rows[0] - rows[1]
    f = dense("f", "x", rows, [1, 2, 3], act=LINEAR)
    g = dense("g", "f", whole(rng, 5, 3), term={"padded": True, "via": "k"})
    made = net(source("x", 4), f, g, dense("y", "g", whole(rng, 2, 5), act=LINEAR))
    assert checked(made)[0] == []


def test_nothing_is_rounded_at_level_strict():
    rng = np.random.default_rng(7)
    f = dense("f", "x", rng.normal(size=(10, 3)).astype("f4"), act=LINEAR)
    g = dense("g", "f", rng.normal(size=(6, 10)).astype("f4"))
    made = net(source("x", 3), f, g, dense("y", "g", [[1] * 6], act=LINEAR))
    assert checked(made)[1]["f"] == 3
    assert checked(made, "strict")[1]["f"] == 10


def test_a_layer_keeps_a_feature():
    """relu(z) - relu(-z) = z, twice, so that nothing is left at all."""
    row = np.array([[1, 2], [-1, -2], [2, 4], [-2, -4]])
    f = dense("f", "x", row, [1, -1, 2, -2])
    y = dense("y", "f", [[2, -2, -1, 1]], [5], act=LINEAR)
    done = plan(net(source("x", 2), f, y), Grants())
    assert done.final["f"].width == 1
    assert not done.final["y"].terms[0].weight.any()


def test_steps_are_taken_until_nothing_goes():
    rng = np.random.default_rng(10)
    layers = [source("x", 3), dense("a", "x", whole(rng, 3, 3), whole(rng, 3))]
    for name, reads in ("ba", "cb", "dc"):
        rows = np.abs(whole(rng, 8, layers[-1].width))
        layers.append(dense(name, reads, rows, np.abs(whole(rng, 8))))
    layers.append(dense("y", "d", whole(rng, 2, 8), act=LINEAR))
    made = net(*layers)
    done = plan(made, Grants())
    assert [done.final[n].width for n in "abcd"] == [3, 3, 3, 2] or done.final["d"].width <= 3
    assert plan(done.final, Grants()).final.layers == done.final.layers
    inputs = points(made, rng)
    if not done.total.rounded:
        now = outputs(done.final, evaluate(done.final, inputs))
        assert same(outputs(made, evaluate(made, inputs)), now)


def test_nothing_to_gain():
    rng = np.random.default_rng(11)
    made = one_hidden(whole(rng, 5, 8), whole(rng, 5), 3)
    assert propose(made, made["f"], values_of(made)) is None
