"""The laws of reduction on random graphs of convolutional networks: `make fuzz` in small."""

from __future__ import annotations

import pytest

from tests.graphs.families import ROUND
from tests.graphs.laws import check

EACH = 4


@pytest.mark.parametrize("family", ROUND)
def test_planted_redundancy_goes_and_outputs_stay(family: str) -> None:
    for seed in range(EACH):
        assert check(seed, family).failures == [], f"--show {seed} --family {family}"
