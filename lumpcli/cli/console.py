"""Where a command writes: results on stdout, the rest on stderr; pipes may close at any time."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, TextIO

import click

from lumpcli.errors import OutputError

if TYPE_CHECKING:
    from lumpcli.report import Look


@dataclass
class Console:
    """The streams of one run and how the user wants them; commands find it as click's `obj`."""

    json: bool = False
    debug: bool = False
    quiet: bool = False
    verbose: bool = False
    no_color: bool = False
    closed: bool = False  # nobody reads stdout any more
    written: bool = False  # something was printed on stdout

    @classmethod
    def for_arguments(cls, args: Sequence[str]) -> Console:
        """A console that knows `--json` and `--debug` even when the arguments cannot be parsed."""
        options = list(takewhile(lambda a: a != "--", args))
        return cls(json="--json" in options, debug="--debug" in options)

    def write(self, text: str) -> None:
        """Print a result on stdout; a closed pipe is quiet.

        Raises OutputError when stdout cannot be written for another reason (a full disk).
        """
        self.written = True
        self._put(sys.stdout, text)

    def note(self, text: str) -> None:
        """Print a message on stderr, after the program's name; never fails."""
        self._try(f"lumpcli: {_safe(text)}")

    def fail(
        self, code: int, message: str, show: click.ClickException | None = None, quiet: bool = False
    ) -> int:
        """Say why there is no result: on stderr, and under `--json` on stdout; returns `code`.

        show: a usage error, which click prints its own way. quiet: nothing on stderr.
        """
        if show is None and not quiet:
            self.trace()
        try:
            if self.json and not self.written:
                from lumpcli.report import error_json

                with suppress(OutputError):  # a full disk must not hide the message below
                    self.write(error_json(code, message))
            if show is not None:
                show.show()
            elif not quiet:
                self.note(f"error: {message}")
        except (OSError, OutputError):
            self.silence(sys.stderr)
        return code

    def complain(self, message: str) -> None:
        """Say what went wrong with one of several inputs, on stderr."""
        self.trace()
        self.note(f"error: {message}")

    def trace(self) -> None:
        """Print the traceback of the exception being handled, under `--debug`."""
        if self.debug:
            import traceback

            self._try(traceback.format_exc().rstrip())

    def finish(self, code: int) -> int:
        """Flush what was written, so that nothing is left to fail when Python exits."""
        for stream in (sys.stdout, sys.stderr):
            try:
                if stream is not None:
                    stream.flush()
            except (OSError, ValueError):
                self.silence(stream)
        return code

    def look(self) -> Look:
        """How a report on stdout should look: the terminal's width, colours, how much of it."""
        from lumpcli.report import Look

        terminal = sys.stdout is not None and sys.stdout.isatty()
        width = None
        if terminal:
            import shutil

            width = shutil.get_terminal_size().columns
        env = os.environ
        plain = self.no_color or bool(env.get("NO_COLOR")) or env.get("TERM") == "dumb"
        return Look(width=width, color=terminal and not plain, verbose=self.verbose)

    def silence(self, stream: TextIO) -> None:
        """Send the rest of a stream nowhere, what is still in its buffer included."""
        self.closed = self.closed or stream is sys.stdout
        try:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
        except (OSError, ValueError):
            pass  # not a file: a test's buffer

    def _try(self, text: str) -> None:
        with suppress(OutputError):
            self._put(sys.stderr, text)

    def _put(self, stream: TextIO | None, text: str) -> None:
        if stream is None or (self.closed and stream is sys.stdout):
            return
        try:
            stream.write(text + "\n")
            stream.flush()
        except BrokenPipeError:
            self.silence(stream)
        except OSError as e:
            self.silence(stream)
            raise OutputError(f"cannot write the report: {e.strerror or e}") from e


def _safe(text: str) -> str:
    """`text` without control characters but for line breaks."""
    from lumpcli.report import printable

    return "\n".join(printable(line) for line in text.splitlines())
