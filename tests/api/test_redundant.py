"""Redundancy on a box goes when the changed net is reduced, and outputs stay within the bounds."""

from __future__ import annotations

import numpy as np
import pytest

from lumpcli.analysis import Grants
from lumpcli.api import Granted
from lumpcli.api.planning import chosen, plan_export
from lumpcli.api.redundant import without_redundancy
from lumpcli.bounds import input_shapes
from lumpcli.box import read_box
from lumpcli.exporter import embed
from lumpcli.loader import load
from lumpcli.redundancy import Kind, Request
from tests.bounds.containing import computed
from tests.bounds.rational import random_layers
from tests.redundancy.small import network

GRANTED = Granted(("-1,1",))


@pytest.mark.parametrize(
    ("kinds", "eps"), [(("forward",), 0.25), (("relaxed",), 0.25), (("constant",), 1.0)]
)
def test_the_reduced_network_is_narrower_and_within_the_bounds(
    kinds: tuple[Kind, ...], eps: float
) -> None:
    layers = random_layers(np.random.default_rng(5), [2, 12, 8, 2])
    host = load(network(layers))
    found = without_redundancy(host, host.net, GRANTED, Request(kinds, eps))
    plain = without_redundancy(host, host.net, GRANTED, Request(("phase",)))
    widths = []
    for one in (found, plain):
        done, exported = plan_export(host, one.net, Grants("exact"))
        embed(exported)
        widths.append(sum(layer.width for layer in done.final.dense_layers))
        box = read_box(("-1,1",), input_shapes(host.graph))
        (before,), (after,) = (
            computed(m, box, ["y"], 500, 0) for m in (host.model, exported.model)
        )
        apart = np.abs(after.astype(np.float64) - before).max(axis=(0, 1))
        assert (apart <= np.array(one.plan.bounds["y"]) + 1e-5).all()
        if one is found:
            assert (apart > 1e-3).any()
    assert widths[0] < widths[1]
    assert found.plan.counts()[kinds[0]] > 0


def test_lines_are_proved_to_be_lines_afresh() -> None:
    """Every ReLU that became a line is never negative in the changed network."""
    host = load(network(random_layers(np.random.default_rng(5), [2, 12, 8, 2])))
    found = without_redundancy(host, host.net, GRANTED, Request(("relaxed",), 0.25))
    for layer, verdicts in found.plan.layers.items():
        between = found.net[layer].between
        assert between is not None
        lines = [i for i, v in enumerate(verdicts) if v.action == "line"]
        assert (between[0, lines] >= 0).all()
    assert found.plan.counts()["relaxed"] > 0


def test_layers_the_user_excludes_stay() -> None:
    host = load(network(random_layers(np.random.default_rng(5), [2, 12, 8, 2])))
    net = chosen(host.net, (), ("h0",))
    found = without_redundancy(host, net, GRANTED, Request(("forward",), 0.5))
    assert {v.action for v in found.plan.layers["h0"]} == {"keep"}
    assert found.plan.layers["h0"][0].reason == "excluded by the user"
    assert any(v.action != "keep" for v in found.plan.layers["h1"])
    assert found.net["h0"].terms is host.net["h0"].terms
