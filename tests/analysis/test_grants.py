from __future__ import annotations

import dataclasses

import pytest

from lumpcli.analysis import Grants
from lumpcli.ir import Rounding
from tests.nets import net, source


def test_exact_is_the_level_unless_another_is_granted():
    assert Grants().level == "exact"
    assert Grants("strict").level == "strict"
    with pytest.raises(dataclasses.FrozenInstanceError):
        Grants().level = "rounding"


def test_bounds_are_renewed_where_something_was_rounded():
    made = net(source("x", 2))
    other = net(source("z", 1))
    grants = Grants(bounds=lambda _: other)
    assert grants.renewed(made, Rounding()) is made
    assert grants.renewed(made, Rounding(folded=1, rounded=1)) is other
    assert Grants().renewed(made, Rounding(folded=1, rounded=1)) is made
