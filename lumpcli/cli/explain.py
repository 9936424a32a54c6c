"""Exceptions as exit codes and messages."""

from __future__ import annotations

from lumpcli.errors import InternalError, LumpError, RunError, UsageError

BUG = InternalError.exit_code


def explain(error: Exception) -> tuple[int, str]:
    """The exit code and the message for whatever a command raised."""
    if isinstance(error, LumpError) and error.exit_code != BUG:
        return error.exit_code, str(error)
    if isinstance(error, MemoryError):
        return RunError.exit_code, f"not enough memory: {error}" if str(
            error
        ) else "not enough memory"
    if isinstance(error, ModuleNotFoundError) and not str(error.name).startswith("lumpcli"):
        what = f"the package {error.name} is missing" if error.name else str(error)
        return UsageError.exit_code, f"{what}; install it and try again"
    if isinstance(error, OSError) and error.strerror:
        name = f"{error.filename}: " if error.filename is not None else ""
        return RunError.exit_code, f"{name}{error.strerror}"
    what = str(error) if isinstance(error, LumpError) else f"{type(error).__name__}: {error}"
    if isinstance(error, RecursionError):
        what = "the model is nested more deeply than lumpcli can follow"
    advice = "run again with --debug for the traceback"
    return BUG, f"this is a bug in lumpcli: {what.rstrip(': ')}; {advice}"
