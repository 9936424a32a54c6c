"""lumpcli: smaller ONNX networks that compute the same function.

The public names are imported when they are first used, so that `import lumpcli` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    __version__: str
    from lumpcli.api import (
        Granted,
        Request,
        Settings,
        check_certificate,
        load_inputs,
        reduce,
        slice_model,
        stats,
        verify,
    )
    from lumpcli.errors import (
        InputError,
        InternalError,
        LumpError,
        OutputError,
        RunError,
        UsageError,
    )
    from lumpcli.results import Proof, Result, Sliced, Stats, Verdict

_PUBLIC = {
    **dict.fromkeys(
        (
            "Granted",
            "Request",
            "Settings",
            "check_certificate",
            "load_inputs",
            "reduce",
            "slice_model",
            "stats",
            "verify",
        ),
        "lumpcli.api",
    ),
    **dict.fromkeys(
        ("InputError", "InternalError", "LumpError", "OutputError", "RunError", "UsageError"),
        "lumpcli.errors",
    ),
    **dict.fromkeys(("Proof", "Result", "Sliced", "Stats", "Verdict"), "lumpcli.results"),
}

__all__ = [
    "Granted",
    "InputError",
    "InternalError",
    "LumpError",
    "OutputError",
    "Proof",
    "Request",
    "Result",
    "RunError",
    "Settings",
    "Sliced",
    "Stats",
    "UsageError",
    "Verdict",
    "check_certificate",
    "load_inputs",
    "reduce",
    "slice_model",
    "stats",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return _version()
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("lumpcli")
    except PackageNotFoundError:  # run from a source tree that is not installed
        return "0+unknown"


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC])
