"""Where boxes are cut: in the middle, where most is settled, the same every time."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from lumpcli.bounds import lower, open_counts
from lumpcli.box import Box
from lumpcli.family import Cut, Tree
from lumpcli.loader import load
from lumpcli.slicing import bisect, input_types
from lumpcli.slicing.bisection import MOST_DEPTH
from tests.models import build, node
from tests.slicing.models import bends, square


def one_layer(rows, bias, **options):
    """x (N, n) -> relu(rows x + bias)."""
    weights = {"w": np.array(rows, np.float32), "b": np.array(bias, np.float32)}
    nodes = [node("Gemm", ["x", "w", "b"], ["h"], transB=1), node("Relu", ["h"], ["y"])]
    return build(nodes, weights, inputs={"x": ("N", len(rows[0]))}, **options)


def ends(tree: Tree, box: Box) -> tuple[np.ndarray, np.ndarray]:
    domains = tree.domains(box)
    low, high = (np.array([d.ranges["x"][k].reshape(-1) for d in domains]) for k in (0, 1))
    return low, high


def test_the_cut_that_settles_most_comes_first():
    host = load(one_layer([[0, 1], [0, -2], [1, 0]], [0, 0, 0]))
    tree = bisect(host, square(), 4)
    assert tree.cuts[0] == Cut("x", 1, 0.0, 1, 2)
    assert [cut.element for cut in tree.cuts] == [1, 0, 0]
    assert open_counts(lower(host), *ends(tree, square()))[0].tolist() == [0, 0, 0, 0]


def test_slices_are_numbered_from_low_to_high():
    tree = bisect(load(one_layer([[1]], [0.125])), square((1, 1)), 5)
    low, high = ends(tree, square((1, 1)))
    assert low[0] == -4
    assert high[-1] == 4
    assert low[1:, 0].tolist() == high[:-1, 0].tolist()


def test_nothing_is_cut_where_nothing_is_open():
    host = load(one_layer([[1, 0], [0, 1]], [0, 64]))
    tree = bisect(host, square(), 10)
    assert tree.slices == 2
    assert bisect(load(one_layer([[1]], [9])), square((1, 1)), 10) == Tree(())


@pytest.mark.parametrize("slices", [1, 2, 7, 16])
def test_as_many_as_asked_for_the_same_every_time(slices):
    host = load(bends())
    tree = bisect(host, square(), slices)
    assert tree.slices == slices
    assert bisect(load(bends()), square(), slices) == tree


def test_more_slices_settle_more():
    host = load(bends())
    expected = []
    for slices in (1, 4, 16, 64):
        low, high = ends(bisect(host, square(), slices), square())
        volumes = np.prod((high - low) / 8, axis=1)
        assert volumes.sum() == 1
        expected.append((open_counts(lower(host), low, high)[0] * volumes).sum())
    assert all(b < a for a, b in pairwise(expected))


def test_thresholds_are_of_the_input_s_type_and_within():
    host = load(bends(dtype=np.float16))
    whole = square(end=0.3).inward(input_types(host.graph, square()))
    tree = bisect(host, whole, 40)
    thresholds = np.array([cut.threshold for cut in tree.cuts])
    assert (thresholds.astype(np.float16).astype(np.float64) == thresholds).all()
    low, high = ends(tree, whole)
    assert (low < high).any(axis=1).all()


def test_what_has_one_value_is_not_cut():
    low, high = np.array([[0.0, -4.0]]), np.array([[0.0, 4.0]])
    tree = bisect(load(bends()), Box({"x": (low, high)}), 8)
    assert {cut.element for cut in tree.cuts} == {1}
    tiny = np.nextafter(np.float32(1), np.float32(2))
    host = load(one_layer([[1]], [-float(np.float32(1))]))
    between = Box({"x": (np.array([[1.0]]), np.array([[float(tiny)]]))})
    assert bisect(host, between, 8).slices == 1


def test_a_slice_is_not_cut_too_often():
    host = load(one_layer([[3]], [-1], dtype=np.float32))  # bends at 1/3: never settled
    tree = bisect(host, square((1, 1)), 100)
    assert tree.depth == MOST_DEPTH
    assert tree.slices == MOST_DEPTH + 1
