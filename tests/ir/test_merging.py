"""Rows that take over others of their layer, before columns are cut."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from lumpcli.ir import LayerCut, Merge, Quotient, Rounding, apply, take_over
from tests.computed import exactly
from tests.nets import dense, net, source
from tests.products import linear

THIRD = Fraction(1, 3)
ROWS = [[1, 2, 4], [3, 6, 1], [5, 1, 1], [7, 0, 2]]


def cut(keep, carrier, ratio=(1, 1, 1), offset=(0, 0, 0)):
    ratios, offsets = tuple(map(Fraction, ratio)), tuple(map(Fraction, offset))
    return LayerCut(np.array(keep), np.array(carrier), ratios, offsets, ("kept",) * len(carrier))


def merge(row, **ratios):
    """`merge(0, _2=3)`: row 0 takes over row 2 three times."""
    others = tuple(int(name[1:]) for name in ratios)
    return Merge(row, others, tuple(Fraction(r) for r in ratios.values()))


def test_a_row():
    tally = Rounding()
    weight, bias = take_over(linear("h", ROWS, [1, 2, 3, 4]), merge(0, _2=2, _3=-1), None, tally)
    assert (weight.tolist(), bias) == ([4, 4, 4], 3)
    assert weight.dtype == bias.dtype == np.float32
    assert (tally.folded, tally.rounded) == (4, 0)


def test_without_a_bias():
    for more in ({}, {"bias_fixed": True}):
        made = linear("h", ROWS, **more)
        assert take_over(made, merge(0, _1=1), None, Rounding())[1] is None


def test_rows_and_columns_are_one_sum_rounded_once():
    rng = np.random.default_rng(0)
    for shape in [(3, 3), (3, 3, 2)] * 10:
        weight = rng.standard_normal(shape).astype(np.float32)
        bias = rng.standard_normal(3).astype(np.float32)
        made = linear("h", weight, bias)
        columns = cut([0], [0, 0, -1], (1, THIRD, 0), (0, THIRD, 5))
        tally = Rounding()
        found, shifted = take_over(made, merge(1, _2=THIRD, _0=-3), columns, tally)
        exact = exactly(weight)
        row = exact[1] + THIRD * exact[2] - 3 * exact[0]
        b = exactly(bias)
        total = b[1] + THIRD * b[2] - 3 * b[0] + np.sum(THIRD * row[1] + 5 * row[2])
        wanted = np.vectorize(lambda v: np.float32(float(v)))(row[0] + THIRD * row[1])
        assert np.array_equal(found[0], wanted)
        assert shifted == np.float32(float(total))
        assert tally.rounded > 0


def test_offsets_make_a_bias():
    made = linear("h", ROWS)
    columns = cut([0, 1], [0, 1, -1], (1, 1, 0), (0, 0, 3))
    weight, bias = take_over(made, merge(0, _1=2), columns, Rounding())
    assert (weight.tolist(), bias) == ([7, 14], 18)


def test_overflow_is_told():
    tall = linear("h", np.array([[3e38], [3e38]], np.float32))
    made = net(source("x", 1), tall, linear("y", [[1, 1]], reads="h"))
    after, tally = apply(made, Quotient({}, merges={"h": [merge(0, _1=1)]}))
    assert tally.overflow == {"h"}
    assert np.isinf(after["h"].terms[0].weight[0, 0])


def merged(quotient, bias=None, **more):
    made = net(source("x", 3), linear("h", ROWS, bias, **more), dense("y", "h", [[1, 1, 1, 1]]))
    after, tally = apply(made, quotient)
    h = after["h"]
    return h.terms[0].weight.tolist(), None if h.bias is None else h.bias.tolist(), tally


def test_others_become_zero():
    found = merged(Quotient({}, merges={"h": [merge(2, _0=1)]}), [1, 2, 3, 4])
    assert found[:2] == ([[0, 0, 0], [3, 6, 1], [6, 3, 5], [7, 0, 2]], [0, 2, 4, 4])
    assert (found[2].folded, found[2].rounded) == (4, 0)


def test_with_a_cut_of_its_own_and_one_of_its_source():
    cuts = {
        "x": cut([0, 1], [0, 1, -1], (1, 1, 0), (0, 0, 3)),
        "h": LayerCut(np.array([1, 2]), np.array([1, 1, 2, 2]), (), (), ()),
    }
    quotient = Quotient({"x": cuts["x"]}, merges={"h": [merge(2, _0=1)]})
    assert merged(quotient)[:2] == ([[0, 0], [3, 6], [6, 3], [7, 0]], [0, 3, 15, 6])
    whole = net(source("x", 3), linear("h", ROWS, [1, 2, 3, 4]))
    layers = (whole.layers[0], linear("h", ROWS, [1, 2, 3, 4]))
    after = apply(type(whole)(layers), Quotient(cuts, merges={"h": [merge(2, _0=1)]}))[0]
    assert after["h"].terms[0].weight.tolist() == [[3, 6], [6, 3]]
    assert after["h"].bias.tolist() == [5, 19]


@pytest.mark.parametrize("keep", [[0], [1], [0, 1]])
def test_all_rows_are_merged(keep):
    cuts = {
        "x": cut([1], [1, 1, -1], (2, 1, 0)),
        "h": LayerCut(np.array(keep), np.array([0, 1]), (), (), ()),
    }
    made = type(net(source()))((source("x", 3), linear("h", ROWS[:2])))
    after = apply(made, Quotient(cuts, merges={"h": [merge(0, _1=1)]}))[0]
    assert after["h"].terms[0].weight.tolist() == [[[16], [0]][i] for i in keep]
    assert after["h"].bias is None
