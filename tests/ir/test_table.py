from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from lumpcli.ir import Claim
from lumpcli.ir.table import Read, Table, keep_apart, table_of
from tests.nets import array, source

H = source("h", 5)


def claim(features, classes, ratio, offset, kind="lumped"):
    ratios, offsets = tuple(map(Fraction, ratio)), tuple(map(Fraction, offset))
    return Claim("h", kind, np.array(features), np.array(classes), ratios, offsets)


def parts(table: Table) -> list[list[int]]:
    """Features by label; those that need no carrier are left out."""
    found: dict[int, list[int]] = {}
    for i, label in enumerate(table.label.tolist()):
        if label >= 0:
            found.setdefault(label, []).append(i)
    return sorted(found.values())


def reader(*rows):
    return Read(array(rows)[:, :, None], np.arange(len(rows)))


SHIFTED = claim([0, 1, 2, 3], [0] * 4, [1, 1, 2, 2], [0, 1, 2, 3])


def test_nobody_claimed_stands_for_itself():
    table = table_of(H, [], [])
    assert parts(table) == [[0], [1], [2], [3], [4]]
    assert set(table.kind) == {"kept"}
    assert table.classes() == []


def test_claims_share_labels_and_later_ones_win():
    lumped = claim([0, 2, 4], [7, 7, 7], [1, 3, 2], [0, 0, 5])
    constant = claim([4], [-1], [0], [6], "constant")
    table = table_of(H, [lumped, constant], [])
    assert parts(table) == [[0, 2], [1], [3]]
    assert table.classes() == [[0, 2]]
    assert table.ratio[2] == 3
    assert table.offset[4] == 6
    assert table.kind == ["lumped", "kept", "lumped", "kept", "constant"]


def test_a_part_gets_a_label_of_its_own():
    table = table_of(H, [SHIFTED], [])
    assert parts(table) == [[0, 1, 2, 3], [4]]
    table.part([1, 3])
    assert parts(table) == [[0, 2], [1, 3], [4]]


def test_offsets_stay_where_every_reader_has_a_bias():
    assert table_of(H, [SHIFTED], []).offset == [0, 1, 2, 3, 0]


def test_without_a_bias_equal_offsets_per_value_share_a_class():
    table = table_of(H, [SHIFTED], [reader([1, 1, 1, 1, 1])])
    assert parts(table) == [[0], [1, 2], [3], [4]]
    assert not any(table.offset)


def test_without_a_bias_constants_are_multiples_of_one_another():
    constant = claim([0, 1, 2], [-1] * 3, [0] * 3, [3, 0, -6], "constant")
    table = table_of(H, [constant], [reader([1, 1, 1, 1, 1])])
    assert parts(table) == [[0, 2], [3], [4]]
    assert table.ratio[2] / table.ratio[0] == -2
    assert "bias" in table.declined


@pytest.mark.parametrize(("row", "cancels"), [([2, 9, 1, 0, 0], True), ([2, 9, 2, 0, 0], False)])
def test_constants_that_cancel_need_no_bias(row, cancels):
    constant = claim([0, 1, 2], [-1] * 3, [0] * 3, [3, 0, -6], "constant")
    table = table_of(H, [constant], [reader(row)])
    assert (table.declined is None) == cancels
    assert parts(table) == ([[3], [4]] if cancels else [[0, 2], [3], [4]])


def test_blocks_need_carriers_of_their_own():
    """A reader in two groups: what is equal in both has a carrier in each."""
    lumped, four = claim(range(4), [0] * 4, [1] * 4, [0] * 4), source("h", 4)
    reads = [reader([1, 2, 0, 0], [0, 0, 3, 4])]
    assert parts(table_of(four, [lumped], [], reads, [2])) == [[0, 1], [2, 3]]
    assert parts(table_of(four, [lumped], [], reads)) == [[0, 1, 2, 3]]
    assert parts(table_of(four, [lumped], [], reads, [4])) == [[0], [1], [2], [3]]


def test_zeros_that_are_lumped_need_no_carrier():
    """Not even where columns are fixed; what is merely unread does, there."""
    zeros = claim([1, 2], [-1, -1], [0, 0], [0, 0])
    unread = claim([3], [7], [2], [0], "unread")
    table = table_of(H, [zeros, unread], [])
    assert parts(table) == [[0], [4]]
    keep_apart(table)
    assert parts(table) == [[0], [3], [4]]
    assert table.kind == ["kept", "lumped", "lumped", "kept", "kept"]
