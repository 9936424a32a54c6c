"""Rows may take over others only where products add up, and the other factors are multiples."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from lumpcli.analysis import values_of
from lumpcli.api.certifying import _facts
from lumpcli.certify.facts import facts_of
from lumpcli.loader import load
from lumpcli.proofs import Refused, record, take
from tests.e2e.attention import attention

PRODUCT = "scores (products)"
TWO = [Fraction(2)]


@pytest.fixture(scope="module")
def net():
    """Queries 1 and 7 are twice 0 and 4; heads are 0-3 and 4-7."""
    return load(attention(q={1: (2.0, 0), 7: (2.0, 4)})).net


def taken(net, places=(0, 1), side=1, ratios=TWO, product=PRODUCT):
    book, _ = facts_of(net, _facts(net, values_of(net)), "exact")
    return take(book, net, product, side, list(places), ratios)


def changed(net, name, **fields):
    layers = (replace(x, **fields) if x.name == name else x for x in net.layers)
    return replace(net, layers=tuple(layers))


def test_rows_are_found_behind_the_heads(net):
    assert taken(net) == ("k_a", [0, 1])
    assert taken(net, (4, 7)) == ("k_a", [4, 7])


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"ratios": [Fraction(3)]}, "is no such multiple"),
        ({"places": (0, 2)}, "is no such multiple"),
        ({"side": 0}, "is no such multiple"),
        ({"places": (0, 7)}, "of several sums"),
        ({"places": (0, 8)}, "places are wrong"),
        ({"places": (0, 0)}, "places are wrong"),
        ({"product": "nothing"}, "no such layer"),
        ({"product": "q_a"}, "no inner product"),
    ],
)
def test_what_does_not_hold_is_refused(net, options, reason):
    with pytest.raises(Refused, match=reason):
        taken(net, **options)


def test_projections_are_read_by_nobody_else(net):
    with pytest.raises(Refused, match="no inner product"):
        taken(changed(net, PRODUCT, pinned="why not"))
    with pytest.raises(Refused, match="no projection"):
        taken(changed(net, "k_a", pinned="why not"))
    extra = replace(net["o_r"], name="more", terms=(replace(net["o_r"].terms[0], source="k_a"),))
    layers = list(net.layers)
    layers.insert([x.name for x in layers].index("k_a") + 1, extra)
    with pytest.raises(Refused, match="others read k_a"):
        taken(replace(net, layers=tuple(layers)))


def test_what_was_taken_over_is_kept_apart():
    made = {}
    record(made, "k", [0, 1], TWO)
    record(made, "k", [2, 0], [Fraction(3)])
    (merge,) = made["k"]
    assert (merge.row, merge.others, merge.ratios) == (2, (0, 1), (3, 6))
    for rows in ([1, 4], [4, 1], [2, 0]):
        with pytest.raises(Refused, match="another has taken over"):
            record(made, "k", rows, TWO)
    with pytest.raises(Refused, match="or none of it"):
        record(made, "k", [5, 6], [Fraction(0)])
