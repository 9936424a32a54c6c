"""A box in brief names the outermost bounds, and says whether they hold for every element."""

from __future__ import annotations

import numpy as np

from lumpcli.box import Box, summarise
from lumpcli.results import Domain, InputRange


def test_outermost_bounds():
    box = Box(
        {
            "x": (np.array([[0.0, -3.0]]), np.array([[5.0, 1.0]])),
            "z": (np.array([1.0, 1.0]), np.array([2.0, 2.0])),
        }
    )
    inputs = (InputRange("x", -3.0, 5.0, False), InputRange("z", 1.0, 2.0, True))
    assert summarise(box, "given") == Domain("given", inputs)
