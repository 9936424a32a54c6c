"""Facts and plans hold on random nets of every kind of term, over fractions."""

from __future__ import annotations

import numpy as np
import pytest

from lumpcli.analysis import Grants, values_of
from lumpcli.ir import groups
from lumpcli.pipeline import plan
from tests.analysis.holding import violations
from tests.computed import agree, evaluate, outputs, points, same
from tests.mixed import kinds_of, mixed_net

CHUNKS, EACH = 6, 30


def _seeds(chunk):
    return range(chunk * EACH, (chunk + 1) * EACH)


def test_the_nets_have_everything_in_them():
    found = set().union(*(kinds_of(mixed_net(np.random.default_rng(s))) for s in range(100)))
    assert found >= {"join", "tied", "at", "broadcast", "moments", "blocks", "depthwise"}
    assert found >= {"LINEAR", "HOMOGENEOUS", "ABSOLUTE", "NONE"}


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_facts_are_true(chunk):
    for seed in _seeds(chunk):
        made = mixed_net(np.random.default_rng(seed))
        assert violations(made, values_of(made), np.random.default_rng(seed)) == [], seed


@pytest.mark.parametrize("chunk", range(CHUNKS))
@pytest.mark.parametrize("level", ["exact", "strict"])
def test_plans_compute_the_same(chunk, level):
    cut = 0
    for seed in _seeds(chunk):
        made = mixed_net(np.random.default_rng(seed))
        done = plan(made, Grants(level))
        rng = np.random.default_rng(seed)
        assert agree(made, done.quotient, rng), seed
        assert level != "strict" or done.rounding.rounded == 0
        if not done.rounding.rounded:
            inputs = points(made, rng)
            now = outputs(done.reduced, evaluate(done.reduced, inputs))
            assert same(outputs(made, evaluate(made, inputs)), now), seed
        cut += sum(layer.width for layer in made.layers)
        cut -= sum(layer.width for layer in done.reduced.layers)
    assert cut > 10


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_groups_stay_together(chunk):
    """What is kept of a slot is kept in every layer of the group; halves keep as many."""
    for seed in _seeds(chunk):
        made = mixed_net(np.random.default_rng(seed))
        done = plan(made, Grants())
        for group in groups(made):
            kept = group.kept((layer, done.quotient.keep(layer)) for layer in group.layers)
            assert kept[group.forced].all()
            for layer in group.layers:
                own = np.flatnonzero(kept[group.slots[layer.name]])
                assert done.quotient.keep(layer).tolist() == own.tolist()
                assert len(own) > 0
                if layer.parts > 1:
                    assert len(set(np.bincount(own // (layer.width // layer.parts)))) == 1


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_a_second_run_cuts_nothing(chunk):
    for seed in _seeds(chunk):
        done = plan(mixed_net(np.random.default_rng(seed)), Grants())
        if not done.rounding.rounded:
            again = plan(done.reduced, Grants())
            before = {layer.name: layer.width for layer in done.reduced.layers}
            assert {layer.name: layer.width for layer in again.reduced.layers} == before, seed
