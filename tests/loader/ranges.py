"""Models in which nodes take some of six planted features."""

from __future__ import annotations

import numpy as np

from tests.models import build, node, planted

ROWS, BIAS = planted()
GEMM = node("Gemm", ["x", "w", "b"], ["p"], transB=1)


def of_features(*nodes, extra=None, columns=6, **options):
    """p has the six planted features; the nodes make h of them, Relu r, and a matrix y."""
    across = np.arange(1, 3 * columns + 1, dtype="f4").reshape(columns, 3)
    tail = [node("Relu", ["h"], ["r"]), node("MatMul", ["r", "v"], ["y"])]
    weights = {"w": ROWS, "b": BIAS, "v": across, **(extra or {})}
    return build([GEMM, *nodes, *tail], weights, **options)


def swapped(first, second):
    """The parts of p, in the other order."""
    return [node("Concat", [second, first], ["h"], axis=1)]
