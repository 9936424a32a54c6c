from __future__ import annotations

from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest

from lumpcli.ir.storable import Storage, Table
from tests.nets import F32, LINEAR, dense, net, source

HALF, BRAIN = np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16)
UNIT = 2.0**-23  # of float32 at 1


def read_by(columns, ratios, label=None, dtype=F32):
    """A net whose layer h has features of these ratios and classes, read through `columns`."""
    made = net(
        source("x", 1),
        dense("h", "x", [[float(r)] for r in ratios]),
        dense("y", "h", columns, act=LINEAR, dtype=dtype),
    )
    n = len(ratios)
    label = np.array(label or [n] * n)
    return made, Table(label, [Fraction(r) for r in ratios], [Fraction(0)] * n, ["lumped"] * n)


def apart(columns, ratios, strict, label=None, dtype=F32):
    """The classes after those are taken apart that cannot be stored, and the reason."""
    made, table = read_by(columns, ratios, label, dtype)
    Storage(made, made["h"], strict).take_apart(table)
    parts = {}
    for i, number in enumerate(table.label.tolist()):
        parts.setdefault(number, []).append(i)
    return sorted(parts.values()), table.declined


def preferred(columns, ratios, strict=False, dtype=F32):
    made, table = read_by(columns, ratios, dtype=dtype)
    return Storage(made, made["h"], strict).preference(table).tolist()


def test_what_fits_stays_together():
    assert apart([[1, 2, 3], [4, 5, 6]], [1, 2, 4], strict=True) == ([[0, 1, 2]], None)
    assert apart([[1, 2, 3], [4, 5, 6]], [1, 2, 4], strict=False) == ([[0, 1, 2]], None)


def test_strict_finds_the_carrier_that_needs_no_rounding():
    # 1 + 3 * 1 through the first; 1/3 + 1 through the second
    assert apart([[1, 1]], [1, 3], strict=True) == ([[0, 1]], None)
    assert preferred([[1, 1]], [1, 3], strict=True)[0] == 0
    assert preferred([[1, 1]], [1, 3], strict=True)[1] > 0
    assert preferred([[1, 1]], [1, 3])[1] > 0
    assert preferred([[1, 1], [3, 1]], [3, 1]) == [2, 0]


def test_strict_declines_what_would_be_rounded():
    parts, declined = apart([[1, UNIT / 2]], [1, 1], strict=True)
    assert parts == [[0], [1]]
    assert "strict" in declined
    assert apart([[1, UNIT / 2]], [1, 1], strict=False) == ([[0, 1]], None)


def test_strict_takes_apart_only_what_it_must():
    parts, declined = apart([[1, 2, UNIT / 2, 4]], [1, 1, 1, 2], strict=True)
    assert parts == [[0, 1, 3], [2]]
    assert "strict" in declined


def test_what_does_not_fit_the_first_may_fit_one_another():
    odd = 1 + UNIT
    parts, _ = apart([[1, odd, odd]], [1, 3, 3], strict=True)
    assert parts == [[0], [1, 2]]


def test_other_classes_are_left_alone():
    columns = [[1, UNIT / 2, 1, 1, 1, 1]]
    parts, declined = apart(columns, [1, 1, 1, 1, 1, 1], True, label=[6, 6, 7, 7, 4, 5])
    assert parts == [[0], [1], [2, 3], [4], [5]]
    assert "strict" in declined


def test_features_that_need_no_carrier_are_no_class():
    columns = [[1, UNIT / 2, 1]]
    made, table = read_by(columns, [1, 1, 1], label=[-1, -1, 2])
    Storage(made, made["h"], True).take_apart(table)
    assert table.label.tolist() == [-1, -1, 2]
    assert table.declined is None


@pytest.mark.parametrize(("dtype", "big"), [(HALF, 4e4), (BRAIN, 2e38), (F32, 2e38)], ids=str)
def test_what_would_overflow_is_taken_apart(dtype, big):
    parts, declined = apart([[big, big, 1]], [1, 1, 1], False, dtype=dtype)
    assert parts == [[0, 2], [1]]
    assert "overflow" in declined


def test_float64_sums_beyond_its_range_are_taken_apart():
    parts, declined = apart([[1.7e308, 1.7e308]], [1, 1], False, dtype=np.dtype(np.float64))
    assert parts == [[0], [1]]
    assert "overflow" in declined


def test_another_carrier_keeps_float16_in_range():
    # through the first: 1 + 100 * 60000; through the second: 1 / 100 + 60000
    assert apart([[1, 60000]], [1, 100], False, dtype=HALF) == ([[0, 1]], None)
    cost = preferred([[1, 60000]], [1, 100], dtype=HALF)
    assert cost[0] == 1e300
    assert cost[1] < 1e300


def test_members_of_one_ratio_are_equal():
    assert preferred([[1, 2, 3, 4]], [1, 1, 1, 1]) == [0, 0, 0, 0]
    first, second, third, fourth = preferred([[1, 1, 1, 1]], [1, 3, 1, 3])
    assert first == third < second == fourth


def test_the_reader_with_the_narrowest_type_decides():
    made, table = read_by([[1, 60000]], [1, 1], dtype=HALF)
    wide = dense("z", "h", [[1e30, 1e30]], act=LINEAR)
    made = net(*made.layers, wide)
    Storage(made, made["h"], False).take_apart(table)
    assert table.label.tolist() == [2, 2]
    narrow = net(*made.layers[:2], dense("y", "h", [[5e4, 5e4]], act=LINEAR, dtype=HALF), wide)
    Storage(narrow, narrow["h"], False).take_apart(table)
    assert table.label[0] != table.label[1]


@pytest.mark.parametrize("dtype", [HALF, BRAIN, F32, np.dtype(np.float64)], ids=str)
def test_the_carrier_that_needs_no_rounding_is_found_in_every_type(dtype):
    assert preferred([[1, 1], [1, 2], [1, 0]], [1, 3], dtype=dtype) == [0, 1]
    assert preferred([[1, 1], [1, 2], [3, 5]], [3, 1], dtype=dtype)[1] == 0


def test_powers_of_two_are_all_the_same():
    assert preferred([[1, 1, 1]], [4, 1, 2]) == [0, 0, 0]
