"""Bounds on what rounding does in a box, against the exact values of original and reduced nets."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from lumpcli.analysis import Grants, Stored, deviations, drift, drifts
from lumpcli.ir import Activation, Join, Layer, Moments, Net, Symmetry, Term
from lumpcli.passes import fold_steps
from lumpcli.pipeline import plan
from tests.analysis.test_deviation import HALVES, ONE_CUT, chain, planted
from tests.computed import Values, evaluate, points
from tests.mixed import mixed_net
from tests.nets import ABS, LINEAR, RELU, TANH, dense, each, join, net, picked, source

CONVEX = (Symmetry.LINEAR, Symmetry.HOMOGENEOUS)  # what the nets played here move keeps its range


def bounded(made: Net, inputs: Values, some: float, rng: np.random.Generator) -> Net:
    """The layers between the ends of what they are applied to for these inputs: `some` of them."""
    layers = []
    for layer in made.layers:
        bare = [replace(a, activation=Activation()) if a is layer else a for a in made.layers]
        terms = tuple(
            replace(t, hull=(t.diagonal and t.symmetry in CONVEX) or t.hull) for t in layer.terms
        )
        ends = None
        if not layer.terms or rng.random() < some:
            read = evaluate(replace(made, layers=tuple(bare)), inputs)[layer.name]
            low, high = (end.astype(float) for end in (read.min(axis=1), read.max(axis=1)))
            ends = np.nextafter(np.stack([low, high]), [[-np.inf], [np.inf]])
        layers.append(replace(layer, terms=terms, between=ends))
    return replace(made, layers=tuple(layers))


def apart(before: Net, after: Net, inputs: Values) -> dict[str, float]:
    """How far the outputs are apart."""
    a, b = evaluate(before, inputs), evaluate(after, inputs)
    return {o.layer: abs(a[o.layer] - b[o.layer]).max() for o in before.outputs}


def outside(made: Net, rng: np.random.Generator, some: float) -> tuple[int, int]:
    """How many outputs have a bound that is not 0, and how many are further off than it allows."""
    inputs = points(made, rng)
    done = plan(made, Grants("exact"), ONE_CUT)
    assert not done.quotient.merges
    stored = bounded(done.reduced, inputs, some, rng)
    found = drift([Stored(stored, done.rounding.inexact)])
    moved = apart(made, done.reduced, inputs)
    known = {name: most for name, most in found.items() if np.isfinite(most)}
    return sum(most > 0 for most in known.values()), sum(moved[n] > m for n, m in known.items())


@pytest.mark.parametrize("some", [0.0, 0.5, 1.0])
def test_no_output_is_further_off(some):
    rng = np.random.default_rng(6)
    counts = np.sum([outside(planted(rng), rng, some) for _ in range(100)], axis=0)
    assert counts[0] > 60
    assert counts[1] == 0


def off(made: Net, rng: np.random.Generator) -> tuple[Net, dict[str, float]]:
    """A net whose matrices are off by up to 1/16 of what they were, so by 1/15 of themselves."""
    layers = []
    for layer in made.layers:
        terms = [t for t in layer.terms if not t.diagonal]
        moved = {id(t): t.weight * (1 + rng.integers(-8, 9, t.weight.shape) / 128) for t in terms}
        new = (replace(t, weight=moved.get(id(t), t.weight)) for t in layer.terms)
        layers.append(replace(layer, terms=tuple(new)))
    return replace(made, layers=tuple(layers)), {a.name: 1 / 15 for a in made.layers if a.is_dense}


def test_layers_of_every_kind():
    rng = np.random.default_rng(7)
    wrong, known = 0, dict[str, int]()
    for _ in range(150):
        made = mixed_net(rng)
        inputs = points(made, rng)
        stored, errors = off(made, rng)
        found = drifts(bounded(stored, inputs, 0.5, rng), errors)
        before, after = evaluate(made, inputs), evaluate(stored, inputs)
        for layer in made.layers:
            most = found[layer.name]
            wrong += (abs(before[layer.name] - after[layer.name]).max(axis=1) > most).sum()
            kind = layer.function if isinstance(layer, Join) else layer.activation.name
            known[kind] = known.get(kind, 0) + int((np.isfinite(most) & (most > 1e-9)).sum())
    assert wrong == 0
    assert min(known[kind] for kind in ("Mul", "Max", "Identity", "Relu", "Clip")) > 20, known


def on(made: Net, **ends: tuple[float, float]) -> Net:
    """A net with these layers between two numbers."""
    layers = (
        replace(a, between=np.repeat(np.array([ends[a.name]]).T, a.width, axis=1))
        if a.name in ends
        else a
        for a in made.layers
    )
    return replace(made, layers=tuple(layers))


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_the_bound_is_reached(depth):
    """All numbers are off by all that they may be, and no sign cancels anything."""
    made = chain(depth)
    done = plan(made, Grants("exact"), ONE_CUT)
    found = drift([Stored(on(done.reduced, x=(-3.0, 5.0)), done.rounding.inexact)])["y"]
    true = 5 * ((1 + Fraction(1, 2**11)) ** depth - 1)
    assert apart(made, done.reduced, {"x": np.full((1, 3), Fraction(5))})["y"] == true
    assert true <= Fraction(found) <= true * (1 + Fraction(1, 2**40))


ONE = np.array([1, 0.5], "f4")
X = source("x", 2)
H = dense("h", "x", [[1, -2], [3, 4]], [1, 0])


def moved(*layers: Layer, errors: dict[str, float] | None = None, **ends: tuple[float, float]):
    """How far the output of a net is off at most, the numbers of h being off by 1/8."""
    made = on(net(X, H, *layers), **{"x": (-1.0, 2.0), **ends})
    return drifts(made, errors or {"h": 0.125})[made.outputs[0].layer].tolist()


def reader(*reads: str) -> Layer:
    return dense("y", list(reads), [[[1, -1]]] * len(reads), act=LINEAR)


def close(number: float) -> object:
    return pytest.approx([number], rel=1e-10, abs=1e-200)


def test_sums_products_and_maxima():
    # |h| <= 7 and 14, off by 1/8 of that
    assert moved(reader("h")) == close((7 + 14) / 8)
    assert moved(each("s", 2, "h", "x"), reader("s")) == close(21 / 8)
    assert moved(join("m", 2, "h", "x", function="Max"), reader("m")) == close(21 / 8)
    assert moved(join("m", 2, "h", "x"), reader("m")) == close(2 * 21 / 8)
    squared = (49 + 196) * (2 + 0.125) / 8
    assert moved(join("m", 2, "h", "h"), reader("m")) == close(squared)


def test_what_is_known_of_numbers_replaces_what_weights_say():
    f = dense("f", "h", [[1, 1], [1, -1]])
    errors = {"f": 0.125}
    assert moved(f, reader("f"), errors=errors) == close(42 / 8)
    assert moved(f, reader("f"), errors=errors, h=(-9.0, 3.0)) == close(12 / 8)
    assert moved(f, reader("f"), errors=errors, h=(-9.0, -1.0)) == close(0)
    bent = dense("h", "x", [[1, -2], [3, 4]], [1, 0], act=TANH)
    made = on(net(X, bent, f, reader("f")), x=(-1.0, 2.0))
    assert drifts(made, errors)["y"].tolist() == close(4 / 8)


def test_slopes_stretch_it():
    steep = Activation("LeakyRelu", (3.0,))
    assert moved(dense("f", "h", [[1, 0], [0, 1]], act=steep), reader("f")) == close(3 * 21 / 8)


def test_moments_divide_it():
    moments = Moments(np.array([5, 1], "f4"), np.array([3, 15], "f4"), Fraction(1))
    term = Term("h", np.array([2, 4], "f4"), diagonal=True, moments=moments)
    assert moved(Layer("n", 2, (term,)), reader("n")) == close((7 * 2 / 2 + 14 * 4 / 4) / 8)
    made = [Layer("n", 2, (term,)), dense("f", "n", [[1, 1]]), dense("y", "f", [[1]], act=LINEAR)]
    # |n| <= 2 (7 + 5) / 2, 4 (14 + 1) / 4
    assert moved(*made, errors={"f": 0.125}) == close((12 + 15) / 8)


@pytest.mark.parametrize(("via", "hull", "known"), [("s", False, 0), ("s", True, 1), ("", 0, 1)])
def test_sums_over_positions_are_not_bounded(via, hull, known):
    term = Term("h", None, diagonal=True, via=via, hull=bool(hull))
    assert np.isfinite(moved(Layer("m", 2, (term,)), reader("m"))).tolist() == [bool(known)]
    # where nothing moved, positions do not matter
    assert moved(Layer("m", 2, (term,)), reader("m"), errors={"y": 0.0}) == [0]


def test_what_is_not_bounded():
    assert moved(reader("h"), x=(-np.inf, 2.0)) == [np.inf]
    assert moved(reader("h"), errors={"h": np.inf}) == [np.inf]
    odd = Join("m", 2, (Term("h", None, diagonal=True),) * 2, function="Where c")
    assert moved(odd, reader("m")) == [np.inf]
    made = on(net(X, H, reader("h")), h=(-1.0, 1.0))
    assert drifts(made, {"y": 0.125})["y"].tolist() == close(2 / 8)  # x need not be known
    assert drifts(made, {"h": 0.125})["y"].tolist() == [np.inf]


def test_nets_that_follow_one_another_add_up():
    made = on(net(X, H, reader("h")), x=(-1.0, 2.0))
    first, second = Stored(made, {"h": 0.125}), Stored(made, {"y": 0.25})
    assert drift([]) == {}
    assert [drift([first, second])["y"]] == close(21 / 8 + 21 / 4)


def test_steps_and_the_cuts_between_them():
    rng = np.random.default_rng(1)
    wrong = bounds = 0
    for _ in range(20):
        layers, read = [source("x", 3)], "x"
        for k, act in enumerate((LINEAR, RELU, LINEAR, ABS)):
            rows = rng.normal(size=(6, layers[-1].width)).astype(HALVES)
            rows[3], rows[4] = rows[0] * 3, rows[1]
            layers.append(dense(f"f{k}", read, rows, rng.normal(size=6), act, HALVES))
            read = f"f{k}"
        rows = rng.normal(size=(2, 6)).astype(HALVES)
        made = net(*layers, dense("y", read, rows, [1, 2], LINEAR, HALVES))
        inputs = points(made, rng)
        done = plan(on(made, x=(-6.0, 6.0)), Grants("exact"), stays={})
        found = drift(stored for stage in done.stages for stored in stage.trail)["y"]
        assert len([stored for stage in done.stages for stored in stage.trail]) >= 2
        wrong += apart(made, done.final, inputs)["y"] > found
        bounds += np.isfinite(found)
    assert (wrong, bounds) == (0, 20)


def test_the_steps_of_a_fold_say_what_they_rounded():
    made = net(X, dense("f", "x", [[0.1, 2], [3, 0.3]], act=LINEAR), reader("f"))
    small = net(X, *(replace(a, bias=None) for a in made.layers[1:]))
    steps = fold_steps(small, Grants(), {})
    assert [step.layer for step in steps.taken] == ["f"]
    (stored,) = steps.trail
    assert stored.errors.keys() == {"y"}
    assert 0 < stored.errors["y"] <= 2.0**-24 * (1 + 2.0**-40)
    assert deviations(stored.net, stored.errors)["y"].roundings == 1


def test_features_that_are_picked():
    taken = each("t", 3, picked("h", [1, -1, 1]))
    assert moved(taken, dense("y", "t", [[1, 1, 1]], act=LINEAR)) == close(2 * 14 / 8)
