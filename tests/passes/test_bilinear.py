"""Rows that take over others, so that products are zero: as many in each head."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from lumpcli.analysis import values_of
from lumpcli.ir import Quotient, Rounding, apply
from lumpcli.passes import merge_factors
from tests.computed import evaluate, points, same
from tests.nets import RELU, dense, each, join, moved, net, source, times
from tests.products import KEYS, QUERIES, linear, scores, sums

TALL = 2.0**127


def merged(made, **options):
    """What is rewritten; what the sums are stays as it was, unless something is rounded."""
    found = merge_factors(made, values_of(made), **options)
    rounded = apply(made, Quotient({}, merges=found.merges))[1].rounded
    if not rounded:
        inputs = points(made, np.random.default_rng(0))
        before, after = evaluate(made, inputs), evaluate(found.net, inputs)
        assert same([before["s"]], [after["s"]])
    for name, gone in found.gone.items():
        assert (evaluate(found.net, points(made, np.random.default_rng(1)))[name][gone] == 0).all()
    return found


def told(found):
    return {
        (layer, m.row): dict(zip(m.others, map(float, m.ratios), strict=True))
        for layer, merges in found.merges.items()
        for m in merges
    }


def stored(net, name):
    return net[name].terms[0].weight.tolist()


def test_keys_take_over_keys_where_queries_are_multiples():
    found = merged(scores())
    assert told(found) == {("k", 0): {1: 2}, ("k", 2): {3: -3}}
    assert stored(found.net, "k") == [[5, 1], [0, 0], [2, 4], [0, 0]]
    assert stored(found.net, "q") == QUERIES
    assert found.gone["p"].tolist() == [False, True, False, True]
    assert found.widths == {"p": 2}


def test_queries_take_over_queries_where_keys_are_multiples():
    found = merged(scores(KEYS, QUERIES))
    assert told(found) == {("q", 0): {1: 2}, ("q", 2): {3: -3}}


def test_biases_are_part_of_rows():
    made = scores(biases=([1, 2, 1, -3], [1, 2, 3, 4]))
    assert merged(made).net["k"].bias.tolist() == [5, 0, -9, 0]
    assert told(merged(scores(biases=([1, 1, 1, -3], None)))) == {("k", 2): {3: -3}}


def test_constants_are_multiples_too():
    made = scores([[0, 0], [0, 0], [1, 2], [1, 3]], biases=([2, 6, 1, 1], None))
    assert told(merged(made)) == {("k", 0): {1: 3}}


def test_a_class_is_taken_over_by_one():
    found = merged(scores([[1, 2], [2, 4], [-1, -2], [1, 3]]))
    assert told(found) == {("k", 0): {1: 2, 2: -1}}


def test_both_factors():
    found = merged(scores([[1, 2], [2, 4], [1, 1], [1, 3]], [[1, 3], [2, 0], [1, 1], [3, 3]]))
    assert told(found) == {("k", 0): {1: 2}, ("q", 2): {3: 3}}
    assert found.widths == {"p": 2}


def test_what_takes_over_may_be_a_multiple_in_its_turn():
    """k0 + 2 k1 = 5 k2 and k3 = 3 k2, so q2 takes over 5 q0 and 3 q3."""
    queries = [[1, 2], [2, 4], [1, 1], [1, 3]]
    found = merged(scores(queries, [[1, 3], [2, 1], [1, 1], [3, 3]]))
    assert told(found) == {("k", 0): {1: 2}, ("q", 2): {0: 5, 3: 3}}
    assert found.widths == {"p": 1}


def test_merges_of_merged_rows_are_sums_of_stored_ones():
    """k0 + k1 = k2, so q0 takes over q2; twice that is q3, so k0 takes over 2 k3 besides k1."""
    queries = [[1, 1], [1, 1], [0, -1], [2, 0], [1, 7]]
    found = merged(scores(queries, [[1, 0], [1, 2], [2, 2], [5, 3], [1, 9]]))
    assert told(found) == {("k", 0): {1: 1, 3: 2}, ("q", 0): {2: 1}}
    assert stored(found.net, "k")[0] == [12, 8]
    assert found.widths == {"p": 2}


def test_what_cancels():
    """k0 + k1 with q1 = q0: all of the keys may cancel, then both products are gone."""
    found = merged(scores([[1, 2], [1, 2], [1, 0], [0, 1]], [[1, 3], [-1, -3], [1, 1], [1, 2]]))
    assert found.widths == {"p": 2}


@pytest.mark.parametrize("queries", [QUERIES, KEYS])
def test_heads_lose_as_many(queries):
    made = scores([*queries[:2], *QUERIES[:2]], heads=2)
    assert told(merged(made)) == (
        {("k", 0): {1: 2}, ("k", 2): {3: 2}} if queries is QUERIES else {}
    )


def test_no_more_than_the_head_with_fewest():
    three = [[1, 2], [2, 4], [3, 6]]
    made = scores([*three, *three[:2], [1, 1]], [*KEYS, [2, 5], [7, 1]], heads=2)
    assert told(merged(made)) == {("k", 0): {1: 2}, ("k", 3): {4: 2}}


def test_zeros_count_where_they_go_anyway():
    made = scores([[0, 0], [1, 1], *QUERIES[:2]], heads=2)
    assert told(merged(made)) == {("k", 2): {3: 2}}
    assert told(merged(made, zeros=False)) == {}


def test_products_that_are_zero_anyway_take_nothing_over():
    made = scores([[1, 2], [2, 4], [3, 6], [1, 3]], [[0, 0], *KEYS[1:3], [1, 4]])
    assert told(merged(made)) == {("k", 1): {2: 1.5}}


def test_no_multiples_across_heads():
    made = scores([QUERIES[0], KEYS[0], QUERIES[1], KEYS[1]], heads=2)
    assert told(merged(made)) == {}
    assert merged(made).net is made


@pytest.mark.parametrize("row", [1, 3])
def test_one_ulp_away(row):
    queries = np.array(QUERIES, np.float32)
    queries[row, 0] = np.nextafter(queries[row, 0], np.float32(9))
    assert len(told(merged(scores(queries)))) == 1


def test_refused():
    assert merged(scores(), refused={"p"}).merges == {}


def test_strict_takes_over_what_is_not_rounded():
    """q = 3, 1, 1 times a row: thirds of odd numbers are rounded, three times them are not."""
    queries = [[3, 6], [1, 2], [1, 2], [1, 3]]
    assert told(merged(scores(queries), strict=True)) == {("k", 1): {0: 3, 2: 1}}
    keys = np.array(KEYS, np.float32)
    keys[0, 0] = 1 + 2.0**-23
    assert told(merged(scores(queries, keys), strict=True)) == {("k", 1): {2: 1}}
    assert merged(scores(queries, keys)).widths == {"p": 2}


@pytest.mark.parametrize("strict", [False, True])
def test_no_row_is_taken_over_many_times(strict):
    """q0 = 24 q1: k1 could take over 24 k0 exactly, but values that large may overflow."""
    made = scores([[24, 48], [1, 2], [1, 5], [1, 3]])
    assert told(merged(made, strict=strict)) == ({} if strict else {("k", 0): {1: 1 / 24}})


def test_overflow_is_declined():
    queries = [[1, 2], [1, 2], [1, 2], [1, 3]]
    found = merged(scores(queries, [[TALL, 1], [TALL, 1], [-TALL, 1], [1, 1]]))
    assert told(found) == {("k", 0): {1: 1, 2: 1}}  # the sum is finite
    found = merged(scores(queries, [[TALL, 1], [TALL, 2], [TALL, 3], [1, 1]]))
    assert told(found) == {}


def test_facts_about_queries_are_enough():
    """Behind ReLU, positive multiples are multiples still; the keys have to be linear."""
    q, k = dense("q", "x", QUERIES, None, RELU), linear("k", KEYS)
    for left, right, expected in (("q", "k", {("k", 0): {1: 2}}), ("k", "q", {("k", 0): {1: 2}})):
        made = net(source("x"), q, k, join("p", 4, left, right), sums(4))
        assert told(merged(made)) == expected


def test_steps_between():
    steps = (each("k1", 4, times("k", Fraction(1, 8))), moved("q1", 4, "q"), moved("k2", 4, "k1"))
    assert told(merged(scores(between=steps))) == {("k", 0): {1: 2}, ("k", 2): {3: -3}}


def test_claims_are_of_products_that_are_zero():
    found = merged(scores())
    (claim,) = found.claims(values_of(found.net))
    assert (claim.layer, claim.kind, claim.features.tolist()) == ("p", "lumped", [1, 3])
    (claim,) = found.claims(values_of(scores()))
    assert claim.features.tolist() == []


def test_use():
    found = merged(scores())
    assert found.useless(Quotient({}), Rounding()) == {"p"}
    found = merged(scores(KEYS))
    assert found.useless(Quotient({}), Rounding()) == set()


def test_numbers_that_cannot_be_stored_are_of_no_use():
    found = merged(scores())
    found = type(found)(found.net, found.made, found.gone, {"p": 4})
    assert found.useless(Quotient({}), Rounding()) == set()
    assert found.useless(Quotient({}), Rounding(overflow={"k"})) == {"p"}
