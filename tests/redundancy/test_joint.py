"""The difference of two networks: contains what fractions say, cancels what both have in common."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from lumpcli.errors import UsageError
from lumpcli.ir import Array
from lumpcli.loader import load
from lumpcli.redundancy import Candidate
from lumpcli.redundancy.candidates import replacements
from lumpcli.redundancy.joint import joint, values_after
from lumpcli.redundancy.neurons import neurons_of
from lumpcli.redundancy.questions import scene
from tests.bounds.rational import random_layers
from tests.models import build, node
from tests.redundancy.small import covered, exact, lines_of, network


def some_candidates(rng: np.random.Generator, widths: list[int]) -> list[Candidate]:
    found = []
    for k, width in enumerate(widths):
        for i in np.flatnonzero(rng.random(width) < 0.5).tolist():
            slope, offset = rng.random(), float(rng.normal())
            options = [(0.0, 0.0), (1.0, 0.0), (slope, offset), (0.0, offset)]
            found.append(Candidate(f"h{k}", i, "line", *options[rng.integers(4)]))
    return found


@pytest.mark.parametrize("seed", range(6))
def test_differences_contain_what_fractions_say(seed: int) -> None:
    rng = np.random.default_rng(seed)
    layers = random_layers(rng, [3, 6, 5, 4, 2], np.float64)
    host, program, cover = covered(network(layers), -1.0, 1.0)
    chosen = some_candidates(rng, [6, 5, 4])
    replaced = replacements(neurons_of(host, program), [chosen])
    seen = scene(cover, [cover.root], replaced)
    steps = {name: t.step for name, t in program.tensors.items() if name[0] in "zhy"}
    found = {name: seen.difference(step) for name, step in steps.items()}
    points = np.concatenate([rng.uniform(-1, 1, (40, 3)), rng.choice([-1.0, 1.0], (8, 3))])
    for point in points:
        before, after = exact(layers, point, {}), exact(layers, point, lines_of(chosen))
        for name, bound in found.items():
            ends = zip(bound.lower[0], bound.upper[0], before[name], after[name], strict=True)
            assert all(Fraction(a) <= late - early <= Fraction(b) for a, b, early, late in ends)


@pytest.mark.parametrize("seed", range(3))
def test_values_after_are_those_of_the_reduced_network(seed: int) -> None:
    rng = np.random.default_rng(seed)
    layers = random_layers(rng, [2, 4, 3, 2], np.float64)
    host, program, _ = covered(network(layers), -1.0, 1.0)
    chosen = some_candidates(rng, [0, 3])
    replaced = replacements(neurons_of(host, program), [chosen])
    points = rng.uniform(-1, 1, (5, 1, 2))
    values = program.evaluate({"x": points})
    after = values_after(program, values, replaced)
    assert program.tensors["z1"].step not in after  # before all that is replaced
    for k, point in enumerate(points):
        wanted = [float(v) for v in exact(layers, point[0], lines_of(chosen))["y"]]
        got = after.get(program.tensors["y"].step, values[program.tensors["y"].step])
        assert got[k] == pytest.approx(wanted, abs=1e-12)


def test_nothing_replaced_is_no_difference() -> None:
    rng = np.random.default_rng(0)
    _, program, cover = covered(network(random_layers(rng, [2, 4, 2])), -1.0, 1.0)
    both = joint(program, cover.root.ranges, {})
    assert (both.differences, both.after) == ({}, {})
    assert both.program.steps == program.steps


def test_what_both_networks_have_in_common_cancels() -> None:
    """A large skip connection: side by side it would hide a difference that is small."""
    nodes = [
        node("Gemm", ["x", "w", "b"], ["z"]),
        node("Relu", ["z"], ["h"]),
        node("Gemm", ["h", "v", "c"], ["s"]),
        node("Mul", ["x", "large"], ["l"]),
        node("Add", ["s", "l"], ["y"]),
    ]
    weights: dict[str, Array] = {
        "w": np.array([[1, 0], [0, 1]], "f4"),
        "b": np.array([-1.5, 0], "f4"),
        "v": np.array([[1, 0], [0, 1]], "f4"),
        "c": np.zeros(2, "f4"),
        "large": np.array([2.0**20, 2.0**20], "f4"),
    }
    model = build(nodes, weights, inputs={"x": (1, 2)})
    host, program, cover = covered(model, -2.0, 2.0)
    replaced = replacements(neurons_of(host, program), [[Candidate("h", 0, "zero")]])
    seen = scene(cover, [cover.root], replaced)
    found = seen.difference(program.tensors["y"].step)
    assert found.lower[0].tolist() == pytest.approx([-0.5, 0.0], abs=1e-12)
    assert found.upper[0].tolist() == pytest.approx([0.0, 0.0], abs=1e-12)


@pytest.mark.parametrize(("operator", "what"), [("Tanh", "an activation"), ("ReduceMax", "a max")])
def test_differences_are_not_followed_through_all_operators(operator: str, what: str) -> None:
    nodes = [
        node("Gemm", ["x", "w", "b"], ["z"]),
        node("Relu", ["z"], ["h"]),
        node(operator, ["h"], ["y"], **({"axes": [1]} if operator == "ReduceMax" else {})),
    ]
    weights = {"w": np.eye(2, dtype="f4"), "b": np.zeros(2, "f4")}
    model = build(nodes, weights, inputs={"x": (1, 2)}, opset=13)
    host, program, cover = covered(model, -1.0, 1.0)
    replaced = replacements(neurons_of(load(model), program), [[Candidate("h", 0, "zero")]])
    assert replaced
    assert host.net["h"].width == 2
    with pytest.raises(UsageError, match=what):
        joint(program, cover.root.ranges, replaced)
