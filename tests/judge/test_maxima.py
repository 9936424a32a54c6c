from __future__ import annotations

import numpy as np
import pytest

from lumpcli.judge.maxima import Maxima, ulps


def test_channels_by_rank():
    for shape, channels in (((), 1), ((3,), 1), ((2, 3), 3), ((2, 3, 4), 3), ((2, 0), 0)):
        maxima = Maxima()
        maxima.add(np.ones(shape), 0)
        assert maxima.values.shape == (channels,)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_ulps_count_the_numbers_between(dtype):
    one = np.asarray([1], dtype)
    above, below = np.nextafter(one, 2 * one), np.nextafter(one, 0 * one)
    assert ulps(one, above, one.dtype.name) == 1
    assert ulps(below, above, one.dtype.name) == 2
    tiny = np.nextafter(0 * one, one)
    assert ulps(-tiny, tiny, one.dtype.name) == 2
    assert ulps(-0 * one, 0 * one, one.dtype.name) == 0
    assert ulps(one * np.nan, one, one.dtype.name) == 0


def test_ulps_of_opposite_ends():
    most = np.asarray([np.finfo(np.float64).max])
    assert ulps(-most, most, "float64") == pytest.approx(2.0**64, rel=1e-3)


def test_the_batch_of_each_maximum():
    maxima = Maxima()
    maxima.add(np.asarray([[1.0, 5.0]]), 0)
    maxima.add(np.asarray([[2.0, 5.0], [0.0, 1.0]]), 1)
    assert (maxima.values.tolist(), maxima.batches.tolist(), maxima.seen) == ([2, 5], [1, 0], 3)


def test_bfloat16_counts_its_own_ulps():
    one, above = np.float32([1]), np.float32([1 + 2.0**-7])
    assert ulps(one, above, "bfloat16") == 1
