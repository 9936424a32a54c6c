"""Small networks with known widths: what random ones brought up, and every activation."""

from __future__ import annotations

import numpy as np
import pytest

from tests.laws.functions import FUNCTIONS
from tests.laws.reference import expected
from tests.laws.runtime import farthest, feeds_for, identical, reduced, run, same_bytes, widths
from tests.laws.spec import Layer, Network
from tests.laws.writer import Writer

Rows = list[list[float]]


def source(width: int, name: str = "x") -> Layer:
    """A graph input."""
    return Layer(name, "input", width)


def dense(
    name: str, reads: str, rows: Rows, bias: list[float] | None = None, activation: str = "identity"
) -> Layer:
    """A dense layer; without a bias it is a MatMul, which has no place for one."""
    numbers = None if bias is None else np.array(bias, np.float64)
    return Layer(
        name,
        "dense",
        len(rows),
        (reads,),
        np.array(rows, np.float64),
        numbers,
        bias is not None,
        activation=activation,
    )


def add(name: str, *reads: str, width: int = 1, signs: tuple[int, ...] = ()) -> Layer:
    """A sum of layers."""
    return Layer(name, "sum", width, reads, signs=signs or (1,) * len(reads))


def network(*layers: Layer) -> Network:
    """Layers of which the last is the output."""
    return Network(layers, (layers[-1].name,))


TWO = [[1.0, -1.0], [-1.0, -2.0]]
SWAPPED = [[-1.0, -2.0], [1.0, -1.0]]

