from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from lumpcli.analysis import LayerValues, columns_of
from lumpcli.analysis.columns import INSIDE
from lumpcli.ir.shift import Shift
from tests.computed import exactly
from tests.nets import dense

THIRD = Fraction(1, 3)


def facts(classes, ratio=None, offset=None):
    n = len(classes)
    ratios = tuple(Fraction(r) for r in (ratio or [1] * n))
    offsets = (o if isinstance(o, Shift) else Shift(Fraction(o)) for o in offset or [0] * n)
    return LayerValues(np.array(classes), ratios, tuple(offsets))


def folded(columns, first=0, last=None):
    """All folded columns, as fractions."""
    last = columns.keys.shape[1] if last is None else last
    block = columns.block(np.arange(columns.width), first, last)
    return [[block.value(i, k) for k in range(last - first)] for i in range(columns.width)]


def bias_of(columns):
    rows = np.arange(columns.width)
    exact = columns.bias(rows)
    return [exact.value(i, 0) for i in rows.tolist()]


def test_columns_of_one_class_are_added_with_their_ratios():
    layer = dense("h", "x", [[1, 2, 4], [5, 6, 7]])
    columns = columns_of(layer, {"x": facts([3, 8, 3], [1, 1, THIRD])})
    assert columns.classes.tolist() == [3, 8]
    assert len(columns.classes) == columns.ordinary == 2
    assert folded(columns) == [[1 + 4 * THIRD, 2], [5 + 7 * THIRD, 6]]
    assert folded(columns, 1) == [[2], [6]]


def test_constants_and_offsets_go_into_the_bias():
    layer = dense("h", "x", [[1, 2, 4], [5, 6, 7]], [10, 20], bias_scale=Fraction(1, 2))
    columns = columns_of(layer, {"x": facts([-1, 8, 3], [0, 1, 1], [THIRD, 0, 2])})
    assert columns.classes.tolist() == [3, 8]
    assert bias_of(columns) == [5 + THIRD + 8, 10 + 5 * THIRD + 14]
    without = columns_of(dense("h", "x", [[1, 2, 4]]), {"x": facts([0, 1, 2])})
    assert bias_of(without) == [0]


def test_scales_of_terms_count():
    layer = dense("h", "x", [[1, 2]], [1], term={"scale": Fraction(-3)})
    columns = columns_of(layer, {"x": facts([4, -1], [2, 0], [0, 5])})
    assert folded(columns) == [[-6]]
    assert bias_of(columns) == [1 - 30]


def test_two_sources_share_classes():
    layer = dense("h", ["x", "z"], [[[1, 2]], [[4, 8, 16]]])
    columns = columns_of(layer, {"x": facts([0, 1]), "z": facts([1, 2, 0], [1, 1, -2])})
    assert columns.classes.tolist() == [0, 1, 2]
    assert folded(columns) == [[1 - 32, 6, 8]]


def test_taps_are_columns_of_their_own():
    weight = np.arange(1, 13, dtype=np.float32).reshape(2, 3, 2)
    columns = columns_of(dense("h", "x", weight), {"x": facts([0, 1, 0], [1, 1, 2])})
    assert columns.classes.tolist() == [0, 0, 1, 1]
    exact = exactly(weight)
    assert folded(columns)[1] == [
        exact[1, 0, 0] + 2 * exact[1, 2, 0],
        exact[1, 0, 1] + 2 * exact[1, 2, 1],
        exact[1, 1, 0],
        exact[1, 1, 1],
    ]


def test_an_offset_goes_into_the_bias_once_per_tap():
    weight = np.array([[[1, 2], [3, 4]]], np.float32)
    columns = columns_of(dense("h", "x", weight), {"x": facts([-1, 0], [0, 1], [5, 1])})
    assert bias_of(columns) == [5 * (1 + 2) + 3 + 4]


def test_constants_behind_padding_are_columns():
    weight = np.array([[[1, 2], [3, 4]]], np.float32)
    layer = dense("h", "x", weight, [7], term={"padded": True})
    columns = columns_of(layer, {"x": facts([-1, 0], [0, 1], [5, 1])})
    assert bias_of(columns) == [7]
    assert sorted(folded(columns)[0]) == sorted([3, 4, 5 * 1 + 3, 5 * 2 + 4])
    assert sorted(columns.classes.tolist()) == [INSIDE, INSIDE, 0, 0]
    assert columns.ordinary == 4


