"""Cuts where features are taken, joined, grouped: what stays with what, and as many of each."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from lumpcli.errors import InternalError
from lumpcli.ir import Moments, Quotient, Term, apply
from tests.ir.claims import check, claim, constant, kept, unread
from tests.ir.test_folding import cut
from tests.nets import LINEAR, array, dense, each, net, picked, source

# 1 equals 0, 3 is twice 2, 5 equals 4
ROWS = [[1, 0], [1, 0], [0, 1], [0, 2], [1, 1], [1, 1]]
CLAIM = claim("h", range(6), [0, 0, 1, 1, 2, 2], [1, 1, 1, 2, 1, 1])


def h(**more):
    return dense("h", "x", ROWS, **more)


def last(*reads):
    rows = [np.arange(1, width + 1, dtype=float).reshape(1, width) for _, width in reads]
    return dense("y", [name for name, _ in reads], rows, act=LINEAR)


def blocks(rows, count):
    """Rows with zeros written where they read another block."""
    whole = np.zeros((len(rows), len(rows[0]) * count))
    size = len(rows) // count
    for i, row in enumerate(rows):
        block = i // size
        whole[i, block * len(row) : (block + 1) * len(row)] = row
    return whole


def test_parts_of_one_layer_are_cut_where_it_is():
    """Three features each, side by side in another order."""
    low, high = each("a", 3, picked("h", [0, 1, 2])), each("b", 3, picked("h", [3, 4, 5]))
    both = each("c", 6, picked("b", [0, 1, 2, -1, -1, -1]), picked("a", [-1, -1, -1, 0, 1, 2]))
    made = net(source("x"), h(), low, high, both, last(("c", 6)))
    claims = [claim("c", range(6), [1, 2, 2, 0, 0, 1], [2, 1, 1, 1, 1, 1])]
    quotient = check(made, claims)
    assert kept(quotient, "h") in ([0, 2, 4], [0, 3, 4])
    assert len(kept(quotient, "c")) == 3
    reduced, _ = apply(made, quotient)
    assert sum(reduced[name].width for name in "ab") == 3
    assert reduced["c"].terms[0].select.max() < reduced["b"].width


def test_a_part_keeps_a_feature_though_nobody_needs_one():
    """Both features of b are unread; but b is a tensor."""
    low, high = each("a", 2, picked("h", [0, 2])), each("b", 2, picked("h", [4, 5]))
    reader = dense("y", ["a", "b"], [[[1, 2]], [[0, 0]]], act=LINEAR)
    made = net(source("x"), h(), low, high, reader)
    quotient = check(made, [unread("b", [0]), unread("b", [1])])
    assert len(kept(quotient, "b")) == 1
    assert quotient.cuts["b"].emptied
    assert len(kept(quotient, "h")) == 3


@pytest.mark.parametrize("parts", [2, 3])
def test_as_many_stay_in_each_part(parts):
    made = net(source("x"), h(parts=parts), last(("h", 6)))
    quotient = check(made, [CLAIM])
    counts = np.bincount(np.array(kept(quotient)) // (6 // parts), minlength=parts)
    assert len(set(counts)) == 1
    assert counts[0] == (2 if parts == 2 else 1)


def test_as_many_stay_in_each_part_even_if_one_has_nothing_to_spare():
    made = net(source("x"), h(parts=2), last(("h", 6)))
    assert check(made, [claim("h", [0, 1], [0, 0])]).cuts == {}


def test_what_may_stay_in_either_part_stays_where_less_does():
    """2 and 3 are equal, so are 4 and 5: with 3 and not 2, two are enough in each part."""
    rows = [[1, 0], [0, 1], [1, 1], [1, 1], [1, 2], [1, 2]]
    made = net(source("x"), dense("h", "x", rows, parts=2), last(("h", 6)))
    assert kept(check(made, [claim("h", [2, 3, 4, 5], [0, 0, 1, 1])])) == [0, 1, 3, 4]


def test_features_of_one_label_go_together():
    """0 and 3, 1 and 4, 2 and 5: the second pair can go only if both of it can."""
    rows = [[1, 0], [1, 0], [0, 1], [1, 1], [1, 1], [1, 2]]
    tied = np.array([0, 1, 2, 0, 1, 2])
    made = net(source("x"), dense("h", "x", rows, tied=tied), last(("h", 6)))
    both = claim("h", [0, 1, 3, 4], [0, 0, 1, 1])
    quotient = check(made, [both])
    assert kept(quotient) in ([0, 2, 3, 5], [1, 2, 4, 5])
    assert check(made, [claim("h", [0, 1], [0, 0])]).cuts == {}
    reduced, _ = apply(made, quotient)
    assert reduced["h"].tied.tolist() == [tied[i] for i in kept(quotient)]


def test_a_grouped_reader_needs_carriers_in_each_group():
    """Features 0 and 3 are equal, but no row reads both."""
    rows = [[1, 0], [0, 1], [1, 1], [1, 0], [1, 2], [2, 1]]
    reader = dense("g", "h", blocks([[1, 2, 3], [3, 2, 1]], 2), act=LINEAR, term={"blocks": 2})
    made = net(source("x"), dense("h", "x", rows), reader, last(("g", 2)))
    assert check(made, [claim("h", [0, 3], [0, 0])]).cuts == {}


def test_groups_lose_as_many_inputs_each():
    """Two of the first group, one of the second are unread: one of each goes."""
    weight = blocks([[0, 0, 1], [1, 0, 2]], 2)
    reader = dense("g", "h", weight, act=LINEAR, term={"blocks": 2})
    made = net(source("x"), h(), reader, last(("g", 2)))
    quotient = check(made, [unread("h", [0]), unread("h", [1]), unread("h", [4])])
    left = kept(quotient)
    assert np.bincount(np.array(left) // 3).tolist() == [2, 2]
    assert 2 in left
    assert 4 not in left


def test_rows_of_groups_go_in_equal_numbers():
    """One row of the first group is a duplicate, none of the second."""
    rows = np.array([[1, 1], [1, 1], [1, 2], [2, 1]], float)
    reader = dense("g", "h", blocks(rows, 2), term={"blocks": 2})
    four = dense("h", "x", [[1, 0], [0, 1], [1, 1], [1, 2]])
    made = net(source("x"), four, reader, last(("g", 4)))
    assert check(made, [claim("g", [0, 1], [0, 0])]).cuts == {}
    rows[3] = rows[2]
    reader = dense("g", "h", blocks(rows, 2), term={"blocks": 2})
    made = net(source("x"), four, reader, last(("g", 4)))
    quotient = check(made, [claim("g", [0, 1, 2, 3], [0, 0, 1, 1])])
    assert kept(quotient, "g") == [0, 2]
    reduced, _ = apply(made, quotient)
    assert reduced["g"].terms[0].weight.tolist() == [[1, 1, 0, 0], [0, 0, 1, 2]]


def test_what_all_read_is_not_cut_with_them():
    one = picked("s", [0] * 6, broadcast=True)
    made = net(source("x"), h(), dense("s", "x", [[1, 1]]), each("u", 6, "h", one), last(("u", 6)))
    quotient = check(made, [claim("u", [0, 1], [0, 0])])
    assert kept(quotient, "h") == kept(quotient, "u") == [0, 2, 3, 4, 5]
    reduced, _ = apply(made, quotient)
    assert reduced["u"].terms[1].select.tolist() == [0] * 5
    assert reduced["s"].width == 1


def test_kernels_moments_and_taps_go_with_their_features():
    kernel = Term("h", array(np.arange(12).reshape(6, 2) + 1), diagonal=True, via="d")
    moments = Moments(array(np.arange(6)), array([3, 3, 8, 8, 3, 3]), Fraction(1))
    normal = Term("d", array([1, 2, 3, 4, 5, 6]), diagonal=True, moments=moments)
    taken = picked("n", range(6), at=np.array([0, 1, 0, 1, 0, 1]), via="f")
    layers = [h(), each("d", 6, kernel), each("n", 6, normal, bias=range(6)), each("f", 6, taken)]
    made = net(source("x"), *layers, last(("f", 6)))
    keep = np.array([0, 2, 5])
    none = cut(keep, [-1] * 6, [0] * 6)
    reduced, _ = apply(made, Quotient(dict.fromkeys("hdnf", none)))
    assert reduced["d"].terms[0].weight.tolist() == [[1, 2], [5, 6], [11, 12]]
    found = reduced["n"].terms[0]
    assert (found.weight.tolist(), found.moments.mean.tolist()) == ([1, 3, 6], [0, 2, 5])
    assert found.moments.variance.tolist() == [3, 8, 3]
    assert reduced["n"].bias.tolist() == [0, 2, 5]
    last_term = reduced["f"].terms[0]
    assert (last_term.select.tolist(), last_term.at.tolist()) == ([0, 1, 2], [0, 0, 1])


def test_a_feature_that_reads_one_that_is_gone():
    made = net(source("x"), h(), each("a", 2, picked("h", [1, 5])), last(("a", 2)))
    with pytest.raises(InternalError, match="a kept feature reads one of h that is cut"):
        apply(made, Quotient({"h": cut([0, 5], [0, 0, 0, 0, 0, 5])}))


def test_constants_behind_padding_keep_a_carrier():
    """Unpadded they move into the bias; of a padded reader one carries all."""
    rows = [[0, 0], [1, 1], [0, 0]]
    kernel = np.arange(1, 7, dtype=np.float32).reshape(1, 3, 2)
    for padded in (False, True):
        reader = dense("g", "h", kernel, act=LINEAR, term={"via": "c", "padded": padded})
        made = net(source("x"), dense("h", "x", rows, [3, 0, 6]), reader, last(("g", 1)))
        quotient = check(made, [constant("h", [0, 2], [3, 6])])
        assert len(kept(quotient)) == (2 if padded else 1)
        bias = apply(made, quotient)[0]["g"].bias
        assert (bias is None) == padded
        if not padded:
            assert bias.tolist() == [3 * (1 + 2) + 6 * (5 + 6)]


def test_pins_of_some_features_of_a_group():
    """Part b is a graph output; of part a one feature may still go."""
    low, high = each("a", 3, picked("h", [0, 1, 2])), each("b", 3, picked("h", [3, 4, 5]))
    made = net(source("x"), h(), low, replace(high, pinned="graph output"), last(("a", 3)))
    quotient = check(made, [claim("a", [0, 1], [0, 0])])
    assert kept(quotient, "a") == [0, 2]
    assert kept(quotient, "h") == [0, 2, 3, 4, 5]
    assert "b" not in quotient.cuts
    reduced, _ = apply(made, quotient)
    assert reduced["b"].terms[0].select.tolist() == [2, 3, 4]
