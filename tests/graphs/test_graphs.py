"""The laws of reduction on random graphs of convolutional networks: `make fuzz` in small."""

from __future__ import annotations

import pytest

from tests.graphs.boxes import check_in_box
from tests.graphs.families import ROUND
from tests.graphs.laws import check

EACH = 4
IN_BOXES = 20


@pytest.mark.parametrize("family", ROUND)
def test_planted_redundancy_goes_and_outputs_stay(family: str) -> None:
    for seed in range(EACH):
        assert check(seed, family).failures == [], f"--show {seed} --family {family}"


def test_outputs_stay_in_random_boxes() -> None:
    reports = [check_in_box(seed) for seed in range(IN_BOXES)]
    assert [(r.seed, r.family, r.failures) for r in reports if r.failures] == []
    assert sum(r.left < r.planted for r in reports) > IN_BOXES / 2
