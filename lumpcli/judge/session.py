"""One model in onnxruntime: quiet, repeatable, interruptible."""

from __future__ import annotations

import math
import os
import re
import threading
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import onnxruntime

_SILENT = 4  # onnxruntime's severity "fatal": failures come as exceptions, not as prints
_LONGEST_MESSAGE = 300
_NO_MEMORY = re.compile(r"bad.?alloc|failed to allocate memory|out of memory", re.IGNORECASE)


class Refused(Exception):
    """onnxruntime does not load or run a model; the message says why, in one line."""


class NoMemory(Refused):
    """The same, for want of memory: which says nothing about the model."""


class OutOfTime(Exception):
    """A run was stopped because its deadline had passed."""


def describe_runtime(optimize: bool) -> str:
    """The engine and its settings, as the verdict reports them."""
    optimisations = "default optimisations" if optimize else "optimisations off"
    return f"onnxruntime {onnxruntime.__version__}, CPU, {optimisations}, 1 thread"


class Session:
    """A loaded model; random operators start from `seed`, so equal sessions give equal runs."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        seed: int = 0,
        optimize: bool = False,
        frugal: bool = False,
    ) -> None:
        """Load the model at `path` (its external data lies beside it). Raise Refused, NoMemory.

        frugal: leave weights as they are stored, and external ones mapped: onnxruntime otherwise
        keeps a copy of each matrix in another order, which also takes longer than a few runs.
        """
        options = onnxruntime.SessionOptions()
        options.log_severity_level = _SILENT
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        if not optimize:
            off = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
            options.graph_optimization_level = off
        if frugal:
            options.add_session_config_entry("session.disable_prepacking", "1")
        onnxruntime.set_seed(seed)
        try:
            self._session: Any = onnxruntime.InferenceSession(
                os.fspath(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # its classes share no base below Exception
            raise _refusal(error) from error
        self.outputs = [output.name for output in self._session.get_outputs()]
        self.seconds = 0.0  # of the last run

    def run(self, feeds: Mapping[str, np.ndarray], deadline: float = math.inf) -> dict[str, Any]:
        """All outputs by name. Raise Refused, or OutOfTime past `deadline` (time.monotonic).

        The run is stopped between two operators, also by KeyboardInterrupt, which goes on.
        """
        started = time.monotonic()
        options = onnxruntime.RunOptions()
        options.log_severity_level = _SILENT
        job = _Job(self._session, dict(feeds), options)
        try:
            job.wait(deadline)
        except BaseException:
            options.terminate = True
            job.join()
            raise
        self.seconds = time.monotonic() - started
        if job.error is not None:
            raise _refusal(job.error) from job.error
        return dict(zip(self.outputs, job.values, strict=True))


class _Job(threading.Thread):
    """A run in its own thread: in this one, onnxruntime would hold back SIGINT until it is done."""

    def __init__(self, session: Any, feeds: dict[str, np.ndarray], options: Any) -> None:
        super().__init__(daemon=True)
        self._arguments = (session, feeds, options)
        self.values: list[Any] = []
        self.error: Exception | None = None

    def run(self) -> None:
        session, feeds, options = self._arguments
        try:
            self.values = session.run(None, feeds, options)
        except Exception as error:  # carried to the waiting thread, whatever it is
            self.error = error

    def wait(self, deadline: float) -> None:
        left = deadline - time.monotonic()
        if left <= 0:
            raise OutOfTime
        self.start()
        self.join(None if math.isinf(left) else left)
        if self.is_alive():
            raise OutOfTime

    def join(self, timeout: float | None = None) -> None:
        if self.ident is not None:  # a thread that never started cannot be joined
            super().join(timeout)


def _refusal(error: Exception) -> Refused:
    text = _one_line(error)
    return NoMemory(text) if _NO_MEMORY.search(text) else Refused(text)


def _one_line(error: Exception) -> str:
    """A message in one line, without onnxruntime's prefix, and cut off if it is too long."""
    text = str(error).strip()
    text = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", text)
    text = re.sub(r"^Load model from .*? failed: ?", "", text)
    text = re.sub(r"^/\S+:\d+ .*?\) (?=[A-Z])", "", text, flags=re.DOTALL)  # where in its source
    text = " ".join(text.split()) or type(error).__name__
    return text if len(text) <= _LONGEST_MESSAGE else text[: _LONGEST_MESSAGE - 3] + "..."
