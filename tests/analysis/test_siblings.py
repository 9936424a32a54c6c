from __future__ import annotations

import numpy as np

from lumpcli.analysis.columns import columns_of
from lumpcli.analysis.siblings import Earlier, Part, Siblings, parts_of, slopes
from lumpcli.ir import Activation
from tests.analysis.holding import plain
from tests.nets import RELU, array, dense

ROWS = [[1, 2], [3, 4], [5, 6], [7, 8]]


def columns(name="f", act=RELU, reads="x", **more):
    layer = dense(name, reads, ROWS, act=act, **more)
    return columns_of(layer, {reads: plain(2)})


def test_a_layer_of_unknown_phase_is_one_part():
    own = columns()
    (part,) = parts_of(own, np.zeros(4, np.int8))
    assert part.folded is own
    assert part.rows.tolist() == [0, 1, 2, 3]
    assert not part.linear


def test_rows_that_are_linear_are_a_part_of_their_own():
    found = parts_of(columns(), np.array([0, 1, -1, 0], np.int8))
    assert [(p.rows.tolist(), p.linear) for p in found] == [([0, 3], False), ([1], True)]
    assert [f for p in found for f in p.folded.functions()] == [
        ("Relu", ()),
        ("Relu", ()),
        ("Identity", ()),
    ]


def test_rows_that_are_never_positive_keep_their_slope():
    act = Activation("PRelu", (), array([0.5, 0, 0.25, -1]))
    layer, phase = columns(act=act).layer, np.array([-1, -1, 1, -1], np.int8)
    assert slopes(layer, phase) == {0: 0.5, 1: 0, 2: 1, 3: -1}
    (part,) = parts_of(columns(act=act), phase)
    assert part.rows.tolist() == [0, 2, 3]


def test_ways_of_reading():
    own = Part(columns(), np.arange(4))
    assert own.way_of_reading == Part(columns("g"), np.arange(2)).way_of_reading
    linear = parts_of(columns(), np.ones(4, np.int8))[0]
    assert linear.way_of_reading == Part(columns("i", Activation()), np.arange(4)).way_of_reading
    assert linear.way_of_reading != own.way_of_reading
    padded = columns("p", term={"padded": True})
    assert Part(padded, np.arange(4)).way_of_reading != own.way_of_reading


def test_siblings_are_found_by_the_classes_they_read():
    first = Earlier(Part(columns(), np.arange(2)), plain(2))
    siblings = Siblings()
    siblings.add(first)
    assert siblings.near(columns("g")) == [first]
    elsewhere = columns_of(dense("g", "z", ROWS), {"z": plain(9).chosen(np.array([7, 8]))})
    assert siblings.near(elsewhere) == []
