"""Samples of a box lie in it after rounding to the input's type, and at its faces and corners."""

from __future__ import annotations

import numpy as np
import pytest

from lumpcli.box import Box
from lumpcli.errors import UsageError
from lumpcli.judge.inside import BoxSamples, demand_inside

RNG = np.random.default_rng(5)
LOWER = RNG.normal(size=(1, 7))
BOX = Box({"x": (LOWER, LOWER + RNG.random((1, 7)))})


def rows(box, dtype, count, shape=(1, 7), seed=0):
    samples = BoxSamples(box, {"x": (shape, np.dtype(dtype))}, seed)
    return np.concatenate([samples.one("x", i) for i in range(count)]).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
def test_inside_after_rounding(dtype):
    lower, upper = BOX.ranges["x"]
    x = rows(BOX, dtype, 1000).astype(np.float64)
    assert ((lower <= x) & (x <= upper)).all()
    ends = BOX.inward({"x": np.dtype(dtype)}).ranges["x"]
    at_bound = ((x == ends[0]) | (x == ends[1])).sum(axis=1)
    assert ((at_bound == 7).mean(), (at_bound == 0).mean()) > (0.3, 0.3)
    assert ((at_bound > 0) & (at_bound < 7)).mean() > 0.2
    assert all((x == end).any(axis=0).all() for end in ends)


def test_thirty_two_bits_may_step_outside_of_a_narrow_box():
    """Half of all samples would, were they only rounded to the nearest number."""
    width = np.spacing(np.float32(1)) * 2.5
    box = Box.everywhere(1 + 1e-9, 1 + width, {"x": (1, 7)})
    x = rows(box, np.float32, 200).astype(np.float64)
    assert box.contains({"x": x})
    assert len(np.unique(x)) == 2
    nearest = box.sample(np.random.default_rng(0), 200)["x"].astype(np.float32)
    assert not box.contains({"x": nearest.astype(np.float64)})


def test_a_sample_depends_on_its_number_and_the_seed_only():
    first, again = (rows(BOX, np.float32, 300) for _ in range(2))
    assert np.array_equal(first, again)
    samples = BoxSamples(BOX, {"x": ((1, 7), np.dtype(np.float32))}, 0)
    for i in (250, 3, 120):
        assert np.array_equal(samples.one("x", i)[0].astype(np.float32), first[i])
    assert not np.array_equal(rows(BOX, np.float32, 300, seed=1), first)
    assert len(np.unique(first, axis=0)) > 250


def test_bounds_of_size_one_hold_along_the_axis():
    x = rows(BOX, np.float32, 4, shape=(3, 7))
    assert x.shape == (12, 7)
    assert len(np.unique(x, axis=0)) == 12
    assert BOX.contains({"x": x.astype(np.float64)})
    with pytest.raises(UsageError, match=r"input x: bounds of shape \(1, 7\) do not fit samples"):
        rows(BOX, np.float32, 1, shape=(3, 8))


def test_large_inputs_are_drawn_few_at_a_time():
    box = Box.everywhere(0.0, 1.0, {"x": (1, 3, 512, 512)})
    samples = BoxSamples(box, {"x": ((1, 3, 512, 512), np.dtype(np.float32))}, 0)
    assert samples.one("x", 4).shape == (1, 3, 512, 512)
    assert "x" in samples
    assert "y" not in samples


@pytest.mark.parametrize(
    ("bounds", "array", "fits"),
    [
        ((1, 2), [[0, 1], [1, 0]], True),
        ((1, 2), [[0, 1], [1, 2]], False),
        ((1, 2), [[0, np.nan]], False),
        ((2, 2), [[0, 1], [1, 0], [1, 1], [0, 0]], True),
        ((2, 2), [[0, 1], [1, 0], [1, 1], [0, -1]], False),
        ((1, 2), [[0, 0, 0]], False),
        ((1, 1), [[0, 0, 1]], True),
        ((), 0.5, True),
        ((), 1.5, False),
    ],
)
def test_given_arrays(bounds, array, fits):
    box = Box.everywhere(0.0, 1.0, {"x": bounds})
    if fits:
        demand_inside(box, "x", np.asarray(array, np.float32))
        return
    with pytest.raises(UsageError, match="given for input x is not inside the box"):
        demand_inside(box, "x", np.asarray(array, np.float32))
