"""Tables of measurements in Markdown, and the machine they come from."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import lumpcli

_PACKAGES = ("numpy", "onnx", "onnxruntime", "onnxslim", "onnxsim", "onnxoptimizer")


@dataclass
class Table:
    """A table with a title, a sentence on what it shows, and notes below it."""

    title: str
    about: str
    heading: Sequence[str]
    rows: list[Sequence[str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def markdown(self) -> str:
        """The first column to the left, the others to the right, as wide as they must be."""
        cells = [list(self.heading), *(list(row) for row in self.rows)]
        widths = [max(len(row[k]) for row in cells) for k in range(len(self.heading))]
        lines = [
            "| "
            + " | ".join(
                text.ljust(w) if k == 0 else text.rjust(w)
                for k, (text, w) in enumerate(zip(row, widths, strict=True))
            )
            + " |"
            for row in cells
        ]
        rule = ["-" * widths[0], *("-" * (w - 1) + ":" for w in widths[1:])]
        lines.insert(1, "| " + " | ".join(rule) + " |")
        notes = "".join(f"\n{note}\n" for note in self.notes)
        return f"## {self.title}\n\n{self.about}\n\n" + "\n".join(lines) + "\n" + notes


def ratio(value: float | None, of: float | None) -> str:
    """How many times as much; empty when one of them is not known."""
    if value is None or not of:
        return ""
    number = value / of
    return f"{number:.2f}" if number < 10 else f"{number:,.0f}"


def seconds(value: float) -> str:
    """Seconds in three figures."""
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def megabytes(value: float | None) -> str:
    """Millions of bytes; empty when not known."""
    return "" if value is None else f"{value / 1e6:,.0f}"


def machine() -> str:
    """A sentence on the machine and the versions, without names of people or places."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = _memory()
    words = [
        _processor(),
        f"{cores} cores",
        *([f"{memory / 1e9:.0f} GB of memory"] if memory else []),
        f"{platform.system()} {platform.release()}",
        f"Python {platform.python_version()}",
        f"lumpcli {lumpcli.__version__}{_commit()}",
        *(f"{name} {_version(name)}" for name in _PACKAGES),
    ]
    load = (
        f" Load average when it began: {os.getloadavg()[0]:.1f}."
        if hasattr(os, "getloadavg")
        else ""
    )
    return f"{date.today().isoformat()}: {', '.join(words)}.{load}"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _commit() -> str:
    """The commit of a checkout that is measured, and whether it was changed since."""
    folder = str(Path(lumpcli.__file__).parent)
    try:
        done = subprocess.run(
            ["git", "-C", folder, "describe", "--always", "--dirty"],
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return ""
    return f" ({done.stdout.strip()})" if done.returncode == 0 else ""


def _processor() -> str:
    """The processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _memory() -> int:
    """Bytes of memory; 0 when not known."""
    if sys.platform == "win32" or "SC_PHYS_PAGES" not in os.sysconf_names:
        return 0
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
