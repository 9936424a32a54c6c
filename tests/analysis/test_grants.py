from __future__ import annotations

import dataclasses

import pytest

from lumpcli.analysis import Grants


def test_exact_is_the_level_unless_another_is_granted():
    assert Grants().level == "exact"
    assert Grants("strict").level == "strict"
    with pytest.raises(dataclasses.FrozenInstanceError):
        Grants().level = "rounding"
