"""How much is open in each of many boxes, and what that owes to each input."""

from __future__ import annotations

import numpy as np
import pytest

from lumpcli.bounds import cells as room
from lumpcli.bounds import ladder, lower, open_counts
from lumpcli.box import Box
from lumpcli.loader import load
from tests.models import build, node
from tests.slicing.models import bends


@pytest.mark.parametrize("entries", [1, 2**26])
def test_counts_are_those_of_the_ladder(monkeypatch, entries):
    monkeypatch.setattr(room, "_ENTRIES", entries)  # one box at a time, and all at once
    host = load(bends())
    low = np.array([[-4.0, -4.0], [0.0, -4.0], [1.0, 1.0], [-0.5, 0.25]])
    high = np.array([[4.0, 4.0], [4.0, 4.0], [2.0, 2.0], [0.5, 0.75]])
    counts, gains = open_counts(lower(host), low, high)
    for k, count in enumerate(counts):
        found = ladder(host, Box({"x": (low[k : k + 1], high[k : k + 1])}), rungs=("crown",))
        assert count == sum(int((b.phase == 0).sum()) for b in found.tensors.values())
    assert gains.shape == (4, 2)


def test_what_matters_to_open_elements():
    weights = {"w": np.array([[1, 0, 0], [2, 0, 0], [0, 9, 0]], np.float32)}
    weights["b"] = np.array([0, 0, 99], np.float32)
    nodes = [node("Gemm", ["x", "w", "b"], ["h"], transB=1), node("Relu", ["h"], ["y"])]
    program = lower(load(build(nodes, weights, inputs={"x": ("N", 3)})))
    counts, gains = open_counts(program, np.full((1, 3), -1.0), np.ones((1, 3)))
    assert counts.tolist() == [2]
    assert gains[0, 0] > 0
    assert gains[0, 1:].tolist() == [0, 0]  # one is settled, the other not read


def test_nothing_is_open_where_no_activation_reads():
    model = build([node("Add", ["x", "x"], ["y"])], inputs={"x": ("N", 2)})
    counts, _ = open_counts(lower(load(model)), np.zeros((3, 2)), np.ones((3, 2)))
    assert counts.tolist() == [0, 0, 0]
