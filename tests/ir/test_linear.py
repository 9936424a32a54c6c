from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from lumpcli.ir import SUM, Activation, Candidate, Linear, Unit, apply_linear
from tests.computed import evaluate, outputs, points, same
from tests.nets import LINEAR, RELU, array, dense, net, source

ONE, ZERO = Fraction(1), Fraction(0)
X = source("x", 2)
PAIRS = [[1, 2], [-1, -2], [3, -1], [-6, 2], [1, 1], [-1, -1]]
BIAS = [1, -1, 2, -4, 0, 0]
OPPOSITE = tuple(Candidate(i + 1, i, Fraction(r), ONE) for i, r in ((0, 1), (2, 2), (4, 1)))


def applied(made, step):
    """The net after a step, which computes the same, and what it rounded."""
    after, tally = apply_linear(made, step)
    inputs = points(made, np.random.default_rng(0))
    if not tally.rounded:
        assert same(outputs(made, evaluate(made, inputs)), outputs(after, evaluate(after, inputs)))
    return after, tally


def paired(*readers):
    return net(X, dense("f", "x", PAIRS, BIAS), *readers)


def test_rows():
    """Two whole pairs; the third one's z is 5/7 of one and 4/7... of rows (1, 2) and (-6, 2)."""
    made = paired(dense("y", "f", [[1, 2, 3, 4, 7, 14], [0, 1, 0, 1, 0, 7]], [1, 2], act=LINEAR))
    # (-1, -1) = a (-1, -2) + b (-6, 2)
    a, b = Fraction(4, 7), Fraction(1, 14)
    step = Linear("f", "rows", OPPOSITE[2:], OPPOSITE[:2], ((a, b),))
    after, tally = applied(made, step)
    assert step.keep(6).tolist() == [0, 1, 2, 3, 4]
    assert after["f"].width == 5
    assert after["y"].terms[0].weight.tolist() == [[-7, 10, 1, 5, 21], [-4, 5, -1, 1.5, 7]]
    assert (tally.folded, tally.rounded) == (12, 0)


def test_sources_in_pairs_and_shifted():
    made = paired(dense("y", "f", [[1, 2, 3, 4, 7, 14], [0, 1, 0, 1, 0, 7]], [1, 2], act=LINEAR))
    units = (Unit((1, 3)), Unit((5,), shift=Fraction(64)))  # as if the second were never below -64
    step = Linear("f", "sources", OPPOSITE, inputs=(0, 1), units=units)
    after, _ = apply_linear(made, step)
    assert after["f"].width == 6
    assert after["f"].terms[0].weight.tolist() == [
        *([1, 2], [1, 0], [3, -1], [-1, 0], [1, 1], [0, 1]),
    ]
    assert after["f"].bias.tolist() == [1, 0, 2, 0, 0, 64]
    inputs = {
        "x": np.array([[Fraction(n, 3) for n in (-9, 0, 5)], [Fraction(n) for n in (1, -50, 7)]])
    }
    assert same(outputs(made, evaluate(made, inputs)), outputs(after, evaluate(after, inputs)))


@pytest.mark.parametrize("slope", [0.0, 0.5, -0.5])
def test_readers(slope):
    act = RELU if slope == 0 else Activation("LeakyRelu", (slope,))
    f = dense("f", "x", PAIRS, BIAS, act=act)
    made = net(X, f, dense("y", "f", [[1, 2, 3, 4, 7, 14], [0, 1, 0, 1, 0, 7]], [1, 2], act=LINEAR))
    gone = tuple(Candidate(c.feature, c.partner, c.ratio, 1 + Fraction(slope)) for c in OPPOSITE)
    units = (Unit((1, 3), gain=1 + Fraction(slope)),)
    y = made["y"].terms[0].weight.copy()
    y[1, [1, 3, 5]] = 0
    made = net(X, f, dense("y", "f", y, [1, 2], act=LINEAR))
    after, tally = applied(made, Linear("f", "readers", gone, inputs=(0,), units=units))
    assert after["f"].width == 5
    assert (tally.rounded == 0) == (slope != 0.5)  # 1 / 1.5 is no float


def test_a_total_lifts_units():
    h = dense("h", "x", [[1, 2], [3, 1]], [0, 1])
    f = dense("f", "h", [[1, 2], [-1, -2], [3, -1], [-3, 1]])
    made = net(X, h, f, dense("y", "f", [[1, 2, 3, 4]], act=LINEAR))
    gone = tuple(Candidate(i + 1, i, ONE, ONE) for i in (0, 2))
    units = (Unit((1,)), Unit((3,), lift=Fraction(16)))
    after, _ = applied(made, Linear("f", "readers", gone, inputs=(SUM, 0), units=units))
    assert after["f"].terms[0].weight.tolist() == [[1, 2], [1, 1], [3, -1], [2, 16]]
    assert after["y"].terms[0].weight.tolist() == [[3, -16, 7, 1]]


def test_several_readers_and_taps():
    weight = np.arange(1, 19).reshape(3, 3, 2).astype("f4")
    f = dense("f", "x", [[1, 2], [3, 4], [4, 6]], [1, 1, 5], act=LINEAR)
    a = dense("a", "f", weight, term={"via": "taps"})
    b = dense("b", "f", [[1, 2, 3]])
    made = net(X, f, a, b)
    gone = (Candidate(2, -1, ZERO, ONE),)
    whole = tuple(Candidate(i, -1, ZERO, ONE) for i in (0, 1))
    after, tally = apply_linear(made, Linear("f", "rows", gone, whole, ((ONE, ONE),)))
    assert after["a"].terms[0].weight.tolist() == (weight[:, :2] + weight[:, [2]]).tolist()
    assert after["b"].terms[0].weight.tolist() == [[4, 5]]
    assert after["b"].bias.tolist() == [9]
    assert after["a"].bias.tolist() == (3 * weight[:, 2].sum(axis=1)).tolist()
    assert tally.rounded == 0


def test_each_number_is_rounded_once():
    f = dense("f", "x", [[3, 0], [1, 0]], act=LINEAR)
    made = net(X, f, dense("y", "f", [[1, 1]], act=LINEAR))
    gone, whole = (Candidate(1, -1, ZERO, ONE),), (Candidate(0, -1, ZERO, ONE),)
    after, tally = apply_linear(made, Linear("f", "rows", gone, whole, ((Fraction(1, 3),),)))
    assert after["y"].terms[0].weight.tolist() == [[np.float32(4 / 3)]]
    assert (tally.folded, tally.rounded) == (1, 1)


def test_what_cannot_be_stored_is_told():
    f = dense("f", "x", array([[3e38, 0], [1, 0]]), act=LINEAR)
    made = net(X, f, dense("y", "f", array([[3e38, 3e38]]), act=LINEAR))
    gone, whole = (Candidate(1, -1, ZERO, ONE),), (Candidate(0, -1, ZERO, ONE),)
    step = Linear("f", "rows", gone, whole, ((Fraction(1),),))
    assert apply_linear(made, step)[1].overflow == {"y"}
