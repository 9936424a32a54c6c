"""Mixed-integer programs: what a solver settles is so, with a margin, and is no proof."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from fractions import Fraction
from itertools import combinations
from operator import mul
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyscipopt
import pytest
from onnx import ModelProto

from lumpcli.bounds import MILP, RUNGS, Bounds, Range, bounded, ladder, lower
from lumpcli.bounds.milp import Limits, settle
from lumpcli.box import Box
from lumpcli.errors import UsageError
from lumpcli.loader import load
from lumpcli.progress import Meter, Stage
from tests.bounds.rational import Layers, dense_model
from tests.bounds.solvable import SUM_AND_DIFFERENCE, pyramid
from tests.models import build, node

QUICK = ("interval", "crown", "alpha")
SQUARE = Box.everywhere(-1.0, 1.0, {"x": (1, 2)})


def asked(model: ModelProto, name: str = "z1", **options: Any) -> Bounds:
    return ladder(load(model), SQUARE, rungs=(*QUICK, MILP), **options).tensors[name]


def vertices(first: tuple[Any, Any]) -> Iterator[tuple[Fraction, Fraction]]:
    """Where ends of the square and kinks of a hidden layer meet, within the square."""
    weight, bias = first
    kinks = [(*map(int, weight[:, j]), int(bias[j])) for j in range(len(bias))]
    edges = [(1, 0, 1), (1, 0, -1), (0, 1, 1), (0, 1, -1)]
    for (a, b, c), (d, e, f) in combinations([*kinks, *edges], 2):
        if (area := a * e - b * d) != 0:
            point = Fraction(b * f - c * e, area), Fraction(c * d - a * f, area)
            if all(abs(x) <= 1 for x in point):
                yield point


def true_phases(layers: Layers) -> list[int]:
    """Of z1, by its extreme values, which lie at vertices; what touches 0 has none."""
    columns = zip(*[values_at(layers, point) for point in vertices(layers[0])], strict=True)
    return [1 if min(z) > 0 else -1 if max(z) < 0 else 0 for z in columns]


def values_at(layers: Layers, point: tuple[Fraction, Fraction]) -> list[Fraction]:
    """z1, exactly; weights are integers."""
    values = [*point]
    for weight, bias in layers:
        inputs = values if weight is layers[0][0] else [max(z, Fraction(0)) for z in values]
        columns = zip(weight.T.astype(int).tolist(), bias.astype(int).tolist(), strict=True)
        values = [sum(map(mul, column, inputs), Fraction(b)) for column, b in columns]
    return values


@pytest.mark.parametrize("seed", [0, 1, 4, 6, 7, 9])
def test_all_is_settled_that_is_so_and_nothing_else(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shapes = ((2, 8), (8, 64))
    layers = [
        (rng.integers(-3, 4, shape).astype("f4"), rng.integers(-4, 5, shape[1]).astype("f4"))
        for shape in shapes
    ]
    truth = np.array(true_phases(layers), np.int8)
    found = asked(dense_model(layers))
    numerical, phase = found.numerical.reshape(-1), found.phase.reshape(-1)
    assert numerical.any()
    assert (numerical[numerical != 0] == truth[numerical != 0]).all()
    assert (np.where(phase != 0, phase, numerical)[truth != 0] == truth[truth != 0]).all()


@pytest.mark.parametrize(
    ("gap", "settled"), [(0.0, False), (2.0**-16, False), (2.0**-12, True), (1.0, True)]
)
def test_a_verdict_needs_a_margin(gap: float, settled: bool) -> None:
    """Of 1e-5 times the bound of z1, which is between 2 and 8."""
    found = asked(dense_model(pyramid(gap)))
    assert not found.phase.any()
    assert found.numerical.tolist() == [[-1, 1] if settled else [0, 0]]


def test_what_was_seen_on_both_sides_is_not_settled() -> None:
    found = asked(dense_model(pyramid(-1.0)))
    assert found.refuted.all()
    assert not found.numerical.any()


def residual(activation: str) -> ModelProto:
    """The pyramid with gap 1 by way of |u| = 2 relu(u) - u, and an activation of 1 before."""
    nodes = [
        node("Gemm", ["x", "w", "c"], ["u"]),
        node(activation, ["u"], ["r"]),
        node("Gemm", ["r", "double", "c"], ["d"]),
        node("Sub", ["d", "u"], ["moduli"]),
        node("Gemm", ["moduli", "ones", "b"], ["z1"]),
        node("Relu", ["z1"], ["y"]),
    ]
    weights = {
        "w": SUM_AND_DIFFERENCE,
        "c": np.zeros(2, "f4"),
        "double": 2 * np.eye(2, dtype="f4"),
        "ones": np.ones((2, 1), "f4"),
        "b": np.array([-3], "f4"),
    }
    return build(nodes, weights, inputs={"x": (1, 2)}, outputs=["y"])


def test_branches_that_meet_again() -> None:
    found = asked(residual("Relu"))
    assert (found.phase.tolist(), found.numerical.tolist()) == ([[0]], [[-1]])


def test_what_is_no_program_of_the_solver_stays_open() -> None:
    found = asked(residual("LeakyRelu"))
    assert (found.phase.tolist(), found.numerical.tolist()) == ([[0]], [[0]])


def test_what_is_settled_is_taken_for_granted_later() -> None:
    """z2 = 4 relu(z1) - 1, where relu(z1) is 0."""
    more = (np.array([[4], [0]], "f4"), np.array([-1], "f4"))
    found = asked(dense_model([*pyramid(1.0), more]), "z2")
    assert (found.phase.tolist(), found.numerical.tolist()) == ([[0]], [[-1]])


def test_large_tensors_stay_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lumpcli.bounds.milp.MOST_TERMS", 40)  # of 4 elements, and 2 + 4 variables
    assert asked(dense_model(pyramid(1.0))).numerical.any()
    monkeypatch.setattr("lumpcli.bounds.milp.MOST_TERMS", 27)
    assert not asked(dense_model(pyramid(1.0))).numerical.any()


def test_bounds_that_contradict_each_other_settle_nothing() -> None:
    """No point has x0 = x1 = 1 and a sum of at most 1/2: whatever is asked would be so."""
    program = lower(load(dense_model(pyramid(1.0))))
    x, z0, z1 = (program.inputs["x"].step, *program.target_steps)
    ranges = [Range(-np.ones((1, s.size)), np.ones((1, s.size))) for s in program.steps]
    for one, hope in ((1.0, 0), (0.25, -1)):
        ranges[x] = Range(np.full((1, 2), one), np.full((1, 2), one))
        ranges[z0] = Range(np.full((1, 4), -0.5), np.full((1, 4), 0.5))
        ranges[z1] = Range(np.full((1, 2), -9.0), np.full((1, 2), 9.0))
        asked_of = {z1: np.array([-1, 0], np.int8)}
        stage = Stage(Meter(), "", 1, "neurons")
        found = settle(program, ranges, asked_of, Limits(10.0, None, 0), stage)
        assert found[z1].tolist() == [hope, 0]


@pytest.mark.parametrize("first", [1, 2])
def test_a_solver_that_fails_settles_nothing_more(
    monkeypatch: pytest.MonkeyPatch, first: int
) -> None:
    calls = 0

    class Failing(pyscipopt.Model):
        def optimize(self) -> None:
            nonlocal calls
            calls += 1
            if calls >= first:
                raise Exception("SCIP: error in LP solver!")
            super().optimize()

    package = SimpleNamespace(Model=Failing, quicksum=pyscipopt.quicksum)
    monkeypatch.setattr("lumpcli.bounds.milp.solver", lambda: package)
    assert not asked(dense_model(pyramid(1.0))).numerical.any()
    assert calls == first


def test_time_ends_the_questions() -> None:
    model = dense_model(pyramid(1.0))
    assert not asked(model, seconds=0.0).numerical.any()
    assert not asked(model, budget=0.0).numerical.any()


def test_the_same_seed_gives_the_same() -> None:
    model = dense_model(pyramid(1.0))
    first, again = asked(model, seed=5), asked(model, seed=5)
    assert first.numerical.tolist() == again.numerical.tolist() != [[0, 0]]


def test_verdicts_are_believed_only_when_asked_for() -> None:
    host = load(dense_model(pyramid(1.0)))
    found = ladder(host, SQUARE, rungs=(*QUICK, MILP))
    plain = ladder(host, SQUARE, rungs=QUICK)
    assert found.accepting("rigorous") is found
    believed = found.accepting("numerical")
    assert believed.tensors["z1"].phase.tolist() == [[-1, 1]]
    assert found.counts() == believed.counts() == plain.counts()
    without, unused, used = (
        np.array(bounded(host, host.net, SQUARE, phases)["y1"].between)
        for phases in (plain, found, believed)
    )
    assert (without == unused).all()
    assert (unused[1, 0] > 0, unused[0, 1] < 0) == (True, True)
    assert (used[1, 0], used[0, 1]) == (0.0, 0.0)


def test_a_solver_is_not_asked_unless_named() -> None:
    assert MILP not in RUNGS
    found = ladder(load(dense_model(pyramid(1.0))), SQUARE)
    assert not any(b.numerical.any() for b in found.tensors.values())


def test_what_cannot_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    model = dense_model(pyramid(1.0))
    with pytest.raises(UsageError, match="not float32"):
        asked(model, semantics="float32")
    monkeypatch.setitem(sys.modules, "pyscipopt", None)
    with pytest.raises(UsageError, match=r"pip install 'lumpcli\[milp\]'"):
        asked(model)
