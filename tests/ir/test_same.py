"""Two layers are the same when every number is; the part that differs is named."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lumpcli.ir import difference
from tests.nets import dense, net, source


def layer():
    made = net(source("x", 2), dense("h", "x", [[1, 2], [3, 4]], [1, 0]))
    return made["h"]


def test_a_layer_is_the_same_as_its_copy():
    assert difference(layer(), layer()) is None


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"bias": np.array([1, 2], np.float32)}, "bias"),
        ({"terms": ()}, "number of terms"),
        ({"width": 3}, "width 2 became 3"),
    ],
)
def test_what_differs_is_named(change, part):
    assert difference(layer(), replace(layer(), **change)) == part


def test_one_ulp_is_a_difference():
    term = layer().terms[0]
    weight = term.weight.copy()
    weight[1, 1] = np.nextafter(weight[1, 1], np.float32(9))
    other = replace(layer(), terms=(replace(term, weight=weight),))
    assert difference(layer(), other) == "term 0 (reads x)"
