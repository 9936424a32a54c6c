"""A question on the whole box: cells are halved where it is not settled, up to a limit."""

from __future__ import annotations

import numpy as np
import pytest

from lumpcli.redundancy import Candidate
from lumpcli.redundancy.asking import Answer, ask
from lumpcli.redundancy.candidates import replacements
from lumpcli.redundancy.neurons import neurons_of
from lumpcli.redundancy.questions import Within
from tests.redundancy.small import covered, integers, network


def asked(eps: float, most: int) -> Answer:
    """Two ReLUs of x that cancel: a bound does not see it before the box is cut at 0."""
    layers = integers(([[1.0], [1.0]], [0.0, 0.0]), ([[1.0, -1.0]], [0.0]))
    host, program, cover = covered(network(layers), -1.0, 1.0)
    both = [Candidate("h0", 0, "zero"), Candidate("h0", 1, "zero")]
    replaced = replacements(neurons_of(host, program), [both])
    outputs = [program.tensors["y"].step]
    return ask(cover, [cover.root], replaced, [Within(eps, tuple(outputs))], outputs, most)


def test_one_cell_is_enough_where_the_bound_is() -> None:
    answer = asked(1.0 + 2.0**-40, 1)
    assert answer.proved
    assert (len(answer.cells), answer.bounds[0].shape) == (1, (1,))
    assert answer.bounds[0][0] == pytest.approx(1.0, abs=2.0**-40)


def test_the_box_is_cut_where_it_is_not() -> None:
    answer = asked(2.0**-30, 2)
    assert answer.proved
    assert sorted((float(c.lower[0]), float(c.upper[0])) for c in answer.cells) == [(-1, 0), (0, 1)]
    assert answer.bounds[0][0] == pytest.approx(0.0, abs=2.0**-30)


def test_no_more_cells_than_allowed() -> None:
    assert asked(2.0**-30, 1) == Answer(False, (), ())


def test_cells_found_before_may_be_more_than_allowed() -> None:
    """They serve as a start, and bounds are those of all cells together."""
    layers = integers(([[1.0, 0.0]], [0.0]), ([[1.0]], [0.0]))
    host, program, cover = covered(network(layers), -1.0, 2.0)
    halves = cover.halved([cover.root], np.array([[1.0, 0.0]]))
    replaced = replacements(neurons_of(host, program), [[Candidate("h0", 0, "zero")]])
    outputs = [program.tensors["y"].step]
    answer = ask(cover, halves, replaced, [Within(2.25, tuple(outputs))], outputs, 1)
    assert answer.cells == tuple(halves)
    assert answer.bounds[0][0] == pytest.approx(2.0, abs=1e-12)
    assert answer.bounds[0][0] >= 2.0
