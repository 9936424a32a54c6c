from __future__ import annotations

import numpy as np

from lumpcli.ir import Activation, Quotient, apply
from tests.computed import agree, evaluate, outputs, points, same
from tests.ir.test_folding import cut
from tests.nets import LINEAR, array, dense, each, net, source, times


def residual():
    """h = relu(...), two of its features equal up to 3; s scales it, u = s + h, y reads u and h."""
    return net(
        source("x", 2),
        dense("h", "x", [[1, 2], [3, 6], [1, -1], [0, 0]], [1, 3, 0, 2]),
        each("s", 4, times("h", [2, 2, 1, 5]), act=Activation("PRelu", (), array([0, 0, 0.5, 1]))),
        each("u", 4, "s", "h"),
        dense("y", ["u", "h"], [[[1, 2, 3, 4]], [[5, 6, 7, 8]]], act=LINEAR),
    )


def test_apply_cuts_rows_columns_diagonals_and_slopes():
    made = residual()
    h = cut([0, 2], [0, 0, 2, -1], [1, 3, 1, 0], [0, 0, 0, 2])
    s = cut([0, 2], [-1, -1, -1, -1], [0] * 4)
    u = cut([0, 2], [0, 0, 2, -1], [1, 3, 1, 0], [0, 0, 0, 12])
    quotient = Quotient({"h": h, "s": s, "u": u})
    rng = np.random.default_rng(0)
    assert agree(made, quotient, rng)
    reduced, tally = apply(made, quotient)
    assert [layer.width for layer in reduced.layers] == [2, 2, 2, 2, 1]
    assert reduced["s"].terms[0].weight.tolist() == [2, 1]
    assert reduced["s"].activation.slopes.tolist() == [0, 0.5]
    assert reduced["h"].bias.tolist() == [1, 0]
    assert [t.weight.tolist() for t in reduced["y"].terms] == [[[7, 3]], [[23, 7]]]
    assert reduced["y"].bias.tolist() == [4 * 12 + 8 * 2]
    assert (tally.rounded, tally.overflow) == (0, set())
    inputs = points(made, rng)
    before, after = evaluate(made, inputs), evaluate(reduced, inputs)
    assert same(outputs(made, before), outputs(reduced, after))


def test_layers_out_of_reach_are_the_same_objects():
    made = residual()
    reduced, _ = apply(made, Quotient({}))
    assert all(a is b for a, b in zip(made.layers, reduced.layers, strict=True))


def test_overflow_is_seen():
    half = np.float16
    made = net(
        source("x", 1),
        dense("h", "x", [[1], [1]], dtype=half),
        dense("y", "h", [[60000, 60000], [1, 1]], act=LINEAR, dtype=half),
    )
    reduced, tally = apply(made, Quotient({"h": cut([0], [0, 0])}))
    assert tally.overflow == {"y"}
    assert tally.rounded == 1
    assert np.isinf(reduced["y"].terms[0].weight).tolist() == [[True], [False]]


def test_threads_change_nothing():
    rng = np.random.default_rng(0)
    layers, name = [source("x", 3)], "x"
    for k in range(6):
        layers.append(dense(f"h{k}", name, rng.integers(-4, 5, (6, layers[-1].width))))
        name = f"h{k}"
    made = net(*layers)
    cuts = {f"h{k}": cut([0, 1, 2], [0, 1, 2, 0, 1, 2], [1, 1, 1, 2, 3, 5]) for k in range(5)}
    one, tally = apply(made, Quotient(cuts))
    several, other = apply(made, Quotient(cuts), jobs=3)
    assert tally == other
    assert tally.folded > 0
    for a, b in zip(one.layers[1:], several.layers[1:], strict=True):
        assert np.array_equal(a.terms[0].weight, b.terms[0].weight)


def test_nothing_is_granted_behind_what_was_rounded():
    """Where a sum of weights in h is rounded, g, beside it, keeps what is granted."""
    ends = np.array([[0.0], [9.0]])
    third = float(array([1 / 3])[0])
    for weight, granted in ((third, ["f", "g", "y"]), (2, ["f", "g", "h", "k", "y"])):
        made = net(
            source("x", 2),
            dense("f", "x", [[1, 2], [3, 6]], between=ends.repeat(2, axis=1)),
            dense("g", "x", [[1, 1]], between=ends),
            dense("h", "f", [[1, weight]], between=ends),
            dense("k", ["g", "h"], [[[1]], [[1]]], between=ends),
            dense("y", "g", [[1]], between=ends),
        )
        after, _ = apply(made, Quotient({"f": cut([0], [0, 0], [1, 3])}))
        assert [a.name for a in after.layers if a.between is not None] == granted
