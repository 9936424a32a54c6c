from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from lumpcli.analysis import Grants, liveness_of, values_of
from lumpcli.ir import Claim
from lumpcli.passes import PASSES, Constant, Lumping, Pass, Unread
from tests.nets import LINEAR, dense, each, net, source

ROWS = [[1, 2], [2, 4]]


class Everything(Pass):
    """Claims all features of every layer it is asked about, but for g: nothing there."""

    name = "everything"

    def claim(self, net, layer, values, liveness, grants):
        some = np.arange(0 if layer.name == "g" else layer.width)
        return None if layer.name == "f" else Claim(layer.name, "unread", some, some, (), ())


def test_the_registry_names_every_pass():
    assert {name: kind.name for name, kind in PASSES.items()} == {n: n for n in PASSES}
    assert list(PASSES.values()) == [Unread, Constant, Lumping]


def test_only_layers_that_a_matrix_reads_are_asked_about():
    made = net(
        source("x"),
        dense("f", "x", ROWS),
        dense("g", "f", ROWS),
        dense("h", "g", ROWS),
        each("s", 2, "h"),
        dense("y", ["s", "g"], [ROWS, ROWS], act=LINEAR),
    )
    values = values_of(made)
    claims = Everything().propose(made, values, liveness_of(made, values), Grants())
    assert [c.layer for c in claims] == ["x", "s"]


@pytest.mark.parametrize("kind", list(PASSES.values()))
def test_passes_are_values(kind):
    assert dataclasses.is_dataclass(kind)
    assert kind() == kind()
    assert hash(kind()) == hash(kind())
