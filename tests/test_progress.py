from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from lumpcli.progress import Meter, Stage, stage, watched


class Listener(Meter):
    """Keeps what it hears."""

    def __init__(self) -> None:
        self.stages: list[Stage] = []
        self.heard: list[tuple[str, int]] = []

    def began(self, stage: Stage) -> None:
        self.stages.append(stage)

    def moved(self, stage: Stage) -> None:
        self.heard.append((stage.name, stage.done))


def test_nobody_looks():
    step = stage("reading", 10)
    step.advance(4)
    step.advance(6)
    assert (step.name, step.total, step.unit, step.done) == ("reading", 10, "bytes", 10)


def test_the_meter_hears_of_stages_and_their_steps():
    listener = Listener()
    with watched(listener):
        first = stage("reading", 10)
        first.advance(4)
        second = stage("verifying", 64, "samples")
        first.advance(6)  # a thread that was late
        second.advance(1)
    assert listener.stages == [first, second]
    assert (second.total, second.unit) == (64, "samples")
    assert listener.heard == [("reading", 4), ("reading", 10), ("verifying", 1)]


def test_threads_that_never_heard_of_the_meter_advance_its_stage():
    listener = Listener()
    with watched(listener):
        step = stage("searching", 4000)
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(step.advance, [1] * 4000))
    assert step.done == 4000
    assert len(listener.heard) == 4000


def test_the_meter_looks_only_as_long_as_it_is_asked_to():
    outer, inner = Listener(), Listener()

    def fail() -> None:
        stage("folding", 1)
        raise ValueError("mine")

    with watched(outer):
        with pytest.raises(ValueError, match="mine"), watched(inner):
            fail()
        stage("writing", 1)
    stage("checking", 1)
    assert [s.name for s in inner.stages] == ["folding"]
    assert [s.name for s in outer.stages] == ["writing"]
