from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from lumpcli.analysis import Grants
from lumpcli.errors import UsageError
from lumpcli.ir import Activation, Term, groups
from lumpcli.pipeline import plan
from tests.computed import agree, evaluate, outputs, points, same
from tests.nets import LINEAR, RELU, SIGMOID, dense, each, net, random_net, source

CHUNKS = 6


def widths(made):
    return {layer.name: layer.width for layer in made.layers}


def check(made, level="exact", passes=None, seed=0):
    """A plan whose quotient computes what the net does, and the net after it as well."""
    done = plan(made, Grants(level), passes)
    rng = np.random.default_rng(seed)
    assert agree(made, done.quotient, rng)
    for layer in made.layers:
        assert done.reduced[layer.name].width == len(done.quotient.keep(layer))
        assert layer.pinned is None or layer.name not in done.quotient.cuts
    if not done.rounding.rounded:
        inputs = points(made, rng)
        now = outputs(done.reduced, evaluate(done.reduced, inputs))
        assert same(outputs(made, evaluate(made, inputs)), now)
    assert not done.rounding.overflow
    return done


def kept_at_zero(act=RELU):
    """m1 = ReLU(a1 - f1) is 0, as f1 = a0 + 1 is at least 1; it stays for the sake of a."""
    a = dense("a", "x", [[1, 0], [0, 1]], act=Activation("Clip", (0.0, 1.0)), pinned="output")
    f = dense("f", "a", [[1, 1], [1, 0]], [0, 1], act)
    d = dense("d", "f", [[1, 0], [0, -1]], act=LINEAR)
    m, y = each("m", 2, "a", "d", act=RELU), dense("y", "m", [[1, 1]], act=LINEAR)
    return net(source("x", 2), a, f, d, m, y)


@pytest.mark.parametrize("passes", [["unread"], ["unread", "constant", "lumping"], None])
def test_what_keeps_a_feature_at_zero_stays_as_long_as_it_does(passes):
    made = kept_at_zero()
    done = check(made, passes=passes)
    inputs = {"x": np.array([[Fraction(1, 2)] * 3, [Fraction(1)] * 3])}
    now = outputs(done.final, evaluate(done.final, inputs))
    assert same(outputs(made, evaluate(made, inputs)), now)
    assert done.reduced["f"].width == 2
    # where it may go, so may that
    free = replace(
        made, layers=tuple(replace(b, pinned=None) if b.name == "a" else b for b in made.layers)
    )
    if passes != ["unread"]:
        assert check(free, passes=passes).final.width("f") < 2


@pytest.mark.parametrize("chunk", range(CHUNKS))
@pytest.mark.parametrize(("level", "sources"), [("exact", 1), ("exact", 2), ("strict", 2)])
def test_random_nets_compute_the_same(chunk, level, sources):
    cut = 0
    for seed in range(chunk, 60, CHUNKS):
        made = random_net(np.random.default_rng(1000 * sources + seed), sources)
        done = check(made, level, seed=seed)
        cut += sum(widths(made).values()) - sum(widths(done.reduced).values())
        assert level != "strict" or done.rounding.rounded == 0
    assert cut > 20


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_a_second_run_cuts_nothing(chunk):
    for seed in range(chunk, 60, CHUNKS):
        done = plan(random_net(np.random.default_rng(seed)), Grants())
        if not done.rounding.rounded:
            again = plan(done.reduced, Grants())
            assert widths(again.reduced) == widths(done.reduced)


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_the_order_and_scale_of_features_do_not_matter(chunk):
    """Permute the features of every group, scale ReLU layers: as many go."""
    for seed in range(chunk, 40, CHUNKS):
        rng = np.random.default_rng(seed)
        made = random_net(rng)
        shuffled = permuted(made, rng)
        assert widths(plan(made, Grants()).reduced) == widths(plan(shuffled, Grants()).reduced)


def permuted(made, rng):
    """The same net with the features of its unpinned groups in another order, ReLUs scaled."""
    order, scale = {}, {}
    for group in groups(made):
        free = all(layer.pinned is None for layer in group.layers)
        width = group.count
        shared = rng.permutation(width) if free else np.arange(width)
        for layer in group.layers:
            assert group.slots[layer.name].tolist() == list(range(width))
            order[layer.name] = shared
            alone = free and len(group.layers) == 1 and layer.activation == RELU
            scale[layer.name] = 2.0 ** rng.integers(-2, 3, width) if alone else np.ones(width)
    layers = []
    for layer in made.layers:
        rows, factor = order[layer.name], scale[layer.name]
        terms = [_permuted(t, rows, factor, order, scale) for t in layer.terms]
        bias = None if layer.bias is None else (layer.bias[rows] * factor).astype(np.float32)
        layers.append(replace(layer, terms=tuple(terms), bias=bias))
    return replace(made, layers=tuple(layers))


def _permuted(term: Term, rows, factor, order, scale) -> Term:
    if term.weight is None:
        return term
    if term.diagonal:
        return replace(term, weight=term.weight[rows])
    weight = term.weight[np.ix_(rows, order[term.source])].T  # rows last
    weight = weight * factor / scale[term.source][:, None]
    return replace(term, weight=weight.T.astype(np.float32))


def test_permuting_keeps_the_function():
    for seed in range(10):
        rng = np.random.default_rng(seed)
        made = random_net(rng)
        inputs = points(made, rng)
        now = outputs(made, evaluate(permuted(made, rng), inputs))
        assert same(outputs(made, evaluate(made, inputs)), now)


