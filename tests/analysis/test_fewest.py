"""Lower bounds for one hidden layer, against the exact minimum found by trying every choice."""

from __future__ import annotations

from fractions import Fraction
from itertools import chain, combinations, product
from typing import Any

import numpy as np
import pytest

from lumpcli.analysis import fewest
from lumpcli.ir import Activation, Layer, Net
from tests.computed import evaluate, exactly, points
from tests.nets import ABS, LEAKY, LINEAR, RELU, SIGMOID, array, dense, each, net, source

Matrix = list[list[Fraction]]


def one_layer(rows: Any, columns: Any, bias: Any = None, act: Activation = RELU) -> Net:
    """A net of one hidden layer."""
    rows, columns = np.asarray(rows, np.float32), np.asarray(columns, np.float32)
    return net(
        source("x", rows.shape[1]),
        dense("h", "x", rows, bias, act),
        dense("y", "h", columns, act=LINEAR),
    )


def bound(*args: Any, **options: Any) -> int:
    found = fewest(one_layer(*args, **options))
    assert found is not None
    return found.width


# --- the formula of docs/theory.md, by trying every choice


def rank(rows: Matrix) -> int:
    """The rank of a matrix of fractions."""
    rows, found = [list(r) for r in rows], 0
    for column in range(len(rows[0]) if rows else 0):
        pivot = next((r for r in rows[found:] if r[column]), None)
        if pivot is None:
            continue
        rows.remove(pivot)
        rows.insert(found, pivot)
        for r in rows[found + 1 :]:
            factor = r[column] / pivot[column]
            r[:] = [a - factor * b for a, b in zip(r, pivot, strict=True)]
        found += 1
    return found


def hyperplanes(made: Net) -> list[tuple[list[Fraction], list[Fraction], list[Fraction]]]:
    """Normal, kappa and lambda of every hyperplane, by comparing each row with each other one."""
    hidden, output = made["h"], made["y"]
    rows = exactly(hidden.terms[0].weight)
    biases = exactly(np.zeros(hidden.width) if hidden.bias is None else hidden.bias)
    columns = exactly(output.terms[0].weight).T
    found: list[tuple[list[Fraction], list[Fraction], list[Fraction], list[Fraction]]] = []
    for row, bias, column in zip(rows.tolist(), biases.tolist(), columns, strict=True):
        if not any(row):
            continue
        whole = [*row, bias]
        k = next(k for k, v in enumerate(row) if v)
        for first, _, kappa, lamda in found:
            if not first[k]:
                continue
            r = whole[k] / first[k]
            if whole == [r * v for v in first]:
                kappa[:] = [a + abs(r) * c for a, c in zip(kappa, column, strict=True)]
                lamda[:] = [a + r * c for a, c in zip(lamda, column, strict=True)]
                break
        else:
            found.append((whole, list(row), list(column), list(column)))
    return [entry[1:] for entry in found]


def minimum(made: Net) -> int:
    """The fewest features: over all choices of sides, and of hyperplanes with two features."""
    planes = hyperplanes(made)
    kinked = [k for k, (_, kappa, _) in enumerate(planes) if any(kappa)]
    best = 10**6
    for signs in product((1, -1), repeat=len(kinked)):
        side = dict(zip(kinked, signs, strict=True))
        left = [[Fraction(0)] * made["x"].width for _ in range(made["y"].width)]
        for k, (normal, kappa, lamda) in enumerate(planes):
            for o, row in enumerate(left):
                factor = lamda[o] - side.get(k, 0) * kappa[o]
                row[:] = [a + factor * w for a, w in zip(row, normal, strict=True)]
        for paired in chain.from_iterable(combinations(kinked, m) for m in range(len(kinked) + 1)):
            spanned = [planes[k][0] for k in paired]
            # what a matrix does on the kernel of others: their joint rank less the others'
            unseen = rank([*spanned, *left]) - rank(spanned)
            best = min(best, len(paired) + 2 * unseen)
    return max(1, len(kinked) + best)


def random_case(rng: np.random.Generator, outputs: int) -> Net:
    """A few hyperplanes, some of them met from both sides, some that cancel."""
    inputs, planes = int(rng.integers(1, 4)), int(rng.integers(1, 4))
    base = rng.integers(-2, 3, (planes, inputs + 1))
    chosen = rng.integers(planes, size=int(rng.integers(1, 7)))
    scale = rng.choice([1, -1, 2, -2, 0.5], len(chosen))[:, None]
    rows = base[chosen] * scale
    columns = rng.integers(-1, 2, (outputs, len(chosen)))
    return one_layer(rows[:, :-1], columns, rows[:, -1], RELU if rng.random() < 0.7 else LEAKY)


def test_one_output_is_bounded_exactly():
    rng = np.random.default_rng(0)
    seen = set()
    for _ in range(400):
        made = random_case(rng, 1)
        found = fewest(made)
        assert found is not None
        assert found.width == minimum(made)
        seen.add(found.affine)
    assert seen == {0, 1, 2}


