from __future__ import annotations

import numpy as np
import pytest

from lumpcli.analysis import columns_of
from lumpcli.analysis.projection import candidates
from tests.analysis.holding import plain
from tests.nets import ABS, LINEAR, RELU, SIGMOID, TANH, dense


def pairs(rows, bias=None, act=RELU, dtype=np.float32, firsts=None):
    n = np.asarray(rows).shape[1]
    columns = columns_of(dense("h", "x", rows, bias, act, dtype), {"x": plain(n)})
    places = np.arange(len(rows)) if firsts is None else np.array(firsts)
    return list(candidates(columns, places))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("width", [2, 5, 300])
@pytest.mark.parametrize(
    ("act", "ratios"),
    [
        (RELU, (0.7, 1.3)),
        (LINEAR, (0.7, -1.3)),
        (ABS, (-0.7, 3)),
        (TANH, (-1, 1)),
        (SIGMOID, (1, 1)),
    ],
    ids=str,
)
def test_no_rounded_multiple_is_missed(dtype, width, act, ratios):
    for seed in range(5):
        rng = np.random.default_rng(seed)
        base, other = rng.standard_normal((2, width)).astype(dtype)
        wide = base.astype(np.float64)
        rows = np.array([wide, other, ratios[0] * wide, ratios[1] * wide])
        found = pairs(rows.astype(dtype), 0.5 * rows[:, 0], act, dtype)
        assert {(0, 2), (0, 3), (2, 3)} <= set(found)


def test_few_others_are_proposed():
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((200, 30)).astype(np.float32)
    assert len(pairs(rows)) < 2
    assert len(pairs(rows, act=TANH)) < 2


def test_places_are_those_of_the_rows_asked_for():
    rows = np.array([[1, 2], [5, 1], [3, 3], [2, 4]], np.float32)
    assert pairs(rows, firsts=[0, 2, 3]) == [(0, 2)]
    assert pairs(rows, firsts=[1]) == []
    assert all(i < j for i, j in pairs(rows))
