"""The search as a whole: each kind fires and declines, and plans hold, compared in fractions."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import cast

import numpy as np
import pytest

from lumpcli.bounds import Phases, ladder
from lumpcli.errors import UsageError
from lumpcli.exporter import embed, export
from lumpcli.loader import load
from lumpcli.redundancy import Kind, Plan, Request, apply_plan, search
from tests.bounds.containing import computed
from tests.bounds.rational import Layers, random_layers
from tests.models import build, node
from tests.redundancy.small import everywhere, exact, integers, lines_of, network


def planned(layers: Layers, *kinds: Kind, eps: float = 0.0, k: int | None = None) -> Plan:
    """On inputs from -1 to 1."""
    host = load(network(layers))
    return search(host, everywhere(host, -1.0, 1.0), Request(kinds, eps, k), samples=64)


def actions(plan: Plan, layer: str = "h0") -> list[str]:
    return [v.action for v in plan.layers[layer]]


# z = x + 2, x - 2, 2 x + 1, x - 0.5: never below 0, never above, mostly above, mostly below
ONE = integers(([[1.0], [1.0], [2.0], [1.0]], [2.0, -2.0, 1.0, -0.5]), ([[1.0] * 4], [0.0]))


@pytest.mark.parametrize(
    ("kind", "eps", "wanted"),
    [
        ("phase", 0.0, ["identity", "zero", "keep", "keep"]),
        ("phase", 0.49, ["identity", "zero", "keep", "keep"]),
        ("phase", 0.51, ["identity", "zero", "keep", "zero"]),
        ("phase", 1.01, ["identity", "zero", "identity", "zero"]),
        ("forward", 0.49, ["identity", "zero", "keep", "keep"]),
        ("forward", 0.51, ["identity", "zero", "keep", "zero"]),
        ("forward", 1.51, ["identity", "zero", "identity", "zero"]),
        ("relaxed", 0.18, ["identity", "zero", "keep", "keep"]),  # 1.5 * 0.5 / (2 * 2) = 0.1875
        ("relaxed", 0.19, ["identity", "zero", "keep", "line"]),
        ("relaxed", 0.57, ["identity", "zero", "line", "line"]),  # 3 * 1 / (2 * 4) more
        ("constant", 0.24, ["identity", "zero", "keep", "keep"]),
        ("constant", 0.26, ["identity", "zero", "keep", "constant"]),
        ("constant", 2.76, ["constant", "zero", "constant", "constant"]),  # 0.25, 1 and 1.5
    ],
)
def test_each_kind_fires_and_declines_just_beyond_eps(
    kind: Kind, eps: float, wanted: list[str]
) -> None:
    plan = planned(ONE, kind, eps=eps)
    assert actions(plan) == wanted
    if kind != "phase":
        assert plan.bounds["y"][0] <= eps


def test_verdicts_say_kind_method_and_assurance() -> None:
    plan = planned(ONE, "forward", eps=0.51)
    active, inactive, kept, dropped = plan.layers["h0"]
    assert (active.kind, active.method, active.assurance) == ("phase", "interval", "rigorous")
    assert inactive.kind == "phase"
    assert (kept.action, kept.method) == ("keep", "")
    assert kept.reason
    assert (dropped.kind, dropped.method) == ("forward", "difference")
    assert plan.counts()["forward"] == 1
    assert json.loads(json.dumps(plan.to_dict())) == plan.to_dict()


# h0 is missed by 1 in h1 and by 1/2 in y; that h1 is not missed needs k to be 2, or the outputs
DEEP = integers(([[1.0]], [0.0]), ([[1.0]], [1.0]), ([[0.5]], [0.0]))


@pytest.mark.parametrize(("k", "found"), [(1, False), (2, True), (None, True)])
def test_so_many_layers_later(k: int | None, found: bool) -> None:
    assert (actions(planned(DEEP, "forward", eps=0.75, k=k))[0] != "keep") is found


def test_fine_one_by_one_and_wrong_together() -> None:
    twins = integers(([[1.0], [1.0]], [0.0, 0.0]), ([[1.0, 1.0]], [0.0]))
    for eps, count in ((0.99, 0), (1.5, 1), (2.01, 2)):
        assert actions(planned(twins, "forward", eps=eps)).count("keep") == 2 - count


@pytest.mark.parametrize(("margin", "wanted"), [(2.0, "keep"), (2.25, "zero")])
def test_the_winner_is_preserved(margin: float, wanted: str) -> None:
    """Before, y1 - y0 is 4 h0 - margin, and h0 is at most 1/2; after, it is -margin."""
    layers = integers(([[1.0], [2.0]], [-0.5, 0.0]), ([[0.0, 1.0], [4.0, 1.0]], [margin, 0.0]))
    plan = planned(layers, "result")
    assert plan.preserved == "argmax"
    assert actions(plan)[0] == wanted
    assert plan.request.eps == 0


def test_the_winner_changes_within_the_box() -> None:
    layers = integers(([[1.0], [0.0]], [0.0, 0.25]), ([[1.0, 0.0], [0.0, 1.0]], [0.0, 0.0]))
    plan = planned(layers, "result")
    assert actions(plan) == ["keep", "identity"]
    assert plan.layers["h0"][0].reason == "a sample says no"


def check(layers: Layers, plan: Plan, points: np.ndarray) -> float:
    """The largest part of the bounds that is used; above 1 they are wrong."""
    used, lines = Fraction(0), lines_of(plan.candidates)
    for point in points:
        before, after = exact(layers, point, {})["y"], exact(layers, point, lines)["y"]
        for a, b, bound in zip(before, after, plan.bounds["y"], strict=True):
            assert abs(a - b) <= Fraction(bound)
            used = max(used, abs(a - b) / Fraction(bound) if bound else Fraction(0))
    return float(used)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kinds", [("forward",), ("relaxed", "constant"), ("phase",)])
def test_bounds_hold_in_fractions(seed: int, kinds: tuple[Kind, ...]) -> None:
    rng = np.random.default_rng(seed)
    layers = random_layers(rng, [2, 8, 6, 3])
    plan = planned(layers, *kinds, eps=0.25)
    points = np.concatenate([rng.uniform(-1, 1, (60, 2)), rng.choice([-1.0, 1.0], (4, 2))])
    found = plan.counts()
    assert sum(found.values()) > found["phase"] or kinds == ("phase",)
    used = check(layers, plan, points)
    assert used > 0.05 or kinds == ("phase",)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_winners_hold_in_fractions(seed: int) -> None:
    rng = np.random.default_rng(seed)
    layers = random_layers(rng, [2, 8, 6, 3])
    layers[-1] = (layers[-1][0], np.array([6, 0, 0], np.float32))
    plan = planned(layers, "result")
    lines = lines_of(plan.candidates)
    assert plan.counts()["result"] > 0
    for point in rng.uniform(-1, 1, (60, 2)):
        before, after = exact(layers, point, {})["y"], exact(layers, point, lines)["y"]
        assert before.index(max(before)) == after.index(max(after))


def test_the_written_network_is_within_the_bounds() -> None:
    """Channels and a dense layer: what onnxruntime computes, with what float32 may be wrong by."""
    rng = np.random.default_rng(0)
    nodes = [
        node("Conv", ["x", "k", "b"], ["z"]),
        node("Relu", ["z"], ["h"]),
        node("Flatten", ["h"], ["f"]),
        node("Gemm", ["f", "w", "c"], ["s"]),
        node("Relu", ["s"], ["r"]),
        node("Gemm", ["r", "v", "d"], ["y"]),
    ]
    sizes = {"k": (4, 1, 2, 2), "b": (4,), "w": (16, 6), "c": (6,), "v": (6, 2), "d": (2,)}
    weights = {name: rng.normal(size=shape).astype("f4") / 2 for name, shape in sizes.items()}
    host = load(build(nodes, weights, inputs={"x": (1, 1, 3, 3)}))
    box = everywhere(host, 0.0, 0.25)
    plan = search(host, box, Request(("forward", "relaxed"), 0.125), samples=64)
    assert plan.counts()["forward"] + plan.counts()["relaxed"] > 0
    exported = export(host, apply_plan(host.net, plan))
    embed(exported)
    (before,), (after,) = (computed(m, box, ["y"], 500, 0) for m in (host.model, exported.model))
    apart = np.abs(after.astype(np.float64) - before).max(axis=(0, 1))
    assert (apart > 1e-3).any()
    assert (apart <= np.array(plan.bounds["y"]) + 1e-5).all()


def test_the_same_seed_gives_the_same_plan() -> None:
    layers = random_layers(np.random.default_rng(3), [2, 8, 6, 3])
    plans = [planned(layers, "forward", eps=0.25) for _ in range(2)]
    assert plans[0] == plans[1]


def test_bounds_may_be_given() -> None:
    host = load(network(ONE))
    box = everywhere(host, -1.0, 1.0)
    request = Request(("phase",))
    given = search(host, box, request, phases=ladder(host, box, rungs=("interval",)))
    assert actions(given) == ["identity", "zero", "keep", "keep"]
    nothing = Phases({}, {}, "float32", 0)
    with pytest.raises(UsageError, match="float32"):
        search(host, box, request, phases=nothing)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (Request(()), "none is given"),
        (Request(cast("tuple[Kind, ...]", ("all",))), "not 'all'"),
        (Request(("forward",), -1.0), "eps"),
        (Request(("forward",), float("nan")), "eps"),
        (Request(("forward",), 0.1, 0), "k must be"),
    ],
)
def test_requests_that_make_no_sense(request_: Request, message: str) -> None:
    host = load(network(ONE))
    with pytest.raises(UsageError, match=message):
        search(host, everywhere(host, -1.0, 1.0), request_)


def test_outputs_must_be_followed() -> None:
    model = build([node("Softmax", ["x"], ["y"])], inputs={"x": (1, 2)})
    host = load(model)
    with pytest.raises(UsageError, match=r"output 'y' is not followed: .*Softmax"):
        search(host, everywhere(host, -1.0, 1.0), Request(("phase",)))


def test_results_of_several_outputs() -> None:
    host = load(network(DEEP, early=["z1"]))
    with pytest.raises(UsageError, match="one output"):
        search(host, everywhere(host, -1.0, 1.0), Request(("result",)))
