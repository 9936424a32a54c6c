"""A progress bar on stderr: only on a terminal, only for long work, gone when it is done."""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from lumpcli.cli.console import Console
from lumpcli.progress import Meter, Stage, watched

_PATIENCE = 2.0  # seconds without a bar
_PAUSE = 0.1  # seconds between two drawings
_CELLS = 24
_ECHO = 2  # characters a terminal adds for Ctrl-C


@contextmanager
def progress(console: Console) -> Iterator[None]:
    """Show how far the block has come, if anybody looks; afterwards the line is clean."""
    if not _wanted(console, sys.stderr):
        yield
        return
    bar = Bar(sys.stderr)
    try:
        with watched(bar):
            yield
    finally:
        bar.close()


def _wanted(console: Console, stream: TextIO | None) -> bool:
    if console.quiet or console.json or stream is None or os.environ.get("TERM") == "dumb":
        return False
    try:
        return stream.isatty()
    except ValueError:  # closed
        return False


class Bar(Meter):
    """Draws over one line of a terminal; whatever fails there, the work goes on without it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream: TextIO | None = stream
        self._lock = threading.RLock()
        self._stage: Stage | None = None
        self._next = time.monotonic() + _PATIENCE
        self._drawn = 0  # characters on the line

    def began(self, stage: Stage) -> None:
        """Show this stage from now on."""
        with self._lock:
            self._stage = stage
            self._draw()

    def moved(self, stage: Stage) -> None:
        """Draw again, if this is the stage shown and the last drawing is old enough."""
        if stage is self._stage and time.monotonic() >= self._next:
            with self._lock:
                self._draw()

    def close(self) -> None:
        """Erase what is drawn, and draw nothing more."""
        with self._lock:
            if self._drawn:
                self._put("\r" + " " * (self._drawn + _ECHO) + "\r")
            self._drawn = 0
            self._stream = None

    def _draw(self) -> None:
        now = time.monotonic()
        if self._stage is None or now < self._next:
            return
        self._next = now + _PAUSE
        width = shutil.get_terminal_size().columns - _ECHO - 1  # a full line would scroll
        line = describe(self._stage)[: max(width, 0)]
        self._put("\r" + line.ljust(min(self._drawn, width)))
        self._drawn = len(line)

    def _put(self, text: str) -> None:
        if self._stream is None:
            return
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            self._stream = None


def describe(stage: Stage) -> str:
    """A stage in one line: name, bar, percentage, how much of how much."""
    done = min(stage.done, stage.total)
    part = done / stage.total if stage.total > 0 else 0.0
    filled = int(part * _CELLS)
    bar = "#" * filled + "-" * (_CELLS - filled)
    return f"{stage.name} [{bar}] {int(part * 100):3} %  {_amount(stage, done)}"


def _amount(stage: Stage, done: int) -> str:
    if stage.unit != "bytes":
        return f"{done:,} of {stage.total:,} {stage.unit}"
    for name, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if stage.total >= size:
            return f"{done / size:.1f} of {stage.total / size:.1f} {name}"
    return f"{done} of {stage.total} bytes"
