"""Nets of queries, keys, and the sums of their products."""

from __future__ import annotations

from typing import Any

import numpy as np

from lumpcli.ir import Layer, Net
from tests.nets import LINEAR, dense, join, net, source

QUERIES = [[1, 2], [2, 4], [1, -1], [-3, 3]]  # 1 = 2 * 0, 3 = -3 * 2
KEYS = [[1, 3], [2, -1], [5, 7], [1, 1]]


def linear(name: str, rows: Any, bias: Any = None, reads: str = "x", **more: Any) -> Layer:
    """A projection."""
    return dense(name, reads, rows, bias, LINEAR, **more)


def sums(width: int, heads: int = 1, reads: str = "p") -> Layer:
    """Products summed per head."""
    ones = np.kron(np.eye(heads), np.ones((1, width // heads)))
    term = {"frozen": True, "blocks": heads}
    return linear("s", ones, reads=reads, term=term, bias_fixed=True, pinned="sums")


def scores(
    queries: Any = QUERIES,
    keys: Any = KEYS,
    heads: int = 1,
    biases: Any = (None, None),
    between: tuple[Layer, ...] = (),
    **more: Any,
) -> Net:
    """x -> q, k -> p = q * k -> s. `between` are layers over them, the last two read by p."""
    q, k = linear("q", queries, biases[0]), linear("k", keys, biases[1], **more)
    left, right = ("q", "k") if not between else (between[-2].name, between[-1].name)
    product = join("p", len(queries), left, right)
    return net(source("x"), q, k, *between, product, sums(len(queries), heads))