def test_irrational_constants_are_columns_that_come_last():
    odd = Shift(Fraction(3), ((5, Fraction(1)), (0, Fraction(2))))
    sources = {"x": facts([-1, 1, 2, -1], [0, 1, 1, 0], [odd, 0, odd, 7])}
    columns = columns_of(dense("h", "x", [[1, 2, 4, 8]]), sources)
    assert columns.classes.tolist() == [1, 2, 0, 5]
    assert columns.ordinary == 2
    assert folded(columns) == [[2, 4, 2 + 8, 1 + 4]]
    assert bias_of(columns) == [3 * (1 + 4) + 7 * 8]
    padded = columns_of(dense("h", "x", [[1, 2, 4, 8]], term={"padded": True}), sources)
    assert padded.ordinary == 5
    assert bias_of(padded) == [0]
    assert sum(folded(padded)[0]) == 2 + 4 + 10 + 5 + 71


@pytest.mark.parametrize("seed", range(10))
def test_folding_by_brute_force(seed):
    rng = np.random.default_rng(seed)
    n, taps = int(rng.integers(1, 7)), int(rng.integers(1, 4))
    terms = [(rng.standard_normal((4, n, taps)) * 8).astype(np.float32) for _ in range(2)]
    sources = {
        name: facts(
            rng.integers(-1, 3, n).tolist(),
            [Fraction(int(r), 7) for r in rng.integers(1, 9, n)],
            [Fraction(int(o), 5) for o in rng.integers(0, 3, n)],
        )
        for name in ("x", "z")
    }
    columns = columns_of(dense("h", ["x", "z"], terms, rng.integers(-2, 3, 4)), sources)
    expected: dict[tuple[int, int], list[Fraction]] = {}
    bias = [Fraction(0)] * 4
    for weight, read in zip(terms, sources.values(), strict=True):
        exact = exactly(weight)
        for j, c in enumerate(read.class_of.tolist()):
            for t in range(taps):
                for i in range(4):
                    bias[i] += read.offset[j].rational * exact[i, j, t]
                    if c >= 0:
                        row = expected.setdefault((c, t), [Fraction(0)] * 4)
                        row[i] += read.ratio[j] * exact[i, j, t]
    keys = sorted(expected)
    assert columns.classes.tolist() == [c for c, _ in keys]
    assert folded(columns) == [[expected[k][i] for k in keys] for i in range(4)]
    stored = columns.layer.bias
    assert bias_of(columns) == [b + int(s) for b, s in zip(bias, stored, strict=True)]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("ratio", [[1, 2, 4, 1], [3, 5, 7, 9], [THIRD, 1, 2, THIRD]])
def test_floats_are_the_block_where_they_hold_it(dtype, ratio):
    rows = np.random.default_rng(0).standard_normal((5, 4)).astype(dtype)
    columns = columns_of(
        dense("h", "x", rows, dtype=np.dtype(dtype)), {"x": facts([0, 1, 0, 2], ratio)}
    )
    found = columns.floats(np.arange(5), 0, 3)
    exact = columns.block(np.arange(5), 0, 3)
    if found is None:
        assert dtype == np.float64
        return
    for i, k in np.ndindex(5, 3):
        assert found.at(i, k) == exact.value(i, k) == found.exact().value(i, k)
    assert not found.narrow  # two are added


def test_entries_of_short_types_are_narrow():
    for dtype, narrow in ((np.float16, True), (np.float32, True), (np.float64, False)):
        columns = columns_of(
            dense("h", "x", [[1, 2]], [3], dtype=np.dtype(dtype)), {"x": facts([0, 1])}
        )
        found, bias = columns.floats(np.array([0]), 0, 2), columns.bias_floats(np.array([0]))
        assert (found.narrow, bias.narrow) == (narrow, narrow)
        assert found.value.tolist() == [[1, 2]]
        assert bias.value.tolist() == [[3]]


def test_floats_are_refused_where_they_do_not_hold_a_sum():
    far = columns_of(dense("h", "x", [[1, 2.0**-60]]), {"x": facts([0, 0])})
    assert far.floats(np.array([0]), 0, 1) is None
    long = columns_of(dense("h", "x", [[1, 1]]), {"x": facts([0, 0], [Fraction(2**60 + 1), 1])})
    assert long.floats(np.array([0]), 0, 1) is None
    infinite = columns_of(dense("h", "x", [[np.inf, 1]]), {"x": facts([0, 1])})
    assert infinite.floats(np.array([0]), 0, 2) is None


def test_a_bias_with_constants_is_no_float():
    columns = columns_of(dense("h", "x", [[1, 1]], [5]), {"x": facts([0, -1], [1, 0], [0, 3])})
    assert columns.bias_floats(np.array([0])) is None
