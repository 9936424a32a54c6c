from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lumpcli.ir.hitting import hitting_set

LAW = settings(max_examples=150, deadline=None, derandomize=True, database=None)


def asked(labels):
    """Slot i holds feature i of every layer."""
    return [(np.arange(len(layer)), np.array(layer)) for layer in labels]


def keep(*labels, preference=None, forced=()):
    count = len(labels[0])
    wanted = np.zeros(count) if preference is None else np.array(preference, float)
    stay = np.isin(np.arange(count), forced)
    return np.flatnonzero(hitting_set(asked(labels), stay, wanted)).tolist()


def hits(labels, kept):
    return all(set(layer) - {-1} <= {layer[i] for i in kept} for layer in labels)


def smallest(labels):
    n = len(labels[0])
    return next(
        size for size in range(n + 1) if any(hits(labels, c) for c in combinations(range(n), size))
    )


def layers(count, most=9):
    return st.integers(1, most).flatmap(
        lambda n: st.lists(
            st.lists(st.integers(-1, 5), min_size=n, max_size=n), min_size=count, max_size=count
        )
    )


@given(layers(1), st.randoms(use_true_random=False))
@LAW
def test_one_layer_gets_the_smallest_set(labels, random):
    preference = [random.randrange(3) for _ in labels[0]]
    kept = keep(*labels, preference=preference)
    assert hits(labels, kept)
    assert len(kept) == smallest(labels)
    for i in kept:
        rivals = [k for k, label in enumerate(labels[0]) if label == labels[0][i]]
        assert i == min(rivals, key=lambda k: (preference[k], k))


@pytest.mark.parametrize("count", [2, 3])
@given(data=st.data())
@LAW
def test_groups_are_hit_and_no_index_is_superfluous(count, data):
    labels = data.draw(layers(count))
    preference = data.draw(
        st.lists(st.integers(0, 2), min_size=len(labels[0]), max_size=len(labels[0]))
    )
    kept = keep(*labels, preference=preference)
    assert kept == sorted(set(kept))
    assert hits(labels, kept)
    for i in kept:
        assert not hits(labels, [k for k in kept if k != i])
    # no more than the meet of the partitions: one index per combination of labels
    assert smallest(labels) <= len(kept) <= len(set(zip(*labels, strict=True)))
    assert keep(*labels, preference=preference) == kept


@given(layers(2, most=7))
@LAW
def test_two_layers_are_close_to_the_smallest(labels):
    assert len(keep(*labels)) <= smallest(labels) + 1


def test_wide_groups():
    rng = np.random.default_rng(3)
    labels = [rng.integers(-1, 40, 300) for _ in range(3)]
    kept = keep(*labels)
    assert hits([layer.tolist() for layer in labels], kept)
    assert len(kept) < 100


def test_wildcards_ask_for_nothing():
    assert keep([-1, -1]) == []
    assert keep([-1, 7, -1], [-1, -1, 7]) == [1, 2]
    assert hitting_set([], np.zeros(3, bool), np.zeros(3)).tolist() == [False] * 3


def test_forced_indices_are_used_for_more_than_they_were_forced_for():
    # index 1 alone has label 9 and also hits 0 of the other layer; index 0 is then superfluous
    assert keep([1, 9, 1], [0, 0, 5]) == [1, 2]


def test_preference_then_the_lowest_index():
    assert keep([3, 3, 3]) == [0]
    assert keep([3, 3, 3], preference=[1, 0, 0]) == [1]
    assert keep([0, 0, 1], [0, 0, 1], preference=[5, 0, 0]) == [1, 2]


def test_what_the_greedy_choice_made_superfluous_goes():
    """Here four indices are enough, and the greedy choice takes five."""
    first = [4, 0, 3, 4, 0, 3, 0, 4]
    second = [0, 1, 0, 1, 0, 2, 0, 1]
    third = [0, 1, 4, 3, 4, 0, 3, 4]
    labels = [first, second, third]
    kept = keep(*labels)
    assert hits(labels, kept)
    assert not any(hits(labels, [k for k in kept if k != i]) for i in kept)


@given(layers(2), st.data())
@LAW
def test_what_stays_in_any_case_is_used(labels, data):
    forced = data.draw(st.sets(st.integers(0, len(labels[0]) - 1)))
    kept = keep(*labels, forced=list(forced))
    assert forced <= set(kept)
    assert hits(labels, kept)
    for i in set(kept) - forced:
        assert not hits(labels, [k for k in kept if k != i])


def test_features_in_other_slots():
    """A layer's features 0 and 1 are in slots 2 and 0; one of another layer is in slot 0 too."""
    demands = [(np.array([2, 0]), np.array([5, 5])), (np.array([0]), np.array([1]))]
    assert hitting_set(demands, np.zeros(3, bool), np.zeros(3)).tolist() == [True, False, False]
    demands = [(np.array([2, 0]), np.array([5, 6]))]
    assert hitting_set(demands, np.zeros(3, bool), np.zeros(3)).tolist() == [True, False, True]


def test_several_features_of_a_layer_in_one_slot():
    """Features 0 and 2 share a slot, which serves both their classes."""
    demands = [(np.array([0, 1, 0]), np.array([3, 3, 4]))]
    assert hitting_set(demands, np.zeros(2, bool), np.zeros(2)).tolist() == [True, False]
    assert hitting_set(demands, np.zeros(2, bool), np.array([9.0, 0])).tolist() == [True, False]
