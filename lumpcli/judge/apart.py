"""A comparison in a process of its own: what onnxruntime needs is not added to what we hold."""

from __future__ import annotations

import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any

from lumpcli.judge.messages import Advanced, Began, Failed, Ready, Request, Warned
from lumpcli.judge.session import describe_runtime
from lumpcli.judge.settings import Settings
from lumpcli.progress import Stage, stage
from lumpcli.results import Verdict

# Not multiprocessing: its children import the main module, which may be a script without a guard.
# -P: nothing that happens to lie in the current folder is imported.
_CHILD = "import sys; sys.path[:] = sys.argv[1:]; from lumpcli.judge.child import main; main()"
_GRACE = 10.0  # seconds beyond a timeout, for what the child cannot stop: loading a model
_TICK = 0.5  # seconds; some systems deliver signals only between two waits


class NoChild(Exception):
    """No Python can be started here: a frozen program, an embedded interpreter."""


def verify_apart(
    a: str | os.PathLike[str], b: str | os.PathLike[str], settings: Settings, started: float
) -> Verdict:
    """The same as `judge`, from the same files; `started` (time.time) is when the timeout began.

    A child that is killed, as the system does when memory is short, gives an unverified verdict.
    Raise NoChild, and whatever `judge` and `read_signature` raise.
    """
    request = Request(os.fspath(a), os.fspath(b), settings, started)
    with _child() as process:
        return _answer(process, request)


@contextmanager
def _child() -> Iterator[subprocess.Popen[bytes]]:
    """A child that is gone when the block is left, however that happens."""
    if getattr(sys, "frozen", False) or not sys.executable:
        raise NoChild
    try:
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", _CHILD, *sys.path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # a group of its own: Ctrl-C is for the parent, which then ends the child without a word
            process_group=0,
        )
    except OSError as error:
        raise NoChild from error
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(OSError):  # it had not read all that was written
                    pipe.close()


def _answer(process: subprocess.Popen[bytes], request: Request) -> Verdict:
    heard: queue.SimpleQueue[Any] = queue.SimpleQueue()
    assert process.stdin is not None
    assert process.stdout is not None
    # Threads for both pipes: this one has to stay free for signals and for the timeout.
    threading.Thread(target=_send, args=(process.stdin, request), daemon=True).start()
    threading.Thread(target=_listen, args=(process.stdout, heard), daemon=True).start()
    ready = False
    step: Stage | None = None
    while True:
        message = _next(heard, request)
        if isinstance(message, Ready):
            ready = True
        elif isinstance(message, Began):
            step = stage(message.name, message.total, message.unit)
        elif isinstance(message, Advanced) and step is not None:
            step.advance(message.amount)
        elif isinstance(message, Warned):
            warnings.warn_explicit(message.text, message.category, message.file, message.line)
        elif isinstance(message, Failed):
            raise message.error
        elif isinstance(message, Verdict):
            return message
        elif isinstance(message, _Late):
            timeout = request.settings.timeout
            return _unverified(request, f"no answer within {timeout:g} s")
        elif message is None:
            code = process.wait()
            if not ready and code > 0:
                raise NoChild
            return _unverified(request, f"the process that compares the models {_ended(code)}")


class _Late:
    """The child takes much longer than the timeout."""


def _next(heard: queue.SimpleQueue[Any], request: Request) -> Any:
    """What the child says next; None when it is gone."""
    while True:
        with suppress(queue.Empty):
            return heard.get(timeout=_TICK)
        timeout = request.settings.timeout
        if timeout is not None and time.time() > request.started + timeout + _GRACE:
            return _Late()


def _send(pipe: IO[bytes], request: Request) -> None:
    """The pipe stays open: when it closes, the child knows that its parent is gone."""
    with suppress(OSError, ValueError):  # the child ended, or was ended, early
        pickle.dump(request, pipe)
        pipe.flush()


def _listen(pipe: IO[bytes], heard: queue.SimpleQueue[Any]) -> None:
    try:
        while True:
            heard.put(pickle.load(pipe))
    except Exception:  # the end, or half a message
        heard.put(None)


def _ended(code: int) -> str:
    if code >= 0:
        return f"ended with code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    if name == "SIGKILL":
        return "was killed, probably because memory is short (SIGKILL)"
    return f"was ended by {name}"


def _unverified(request: Request, reason: str) -> Verdict:
    return Verdict(
        status="unverified",
        reason=reason,
        outputs=(),
        samples=0,
        seed=request.settings.seed,
        runtime=describe_runtime(request.settings.optimize),
        referee="skipped: the models were not compared",
    )
