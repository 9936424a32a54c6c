"""What stored types forbid: roundings at level strict, overflow."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from tests.ir.claims import check, claim, constant, kept, two_layers
from tests.nets import LINEAR, dense, each, net, source

HALF = np.float16
UNIT = 2.0**-23


def test_strict_holds_in_a_group():
    claims = (claim("a", [0, 1], [0, 0], [1, 3]), claim("b", [0, 2], [0, 0]))
    made = net(
        source("x", 2),
        dense("a", "x", [[1, 0], [3, 0], [0, 1]]),
        dense("b", "x", [[1, 1], [1, 2], [1, 1]]),
        each("c", 3, "a", "b"),
        dense("y", ["a", "b"], [[[1, 1, 1]], [[1, 1, 1]]], act=LINEAR),
    )
    check(made, claims, strict=True)
    check(made, claims)


def test_a_group_never_overflows():
    # only the second of a can carry (1 / 4096 + 100), only the first of b is kept for it
    made = net(
        source("x", 2),
        dense("a", "x", [[2.0**-12, 0], [1, 0], [0, 1]], dtype=HALF),
        dense("b", "x", [[1, 1], [1, 2], [1, 2]], dtype=HALF),
        each("c", 3, "a", "b"),
        dense("y", ["a", "b"], [[[100, 100, 1]], [[1, 1, 1]]], act=LINEAR, dtype=HALF),
    )
    check(made, [claim("a", [0, 1], [0, 0], [Fraction(1, 4096), 1]), claim("b", [1, 2], [0, 0])])


def test_float16_chooses_another_carrier_or_declines():
    rows = [[1], [100]]
    made = two_layers(rows, [[1, 60000]], dtype=HALF)
    assert kept(check(made, [claim("h", [0, 1], [0, 0], [1, 100])])) == [1]
    made = two_layers([[1], [1]], [[60000, 60000]], dtype=HALF)
    quotient = check(made, [claim("h", [0, 1], [0, 0])])
    assert quotient.cuts == {}
    assert "overflow" in quotient.declined["h"]


def test_a_bias_that_would_overflow_stays_where_it_is():
    made = two_layers([[0], [1]], [[200, 1]], [400, 0], dtype=HALF)
    quotient = check(made, [constant("h", [0], [400])])
    assert quotient.cuts == {}
    assert "bias" in quotient.declined["h"]


def test_strict_declines_a_bias_that_would_be_rounded():
    hidden = dense("h", "x", [[0], [1], [0]], [UNIT / 4, 0, 2])
    made = net(source("x", 1), hidden, dense("y", "h", [[1, 1, 1]], [1], LINEAR))
    claims = [constant("h", [0, 2], [Fraction(UNIT / 4), 2])]
    assert kept(check(made, claims)) == [1]
    quotient = check(made, claims, strict=True)
    assert len(kept(quotient) or range(3)) > 1
    assert "strict" in quotient.declined["h"]


def test_strict_keeps_the_rest():
    made = two_layers([[1], [1], [2], [1]], [[1, UNIT / 2, 4, 1]])
    quotient = check(made, [claim("h", [0, 1, 2, 3], [0] * 4, [1, 1, 2, 1])], strict=True)
    assert len(kept(quotient)) == 2
    assert "strict" in quotient.declined["h"]
