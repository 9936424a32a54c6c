"""The nearest miss and the rank, against numpy done the slow way."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from lumpcli.analysis import values_of
from lumpcli.ir import Activation, Symmetry
from lumpcli.measures.deep import near_miss, numerical_rank
from tests.nets import dense, net, source

ONE = ("Relu", "LeakyRelu")
ALL = ("Relu", "Tanh", "Sigmoid", "Mish", "Abs", "Sign", "Cos", "Identity")


def layer_of(rows, bias=None, name="Relu", dtype=np.float32):
    attributes = (0.5,) if name == "LeakyRelu" else ()
    act = Activation(name, attributes)
    hidden = dense("h", "x", np.asarray(rows, dtype), bias, act=act, dtype=dtype)
    made = net(source("x", np.shape(rows)[1]), hidden, dense("y", "h", np.ones((1, len(rows)))))
    return made["h"], values_of(made)["h"]


def distance(a, b, symmetry):
    """Relative distance of two rows up to what the activation allows."""
    if symmetry is Symmetry.NONE:
        return np.linalg.norm(a - b) / max(np.linalg.norm(a), np.linalg.norm(b))
    if symmetry in (Symmetry.ODD, Symmetry.EVEN, Symmetry.POINT):
        longer = max(np.linalg.norm(a), np.linalg.norm(b))
        return min(np.linalg.norm(a - b), np.linalg.norm(a + b)) / longer
    a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
    if symmetry is Symmetry.HOMOGENEOUS:
        return np.linalg.norm(a - b)
    return min(np.linalg.norm(a - b), np.linalg.norm(a + b))


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("seed", range(3))
def test_near_miss(name, seed):
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((7, 4)).astype(np.float32)
    bias = rng.standard_normal(7).astype(np.float32)
    layer, values = layer_of(rows, bias, name)
    full = rows if name == "Identity" else np.column_stack([rows, bias])
    pairs = combinations(full.astype(np.float64), 2)
    wanted = min(distance(a, b, layer.symmetry) for a, b in pairs)
    assert near_miss(layer, values) == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize(
    ("name", "factor", "found"),
    [
        ("Relu", 2.0, True),
        ("Relu", -2.0, False),
        ("LeakyRelu", 2.0, True),
        ("Identity", -2.0, True),
        ("Abs", -2.0, True),
        ("Sign", -2.0, True),
        ("Tanh", 1.0, True),
        ("Tanh", -1.0, True),
        ("Tanh", 2.0, False),
        ("Cos", -1.0, True),
        ("Sigmoid", 1.0, True),
        ("Sigmoid", -1.0, True),
        ("Mish", -1.0, False),
    ],
)
def test_near_miss_at_a_ratio(name, factor, found):
    """A row that is a multiple of another but for 1e-3: near only where that ratio counts."""
    rows = np.array([[4.0, 0.0], [0.0, 4.0], [4.0, 0.004]], np.float32)
    rows[2] *= factor
    layer, values = layer_of(rows, name=name)
    miss = near_miss(layer, values)
    if found:
        assert miss == pytest.approx(1e-3, rel=1e-3)
    else:
        assert miss is not None
        assert miss > 0.4


def test_what_is_found_is_no_miss():
    """Members of one class and constants do not count; one class alone has no neighbour."""
    layer, values = layer_of([[1, 2], [2, 4], [0, 0], [5, -1]])
    assert near_miss(layer, values) > 0.5
    layer, values = layer_of([[1, 2], [2, 4], [0, 0]])
    assert near_miss(layer, values) is None
    layer, values = layer_of([[1, 2]])
    assert near_miss(layer, values) is None


def test_near_miss_over_blocks():
    """The nearest two rows are far apart in a layer of more than one block."""
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((1200, 6)).astype(np.float32)
    rows[1100] = rows[3]
    rows[1100, 0] += np.float32(1e-4)
    layer, values = layer_of(rows)
    unit = rows[[3, 1100]].astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    assert near_miss(layer, values) == pytest.approx(np.linalg.norm(unit[0] - unit[1]), rel=1e-6)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("rank", [0, 1, 3, 5])
def test_rank(rank, dtype):
    rng = np.random.default_rng(rank)
    left, right = rng.integers(-3, 4, (8, rank)), rng.integers(-3, 4, (rank, 5))
    layer, _ = layer_of((left @ right).astype(dtype), dtype=dtype)
    wanted = np.linalg.matrix_rank(left @ right) if rank else 0
    assert numerical_rank(layer) == wanted


def test_a_near_miss_of_huge_rows_does_not_overflow():
    layer, values = layer_of([[1e300, 1.0], [1.0, 1e300]], dtype=np.float64)
    assert near_miss(layer, values) == pytest.approx(2**0.5)
