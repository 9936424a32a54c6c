"""A box is checked when it is made, and its samples lie inside, on faces and at corners."""

from __future__ import annotations

import numpy as np
import pytest

from lumpcli.box import Box
from lumpcli.errors import UsageError

SQUARE = Box({"x": (np.array([-1.0, 2.0]), np.array([1.0, 5.0]))})


@pytest.mark.parametrize(
    ("lower", "upper", "message"),
    [
        ([0.0, 2.0], [1.0, 1.0], r"lower bound of 'x' at \[1\], 2, is above the upper, 1"),
        ([np.nan, 0.0], [1.0, 1.0], "not all finite"),
        ([0.0, 0.0], [np.inf, 1.0], "not all finite"),
        ([0.0], [1.0, 1.0], "shapes"),
    ],
)
def test_what_is_no_box_is_refused(lower: list[float], upper: list[float], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Box({"x": (np.array(lower), np.array(upper))})


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"y": (2,)}, "no input 'x'; its inputs: 'y'"),
        ({"x": (2,), "y": (1,)}, "'y' has no bounds"),
        ({"x": (1, 2)}, "shape"),
    ],
)
def test_a_box_matches_its_model(inputs: dict[str, tuple[int, ...]], message: str) -> None:
    SQUARE.matches({"x": (2,)})
    with pytest.raises(UsageError, match=message):
        SQUARE.matches(inputs)


def test_samples_lie_in_the_box_and_reach_its_corners_and_faces() -> None:
    points = SQUARE.sample(np.random.default_rng(0), 300)
    lower, upper = SQUARE.ranges["x"]
    at_bound = ((points["x"] == lower) | (points["x"] == upper)).sum(axis=1)
    assert SQUARE.contains(points)
    assert (at_bound == 2).sum() >= 100  # corners
    assert (at_bound == 1).sum() >= 20  # faces
    assert (at_bound == 0).sum() >= 100  # inside
    assert len({tuple(p) for p in points["x"][at_bound == 2]}) == 4


def test_samples_of_a_box_of_one_point_are_that_point() -> None:
    point = np.array([0.1, -0.3])
    points = Box({"x": (point, point)}).sample(np.random.default_rng(0), 30)
    assert (points["x"] == point).all()


def test_a_point_outside_is_not_contained() -> None:
    assert not SQUARE.contains({"x": np.array([[0.0, 3.0], [0.0, 5.5]])})


def test_around_a_point_contains_both_ends() -> None:
    box = Box.around({"x": np.array([0.1])}, 0.2)
    assert box.contains({"x": np.array([[0.1 - 0.2], [0.1 + 0.2]])})
    assert not box.contains({"x": np.array([[0.31]])})
    assert box.size == 1


def test_one_pair_everywhere() -> None:
    box = Box.everywhere(-1.0, 2.0, {"a": (2, 3), "b": ()})
    assert box.size == 7
    assert (box.ranges["a"][1] == np.full((2, 3), 2.0)).all()