def cascade():
    """h0 = h1; then g0 = g1; g2 is constant; h2 is read by nobody who is read."""
    return net(
        source("x", 2),
        dense("h", "x", [[1, 2], [1, 2], [3, 1], [1, 1]]),
        dense("g", "h", [[1, 1, 0, 1], [2, 0, 0, 1], [1, -1, 0, 0], [0, 0, 1, 0]], [0, 0, 7, 0]),
        dense("y", "g", [[1, 2, 3, 0]], act=LINEAR),
    )


def kinds(done, layer):
    cut = done.quotient.cuts.get(layer)
    if cut is None:
        return None
    return [kind for i, kind in enumerate(cut.kind) if i not in cut.keep]


def test_all_passes_together():
    done = check(cascade())
    assert widths(done.reduced) == {"x": 2, "h": 2, "g": 1, "y": 1}
    assert sorted(kinds(done, "g")) == ["constant", "lumped", "unread"]
    assert sorted(kinds(done, "h")) == ["lumped", "unread"]
    assert done.reduced["y"].bias.tolist() == [21]


@pytest.mark.parametrize(
    ("passes", "h", "g"),
    [
        (["lumping"], ["lumped"], ["lumped"]),
        (["constant"], None, ["constant"]),
        (["unread"], ["unread"], ["unread"]),
        (["unread", "constant"], ["unread"], ["constant", "unread"]),
        ([], None, None),
    ],
)
def test_passes_say_what_is_cut_not_what_is_known(passes, h, g):
    """That g0 = g1 and g2 is constant follows from h0 = h1, which need not be cut for it."""
    done = check(cascade(), passes=passes)
    assert kinds(done, "h") == h
    assert (kinds(done, "g") and sorted(kinds(done, "g"))) == g
    assert done.values["g"].class_of[0] == done.values["g"].class_of[1]


def test_an_unknown_pass():
    with pytest.raises(UsageError, match="no pass is called 'magic'"):
        plan(cascade(), Grants(), ["lumping", "magic"])


def test_a_net_with_nothing_to_cut_is_left_as_it_is():
    made = net(
        source("x", 2),
        dense("h", "x", [[1, 2], [2, 1]]),
        dense("y", "h", [[1, 1]], act=LINEAR),
    )
    done = check(made)
    assert done.quotient.cuts == {}
    assert all(a is b for a, b in zip(made.layers, done.reduced.layers, strict=True))


def test_stream_features_that_lump_only_because_inner_neurons_do():
    """And the reverse: facts first, then one joint cut, needs no second sweep."""
    made = net(
        source("x", 2),
        dense("s", "x", [[1, 2], [1, 2], [1, 0]]),
        dense("f", "s", [[1, 0, 1], [0, 1, 1], [1, 1, 0]]),
        dense("d", "f", [[1, 0, 2], [0, 1, 2], [1, 1, 1]]),
        each("u", 3, "s", "d"),
        dense("g", "u", [[1, 0, 1], [0, 1, 1]]),
        dense("y", "g", [[1, 1]], act=LINEAR),
    )
    after = widths(check(made).reduced)
    assert after == {"x": 2, "s": 2, "f": 2, "d": 2, "u": 2, "g": 1, "y": 1}


def test_levels():
    odd = 1 + 2.0**-23
    made = net(
        source("x", 2),
        dense("h", "x", [[1, 2], [3, 6], [1, 1]]),
        dense("y", "h", [[odd, odd, 1], [3 * 2.0**-24, 1, 1]], act=LINEAR),
    )
    exact, strict = check(made), check(made, "strict")
    assert widths(exact.reduced)["h"] == 2
    assert exact.rounding.rounded > 0
    assert widths(strict.reduced)["h"] == 3
    assert "strict" in strict.quotient.declined["h"]


def test_level_rounding_finds_more():
    row = np.array([0.3, 0.7, 1.1], np.float32)
    near = (0.7 * row.astype(np.float64)).astype(np.float32)
    made = net(
        source("x", 3),
        dense("h", "x", np.array([row, near, [1, 0, 0]], np.float32)),
        dense("y", "h", [[1, 1, 1]], act=LINEAR),
    )
    assert widths(check(made).reduced)["h"] == 3
    done = plan(made, Grants("rounding"))
    assert widths(done.reduced)["h"] == 2


@pytest.mark.parametrize("seed", range(20))
def test_level_rounding_is_no_weaker_than_exact(seed):
    made = random_net(np.random.default_rng(seed))
    exact, loose = plan(made, Grants()), plan(made, Grants("rounding"))
    assert sum(widths(loose.reduced).values()) <= sum(widths(exact.reduced).values())


def test_irrational_constants():
    made = net(
        source("x", 1),
        dense("h", "x", [[0], [0], [1]], [1, 1, 0], SIGMOID),
        dense("y", "h", [[1, 2, 3]], act=LINEAR),
    )
    done = plan(made, Grants())
    assert widths(done.reduced)["h"] == 1
    assert done.reduced["y"].bias[0] == np.float32(3 / (1 + np.exp(-1.0)))
    strict = plan(made, Grants("strict"))
    assert widths(strict.reduced)["h"] >= 2
    assert strict.rounding.rounded == 0


def test_sums_that_are_equal_though_their_parts_are_not():
    made = net(
        source("x", 2),
        dense("h", "x", [[1, 0], [0, 1], [1, 1]]),
        dense("f", "x", [[0, 1], [1, 0], [1, 2]]),
        each("u", 3, "h", "f"),
        dense("y", ["u", "h"], [[[1, 1, 1]], [[0, 0, 1]]], act=LINEAR),
    )
    assert widths(check(made).reduced) == {"x": 2, "h": 2, "f": 2, "u": 2, "y": 1}
