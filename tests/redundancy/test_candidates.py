"""What replaces a ReLU, by kind and range; sets of candidates as arrays."""

from __future__ import annotations

import numpy as np
import pytest

from lumpcli.bounds import Range
from lumpcli.redundancy.candidates import Candidate, Kind, candidates, replacements
from lumpcli.redundancy.neurons import Neurons

# never above 0; mostly below; mostly above; never below
RANGE = Range(np.array([[-2.0, -3.0, -1.0, 1.0]]), np.array([[0.0, 1.0, 3.0, 2.0]]))


def neurons(*, shifts: bool = True, declined: str = "") -> list[Neurons]:
    return [Neurons("h", 1, 0, np.arange(4), 4, declined, shifts)]


def found(kind: Kind, eps: float = 0.0, *, shifts: bool = True) -> dict[int, tuple]:
    some = candidates(kind, neurons(shifts=shifts), [RANGE], eps)
    return {c.feature: (c.action, c.slope, c.offset) for c in some}


ZERO, IDENTITY = ("zero", 0.0, 0.0), ("identity", 1.0, 0.0)


def test_phase_up_to_eps() -> None:
    assert found("phase") == {0: ZERO, 3: IDENTITY}
    assert found("phase", 1.0) == {0: ZERO, 1: ZERO, 2: IDENTITY, 3: IDENTITY}
    assert found("phase", np.nextafter(1.0, 0.0)) == {0: ZERO, 3: IDENTITY}
    assert found("phase", 1.0, shifts=False) == {0: ZERO, 1: ZERO}


@pytest.mark.parametrize("kind", ["forward", "result"])
def test_the_nearer_of_zero_and_identity(kind: Kind) -> None:
    assert found(kind) == {1: ZERO, 2: IDENTITY}
    assert found(kind, shifts=False) == {1: ZERO, 2: ZERO}


def test_the_line_in_the_middle_of_the_triangle() -> None:
    assert found("relaxed") == {1: ("line", 0.25, 0.375), 2: ("line", 0.75, 0.375)}
    line = Candidate("h", 2, "line", 0.75, 0.375)
    assert line.error(-1.0, 3.0) == 0.375  # -l u / (2 (u - l)), at both ends and at 0
    assert found("relaxed", shifts=False) == {}


def test_the_middle_of_the_values() -> None:
    middles = {1: 0.5, 2: 1.5, 3: 1.5}
    assert found("constant") == {i: ("constant", 0.0, m) for i, m in middles.items()}


def test_nothing_of_a_layer_that_declines() -> None:
    assert candidates("forward", neurons(declined="pinned"), [RANGE], 1.0) == []


def test_the_later_of_two_candidates_counts() -> None:
    own = Neurons("h", 1, 0, np.array([0, 0, 1, 1]), 2, "", True)  # two positions
    first, second = Candidate("h", 1, "identity", 1.0), Candidate("h", 1, "constant", 0.0, 0.5)
    sets = [[first, second], [Candidate("h", 0, "zero")], [Candidate("g", 0, "zero")]]
    made = replacements([own], sets)[1]
    rows = [[False, False, True, True], [True, True, False, False], [False] * 4]
    assert made.chosen.tolist() == rows
    assert made.slope.tolist() == [[0.0] * 4] * 3
    assert made.offset.tolist() == [[0.0, 0.0, 0.5, 0.5], [0.0] * 4, [0.0] * 4]
    assert replacements([own], [[]]) == {}
