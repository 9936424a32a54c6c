"""Windows by hand: which elements they see, and options that are not followed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lumpcli.bounds.affine import Unbounded
from lumpcli.bounds.windows import windows

ROW = np.arange(5).reshape(1, 1, 5)


@pytest.mark.parametrize(
    ("kernel", "attributes", "seen"),
    [
        (2, {}, [[0, 1], [1, 2], [2, 3], [3, 4]]),
        (2, {"strides": [2]}, [[0, 1], [2, 3]]),
        (2, {"dilations": [3]}, [[0, 3], [1, 4]]),
        (3, {"pads": [1, 0]}, [[-1, 0, 1], [0, 1, 2], [1, 2, 3], [2, 3, 4]]),
        (2, {"auto_pad": b"SAME_UPPER", "strides": [2]}, [[0, 1], [2, 3], [4, -1]]),
        (2, {"auto_pad": b"SAME_LOWER", "strides": [2]}, [[-1, 0], [1, 2], [3, 4]]),
        (4, {"auto_pad": b"VALID", "strides": [1]}, [[0, 1, 2, 3], [1, 2, 3, 4]]),
    ],
)
def test_windows_over_a_row(kernel: int, attributes: dict[str, Any], seen: list[list[int]]) -> None:
    found, after = windows(ROW, [kernel], attributes)
    assert found[0, 0].tolist() == seen
    assert after == (len(seen),)


def test_windows_over_images_see_rows_first() -> None:
    image = np.arange(18).reshape(1, 2, 3, 3)
    found, after = windows(image, [2, 2], {"strides": [1, 1]})
    assert (found.shape, after) == ((1, 2, 4, 4), (2, 2))
    assert found[0, 1, 3].tolist() == [13, 14, 16, 17]


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"ceil_mode": 1}, "ceil_mode"),
        ({"pads": [-1, 0]}, "negative"),
        ({"auto_pad": b"OTHER"}, "OTHER"),
    ],
)
def test_options_that_are_not_followed(attributes: dict[str, Any], reason: str) -> None:
    with pytest.raises(Unbounded, match=reason):
        windows(ROW, [2], attributes)
    with pytest.raises(Unbounded, match="2 dimensions"):
        windows(ROW, [2, 2], {})
