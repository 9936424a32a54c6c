"""The process that compares two large models: reads a request, answers on what was stdout."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
import time
import traceback
import warnings
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from lumpcli.errors import InternalError
from lumpcli.judge.judge import judge
from lumpcli.judge.messages import Advanced, Began, Failed, Ready, Request, Warned
from lumpcli.judge.signature import read_signature
from lumpcli.judge.trial import Case
from lumpcli.progress import Meter, Stage, watched
from lumpcli.results import Verdict

_ORPHANED = 1


def main() -> None:
    """Answer one request and end at once, without taking anything apart."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)  # the parent says what there is to say
    answers = _take_stdout()
    with suppress(OSError):  # where memory is short, Linux shall end this process, not the parent
        Path("/proc/self/oom_score_adj").write_text("500")
    try:
        _say(answers, Ready())
        request: Request = pickle.load(sys.stdin.buffer)
        threading.Thread(target=_end_with_parent, daemon=True).start()
        _say(answers, answer(request, answers))
    except (BrokenPipeError, EOFError, pickle.UnpicklingError):  # the parent is gone
        os._exit(_ORPHANED)
    answers.flush()
    sys.stderr.flush()
    os._exit(0)


def answer(request: Request, answers: IO[bytes]) -> Verdict | Failed:
    """The verdict, or why there is none; warnings and progress are told on the way."""
    # only the difference between two readings of a clock that both processes have
    started = time.monotonic() - max(0.0, time.time() - request.started)
    try:
        with warnings.catch_warnings(record=True) as caught, watched(_Relay(answers)):
            try:
                first, second = read_signature(request.a), read_signature(request.b)
                return judge(Case(first, second, request.settings, started, frugal=True))
            finally:
                for w in caught:
                    _say(answers, Warned(str(w.message), w.category, w.filename, w.lineno))
    except BrokenPipeError:
        raise
    except Exception as error:  # whatever it is, the parent raises it again
        return Failed(_portable(error))


class _Relay(Meter):
    """Tells the parent."""

    def __init__(self, answers: IO[bytes]) -> None:
        self._answers = answers

    def began(self, stage: Stage) -> None:
        _say(self._answers, Began(stage.name, stage.total, stage.unit))
        self._done = 0

    def moved(self, stage: Stage) -> None:
        _say(self._answers, Advanced(stage.done - self._done))
        self._done = stage.done


def _portable(error: Exception) -> Exception:
    """The exception with its traceback as a note; another one when it cannot be sent."""
    note = "in the process that compares the models:\n" + "".join(traceback.format_exception(error))
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # anything may refuse to be pickled, in any way
        error = InternalError(f"{type(error).__name__}: {error}")
    error.add_note(note)
    return error


def _say(answers: IO[bytes], message: Any) -> None:
    pickle.dump(message, answers)
    answers.flush()


def _take_stdout() -> IO[bytes]:
    """What was stdout, for answers alone: whatever else is printed goes to stderr."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return answers


def _end_with_parent() -> None:
    """End when the parent is gone, however it went; stdin is open as long as it lives."""
    while os.read(0, 1):
        pass
    os._exit(_ORPHANED)
