"""Every error a user can cause, each with the exit code the command line gives it."""

from __future__ import annotations

from typing import ClassVar


class LumpError(Exception):
    """Root of all errors lumpcli raises on purpose; `exit_code` is what the process returns."""

    exit_code: ClassVar[int] = 4


class UsageError(LumpError):
    """An option is wrong, or needs another option or a package that is missing."""

    exit_code: ClassVar[int] = 2


class InputError(LumpError):
    """The input model cannot be read: missing, not ONNX, broken graph, missing or short data."""

    exit_code: ClassVar[int] = 3


class RunError(LumpError):
    """onnxruntime cannot run the model, or something else failed while running."""

    exit_code: ClassVar[int] = 4


class OutputError(LumpError):
    """The output exists and may not be replaced, or cannot be written."""

    exit_code: ClassVar[int] = 5


class InternalError(LumpError):
    """One of lumpcli's own checks failed: a bug in lumpcli, never the user's fault."""

    exit_code: ClassVar[int] = 70
