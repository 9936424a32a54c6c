from __future__ import annotations

from collections import Counter
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumpcli.ir.balance import balanced
from lumpcli.ir.hitting import hitting_set
from tests.ir.test_hitting import LAW, asked, hits


def in_parts(number, size):
    return np.arange(number * size).reshape(number, size)


def spread(labels, number, preference=None, forced=()):
    """The slots the hitting set keeps, and those kept after balancing."""
    count = len(labels[0])
    wanted = np.zeros(count) if preference is None else np.array(preference, float)
    stay = np.isin(np.arange(count), forced)
    first = hitting_set(asked(labels), stay, wanted)
    parts = [in_parts(number, count // number)]
    found = balanced(asked(labels), first, stay, parts, wanted)
    return np.flatnonzero(first).tolist(), np.flatnonzero(found).tolist()


def fullest(kept, size):
    return max(Counter(i // size for i in kept).values(), default=0)


def least(labels, size, forced):
    """The fewest slots the fullest part may have, over all choices of one slot per label."""
    asked_for = {label for label in labels if label >= 0} - {labels[i] for i in forced}
    where = [[i for i, label in enumerate(labels) if label == wanted] for wanted in asked_for]
    return min(fullest({*forced, *some}, size) for some in product(*where))


def drawn(count):
    return st.tuples(st.integers(2, 4), st.integers(1, 3)).flatmap(
        lambda shape: st.tuples(
            st.just(shape),
            st.lists(
                st.lists(
                    st.integers(-1, 5), min_size=shape[0] * shape[1], max_size=shape[0] * shape[1]
                ),
                min_size=count,
                max_size=count,
            ),
        )
    )


@given(drawn(1), st.data())
@LAW
def test_of_one_layer_no_part_is_fuller_than_it_has_to_be(case, data):
    (number, size), labels = case
    forced = data.draw(st.sets(st.integers(0, number * size - 1), max_size=2))
    before, after = spread(labels, number, forced=sorted(forced))
    assert hits(labels, after)
    assert forced <= set(after)
    assert len(after) == len(before)
    assert fullest(after, size) == least(labels[0], size, forced)


@pytest.mark.parametrize("count", [2, 3])
@given(data=st.data())
@LAW
def test_of_several_layers_no_part_gets_fuller(count, data):
    (number, size), labels = data.draw(drawn(count))
    before, after = spread(labels, number)
    assert hits(labels, after)
    assert len(after) == len(before)
    assert fullest(after, size) <= fullest(before, size)


def test_a_slot_moves_over_a_part_that_is_full_too():
    """The first part can give one slot only to the second, which can give one to the third."""
    assert spread([[0, 1, 2, 2, 3, 4, 4, -1, -1]], 3) == ([0, 1, 2, 4, 5], [0, 1, 3, 4, 6])


def test_even_parts_stay_as_they_are():
    assert spread([[0, 1, 1, 0]], 2, preference=[0, 0, 1, 1]) == ([0, 1], [1, 3])
    assert spread([[0, 1, 2, 2]], 2) == ([0, 1, 2], [0, 1, 2])


def test_the_preferred_one_of_several():
    labels, preference = [[0, 1, 0, 0]], [0, 0, 2, 1]
    assert spread(labels, 2, preference) == ([0, 1], [1, 3])


def test_nothing_to_part():
    kept = np.array([True, False])
    assert balanced([], kept, kept, [], np.zeros(2)).tolist() == [True, False]
    some = asked([[0, 0]])
    assert balanced(some, kept, ~kept, [in_parts(1, 2)], np.zeros(2)).tolist() == [True, False]
