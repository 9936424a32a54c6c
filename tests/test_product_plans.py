"""Plans for nets of queries and keys: rows are merged where that makes dimensions go."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from lumpcli.analysis import Grants
from lumpcli.pipeline import plan
from tests.computed import evaluate, outputs, points, same
from tests.nets import LINEAR, RELU, dense, join, net, source
from tests.products import scores, sums


def widths(made):
    return {layer.name: layer.width for layer in made.layers}


def products_cut(made, level="exact", passes=None):
    """A plan after which the sums of products are what they were."""
    done = plan(made, Grants(level), passes)
    inputs = points(made, np.random.default_rng(0))
    if not done.rounding.rounded:
        now = outputs(done.reduced, evaluate(done.reduced, inputs))
        assert same(outputs(made, evaluate(made, inputs)), now)
    return done


@pytest.mark.parametrize("level", ["strict", "exact", "rounding"])
def test_queries_that_are_multiples(level):
    done = products_cut(scores(), level)
    assert widths(done.reduced) == {"x": 2, "q": 2, "k": 2, "p": 2, "s": 1}
    assert done.reduced["k"].terms[0].weight.tolist() == [[5, 1], [2, 4]]
    assert (done.rounding.folded, done.rounding.rounded) == (4, 0)
    assert list(done.quotient.merges) == ["k"]
    again = plan(done.reduced, Grants(level))
    assert widths(again.reduced) == widths(done.reduced)


def test_merging_products_is_lumping():
    for passes, width in ((["lumping"], 2), (["constant", "unread"], 4)):
        assert widths(products_cut(scores(), passes=passes).reduced)["q"] == width


def test_rows_are_as_before_where_nothing_can_go():
    """Somebody else reads the queries, so their dimensions stay; so do the keys' rows."""
    made = scores()
    more = dense("f", "q", [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    pinned = replace(more, pinned="read elsewhere")
    made = replace(made, layers=(*made.layers[:3], pinned, *made.layers[3:]))
    made = replace(made, layers=tuple(tied(m) for m in made.layers))
    done = products_cut(made)
    assert done.reduced is not made
    assert widths(done.reduced) == widths(made)
    assert done.quotient.merges == {}


def tied(layer):
    """The queries pinned, as by the user."""
    return replace(layer, pinned="by the user") if layer.name == "q" else layer


def test_merged_rows_whose_columns_are_folded():
    """The stream has a feature twice: rows and columns are one sum, rounded once."""
    third = np.float32(1 / 3)
    stream = dense("h", "x", [[1, 2], [1, 2], [1, -1]], None, RELU)
    keys = np.array([[third, 1, 5], [1, third, 2], [7, 1, 1]], np.float32)
    q = dense("q", "h", [[3, 6, 3], [1, 2, 1], [1, 1, 0]], None, LINEAR)
    k = dense("k", "h", keys, None, LINEAR)
    done = plan(net(source("x"), stream, q, k, join("p", 3, "q", "k"), sums(3)), Grants())
    assert widths(done.reduced) == {"x": 2, "h": 2, "q": 2, "k": 2, "p": 2, "s": 1}
    exact = [[Fraction(float(v)) for v in row] for row in keys.tolist()]
    ratio = Fraction(int(q.terms[0].weight[1, 0]), int(q.terms[0].weight[0, 0]))
    rows = {0: [a + ratio * b for a, b in zip(exact[0], exact[1], strict=True)]}
    rows[1] = [b + a / ratio for a, b in zip(exact[0], exact[1], strict=True)]
    wanted = [np.float32(float(r[0] + r[1])) for r in rows.values()]
    assert done.reduced["k"].terms[0].weight[0, 0] in wanted
    again = plan(done.reduced, Grants())
    assert widths(again.reduced) == widths(done.reduced)
