"""`verify`: two files and settings in, a verdict out; large models in a process of their own."""

from __future__ import annotations

import os
import time

from lumpcli.judge.apart import NoChild, verify_apart
from lumpcli.judge.family import verify_family
from lumpcli.judge.judge import judge
from lumpcli.judge.settings import Settings
from lumpcli.judge.signature import read_signature
from lumpcli.judge.trial import Case
from lumpcli.results import Verdict

Path = str | os.PathLike[str]
LARGE = 64 << 20  # bytes of two models together; below, a process takes longer than it spares
_DEFAULT = Settings()


def verify(a: Path, b: Path, settings: Settings = _DEFAULT) -> Verdict:
    """Whether model `b` computes what the original `a` does, on samples.

    `equal`: same inputs and outputs, and every output within tolerance on every sample.
    `different`: not so, or `b` does not run where `a` does. `unverified`: onnxruntime does not run
    `a`, `a` does not agree with itself, or there is no memory for it. Both latter have a reason;
    neither is an exception. A folder `b` is one of slices: see `verify_family`.

    Raise InputError for a file that cannot be read, UsageError for settings that do not fit the
    model, OutputError for a witness that cannot be written.
    """
    if os.path.isdir(b):
        return verify_family(a, b, settings)
    settings.check()
    started = time.time()
    if _file_size(a) + _file_size(b) > LARGE:  # not even to be parsed here
        return _apart(a, b, settings, started)
    first, second = read_signature(a), read_signature(b)
    if first.size + second.size > LARGE:
        return _apart(a, b, settings, started)
    return judge(Case(first, second, settings))


def _apart(a: Path, b: Path, settings: Settings, started: float) -> Verdict:
    try:
        return verify_apart(a, b, settings, started)
    except NoChild:
        return judge(Case(read_signature(a), read_signature(b), settings, frugal=True))


def _file_size(path: Path) -> int:
    """Bytes of the file alone; 0 when there is none, which `read_signature` explains."""
    try:
        return os.stat(path).st_size
    except (OSError, ValueError):
        return 0
