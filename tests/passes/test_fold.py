from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lumpcli.analysis import Grants, values_of
from lumpcli.passes import fold_steps, propose
from lumpcli.passes.fold import why_not_composed
from lumpcli.pipeline import plan
from tests.computed import evaluate, outputs, points, same
from tests.nets import LINEAR, RELU, dense, net, source

X = source("x", 4)


def whole(rng, *shape):
    """Small integers, none zero."""
    return (rng.integers(1, 5, shape) * rng.choice([-1, 1], shape)).astype("f4")


def chain(*widths, act=LINEAR, dtype="f4", seed=0, bias=True):
    """x and layers f0, f1, ... of these widths, none with a function but the last but one."""
    rng = np.random.default_rng(seed)
    layers, read = [X], X
    for number, width in enumerate(widths):
        rows = whole(rng, width, read.width).astype(dtype)
        told = whole(rng, width) if bias else None
        read = dense(f"f{number}", read.name, rows, told, act=act, dtype=dtype)
        layers.append(read)
    return net(*layers, dense("y", read.name, whole(rng, 3, read.width).astype(dtype), act=LINEAR))


def folded(made, level="exact", **options):
    """Which layers went; the net after that computes the same."""
    steps = fold_steps(made, Grants(level), {}, **options)
    gone, after, rounding = [step.layer for step in steps.taken], steps.net, steps.rounding
    assert [a.name for a in after.layers] == [a.name for a in made.layers if a.name not in gone]
    if not rounding.rounded:
        inputs = points(made, np.random.default_rng(9))
        assert same(outputs(made, evaluate(made, inputs)), outputs(after, evaluate(after, inputs)))
    return gone, after


def test_layers_without_a_function_between_become_one():
    gone, after = folded(chain(8, 9, 6))
    assert gone == ["f0", "f1", "f2"]
    assert after["y"].terms[0].weight.shape == (3, 4)


def test_a_bottleneck_stays():
    """4 -> 1 -> 8: 4 + 8 numbers and a bias, not 32."""
    made = chain(1, 8)
    assert why_not_composed(made, made["f0"]) == "what reads it would be larger than both are now"
    gone, after = folded(made)
    assert gone == ["f1"]
    assert after["f0"].width == 1


def test_relus_that_are_never_negative():
    rng = np.random.default_rng(1)
    h = dense("h", "x", whole(rng, 5, 4), whole(rng, 5))
    f = dense("f", "h", np.abs(whole(rng, 9, 5)), np.abs(whole(rng, 9)))
    y = dense("y", "f", whole(rng, 3, 9), act=LINEAR)
    assert folded(net(X, h, f, y))[0] == ["f"]
    some = np.array(f.terms[0].weight)
    some[3, 2] = -9
    assert folded(net(X, h, replace(f, terms=(replace(f.terms[0], weight=some),)), y))[0] == []


def test_relus_that_are_never_negative_in_a_box():
    rng = np.random.default_rng(2)
    f = dense("f", "x", whole(rng, 9, 4), whole(rng, 9))
    y = dense("y", "f", whole(rng, 3, 9), act=LINEAR)
    ends = np.stack([np.zeros(9), np.full(9, 7.0)])
    found = fold_steps(net(X, replace(f, between=ends), y), Grants(), {})
    steps, after = found.taken, found.net
    assert [step.slopes for step in steps] == [(1,) * 9]
    assert after["y"].terms[0].source == "x"
    ends[0, 4] = -1e-9
    assert fold_steps(net(X, replace(f, between=ends), y), Grants(), {}).taken == ()


def test_bounds_of_a_reader_hold_for_what_it_becomes():
    ends = np.array([[-3.0] * 6, [5.0] * 6])
    made = chain(8, 6)
    layers = [replace(a, between=ends) if a.name == "f1" else a for a in made.layers]
    after = fold_steps(replace(made, layers=tuple(layers)), Grants(), {"f1": "it stays"}).net
    assert after["f1"].between is ends


def test_what_may_not_leave_the_file_stays():
    made = chain(8, 9)
    steps = fold_steps(made, Grants(), {"f0": "another node reads it"})
    assert [step.layer for step in steps.taken] == ["f1"]
    assert steps.net["f0"] is made["f0"]


def test_nothing_is_rounded_at_level_strict():
    rng = np.random.default_rng(3)
    f = dense("f", "x", rng.normal(size=(9, 4)).astype("f4"), act=LINEAR)
    made = net(X, f, dense("y", "f", rng.normal(size=(3, 9)).astype("f4"), act=LINEAR))
    assert folded(made)[0] == ["f"]
    assert folded(made, "strict")[0] == []
    assert folded(chain(9), "strict")[0] == ["f0"]


