from __future__ import annotations

import dataclasses
from dataclasses import replace

import numpy as np
import pytest

from lumpcli.analysis import Grants, Stored, liveness_of, values_of
from lumpcli.ir import Claim, Net, Rounding
from lumpcli.passes import PASSES, Constant, Lumping, Pass, Steps, Unread
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


def renewed(made: Net) -> Net:
    ends = np.array([[-1.0], [1.0]])
    layers = tuple(replace(a, between=np.repeat(ends, a.width, axis=1)) for a in made.layers)
    return replace(made, layers=layers)


def test_steps_are_counted_and_their_nets_kept():
    made, later = (net(source("x", 2), dense("y", "x", [[k, 1]], act=LINEAR)) for k in (1, 2))
    steps = Steps[str](made, Grants(bounds=renewed))
    assert (steps.net, steps.taken, steps.trail) == (made, (), ())
    two = net(*made.layers, dense("z", "y", [[1]], act=LINEAR))
    assert Steps[str](two, Grants()).places == ["y", "z"]
    assert Steps[str](renewed(two), Grants()).places == ["z", "y"]
    steps.take("exact", later, Rounding(folded=3))
    assert (steps.net, steps.taken, steps.trail) == (later, ("exact",), ())
    steps.take("rounded", made, Rounding(2, 1, inexact={"y": 0.5}))
    assert steps.taken == ("exact", "rounded")
    assert (steps.rounding.folded, steps.rounding.rounded) == (5, 1)
    assert steps.trail == (Stored(steps.net, {"y": 0.5}),)
    assert steps.net["y"].between.tolist() == [[-1], [1]]
