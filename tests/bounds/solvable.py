"""A network that a solver settles, but no line does."""

from __future__ import annotations

import numpy as np

from tests.bounds.rational import Layers

SUM_AND_DIFFERENCE = np.array([[1, 1], [1, -1]], "f4")


def pyramid(gap: float) -> Layers:
    """z1 = 2 max(|x0|, |x1|) - 2 - gap, and its negative: on the square at most -gap.

    It is |x0 + x1| + |x0 - x1| - 2 - gap, where lines bound each modulus by 2.
    """
    first = np.concatenate([SUM_AND_DIFFERENCE, -SUM_AND_DIFFERENCE], axis=1)
    second = np.array([[1, -1]] * 4, "f4")
    return [(first, np.zeros(4, "f4")), (second, np.array([-2 - gap, 2 + gap], "f4"))]