def test_several_outputs_are_never_bounded_too_high():
    rng = np.random.default_rng(1)
    exact = 0
    for _ in range(300):
        made = random_case(rng, 2)
        found = fewest(made)
        assert found is not None
        least = minimum(made)
        assert found.width <= least
        exact += found.width == least
    assert exact > 270


# --- networks with the fewest features, and others that compute the same

SMALLEST = {
    "min(x, 1)": (
        one_layer([[1], [-1], [1]], [[1, -1, -1]], [0, 0, -1]),
        one_layer([[-1]], [[-1]], [1]),
    ),
    "|x|": (one_layer([[2], [-1], [-2]], [[0.5, 0.5, 0.25]]), one_layer([[1], [-1]], [[1, 1]])),
    "x": (one_layer([[1], [-1], [2]], [[-1, -1, 1]]), one_layer([[1], [-1]], [[1, -1]])),
    "|x| + x/4 + 3y/4": (
        one_layer(
            [[1, 0], [-1, 0], [0, 1], [0, -1], [1, 1], [-1, -1]], [[1, 1, 0.5, -0.5, 0.25, -0.25]]
        ),
        one_layer([[1, 0], [-1, 1], [1, -1]], [[2, 0.75, -0.75]]),
    ),
    "x and y": (
        one_layer([[1, 0], [-1, 0], [0, 1], [0, -1]], [[1, -1, 0, 0], [0, 0, 1, -1]]),
        one_layer([[1, 0], [-1, 0], [0, 1], [0, -1]], [[2, -2, 3, -3], [0, 0, 1, -1]]),
    ),
    "|2 x|": (one_layer([[1], [-2]], [[1, 0.5]], act=ABS), one_layer([[1]], [[2]], act=ABS)),
    "constant": (one_layer([[0], [1]], [[1, 0]], [3, 0]), one_layer([[0]], [[3]], [1])),
}


@pytest.mark.parametrize("name", SMALLEST)
def test_the_bound_is_what_a_smaller_network_has(name):
    made, smaller = SMALLEST[name]
    found = fewest(made)
    assert found is not None
    assert found.width == smaller["h"].width == minimum(smaller)
    assert fewest(smaller) == found
    if name != "x and y":  # another map of the same rank
        x = points(made, np.random.default_rng(0))
        a, b = evaluate(made, x)["y"], evaluate(smaller, x)["y"]
        assert len({tuple(row) for row in (a - b).T.tolist()}) == 1  # up to a constant


def test_a_kink_on_each_of_many_hyperplanes():
    """More than are looked at closely: the bends are counted all the same."""
    rng = np.random.default_rng(0)
    rows, columns = rng.standard_normal((300, 5)), rng.standard_normal((2, 300))
    rows[7], rows[9], columns[:, 9] = -3 * rows[8], 0, 1
    rows[7:9] = rows[7:9].astype(np.float16)
    rows[7] = -3 * rows[8]
    found = fewest(one_layer(rows, columns))
    assert found is not None
    assert (found.layer, found.kinks, found.affine) == ("h", 298, 0)


def test_outputs_that_alone_tell():
    """Of 20 outputs only the last one bends along x = 0; along y = 0 none does."""
    columns = np.zeros((20, 4))
    columns[:, :2] = [1, -2]
    columns[-1, 1] = 1
    columns[:, 2:] = [1, -1]
    made = one_layer([[1, 0], [0.5, 0], [0, 1], [0, -1]], columns)
    found = fewest(made)
    assert found is not None
    assert (found.kinks, found.affine) == (1, 2)
    assert found.width == minimum(made)


def with_slopes(*slopes: float) -> Activation:
    return Activation("PRelu", (), array(slopes))


ROWS, COLUMNS = [[1, 2], [3, 4]], [[1, 1]]
HIDDEN, LAST = dense("h", "x", ROWS), dense("y", "h", COLUMNS, act=LINEAR)
UNKNOWN = Layer("x", 2, pinned="not made by a layer")
TAPS = np.ones((2, 2, 3), np.float32)


@pytest.mark.parametrize(
    "layers",
    [
        (source(), dense("h", "x", ROWS, act=SIGMOID), LAST),
        (source(), dense("h", "x", ROWS, act=LINEAR), LAST),
        (source(), dense("h", "x", ROWS, act=with_slopes(0.5, 0.25)), LAST),
        (source(), dense("h", "x", ROWS, act=with_slopes(1, 1)), LAST),
        (source(), HIDDEN, dense("y", "h", COLUMNS, act=RELU)),
        (source(), HIDDEN, dense("g", "h", ROWS), dense("y", "g", COLUMNS, act=LINEAR)),
        (source(), HIDDEN, dense("y", ["h", "x"], [COLUMNS, COLUMNS], act=LINEAR)),
        (source(), HIDDEN, each("y", 2, "h")),
        (source(), dense("h", "x", TAPS), LAST),
        (source(), dense("h", "x", ROWS, term={"via": "every other"}), LAST),
        (UNKNOWN, HIDDEN, LAST),
    ],
)
def test_of_other_networks_nothing_is_said(layers):
    assert fewest(net(*layers)) is None


def test_equal_slopes_are_one_function():
    assert bound(ROWS, COLUMNS, act=with_slopes(0.5, 0.5)) == 2
