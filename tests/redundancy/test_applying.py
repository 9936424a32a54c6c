"""A plan in the numbers of a network: it then computes what the plan says, in fractions."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from lumpcli.ir import Net
from lumpcli.loader import load
from lumpcli.redundancy import Plan, Request, Verdict, apply_plan
from lumpcli.redundancy.applying import shifts_for
from tests.bounds.rational import Layers
from tests.models import build, node
from tests.redundancy.small import exact, integers, network

LAYERS = integers(
    ([[1.0, 2.0], [3.0, -1.0], [1.0, 1.0], [2.0, 0.0], [-1.0, 1.0]], [1.0, 2.0, -3.0, 0.0, 1.0]),
    ([[1.0, -2.0, 1.0, 3.0, 1.0], [2.0, 1.0, -1.0, 1.0, -2.0]], [1.0, -1.0]),
    ([[1.0, 1.0], [2.0, -1.0]], [0.0, 5.0]),
)
LOWEST = {0: -4.0, 1: -6.0, 3: -0.75}  # what lines of features never are below on [-2, 2]
VERDICTS = (
    Verdict("identity", 1.0, 0.0, shift=8.0),
    Verdict("line", 0.5, 0.25, shift=4.0),
    Verdict("zero"),
    Verdict("constant", 0.0, 1.5),
    Verdict("keep"),
)


def plan(**layers: tuple[Verdict, ...]) -> Plan:
    return Plan(Request(("relaxed",)), layers, {}, "", 1, 0, 0)


def layers_of(net: Net, names: list[str]) -> Layers:
    """Weights (inputs, outputs) and biases of a net's dense layers."""
    found = []
    for name in names:
        (term,), bias = net[name].terms, net[name].bias
        assert bias is not None
        found.append((term.flat.T, bias))
    return found


def test_the_changed_network_computes_what_the_plan_says() -> None:
    net = load(network(LAYERS)).net
    changed = layers_of(apply_plan(net, plan(h0=VERDICTS)), ["h0", "h1", "y"])
    lines = {("h0", i): (v.slope, v.offset) for i, v in enumerate(VERDICTS) if v.action != "keep"}
    for point in [(-2, -2), (-2, 2), (2, -2), (2, 2), (1, -1), (0.5, 0.25), (0, 0)]:
        wanted, found = exact(LAYERS, point, lines), exact(changed, point, {})
        assert found["y"] == wanted["y"]
        for i, v in enumerate(VERDICTS):  # every ReLU is the line that is asked for
            if v.action != "keep":
                assert found["h0"][i] == wanted["h0"][i] + Fraction(v.shift) >= 0
    assert exact(LAYERS, (2, 2), lines)["y"] != exact(LAYERS, (2, 2), {})["y"]


def test_lines_after_one_another() -> None:
    """The second layer's biases take back shifts of the first, then are shifted themselves."""
    net = load(network(LAYERS)).net
    second = (Verdict("line", 0.5, 1.0, shift=64.0), Verdict("identity", 1.0, shift=32.0))
    made = apply_plan(net, plan(h0=VERDICTS, h1=second))
    changed = layers_of(made, ["h0", "h1", "y"])
    lines = {
        (name, i): (v.slope, v.offset)
        for name, some in (("h0", VERDICTS), ("h1", second))
        for i, v in enumerate(some)
        if v.action != "keep"
    }
    for point in [(-2, -2), (-2, 2), (2, -2), (2, 2), (1, -1)]:
        assert exact(changed, point, {})["y"] == exact(LAYERS, point, lines)["y"]


def test_nothing_replaced_is_the_same_net() -> None:
    net = load(network(LAYERS)).net
    kept = (Verdict("keep"), Verdict("identity", 1.0))
    after = apply_plan(net, plan(h1=kept))
    assert all(a is b for a, b in zip(after.layers, net.layers, strict=True))


def test_channels_give_back_what_is_added_at_every_tap() -> None:
    nodes = [
        node("Conv", ["x", "k", "b"], ["z"]),
        node("Relu", ["z"], ["h"]),
        node("Conv", ["h", "m", "c"], ["y"]),
    ]
    taps = np.arange(8, dtype="f4").reshape(1, 2, 2, 2)
    weights = {"k": np.ones((2, 1, 1, 1), "f4"), "b": np.zeros(2, "f4"), "m": taps}
    weights["c"] = np.array([3.0], "f4")
    net = load(build(nodes, weights, inputs={"x": (1, 1, 3, 3)})).net
    after = apply_plan(net, plan(h=(Verdict("identity", 1.0, shift=2.0), Verdict("keep"))))
    assert after["h"].bias is not None
    assert after["h"].bias.tolist() == [2.0, 0.0]
    assert after["y"].bias is not None
    assert after["y"].bias.tolist() == [3.0 - 2.0 * (0 + 1 + 2 + 3)]


@pytest.mark.parametrize(
    ("low", "shift"), [(0.0, 0.0), (2.0, 0.0), (-0.5, 1.0), (-0.75, 1.0), (-3.0, 4.0), (-4.0, 8.0)]
)
def test_shifts_are_powers_of_two_that_leave_room(low: float, shift: float) -> None:
    assert shifts_for([low]) == [shift]
