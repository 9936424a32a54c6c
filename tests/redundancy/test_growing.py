"""A set grows as a whole: what is fine one by one may be refused together."""

from __future__ import annotations

import numpy as np

from lumpcli.redundancy import Candidate
from lumpcli.redundancy.growing import NOT_PROVED, SAMPLED, Growing
from lumpcli.redundancy.neurons import neurons_of
from lumpcli.redundancy.questions import Within
from tests.bounds.rational import Layers
from tests.redundancy.small import covered, integers, network


def growing(
    layers: Layers, eps: float, points: list[list[float]], *, most: int = 1, limit: int = 100
) -> Growing:
    """On inputs from -1 to 1, looking at some samples."""
    host, program, cover = covered(network(layers), -1.0, 1.0)
    values = program.evaluate({"x": np.array(points)[:, None]})
    outputs = [program.tensors["y"].step]
    asked = [Within(eps, tuple(outputs))]
    made = Growing(cover, neurons_of(host, program), outputs, asked, values, most, limit)
    made.begin([])
    return made


def zeros(*features: int) -> list[Candidate]:
    return [Candidate("h0", i, "zero") for i in features]


TWINS = integers(([[1.0], [1.0]], [0.0, 0.0]), ([[1.0, 1.0]], [0.0]))  # relu(x) twice


def test_fine_one_by_one_and_wrong_together() -> None:
    first, second = zeros(0, 1)
    for c in (first, second):
        assert growing(TWINS, 1.5, [[0.0]]).take("forward", [c])
    both = growing(TWINS, 1.5, [[0.0]])
    assert not both.take("forward", [first, second])
    both.grow("forward", [first, second])
    assert [*both.taken] == [("h0", 0)]
    assert both.reasons == {("h0", 0): NOT_PROVED, ("h0", 1): NOT_PROVED}
    assert (both.checks, both.refused) == (3, 2)
    assert 1.0 <= both.best.bounds[0][0] < 1.0 + 1e-9
    assert growing(TWINS, 2.0 + 1e-9, [[0.0]]).take("forward", [first, second])


def test_samples_refuse_without_a_proof() -> None:
    seen = growing(TWINS, 0.5, [[0.75]])
    assert not seen.take("forward", zeros(0))
    assert seen.reasons == {("h0", 0): SAMPLED}
    assert (seen.checks, seen.refused) == (0, 0)


def test_the_least_important_come_first() -> None:
    layers = integers(([[1.0]] * 4, [0.0] * 4), ([[4.0, 1.0, 8.0, 2.0]], [0.0]))
    seen = growing(layers, 4.0, [[0.75]])
    assert seen.ordered(zeros(0, 1, 2, 3)) == zeros(1, 3, 0)  # 8 * 0.75 is too much already
    assert seen.reasons == {("h0", 2): SAMPLED}


def test_more_at_once_after_successes_and_an_end() -> None:
    layers = integers(([[1.0]] * 9, [0.0] * 9), ([[1.0] * 8 + [16.0]], [0.0]))
    seen = growing(layers, 9.0, [[0.0]])
    seen.grow("forward", zeros(*range(9)))
    assert [i for _, i in seen.taken] == [*range(8)]
    assert (seen.checks, seen.refused) == (6, 2)  # 1, 2, 4, then 2 in vain, 1, 1 in vain
    ended = growing(layers, 9.0, [[0.0]], limit=2)
    ended.grow("forward", zeros(*range(9)))
    assert len(ended.taken) == 3


def test_what_z_of_the_reduced_network_is_never_below() -> None:
    """z1 = relu(x) + 1 becomes x + 1."""
    layers = integers(([[1.0]], [0.0]), ([[1.0]], [1.0]), ([[1.0]], [0.0]))
    seen = growing(layers, 9.0, [[0.0]])
    assert 1.0 - 1e-9 < float(seen.lowest()["h1"][0]) <= 1.0
    assert seen.take("forward", [Candidate("h0", 0, "identity", 1.0)])
    low = float(seen.lowest()["h1"][0])
    assert -1.0 <= low <= 0.0  # z and the difference are bounded apart
    assert -1.0 - 1e-9 < float(seen.lowest()["h0"][0]) <= -1.0
