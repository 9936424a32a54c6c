"""What a process that compares models and its parent say to each other, one pickle after another.

After these comes the Verdict itself.
"""

from __future__ import annotations

from dataclasses import dataclass

from lumpcli.judge.settings import Settings
from lumpcli.progress import Unit


@dataclass(frozen=True)
class Request:
    """To the child: what to compare. `started`: when the timeout began, as time.time has it."""

    a: str
    b: str
    settings: Settings
    started: float


@dataclass(frozen=True)
class Ready:
    """The child has imported what it needs."""


@dataclass(frozen=True)
class Began:
    """A stage of the work began."""

    name: str
    total: int
    unit: Unit


@dataclass(frozen=True)
class Advanced:
    """The stage advanced."""

    amount: int


@dataclass(frozen=True)
class Warned:
    """A warning, to be given again where somebody listens."""

    text: str
    category: type[Warning]
    file: str
    line: int


@dataclass(frozen=True)
class Failed:
    """The exception that ended the comparison; its traceback is among its notes."""

    error: Exception
