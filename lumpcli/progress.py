"""How far long work has come: rooms say it, whoever looks may show it, nobody waits for an answer.

Work says `step = stage("searching", bytes)` once and `step.advance(n)` as it goes, from any thread:
the step knows its meter, which a context variable alone would not tell a new thread. Without a
meter (`watched`) nothing happens.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal

Unit = Literal["bytes", "samples", "cells", "slices", "neurons"]


class Stage:
    """A piece of work of known size; the next stage of its meter takes its place."""

    def __init__(self, meter: Meter, name: str, total: int, unit: Unit) -> None:
        self.name, self.total, self.unit = name, total, unit
        self.done = 0
        self._meter = meter
        self._lock = threading.Lock()

    def advance(self, amount: int) -> None:
        """So much more is done; from any thread."""
        with self._lock:
            self.done += amount
        self._meter.moved(self)


class Meter:
    """Shows nothing; one that shows something overrides both methods, which may come from threads.

    They must neither raise nor take long: they are called in the midst of the work.
    """

    def began(self, stage: Stage) -> None:
        """A stage has begun, which ends the one before."""

    def moved(self, stage: Stage) -> None:
        """A stage, perhaps one that is over, has advanced."""


_METER: ContextVar[Meter] = ContextVar("meter")
_SILENT = Meter()


@contextmanager
def watched(meter: Meter) -> Iterator[None]:
    """Send what stages say to a meter, as long as the block lasts."""
    token = _METER.set(meter)
    try:
        yield
    finally:
        _METER.reset(token)


def stage(name: str, total: int, unit: Unit = "bytes") -> Stage:
    """Begin work of that size; `total` may be an estimate."""
    meter = _METER.get(_SILENT)
    begun = Stage(meter, name, total, unit)
    meter.began(begun)
    return begun
