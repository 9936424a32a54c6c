"""Questions: where they are asked, and that they hold up to eps and not beyond."""

from __future__ import annotations

import numpy as np
import pytest

from lumpcli.bounds import Program
from lumpcli.redundancy import Candidate
from lumpcli.redundancy.candidates import replacements
from lumpcli.redundancy.cover import Cover
from lumpcli.redundancy.joint import Replacements
from lumpcli.redundancy.neurons import neurons_of
from lumpcli.redundancy.questions import Question, Winner, Within, scene
from tests.bounds.rational import random_layers
from tests.redundancy.small import covered, integers, network

ZERO = Candidate("h0", 0, "zero")


def asked(cover: Cover, replaced: Replacements, question: Question) -> bool:
    """Whether it is proved on the whole box."""
    (held,) = question.holds(scene(cover, [cover.root], replaced), replaced)
    return bool(held)


def three_layers() -> tuple[Program, Cover, Replacements]:
    """relu(x) is dropped; one layer later it is missed by 1, two layers later by 2, then by 6."""
    layers = integers(
        ([[1.0], [1.0]], [0.0, 2.0]),
        ([[1.0, 1.0]], [2.0]),
        ([[2.0]], [1.0]),
        ([[3.0]], [0.0]),
    )
    host, program, cover = covered(network(layers), -1.0, 1.0)
    return program, cover, replacements(neurons_of(host, program), [[ZERO]])


@pytest.mark.parametrize(("k", "change"), [(1, 1.0), (2, 2.0), (3, 6.0), (7, 6.0), (None, 6.0)])
def test_changes_so_many_layers_later(k: int | None, change: float) -> None:
    program, cover, replaced = three_layers()
    outputs = (program.tensors["y"].step,)
    assert asked(cover, replaced, Within(change * (1 + 1e-9), outputs, k))
    assert not asked(cover, replaced, Within(change * (1 - 1e-9), outputs, k))


def test_samples_say_no_where_they_differ_by_more() -> None:
    program, _, replaced = three_layers()
    outputs = (program.tensors["y"].step,)
    values = program.evaluate({"x": np.array([[[-1.0]], [[0.5]]])})
    assert Within(3.0, outputs).survives(program, values, replaced)
    assert not Within(2.9, outputs).survives(program, values, replaced)
    assert Within(0.5, outputs, 1).survives(program, values, replaced)
    assert not Within(0.4, outputs, 1).survives(program, values, replaced)


def test_outputs_that_come_early_count() -> None:
    layers = random_layers(np.random.default_rng(0), [2, 3, 3, 3, 1])
    host, program, _ = covered(network(layers, early=["z1"]), -1.0, 1.0)
    early, late = (program.tensors[name].step for name in ("z1", "y"))
    relus = [program.tensors[f"h{k}"].step for k in range(3)]
    replaced = replacements(neurons_of(host, program), [[ZERO]])
    outputs = (early, late)
    assert Within(1.0, outputs).places(program, replaced) == [early, late]
    assert Within(1.0, outputs, 1).places(program, replaced) == [early, relus[1]]
    assert Within(1.0, outputs, 2).places(program, replaced) == [early, relus[2]]
    assert Within(1.0, outputs, 3).places(program, replaced) == [early, late]


def two_outputs(margin: float) -> tuple[Program, Cover, Replacements]:
    """y0 = relu(x) + 1, y1 = -margin."""
    layers = integers(([[1.0]], [0.0]), ([[-1.0], [0.0]], [1.0, -margin]))
    host, program, cover = covered(network(layers), -1.0, 1.0)
    return program, cover, replacements(neurons_of(host, program), [[ZERO]])


@pytest.mark.parametrize("pick", ["max", "min"])
@pytest.mark.parametrize(("margin", "wanted"), [(0.125, True), (0.0, False), (-0.125, False)])
def test_the_winner_stays_without_ties(pick: str, margin: float, wanted: bool) -> None:
    """y0 lies in [0, 1] and becomes 1: the tie at margin 0 counts as a loss."""
    program, cover, replaced = two_outputs(margin)
    output = program.tensors["y"].step
    assert asked(cover, replaced, Winner(output, "max" if pick == "max" else "min")) is wanted


def test_the_winner_must_win_in_the_reduced_network_too() -> None:
    """y0 = relu(x - 1/2) + 1/2 is at least 1/2, x at least -1; y1 = 1/4."""
    layers = integers(([[1.0]], [-0.5]), ([[1.0], [0.0]], [0.5, 0.25]))
    host, program, cover = covered(network(layers), -1.0, 1.0)
    line = Candidate("h0", 0, "identity", 1.0)
    replaced = replacements(neurons_of(host, program), [[line]])
    assert not asked(cover, replaced, Winner(program.tensors["y"].step))


def test_the_winner_stays_where_nothing_changes() -> None:
    program, cover, _ = two_outputs(-0.5)
    output = program.tensors["y"].step
    assert asked(cover, {}, Winner(output))
    values = program.evaluate({"x": np.array([[[0.25]], [[1.0]]])})
    assert Winner(output).survives(program, values, {})


def test_samples_with_different_winners_say_no() -> None:
    program, _, replaced = two_outputs(-0.5)
    output = program.tensors["y"].step
    same = program.evaluate({"x": np.array([[[0.25]], [[0.375]]])})
    assert Winner(output).survives(program, same, replaced)
    mixed = program.evaluate({"x": np.array([[[0.25]], [[1.0]]])})
    assert not Winner(output).survives(program, mixed, replaced)
