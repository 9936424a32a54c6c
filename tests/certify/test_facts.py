"""Facts derived and checked are those the search found, on nets of every kind."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest

from lumpcli.analysis import CONSTANT, values_of
from lumpcli.api.certifying import _facts
from lumpcli.certify.facts import facts_of
from lumpcli.ir import Activation
from lumpcli.proofs import Refused
from tests.nets import LEAKY, RELU, dense, net, random_net, source
from tests.proofs.test_features import classes

ROOT = Path(__file__).resolve().parents[2] / "lumpcli"


@pytest.mark.parametrize("seed", range(60))
def test_the_same_facts_as_the_search(seed):
    made = random_net(np.random.default_rng(seed))
    values = values_of(made)
    book, _ = facts_of(made, _facts(made, values), "exact")
    to: dict[int, int] = {}
    back: dict[int, int] = {}
    for layer in made.layers:
        own, other = values[layer.name], book.facts[layer.name]
        for i in range(layer.width):
            a, b = int(own.class_of[i]), other[i][0]
            assert to.setdefault(a, b) == b
            assert back.setdefault(b, a) == a
            if a == CONSTANT:
                assert own.offset[i].near(values.known) == other[i][2].near(book.known)


def small():
    return net(
        source("x", 2),
        dense("h", "x", [[1, 2], [2, 4], [0, 0]], [1, 2, 3]),
        dense("y", "h", [[1, 2, 3]]),
    )


def test_facts_are_asked_for_by_row():
    made = small()
    book, count = facts_of(made, _facts(made, values_of(made)), "exact")
    assert (count, len({*classes(book.facts["h"])})) == (4, 2)
    book, count = facts_of(made, {}, "exact")
    assert (count, len({*classes(book.facts["h"])})) == (0, 3)


@pytest.mark.parametrize(
    ("said", "level", "reason"),
    [
        ({"rows": [9]}, "exact", "has no feature 9"),
        ({"rows": [3]}, "exact", "has no feature 3"),
        ({"active": [3]}, "exact", "has no feature 3"),
        ({"within": [{"features": [0, 3], "ratios": ["1", "1"]}]}, "rounding", "no feature 3"),
        ({"within": [{"features": [0, 1], "ratios": ["1", "2"]}]}, "exact", "not allowed here"),
        ({"within": [{"features": [0, 1], "ratios": ["1", "3"]}]}, "rounding", "no choice"),
        ({"active": [0]}, "exact", "feature 0 may be of the other sign"),
        ({"active": [2], "inactive": [2]}, "exact", "feature 2 may be of the other sign"),
    ],
)
def test_claims_that_do_not_hold(said, level, reason):
    with pytest.raises(Refused, match=reason):
        facts_of(small(), {"h": said}, level)


def test_weights_are_chosen_once():
    """What is like a row whose weights were chosen is no multiple of the stored one."""
    third = np.float32(1) / np.float32(3)
    made = net(
        source("x", 2),
        dense("g", "x", [[1, third], [3, np.float32(1)]]),
        dense("h", "x", [[1, third]]),
        dense("y", ["g", "h"], [[[1, 2]], [[3]]]),
    )
    star = {"features": [0, 1], "ratios": ["1", "3"]}
    said = {"g": {"rows": [0, 1], "within": [star]}, "h": {"rows": [0]}}
    book, _ = facts_of(made, said, "rounding")
    (one, other), (third_,) = (classes(book.facts[name]) for name in "gh")
    assert one == other != third_


# --- signs


def phased(said, rows, bias, act=RELU, term=None, first=RELU):
    """The facts on a layer behind one of two features, of which `said` is claimed."""
    made = net(
        source("x", 2),
        dense("g", "x", [[1, 2], [3, 1]], act=first),
        dense("h", "g", rows, bias, act=act, term=term or {}),
        dense("y", "h", [[1] * len(rows)]),
    )
    book, _ = facts_of(made, {"h": said}, "exact")
    return book.facts["g"], book.facts["h"]


def test_active_features_are_linear():
    """A single weight hands on its class, and offsets do not matter."""
    given, found = phased({"active": [0, 1, 2]}, [[3, 0], [1, 2], [2, 4]], [1, 1, 5])
    assert found[0][:2] == (given[0][0], 3)
    assert found[0][2].rational == 1
    assert (found[2][0], found[2][1] / found[1][1]) == (found[1][0], 2)
    assert (found[2][2] - found[1][2] * 2).rational == 3


def test_inactive_features_are_zero_or_linear():
    _, found = phased({"inactive": [0]}, [[-1, -2]], [-1])
    assert (found[0][1], bool(found[0][2])) == (0, False)
    given, found = phased({"inactive": [0]}, [[-1, 0]], [-1], act=LEAKY)
    assert (found[0][0], found[0][1], found[0][2].rational) == (given[0][0], -0.5, -0.5)


TINY = float(np.nextafter(np.float32(0), np.float32(1)))


@pytest.mark.parametrize(
    ("said", "rows", "bias", "options"),
    [
        ("active", [[1, 2]], [-TINY], {}),
        ("active", [[1, -TINY]], [9], {}),
        ("inactive", [[-1, -2]], [TINY], {}),
        ("inactive", [[-1, TINY]], [-9], {}),
        ("active", [[1, 2]], [0], {"first": Activation("Gelu", ("none",))}),
        ("active", [[1, 2]], [9], {"first": LEAKY}),
        ("inactive", [[1, 2]], [-9], {"act": LEAKY}),
        ("active", [[1, 2]], [0], {"act": Activation("Gelu", ("none",))}),
    ],
)
def test_signs_that_do_not_hold(said, rows, bias, options):
    with pytest.raises(Refused, match="feature 0 may be of the other sign"):
        phased({said: [0]}, rows, bias, **options)


def test_what_lies_outside_the_image_is_zero():
    """Numbers from 1 to 2, times 1, less 1: at least 0 inside the image, and -1 outside."""
    clip = Activation("Clip", (1.0, 2.0))
    assert phased({"active": [0]}, [[1, 0]], [-1], first=clip)
    with pytest.raises(Refused, match="other sign"):
        phased({"active": [0]}, [[1, 0]], [-1], first=clip, term={"padded": True, "image": "8"})


def test_a_constant_behind_padding_may_be_zero():
    """What is 2 inside the image, less 1, is not active."""
    for padded in (False, True):
        made = net(
            source("x", 2),
            dense("g", "x", [[0, 0]], [2]),
            dense("h", "g", [[1]], [-1], term={"padded": padded, "image": "8"}),
            dense("y", "h", [[1]]),
        )
        said = {"g": {"rows": [0]}, "h": {"active": [0]}}
        if padded:
            with pytest.raises(Refused, match="other sign"):
                facts_of(made, said, "exact")
        else:
            assert facts_of(made, said, "exact")[0].facts["h"][0][2].rational == 1


def test_the_checker_does_not_know_the_searcher():
    banned = {"lumpcli.passes", "lumpcli.analysis", "lumpcli.pipeline", "lumpcli.api"}
    searching = {"compose", "groups", "Group", "Claim"}
    for room in ("certify", "proofs"):
        for path in (ROOT / room).glob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.ImportFrom):
                    module = node.module or ""
                    assert not any(module == b or module.startswith(f"{b}.") for b in banned), path
                    assert module != "lumpcli.ir.compose", path
                    if module == "lumpcli.ir":
                        assert not searching & {alias.name for alias in node.names}, path
                if isinstance(node, ast.Import):
                    assert not any(alias.name.startswith("lumpcli") for alias in node.names), path
