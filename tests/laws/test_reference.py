"""The reference itself: its facts hold on samples, and its hitting sets are the smallest."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.laws.facts import ONE
from tests.laws.functions import FUNCTIONS
from tests.laws.generator import random_case
from tests.laws.hitting import smallest
from tests.laws.planting import reshaped
from tests.laws.reference import expected
from tests.laws.runtime import feeds_for, run
from tests.laws.spec import Network, evaluate

seeds = st.integers(0, 2**32 - 1)
few = settings(derandomize=True, deadline=None, max_examples=25)


def _samples(network: Network, seed: int, count: int = 8) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    inputs = [layer for layer in network.layers if layer.kind == "input"]
    return {x.name: rng.integers(-4, 5, (x.width, count)).astype(np.float64) for x in inputs}


@few
@given(seeds)
def test_facts_hold_on_samples(seed: int) -> None:
    network = random_case(seed).network
    facts = expected(network).facts
    values = evaluate(network, _samples(network, seed))
    seen: dict[object, list[Fraction]] = {}  # what a class is worth on the samples
    for layer in network.layers:
        for i, fact in enumerate(facts.values[layer.name]):
            offset = fact.get(ONE, Fraction(0))
            moving = [atom for atom in fact if atom != ONE]
            if not moving:
                assert values[layer.name][i] == [offset] * 8
                continue
            (atom,) = moving
            worth = [(v - offset) / fact[atom] for v in values[layer.name][i]]
            assert seen.setdefault(atom, worth) == worth


@few
@given(seeds)
def test_the_writer_writes_what_the_network_computes(seed: int) -> None:
    case = random_case(seed)
    feeds = feeds_for(case.model, np.random.default_rng(seed), batch=4)
    turned = {
        name: (array if case.layout in ("columns", "vector") else np.moveaxis(array, -1, 0))
        for name, array in feeds.items()
    }
    inputs = {name: array.reshape(len(array), -1) for name, array in turned.items()}
    wanted = evaluate(case.network, inputs)
    for name, got in zip(case.network.outputs, run(case.model, feeds), strict=True):
        rows = got if case.layout in ("columns", "vector") else np.moveaxis(got, -1, 0)
        rows = rows.reshape(len(rows), -1)
        assert [[Fraction(float(v)) for v in row] for row in rows] == wanted[name]


@few
@given(seeds)
def test_reshaping_keeps_what_a_network_computes(seed: int) -> None:
    network = random_case(seed).network
    inputs = _samples(network, seed)
    other = evaluate(reshaped(network, np.random.default_rng(seed)), inputs)
    values = evaluate(network, inputs)
    assert all(other[name] == values[name] for name in network.outputs)


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.lists(st.sets(st.integers(0, 7), min_size=1, max_size=4), max_size=8))
def test_smallest_hitting_set(demands: list[set[int]]) -> None:
    found = smallest(demands)
    assert all(found & demand for demand in demands)
    for size in range(len(found)):
        for fewer in combinations(range(8), size):
            assert any(not demand & set(fewer) for demand in demands)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_allow_what_the_table_says(name: str) -> None:
    """Every ratio of the table in docs/theory.md holds on numbers, and no larger family does."""
    function = FUNCTIONS[name]
    exact = function.exact
    if exact is None:
        return
    points = [Fraction(k, 4) for k in range(-40, 41)]
    families = {
        "positive": [(r, r) for r in (Fraction(1, 2), Fraction(3))],
        "absolute": [(r, abs(r)) for r in (Fraction(-3), Fraction(1, 2))],
        "sign": [(r, Fraction(1 if r > 0 else -1)) for r in (Fraction(-3), Fraction(1, 2))],
        "odd": [(Fraction(-1), Fraction(-1))],
        "even": [(Fraction(-1), Fraction(1))],
        "point": [],
        "one": [],
        "linear": [(r, r) for r in (Fraction(-3), Fraction(1, 2))],
    }
    if function.ratio == "point":
        assert all(exact(-z) == 1 - exact(z) for z in points)
    for ratio, value in families[function.ratio]:
        assert all(exact(ratio * z) == value * exact(z) for z in points)
    implied = {"linear": {"positive", "odd"}, "absolute": {"positive", "even"}, "sign": {"odd"}}
    for family, pairs in families.items():
        if family != function.ratio and family not in implied.get(function.ratio, set()):
            holds = all(exact(r * z) == v * exact(z) for r, v in pairs for z in points)
            assert not pairs or not holds
