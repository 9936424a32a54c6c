"""The ladder: rungs only add, results are reproducible, and what does not fit is refused."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from lumpcli.bounds import RUNGS, Phases, ladder
from lumpcli.box import Box
from lumpcli.errors import UsageError
from lumpcli.loader import load
from lumpcli.progress import Meter, Stage, watched
from tests.bounds.rational import dense_model, random_layers
from tests.models import build, node

HOST = load(dense_model(random_layers(np.random.default_rng(1), [3, 16, 16, 16])))
BOX = Box.everywhere(-0.75, 0.75, {"x": (1, 3)})


def _arrays(phases: Phases) -> list[Any]:
    return [
        array.tolist()
        for b in phases.tensors.values()
        for array in (b.lower, b.upper, b.phase, b.method, b.refuted)
    ]


def test_every_rung_decides_more_and_keeps_what_was_decided() -> None:
    found = [ladder(HOST, BOX, rungs=RUNGS[: k + 1]) for k in range(len(RUNGS))]
    for before, after in pairwise(found):
        for name, old in before.tensors.items():
            new = after.tensors[name]
            assert (new.lower >= old.lower).all()
            assert (new.upper <= old.upper).all()
            assert (new.method[old.method >= 0] == old.method[old.method >= 0]).all()
    counts = found[-1].counts()
    assert list(counts) == list(RUNGS)
    assert all(counts.values())


def test_phases_follow_from_bounds_and_methods_tell_who_decided() -> None:
    for bounds in ladder(HOST, BOX).tensors.values():
        assert ((bounds.phase > 0) == (bounds.lower >= 0)).all()
        assert ((bounds.phase < 0) == ((bounds.upper <= 0) & (bounds.lower < 0))).all()
        assert ((bounds.method >= 0) == (bounds.phase != 0)).all()
        assert not (bounds.refuted & (bounds.phase != 0)).any()
        assert not bounds.numerical.any()


def test_the_same_seed_gives_the_same_for_any_number_of_threads() -> None:
    once = ladder(HOST, BOX, seed=3)
    assert _arrays(once) == _arrays(ladder(HOST, BOX, seed=3))
    assert _arrays(once) == _arrays(ladder(HOST, BOX, seed=3, jobs=3))


def test_claims_for_float32_are_fewer_or_equal_and_wider() -> None:
    real, float32 = (ladder(HOST, BOX, semantics=s) for s in ("real", "float32"))
    for name, bounds in real.tensors.items():
        wide = float32.tensors[name]
        assert (wide.lower[wide.method < 3] <= bounds.lower[wide.method < 3]).all()
    assert float32.semantics == "float32"
    assert sum(float32.counts().values()) <= sum(real.counts().values())


def test_a_budget_that_is_used_up_ends_the_work() -> None:
    found = ladder(HOST, BOX, budget=0.0)
    assert sum(found.counts().values()) == 0
    assert np.isfinite(found.tensors["z0"].lower).all()


def test_too_many_rows_are_left_to_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = ladder(HOST, BOX, rungs=("interval",))
    monkeypatch.setattr(sys.modules[ladder.__module__], "MOST_WORK", 100)
    found = ladder(HOST, BOX, rungs=("interval", "crown", "alpha"))
    assert _arrays(found) == _arrays(plain)


def test_many_inputs_are_not_split() -> None:
    host = load(dense_model(random_layers(np.random.default_rng(0), [17, 8, 8])))
    found = ladder(host, Box.everywhere(-1.0, 1.0, {"x": (1, 17)}))
    assert found.cells == 0
    assert any(b.refuted.any() for b in found.tensors.values())


@pytest.mark.parametrize(
    ("box", "options", "message"),
    [
        (Box.everywhere(0.0, 1.0, {"x": (3,)}), {}, "shape"),
        (Box.everywhere(0.0, 1.0, {"y": (1, 3)}), {}, "no input 'y'"),
        (BOX, {"rungs": ("crown", "smt")}, "'smt'"),
        (BOX, {"semantics": "float16"}, "'float16'"),
    ],
)
def test_what_does_not_fit_is_refused(box: Box, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        ladder(HOST, box, **options)


def test_a_model_in_float16_has_no_claims_for_float32() -> None:
    layers = random_layers(np.random.default_rng(0), [3, 4], np.float16)
    host = load(dense_model(layers))
    assert ladder(host, BOX).tensors
    with pytest.raises(UsageError, match="'x' is narrower than float32"):
        ladder(host, BOX, semantics="float32")


def test_a_model_without_activations_has_no_bounds() -> None:
    host = load(build([node("Softmax", ["x"], ["y"])]))
    found = ladder(host, Box.everywhere(0.0, 1.0, {"x": (1, 5)}))
    assert (dict(found.tensors), sum(found.counts().values())) == ({}, 0)


class _Listening(Meter):
    def __init__(self) -> None:
        self.stages: list[Stage] = []

    def began(self, stage: Stage) -> None:
        self.stages.append(stage)


def test_long_work_says_how_far_it_is() -> None:
    meter = _Listening()
    with watched(meter):
        found = ladder(HOST, BOX)
    told: Sequence[tuple[str, str]] = [(s.name, s.unit) for s in meter.stages]
    assert told == [("sampling the box", "samples"), ("splitting the box", "cells")]
    assert meter.stages[0].done >= meter.stages[0].total > 0
    assert meter.stages[1].done == found.cells > 0
