"""The tree of cuts: every input has one slice, and lies in that slice's part of the box."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumpcli.box import Box
from lumpcli.errors import InputError
from lumpcli.family import Cut, Tree
from lumpcli.family.tree import halve

BOX = Box({"x": (np.full((2, 2), -4.0), np.full((2, 2), 4.0)), "y": (np.zeros(1), np.ones(1))})
SMALL = Tree((Cut("x", 3, 1.0, 1, ~2), Cut("y", 0, 0.5, ~0, ~1)))


def points(x: float, y: float) -> dict[str, np.ndarray]:
    array = np.zeros((1, 2, 2))
    array[0, 1, 1] = x
    return {"x": array, "y": np.array([[y]])}


@pytest.mark.parametrize(
    ("x", "y", "number"),
    [(0, 0, 0), (0, 1, 1), (2, 0, 2), (2, 1, 2), (1, 0.5, 0), (1, 0.75, 1), (1.5, 0.5, 2)],
)
def test_a_face_is_of_the_first_slice(x, y, number):
    assert SMALL.locate(points(x, y)).tolist() == [number]


def test_domains_are_the_parts_and_share_faces():
    first, second, third = SMALL.domains(BOX)
    assert first.ranges["y"][1].tolist() == second.ranges["y"][0].tolist() == [0.5]
    assert first.ranges["x"][1][1, 1] == third.ranges["x"][0][1, 1] == 1
    assert third.ranges["y"][1].tolist() == [1]
    assert BOX.ranges["x"][1][1, 1] == 4  # which is not written to


def test_without_cuts_there_is_one_slice():
    tree = Tree(())
    assert (tree.slices, tree.depth) == (1, 0)
    assert tree.locate(points(0, 0)).tolist() == [0]
    assert tree.domains(BOX) == [BOX]


def test_depth():
    assert (SMALL.depth, SMALL.slices) == (2, 3)


@st.composite
def halved(draw: st.DrawFn, whole: Box) -> Tree:
    """Cuts in the middle, each of a slice that was there, as a bisection makes them."""
    cuts: list[tuple[str, int, float, list[int]]] = []
    leaves: list[tuple[list[int], int, Box]] = [([0], 0, whole)]
    for number in range(draw(st.integers(0, 9))):
        sides, side, box = leaves.pop(draw(st.integers(0, len(leaves) - 1)))
        sides[side] = number
        name = draw(st.sampled_from(sorted(box.ranges)))
        lower, upper = (end.reshape(-1) for end in box.ranges[name])
        element = draw(st.integers(0, lower.size - 1))
        threshold = (lower[element] + upper[element]) / 2
        own = [0, 0]
        cuts.append((name, element, threshold, own))
        leaves += [(own, k, half) for k, half in enumerate(halve(box, name, element, threshold))]
    for k, (sides, side, _) in enumerate(leaves):
        sides[side] = ~k
    return Tree(tuple(Cut(n, e, t, low, high) for n, e, t, (low, high) in cuts))


EIGHTHS = Box({"x": (np.full((2, 2), -1.0), np.ones((2, 2))), "y": (np.full(1, -1.0), np.ones(1))})


@given(halved(EIGHTHS), st.integers(0, 2**31 - 1))
def test_an_input_lies_in_the_domain_of_its_slice(tree, seed):
    rng = np.random.default_rng(seed)
    shapes = {name: lower.shape for name, (lower, _) in EIGHTHS.ranges.items()}
    values = {name: rng.integers(-8, 9, (50, *shape)) / 8 for name, shape in shapes.items()}
    numbers = tree.locate(values)
    domains = tree.domains(EIGHTHS)
    for k, number in enumerate(numbers):
        one = {name: array[k] for name, array in values.items()}
        assert domains[number].contains(one)
        at = 0 if tree.cuts else ~0
        while at >= 0:  # by the rule itself, cut by cut
            cut = tree.cuts[at]
            above = one[cut.input].reshape(-1)[cut.element] > cut.threshold
            at = cut.high if above else cut.low
        assert ~at == number


@given(halved(EIGHTHS))
def test_the_domains_fill_the_box(tree):
    volumes = [
        np.prod([np.prod(upper - lower) for lower, upper in d.ranges.values()])
        for d in tree.domains(EIGHTHS)
    ]
    assert sum(volumes) == 2**5  # exactly: all ends are dyadic


@pytest.mark.parametrize(
    "cuts",
    [
        (Cut("x", 0, 0.0, ~0, ~0),),  # a slice twice
        (Cut("x", 0, 0.0, ~0, ~2),),  # a slice left out
        (Cut("x", 0, 0.0, ~0, 0),),  # a cut that leads to itself
        (Cut("x", 0, 0.0, ~0, 1), Cut("x", 0, 1.0, ~1, 1)),
        (Cut("x", 0, 0.0, ~0, ~1), Cut("x", 0, 1.0, ~2, ~3)),  # a cut that is never asked
        (Cut("x", 0, 0.0, ~0, 2), Cut("x", 0, 0.0, ~1, ~2)),  # a cut that is not there
        (Cut("x", 0, 0.0, 2, ~0), Cut("x", 0, 0.0, ~1, ~2), Cut("x", 0, 0.0, 1, ~3)),  # backward
    ],
)
def test_what_is_no_tree_is_refused(cuts):
    with pytest.raises(InputError, match="no tree"):
        Tree(cuts)
