from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from lumpcli.analysis import LayerValues, columns_of
from lumpcli.analysis.columns import INSIDE, Stack
from lumpcli.analysis.shift import Shift
from tests.computed import exactly
from tests.nets import LINEAR, dense

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


def test_rows_of_several_layers_in_one_stack():
    first = dense("a", "x", [[1, 2], [3, 4], [5, 6]], [1, 2, 3])
    second = dense("b", "z", [[7, 8, 9]], act=LINEAR)
    sources = {
        "x": facts([0, 1], [1, THIRD]),
        "z": facts([1, 0, 1], [2, 1, Fraction(1, 5)], [0, 5, 0]),
    }
    upper, lower = (columns_of(layer, sources) for layer in (first, second))
    stack = Stack(((upper, np.array([2, 0])), (lower, np.array([0]))))
    assert stack.width == 3
    assert stack.keys.tolist() == upper.keys.tolist() == lower.keys.tolist()
    assert stack.keys[1].tolist() == [0, 1]
    assert folded(stack) == [[5, 2], [1, 2 * THIRD], [8, 14 + Fraction(9, 5)]]
    assert bias_of(stack) == [3, 1, 40]
    assert [f[0] for f in stack.functions()] == ["Relu", "Relu", "Identity"]
    some = stack.block(np.array([1, 2]), 0, 1)
    assert [some.value(i, 0) for i in range(2)] == [1, 8]


def test_a_stack_has_the_columns_that_any_part_has():
    sources = {"x": facts([4, 1]), "z": facts([2, 4], [1, THIRD])}
    upper = columns_of(dense("a", "x", [[1, 2]]), sources)
    lower = columns_of(dense("b", "z", [[3, 6], [5, 9]]), sources)
    stack = Stack(((upper, np.array([0])), (lower, np.array([0, 1]))))
    assert stack.keys[1].tolist() == [1, 2, 4]
    assert folded(stack) == [[2, 0, 1], [0, 3, 2], [0, 5, 3]]
    for first, last in ((0, 1), (0, 2), (1, 2), (1, 3), (2, 3)):
        assert folded(stack, first, last) == [row[first:last] for row in folded(stack)]


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