def test_short_numbers_are_not_rounded():
    """In float16 a product would lose digits that the two matrices have."""
    rng = np.random.default_rng(4)
    f = dense("f", "x", rng.normal(size=(9, 4)).astype("f2"), act=LINEAR, dtype="f2")
    y = dense("y", "f", rng.normal(size=(3, 9)).astype("f2"), act=LINEAR, dtype="f2")
    assert folded(net(X, f, y))[0] == []
    assert folded(chain(9, dtype="f2"))[0] == ["f0"]


def test_another_way_that_leaves_less():
    """Rows of rank 1: one of them with 4 + 1 + 3 numbers, not 3 * 4."""
    rows = np.outer(np.arange(1, 10), [1, 2, 3, 4]).astype("f4")
    f = dense("f", "x", rows, np.arange(9), act=LINEAR)
    made = net(X, f, dense("y", "f", whole(np.random.default_rng(5), 3, 9), act=LINEAR))
    values = values_of(made)
    narrower = propose(made, made["f"], values)
    assert narrower is not None
    assert len(narrower.keep(9)) == 1
    assert folded(made, rival=propose)[0] == []
    assert folded(made)[0] == ["f"]


KERNEL = {"via": "conv"}


@pytest.mark.parametrize(
    ("layer", "reader", "reason"),
    [
        ({"bias": [1] * 9}, {"bias_fixed": True}, "no place for its bias"),
        ({"bias": [0] * 9}, {"bias_fixed": True}, None),
        ({"bias": [1] * 9}, {"term": {"via": "conv", "padded": True}}, "sees zeros"),
        ({}, {"term": {"via": "conv", "padded": True}}, None),
        ({"term": KERNEL}, {"term": KERNEL}, "move positions"),
        ({"term": KERNEL}, {}, "another operator"),
        ({"term": KERNEL, "operators": ("Conv",)}, {}, "another operator"),
        ({"term": KERNEL, "operators": ("Conv",)}, {"operators": ("Conv", "Relu")}, None),
        ({"pinned": "for a reason"}, {}, "for a reason"),
    ],
)
def test_why_matrices_may_not_become_one(layer, reader, reason):
    rng = np.random.default_rng(6)
    f = dense("f", "x", whole(rng, 9, 4), act=LINEAR, **layer)
    made = net(X, f, dense("y", "f", whole(rng, 3, 9), act=LINEAR, **reader))
    found = why_not_composed(made, made["f"])
    assert found is None if reason is None else reason in (found or "")


def test_what_is_too_large_to_be_multiplied_out():
    ones = np.ones((1, 1), "f4")
    f = dense("f", "x", np.broadcast_to(ones, (1 << 12, 1 << 9)), act=LINEAR)
    y = dense("y", "f", np.broadcast_to(ones, (1 << 9, 1 << 12)), act=LINEAR)
    made = net(source("x", 1 << 9), f, y)
    assert why_not_composed(made, made["f"]) == "it is too large to be multiplied out exactly"


def test_plans_fold_only_where_they_may():
    made = chain(8, 9, act=LINEAR)
    assert plan(made, Grants(), ["fold"]).final.layers == plan(made, Grants(), []).final.layers
    done = plan(made, Grants(), ["fold"], stays={})
    assert [step.layer for step in done.folds] == ["f0", "f1"]
    assert done.steps == 2
    assert [a.name for a in done.final.layers] == ["x", "y"]
    assert plan(made, Grants(), ["linear"], stays={}).folds == ()


@pytest.mark.parametrize("seed", range(20))
def test_random_chains(seed):
    """Layers with and without functions, of all widths, until nothing goes any more."""
    rng = np.random.default_rng(seed)
    layers = [X]
    for number in range(5):
        read = layers[-1]
        act = LINEAR if rng.random() < 0.5 else RELU
        rows = whole(rng, int(rng.integers(1, 9)), read.width)
        rows = np.abs(rows) if rng.random() < 0.5 else rows
        layers.append(dense(f"f{number}", read.name, rows, np.abs(whole(rng, len(rows))), act=act))
    made = net(*layers, dense("y", "f4", whole(rng, 2, layers[-1].width), act=LINEAR))
    done = plan(made, Grants("strict"), stays={})
    inputs = points(made, rng)
    now = outputs(done.final, evaluate(done.final, inputs))
    assert same(outputs(made, evaluate(made, inputs)), now)
    again = plan(done.final, Grants("strict"), stays={})
    assert not again.folds
