"""Why features go, why they stay, and outputs that never change."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lumpcli.analysis import Grants
from lumpcli.ir import Quotient, groups
from lumpcli.measures import constant_outputs, layer_changes, why_unchanged
from lumpcli.measures.changes import count_duplicates, removed
from lumpcli.pipeline import plan
from tests.nets import LINEAR, dense, each, net, source
from tests.products import scores

ROWS = [[1, 2], [1, 2], [2, 4], [4, 8], [0, 0], [3, 1]]
READ = [[1, 1, 1, 1, 1, 0], [2, 1, 1, 1, 1, 0]]
FIXED = [[1, 2], [3, 1], [2, -1]]


def planned(*layers, level="exact", passes=None):
    return plan(net(*layers), Grants(level), passes)


def both(rows=ROWS, columns=READ, **more):
    hidden = dense("h", "x", rows, nodes=("fc",), operators=("Gemm", "Relu"))
    return source("x", 2), replace(hidden, **more), dense("y", "h", columns, act=LINEAR)


def changes(done):
    return {c.name: c for c in layer_changes(done.stages)}


def test_kinds_of_removed_features():
    done = planned(*both())
    found = changes(done)
    h, y = found["h"], found["y"]
    assert (h.features.before, h.features.after) == (6, 1)
    assert (h.constant, h.unread, h.lumped, h.emptied) == (1, 1, 3, False)
    assert (h.node, h.pinned, h.declined) == ("fc", None, None)
    assert (y.features.before, y.features.after, y.pinned) == (2, 2, "graph output")
    assert list(found) == ["h", "y"]


def test_duplicates_among_the_lumped():
    """Whatever feature carries them: 1 equals 0; 2 and 3 are multiples."""
    done = planned(*both())
    group = next(g for g in groups(done.net) if "h" in g.slots)
    h = done.net["h"]
    why = removed(h, group, done.quotient)
    lumped = [i for i, kind in why.items() if kind == "lumped"]
    assert (len(lumped), count_duplicates(lumped, h, group, done.quotient)) == (3, 1)
    assert removed(h, group, Quotient({})) == {}
    assert count_duplicates([], h, group, done.quotient) == 0


def test_a_layer_that_goes_as_a_whole():
    """Features of a layer without a function that do not go by themselves go with it."""
    x, hidden, y = both(columns=READ[:1], activation=LINEAR)
    done = plan(net(x, hidden, y), Grants(), stays={})
    h = changes(done)["h"]
    assert (h.features.before, h.features.after, h.folded) == (6, 0, True)
    assert h.constant + h.unread + h.lumped + h.linear == 6
    assert h.linear > 0
    assert not changes(done)["y"].folded


def test_an_emptied_layer_counts_apart():
    done = planned(*both(columns=np.zeros((2, 6))))
    h = changes(done)["h"]
    assert (h.features.after, h.emptied, h.constant + h.unread) == (1, True, 5)


def test_passes_choose():
    for name, counts in (("unread", (0, 1, 0)), ("constant", (1, 0, 0)), ("lumping", (0, 0, 3))):
        h = changes(planned(*both(), passes=(name,)))["h"]
        assert (h.constant, h.unread, h.lumped) == counts


def test_the_pin_of_a_tied_layer():
    """A sum ties its two layers; the pin of one keeps the other, which says whose it is."""
    a = replace(dense("a", "x", ROWS, act=LINEAR), pinned="read by a stranger")
    b = dense("b", "x", ROWS, act=LINEAR)
    done = planned(source("x", 2), a, b, each("s", 6, "a", "b"), dense("y", "s", READ))
    found = changes(done)
    assert found["a"].pinned == "read by a stranger"
    assert found["b"].pinned == "tied to a: read by a stranger"
    assert found["b"].features.after == 6


@pytest.mark.parametrize(
    ("layers", "notes", "sentence"),
    [
        ((each("y", 2, "x"),), (), "there is no layer of weights that lumpcli understands"),
        ((each("y", 2, "x"),), ("Gemm 'g' (odd)",), "not understood, for example: Gemm 'g' (odd)"),
        ((dense("y", "x", ROWS),), (), "is a graph output, and those are never cut"),
        ((dense("y", "x", ROWS),), ("Gemm 'g' (odd)",), "for example: Gemm 'g' (odd)"),
        (both(pinned="read by a stranger")[1:], (), "every layer is pinned; h, for example: read"),
        (both(rows=FIXED, columns=[[1, 1, 1]])[1:], (), "no feature that may go is constant"),
    ],
)
def test_why_nothing_goes(layers, notes, sentence):
    done = planned(source("x", 2), *layers)
    assert done.quotient.cuts == {}
    found = why_unchanged(done.net, done.quotient, notes)
    assert sentence in found
    assert "\n" not in found


def test_what_was_declined_is_said():
    """Two equal float16 features whose columns have no sum in float16."""
    hidden = dense("h", "x", [[1, 2], [1, 2]], dtype=np.float16)
    reader = dense("y", "h", [[60000, 60000]], act=LINEAR, dtype=np.float16)
    done = planned(source("x", 2), hidden, reader)
    assert done.reduced["h"].width == 2
    reason = changes(done)["h"].declined
    assert reason is not None
    assert "overflow" in reason
    assert reason in why_unchanged(done.net, done.quotient, ())


def test_constant_outputs():
    done = planned(
        source("x", 2),
        dense("h", "x", [[0, 0], [1, 1]], [3, 0]),
        dense("y", "h", [[2, 0], [0, 1], [0, 0], [0.5, 0]], [1, 1, 0, 0], act=LINEAR),
    )
    found = [(c.output, c.feature, c.value) for c in constant_outputs(done.net, done.values)]
    assert found == [("y", 0, 7.0), ("y", 2, 0.0), ("y", 3, 1.5)]


def test_merged_products_are_lumped_on_both_sides():
    """Two of four dimensions; what took them over is no duplicate of theirs."""
    done = plan(scores(), Grants())
    found = changes(done)
    for name in "qk":
        layer = found[name]
        assert (layer.constant, layer.unread, layer.lumped) == (0, 0, 2)
        group = next(g for g in groups(done.net) if name in g.slots)
        assert count_duplicates([1, 3], done.net[name], group, done.quotient) == 0