# name -> network, widths of its hidden dense layers
CASES: dict[str, tuple[Network, list[int]]] = {
    "an unread feature does not pass for a constant where there is no bias": (
        network(source(1), dense("h", "x", [[1], [0]], [1, 2]), dense("y", "h", [[0, 1]])),
        [1],
    ),
    "an offset that does not cancel keeps its feature where there is no bias": (
        network(source(1), dense("h", "x", [[1], [1]], [0, 1]), dense("y", "h", [[1, -1]])),
        [2],
    ),
    "a constant that the reader without a bias does not read goes": (
        network(source(1), dense("h", "x", [[0], [1]], [9, 10]), dense("y", "h", [[0, 1]])),
        [1],
    ),
    "constants that cancel go, also where there is no bias": (
        network(source(1), dense("h", "x", [[0], [0]], [1, 1]), dense("y", "h", [[-1, 1]])),
        [1],
    ),
    "constants keep one carrier where there is no bias": (
        network(
            source(1),
            dense("h", "x", [[0], [0], [1]], [1, 3, 1], "relu"),
            dense("y", "h", [[1, 1, 1], [2, 0, 1]]),
        ),
        [2],
    ),
    "branches that compute the same share classes": (
        network(
            source(2),
            dense("a", "x", TWO, [1, 0], "relu"),
            dense("b", "x", SWAPPED, [0, 1], "relu"),
            dense("p", "a", [[1, 2]], [0]),
            dense("q", "b", [[2, 1]], [3]),
            add("s", "p", "q", signs=(1, -1)),
            dense("y", "s", [[1]], [0]),
        ),
        [1, 1, 1, 1],
    ),
    "branches share classes also where one sees a class more": (
        network(
            source(2),
            dense("a", "x", TWO, [1, 0], "relu"),
            dense("b", "x", [*SWAPPED, [0.0, 1.0]], [0, 1, 0], "relu"),
            dense("p", "a", [[1, 2]], [0]),
            dense("q", "b", [[2, 1, 0]], [3]),
            add("s", "p", "q", signs=(1, -1)),
            dense("y", "s", [[1]], [0]),
        ),
        [1, 1, 1, 1],
    ),
    "an index of a group whose columns need no rounding is kept": (
        network(
            source(1),
            dense("h", "x", [[1.5], [1], [0]], [0, 0, 0]),
            dense("i", "h", [[1, 0, 0]], [0]),
            dense("b", "i", [[0], [0], [1]], [1, 3, 0]),
            add("s", "h", "b", width=3, signs=(1, -1)),
            dense("y", "s", [[0, 1, 0]], [0]),
        ),
        [1, 1, 1],
    ),
    "rows that go no longer read anything": (
        network(
            source(1),
            dense("a", "x", [[1], [1], [1]], [0, 1, 2], "relu"),
            dense("p", "a", [[1, 0, 0], [0, 1, 0], [0, 0, 0]], [0, 0, 0]),
            dense("q", "a", [[-1, 0, 0], [0, -1, 0], [0, 0, 1]], [0, 0, 0]),
            add("s", "p", "q", width=3),
            dense("h", "s", [[0, 0, 1]], [-3], "relu"),
            dense("b", "h", [[1], [1], [0]], [0, 0, 0]),
            add("u", "s", "b", width=3),
            dense("y", "u", [[1, 1, 1]], [0]),
        ),
        [2, 2, 2, 1, 2],
    ),
    "an unread reader without a bias asks for nothing": (
        network(
            source(1),
            dense("h", "x", [[1], [1]], [-2, 1]),
            dense("g", "h", [[0, 1]]),
            dense("y", "g", [[0]]),
        ),
        [1, 1],
    ),
    "constants are carried through layers without a bias": (
        network(
            source(1),
            dense("h", "x", [[0]], [1]),
            dense("g", "h", [[0], [1]]),
            dense("f", "g", [[0, 1]]),
            dense("y", "f", [[1]], [0]),
        ),
        [1, 1, 1],
    ),
    "an offset nobody reads goes, also where another one of its class is read": (
        network(
            source(1),
            dense("h", "x", [[1], [1]], [1, -4]),
            dense("g", "h", [[0, 1]]),
            dense("y", "g", [[1]], [0]),
        ),
        [1, 1],
    ),
    "what an offset is computed from stays": (
        network(
            source(1),
            dense("h", "x", [[-1], [-1], [0]], [2, 0, 4], "relu"),
            dense("g", "h", [[2, -2, 0], [0, 1, 0], [2, -2, 1]]),
            dense("f", "g", [[1, 1, -1]]),
            dense("y", "f", [[1]], [0]),
        ),
        [3, 3, 1],
    ),
    "a sum is constant only while its operands are computed": (
        network(
            source(1),
            dense("a", "x", [[1], [0]], [0, 2], "relu"),
            dense("b", "x", [[1]], [0], "relu"),
            dense("p", "a", [[1, 1]]),
            dense("q", "b", [[-1]]),
            add("s", "p", "q"),
            dense("f", "s", [[1]]),
            dense("y", "f", [[1]]),
        ),
        [2, 1, 1, 1, 1],
    ),
    "a pruned neuron under tanh is the constant 0": (
        network(
            source(1),
            dense("h", "x", [[1], [0]], [0, 0], "tanh"),
            dense("g", "h", [[1, 0], [1, 1]], [0, 0], "tanh"),
            dense("y", "g", [[1, 1]], [0]),
        ),
        [1, 1],
    ),
    "constants of an odd function are multiples of one another": (
        network(
            source(1),
            dense("h", "x", [[3], [0], [0]], [-2, 2, -2], "tanh"),
            dense("g", "h", [[4, 1, -1], [-4, 1, 3]], [0, 0], "tanh"),
            dense("y", "g", [[1, 1]], [0]),
        ),
        [1, 1],
    ),
    "an irrational constant is an offset in a linear layer": (
        network(
            source(1),
            dense("h", "x", [[1], [0]], [0, 1], "sigmoid"),
            dense("g", "h", [[1, 0], [1, 1]], [0, 0]),
            dense("y", "g", [[1, 1]], [0]),
        ),
        [1, 1],
    ),
    "relu of a negative irrational constant is 0": (
        network(
            source(1),
            dense("h", "x", [[0], [1]], [2, -2], "atan"),
            dense("g", "h", [[0, 1], [-1, 0]], [0, 0], "relu"),
            dense("y", "g", [[1, 1]]),
        ),
        [1, 1],
    ),
    "plain class sums would call v and t equal [R22, Definition 6]": (
        network(
            source(1),
            dense("h", "x", [[1], [2], [-1]], [0, 0, 1], "relu"),
            dense("g", "h", [[1, 0, 1], [0, 1, 1]], [0, 0], "relu"),
            dense("y", "g", [[1, -1]], [0]),
        ),
        [2, 2],
    ),
    "inner features lump first, stream features only then": (
        network(
            source(2),
            dense("h", "x", TWO, [1, 0]),
            dense("i", "h", [[1, 1], [2, 2], [1, -1]], [1, 2, 0], "relu"),
            dense("b", "i", [[1, 1, 0], [0, 1.5, 0]], [0, 0]),
            dense("c", "i", [[0, 0, 1], [0, 0, 1]], [0, 0]),
            add("s", "b", "c", width=2),
            dense("y", "s", [[1, 2]], [0]),
        ),
        [2, 2, 1, 1],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_widths(name: str) -> None:
    net, hidden = CASES[name]
    bounds = expected(net)
    names = [layer.name for layer in net.dense if layer.name not in net.outputs]
    for layer, width in zip(names, hidden, strict=True):
        assert bounds.fewest[layer] <= width <= bounds.widths[layer]
    model = Writer(np.random.default_rng(0), False, 13).model(net)
    result = reduced(model)
    got = widths(net, result)
    assert [got[layer] for layer in names] == hidden
    feeds = feeds_for(model, np.random.default_rng(1))
    before, after = run(model, feeds), run(result.model, feeds)
    smooth = any(not x.function.pieces for x in net.layers)
    assert farthest(before, after) <= 1e-6 if smooth else identical(before, after)
    assert smooth or result.rounded == 0
    again = reduced(result.model)
    assert not again.changed
    assert same_bytes(again.model, result.model)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_activation_takes_duplicates_and_its_own_ratio(name: str) -> None:
    """Two equal features become one; at ratio 2 only where the function allows it."""
    function = FUNCTIONS[name]
    for ratio in (1.0, 2.0):
        slopes = np.full(2, 0.5) if name == "prelu" else None
        rows = np.array([[1.0, -2.0], [ratio, -2.0 * ratio]])
        bias = np.array([1.0, ratio])
        hidden = Layer("h", "dense", 2, ("x",), rows, bias, activation=name, slopes=slopes)
        net = network(source(2), hidden, dense("y", "h", [[1, 3]], [0]))
        model = Writer(np.random.default_rng(0), False, 22).model(net)
        free = function.ratio in ("linear", "positive", "absolute", "sign")
        assert widths(net, reduced(model))["h"] == (1 if ratio == 1 or free else 2)
