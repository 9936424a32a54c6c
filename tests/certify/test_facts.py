"""Facts derived and checked are those the search found, on nets of every kind."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest

from lumpcli.analysis import CONSTANT, values_of
from lumpcli.api.certifying import _facts
from lumpcli.certify.document import Claims
from lumpcli.certify.facts import Sweep
from lumpcli.proofs import Refused
from tests.nets import dense, net, random_net, source

ROOT = Path(__file__).resolve().parents[2] / "lumpcli"


def claims(made, values):
    return {name: Claims(name, said) for name, said in _facts(made, values).items()}


@pytest.mark.parametrize("seed", range(60))
def test_the_same_facts_as_the_search(seed):
    made = random_net(np.random.default_rng(seed))
    values = values_of(made)
    book, _ = Sweep(made, claims(made, values)).all()
    to: dict[int, int] = {}
    back: dict[int, int] = {}
    for layer in made.layers:
        own, other = values[layer.name], book.facts[layer.name]
        for i in range(layer.width):
            a, b = int(own.class_of[i]), int(other.class_of[i])
            assert to.setdefault(a, b) == b
            assert back.setdefault(b, a) == a
            if a == CONSTANT:
                assert own.offset[i].near(values.known) == other.offset[i].near(book.known)


def sweep(change, level="exact"):
    made = net(
        source("x", 2),
        dense("h", "x", [[1, 2], [2, 4], [0, 0]], [1, 2, 3]),
        dense("y", "h", [[1, 2, 3]]),
    )
    found = claims(made, values_of(made))
    said = {"h": found["h"].said}
    change(said)
    return Sweep(made, {n: Claims(n, s) for n, s in said.items()}, level).all()


def test_claims_hold_as_they_are():
    assert sweep(lambda said: None)[1] == 2


def again(said):
    said["h"]["multiples"] = said["h"]["multiples"] * 2


def itself(said):
    said["h"]["multiples"][0]["like"] = [1]


def later(said):
    said["h"]["multiples"][0]["of"] = "y"


def short(said):
    said["h"]["multiples"][0]["like"] = []


def thrice(said):
    said["h"]["multiples"][0]["ratios"] = ["3"]


def value(said):
    said["h"]["constant"]["values"] = ["4"]


def twice(said):
    said["h"]["handed_on"] = [1]


def outside(said):
    said["h"]["constant"]["features"] = [9]


def loose(said):
    said["h"]["multiples"][0]["within"] = [1]


def of_a_source(said):
    said["x"] = {"handed_on": [0]}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (again, "in two groups"),
        (itself, "not like others"),
        (later, "no such layer before it"),
        (short, "not like others"),
        (thrice, "another multiple"),
        (value, "is not the constant 4"),
        (twice, "claimed of twice|not constant or handed on"),
        (outside, "a feature that is none"),
        (loose, "within rounding are not allowed"),
        (of_a_source, "follow, and are not claimed"),
    ],
)
def test_claims_that_do_not_hold(change, reason):
    with pytest.raises(Refused, match=reason):
        sweep(change)


def test_weights_are_chosen_once():
    """What is like a row whose weights were chosen is no multiple of the stored one."""
    third = np.float32(1) / np.float32(3)
    made = net(
        source("x", 2),
        dense("g", "x", [[1, third], [3, np.float32(1)]]),
        dense("h", "x", [[1, third]]),
        dense("y", ["g", "h"], [[[1, 2]], [[3]]]),
    )
    star = {"of": "g", "features": [1], "like": [0], "ratios": ["3"], "within": [1]}
    same = {"of": "g", "features": [0], "like": [0]}
    said = {"g": {"multiples": [star]}, "h": {"multiples": [same]}}
    with pytest.raises(Refused, match="already chosen"):
        Sweep(made, {n: Claims(n, s) for n, s in said.items()}, "rounding").all()


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
