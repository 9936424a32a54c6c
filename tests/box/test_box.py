"""A box is checked when it is made, and its samples lie inside, on faces and at corners."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from lumpcli.box import Box, uniform
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


def test_what_lies_in_both_boxes() -> None:
    other = Box({"x": (np.array([0.0, 1.0]), np.array([9.0, 3.0])), "z": (np.zeros(1), np.ones(1))})
    for both in (SQUARE.intersect(other), other.intersect(SQUARE)):
        assert {n: [e.tolist() for e in ends] for n, ends in both.ranges.items()} == {
            "x": [[0.0, 2.0], [1.0, 3.0]],
            "z": [[0.0], [1.0]],
        }
    with pytest.raises(UsageError, match=r"'x' has bounds of shapes \(2,\) and \(1, 2\)"):
        SQUARE.intersect(Box({"x": (np.zeros((1, 2)), np.ones((1, 2)))}))
    with pytest.raises(UsageError, match=r"lower bound of 'x' at \[0\], 2, is above the upper, 1"):
        SQUARE.intersect(Box({"x": (np.array([2.0, 2.0]), np.array([2.0, 2.0]))}))


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, ml_dtypes.bfloat16])
def test_numbers_of_a_type_that_lie_in_the_box(dtype: type) -> None:
    """Its bounds are numbers of the type, in the box, and the next ones are not."""
    rng = np.random.default_rng(0)
    lower = np.concatenate([rng.normal(size=200), [0.0, -0.0, 1e-300, -1e300, 0.5, 65504]])
    upper = lower + np.concatenate([rng.random(200) + 0.1, [0.0, 0.0, 1.0, 2e300, 0.0, 1e3]])
    box = Box({"x": (lower, upper)}).inward({"x": np.dtype(dtype)})
    least, most = (end.astype(dtype) for end in box.ranges["x"])
    for end, exact in zip((least, most), box.ranges["x"], strict=True):
        assert np.array_equal(end.astype(np.float64), exact)
    assert ((lower <= box.ranges["x"][0]) & (box.ranges["x"][1] <= upper)).all()
    with np.errstate(over="ignore"):
        below = np.nextafter(least, np.array(-np.inf, dtype)).astype(np.float64)
        above = np.nextafter(most, np.array(np.inf, dtype)).astype(np.float64)
    assert ((below < lower) & (above > upper)).all()


def test_no_number_of_a_type_in_the_box() -> None:
    third = Box({"x": (np.array(1 / 3), np.array(1 / 3))})
    assert third.inward({"x": np.dtype(np.float64)}).ranges["x"][0] == 1 / 3
    with pytest.raises(UsageError, match="no float32 lies between two bounds of 'x'"):
        third.inward({"x": np.dtype(np.float32)})


def test_bounds_that_are_the_same_for_every_element() -> None:
    assert uniform(np.zeros((2, 3)), np.ones((2, 3)))
    assert not uniform(np.array([0.0, 0.5]), np.ones(2))
    assert not uniform(np.zeros(2), np.array([1.0, 2.0]))
