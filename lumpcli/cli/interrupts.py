"""SIGINT and SIGTERM: both interrupt, but not while extension modules are being imported.

Those turn a KeyboardInterrupt into an error of their own, lose it, or abort.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """What has been asked to stop; `seen` once a signal came."""

    def __init__(self) -> None:
        self.seen = False
        self._deferred = False

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        self.seen = True
        if not self._deferred:
            raise KeyboardInterrupt

    @contextmanager
    def handled(self) -> Iterator[None]:
        """Let both signals raise KeyboardInterrupt, unless they are ignored."""
        before: dict[signal.Signals, Any] = {}
        self.seen = False
        try:
            for number in _SIGNALS:
                handler = signal.getsignal(number)
                if handler in (signal.SIG_DFL, signal.default_int_handler):
                    signal.signal(number, self._handle)
                    before[number] = handler
        except ValueError:  # not the main thread
            pass
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Interrupt only at the end."""
        self._deferred = True
        try:
            yield
        finally:
            self._deferred = False
            if self.seen:
                raise KeyboardInterrupt


INTERRUPTS = Interrupts()
