"""Layers that are folded away: true ones are proved with their slopes, lies are refused."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from lumpcli.analysis import Grants, values_of
from lumpcli.api.certifying import _facts
from lumpcli.certify.facts import facts_of
from lumpcli.ir import Fold, Net, apply_fold
from lumpcli.passes import fold_steps
from lumpcli.proofs import Refused, check_fold, folding
from tests.computed import evaluate, outputs, points, same
from tests.nets import ABS, LEAKY, LINEAR, RELU, SIGMOID, dense, each, net, source

X = source("x", 2)
H = dense("h", "x", [[1, 2], [3, -1]], [1, 2])  # never negative
ROWS, BIAS = [[1, 2], [-2, -1], [1, 0]], [1, -1, 0]  # positive, negative, positive behind h
MOVES = {"via": "k"}


def layered(act=RELU, rows=ROWS, bias=BIAS, first=(X, H), of=None, **reader) -> Net:
    """x -> h -> f -> y."""
    f = dense("f", first[-1].name, rows, bias, act, term=of or {})
    y = dense("y", "f", np.arange(1, 7, dtype="f4").reshape(2, 3), [1, 1], LINEAR, **reader)
    return net(*first, f, y)


def proved(made: Net, name: str = "f") -> Fold:
    """What the checker makes of a fold, by the facts on the layers before."""
    place = [layer.name for layer in made.layers].index(name)
    before = replace(made, layers=made.layers[:place])
    known = {a.name for a in before.layers}
    claims = {n: said for n, said in _facts(made, values_of(made)).items() if n in known}
    return check_fold(facts_of(before, claims, "exact")[0], made, name)


@pytest.mark.parametrize(
    ("act", "slopes"),
    [
        (RELU, (1, 0, 1)),
        (LINEAR, (1, 1, 1)),
        (LEAKY, (1, Fraction(LEAKY.attributes[0]), 1)),
        (ABS, (1, -1, 1)),
    ],
    ids=str,
)
def test_slopes_follow(act, slopes):
    made = layered(act)
    step = proved(made)
    assert step == Fold("f", tuple(map(Fraction, slopes)))
    after, _ = apply_fold(made, step)
    inputs = points(made, np.random.default_rng(1))
    assert same(outputs(made, evaluate(made, inputs)), outputs(after, evaluate(after, inputs)))


@pytest.mark.parametrize("act", [RELU, LINEAR, LEAKY], ids=str)
def test_what_the_pass_finds_is_proved(act):
    made = layered(act)
    steps = fold_steps(made, Grants(), {}).taken
    assert steps
    for step in steps:
        assert proved(made, step.layer) == step
        made, _ = apply_fold(made, step)


def test_what_would_take_long_is_not_multiplied_out(monkeypatch):
    made = layered(LINEAR)  # 3 features, of which 2 rows are made over 2
    monkeypatch.setattr(folding, "_LARGEST", 12)
    assert proved(made)
    monkeypatch.setattr(folding, "_LARGEST", 11)
    with pytest.raises(Refused, match="too large to be multiplied out"):
        proved(made)


def test_signs_by_a_box():
    f = dense("f", "x", [[1, 1], [1, -1], [0, 1]], None)
    ends = np.array([[0.0, -9.0, 1.0], [4.0, 0.0, 5.0]])
    made = net(X, replace(f, between=ends), dense("y", "f", [[1, 2, 3]], act=LINEAR))
    assert proved(made).slopes == (1, 0, 1)
    with pytest.raises(Refused, match="feature 0 may not be linear"):
        proved(replace(made, layers=(X, f, made.layers[-1])))


KERNEL = np.arange(1, 7, dtype="f4").reshape(3, 2, 1)
WIDE = {"term": {**MOVES, "padded": True}}
LIES = {
    "bent": (layered(first=(X,)), "feature 0 may not be linear"),
    "curved": (layered(SIGMOID), "feature 0 may not be linear"),
    "bias beside the image": (layered(LINEAR, **WIDE), "sees zeros, not its bias"),
    "twice moved": (
        layered(LINEAR, KERNEL, None, of=MOVES, term=MOVES),
        "both it and what reads it move positions",
    ),
    "one by one": (
        net(X, H, dense("f", "h", ROWS, act=LINEAR), each("y", 3, "f")),
        "not read through plain matrices",
    ),
    "read twice": (
        net(X, H, dense("f", "h", ROWS, act=LINEAR), dense("y", ["f", "f"], [[[1] * 3]] * 2)),
        "it is read twice",
    ),
}


@pytest.mark.parametrize("name", LIES)
def test_lies_are_refused(name):
    made, reason = LIES[name]
    with pytest.raises(Refused, match=reason):
        proved(made)


def test_what_is_needed_elsewhere():
    made = layered(LINEAR)
    with pytest.raises(Refused, match="an output, or pinned"):
        proved(made, "y")
    layers = [replace(a, pinned="read whole") if a.name == "f" else a for a in made.layers]
    with pytest.raises(Refused, match="an output, or pinned"):
        proved(replace(made, layers=tuple(layers)))


def test_zeros_around_an_image_are_nothing_to_a_layer_without_bias():
    made = layered(LINEAR, bias=None, **WIDE)
    assert proved(made).slopes == (1, 1, 1)
    still = layered(LINEAR, KERNEL, [1, 2, 3], of={**MOVES, "padded": True})
    assert proved(still).slopes == (1, 1, 1)
