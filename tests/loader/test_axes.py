"""Which axes of two shapes hold the same elements."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lumpcli.loader.axes import axis_after, matching_axes, with_ones

LAW = settings(max_examples=200, deadline=None, derandomize=True, database=None)


@pytest.mark.parametrize(
    ("before", "after", "features", "groups"),
    [
        ([2, 6], [2, 6], [1], [([0], [0]), ([1], [1])]),
        ([2, 6, 3, 4], [2, 72], [1], [([0], [0]), ([1, 2, 3], [1])]),
        ([2, 6], [2, 2, 3], [1], [([0], [0]), ([1], [1, 2])]),
        ([2, 3, 6], [6, 6], [2], [([0, 1], [0]), ([2], [1])]),
        (["N", 6, 4], ["N", 24], [1], [([0], [0]), ([1, 2], [1])]),
        (["N", 2, 6], [None, 6], [2], [([0, 1], [0]), ([2], [1])]),
        ([None, 6], [None, 2, 3], [1], [([0], [0]), ([1], [1, 2])]),
        ([2, 6, 4], [2, 6, 2, 2], [1], [([0], [0]), ([1], [1]), ([2], [2, 3])]),
        ([4, 6], [3, 8], [1], [([0, 1], [0, 1])]),
    ],
)
def test_groups_of_axes(before, after, features, groups):
    assert matching_axes(before, after, features) == groups


@pytest.mark.parametrize(
    ("before", "after", "features"),
    [([2, 1, 4], [2, 4], [1]), ([2, 1], [2], [1]), ([2, 1, 1], [2, 1], [1]), ([1, 1], [1], [1])],
)
def test_features_of_length_one_belong_somewhere(before, after, features):
    groups = matching_axes(before, after, features)
    assert sum(features[0] in old for old, _ in groups) == 1


def test_axes_of_length_one_that_follow():
    groups = [([0], [0]), ([1], [1]), ([], [2, 3])]
    assert with_ones([1], groups, [2, 6, 1, 1]) == [1, 2, 3]
    assert groups == [([0], [0]), ([1], [1]), ([], [])]
    assert with_ones([1], [([0], [0]), ([1], [1]), ([2], [2])], [2, 6, 4]) == [1]


def _factors(count):
    return st.lists(st.integers(1, 4), min_size=1, max_size=count)


@given(_factors(5), st.randoms(use_true_random=False))
@LAW
def test_groups_hold_the_same_elements(sizes, random):
    """Whatever was merged and split: within a group, sizes multiply to the same, in order."""
    after = _reshaped(sizes, random)
    feature = random.randrange(len(sizes))
    groups = matching_axes(sizes, after, [feature])
    assert sorted(a for old, _ in groups for a in old) == list(range(len(sizes)))
    assert sorted(a for _, new in groups for a in new) == list(range(len(after)))
    tensor = np.arange(np.prod(sizes)).reshape(sizes)
    moved = tensor.reshape(after)
    for old, new in groups:
        assert np.prod([sizes[a] for a in old]) == np.prod([after[a] for a in new])
        others = [a for a in range(len(sizes)) if a not in old]
        apart = [a for a in range(len(after)) if a not in new]
        count = int(np.prod([sizes[a] for a in old]))
        rows = tensor.transpose([*sorted(old), *others]).reshape(count, -1)
        lines = moved.transpose([*sorted(new), *apart]).reshape(rows.shape)
        np.testing.assert_array_equal(rows, lines)


def _reshaped(sizes, random):
    """Another shape of as many elements: some neighbours merged, some split, some ones added."""
    after = []
    for size in sizes:
        if after and random.random() < 0.4:
            after[-1] *= size
        elif size == 4 and random.random() < 0.5:
            after += [2, 2]
        else:
            after.append(size)
        if random.random() < 0.2:
            after.append(1)
    return after


@pytest.mark.parametrize("rank", [2, 3, 4])
def test_where_an_axis_is_after_a_squeeze(rank):
    for place, gone in product(range(rank), range(rank)):
        shape = [10 + a for a in range(rank)]
        left = [size for a, size in enumerate(shape) if a != gone]
        for axis in (gone, gone - rank):
            found = axis_after(True, place, rank, [axis])
            assert found == (None if place == gone else left.index(shape[place]) - len(left))


@pytest.mark.parametrize("axes", [[0], [-1], [1, 2], [0, -1], [-3]])
def test_where_an_axis_is_after_an_unsqueeze(axes):
    for place in range(3):
        shape = np.empty((7, 8, 9))
        after = np.expand_dims(shape, tuple(axes)).shape
        found = axis_after(False, place, 3, axes)
        assert found is not None
        assert found < 0
        assert after[found] == shape.shape[place]
