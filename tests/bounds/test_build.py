"""What operators may ask of a program in the making."""

from __future__ import annotations

import numpy as np
import pytest

from lumpcli.bounds.affine import Matrix, Sum, Take, Unbounded
from lumpcli.bounds.build import LARGEST, Build, Node
from lumpcli.loader import load
from tests.models import build, node

HOST = load(build([node("Gemm", ["x", "w"], ["y"], alpha=0.1)], {"w": np.ones((5, 2), np.float32)}))


def test_a_bias_joins_the_product_before_it_and_no_other() -> None:
    made = Build(HOST.weights)
    source = made.add(None, [], (1, 1, 2))
    product = made.matrix(source, np.ones((1, 2, 3)))
    first = made.shifted(product, np.array([1.0, 2.0, 3.0]))
    second = made.shifted(first, np.array(1.0))
    kinds = [type(step.operation) for step in made.steps]
    assert kinds == [type(None), Matrix, Matrix, Sum]
    assert made.steps[first.step].sources == (source.step,)
    assert second.shape == (1, 1, 3)


def test_elements_that_stay_in_order_need_no_step() -> None:
    made = Build(HOST.weights)
    source = made.add(None, [], (2, 3))
    assert made.take(source, np.arange(6).reshape(3, 2)).step == source.step
    moved = made.take(source, np.arange(6).reshape(2, 3).T)
    assert isinstance(made.steps[moved.step].operation, Take)


def test_too_much_is_not_followed() -> None:
    made = Build(HOST.weights)
    source = made.add(None, [], (2,))
    with pytest.raises(Unbounded, match="elements"):
        made.add(None, [], (LARGEST + 1,))
    with pytest.raises(Unbounded, match="elements"):
        made.take(source, np.broadcast_to(0, (LARGEST + 1,)))


def test_what_a_node_may_ask() -> None:
    made = Build(HOST.weights)
    asked = Node(made, HOST.graph.proto.node[0], 17)
    made.reasons["x"] = "because"
    assert asked.numbers(1).dtype == np.float64
    assert asked.number("alpha", 1.0) == float(np.float32(0.1))
    assert (asked.has(1), asked.has(2), asked.integers(2, "axes")) == (True, False, None)
    with pytest.raises(Unbounded, match="because"):
        asked.tensor()
    with pytest.raises(Unbounded, match="'alpha'"):
        asked.allow("beta")
    with pytest.raises(Unbounded, match="input 0 of Gemm"):
        asked.numbers(0)
