"""How long commands take and how much memory they use, each in a process of its own.

Machines are noisy: commands take turns, round after round, and the best of each counts.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

MEMORY_KNOWN = sys.platform == "linux" and Path("/proc/self/status").exists()
NO_MEMORY = "peak memory is read from Linux's /proc and is not known on this system"
_PAUSE = 0.004  # seconds between two looks at a process


@dataclass(frozen=True)
class Run:
    """One run of a command. `failure` in a word; None: it ended well.

    rss, anon: peak bytes of the process and its children together, all and anonymous (which no
    file stands behind: what a machine must have); None where nobody can tell.
    """

    seconds: float
    rss: int | None
    anon: int | None
    out: str
    failure: str | None


def measure(command: Sequence[str | Path], timeout: float, folder: Path) -> Run:
    """Run a command in a folder until it ends or its time is over, and watch its memory."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        started = time.perf_counter()
        process = subprocess.Popen(
            [str(word) for word in command], stdout=out, stderr=err, cwd=folder, process_group=0
        )
        try:
            rss, anon, late = _watch(process, started + timeout)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        seconds = time.perf_counter() - started
        texts = []
        for stream in (out, err):
            stream.seek(0)
            texts.append(stream.read().decode(errors="replace"))
    failure = f"> {timeout:.0f} s" if late else _failure(process.returncode, texts[1])
    known = (rss, anon) if MEMORY_KNOWN else (None, None)
    return Run(seconds, *known, texts[0], failure)


def _watch(process: subprocess.Popen[bytes], end: float) -> tuple[int, int, bool]:
    """Peak memory until the process ends, and whether it did not in time."""
    rss = anon = 0
    while process.poll() is None:
        if time.perf_counter() > end:
            return rss, anon, True
        if MEMORY_KNOWN:
            now = [_status(pid) for pid in _tree(process.pid)]
            rss = max(rss, sum(found.get("VmRSS", 0) for found in now))
            anon = max(anon, sum(found.get("RssAnon", 0) for found in now))
            if len(now) == 1:  # the kernel's own peak misses nothing between two looks
                rss = max(rss, now[0].get("VmHWM", 0))
        time.sleep(_PAUSE)
    return rss, anon, False


def _status(pid: int) -> dict[str, int]:
    """The memory lines of a process, in bytes; empty when it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return {}
    pairs = (line.split(":", 1) for line in lines if line.endswith(" kB"))
    return {name: int(value.split()[0]) * 1024 for name, value in pairs}


def _tree(pid: int) -> list[int]:
    """A process and all it has started.

    Not those that still are a copy of who started them, about to become another program: they
    share all of its memory, which would count twice.
    """
    found = [(pid, _words(pid))]
    for one, words in found:
        for children in Path(f"/proc/{one}/task").glob("*/children"):
            try:
                pids = [int(child) for child in children.read_text().split()]
            except OSError:
                continue
            found += [(child, w) for child in pids if (w := _words(child)) != words]
    return [one for one, _ in found]


def _words(pid: int) -> bytes:
    """The command a process runs; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _failure(code: int, errors: str) -> str | None:
    """Why a command failed, in a word: the name of its exception or signal."""
    if code == 0:
        return None
    if code < 0:
        return signal.Signals(-code).name
    last = next((line for line in reversed(errors.splitlines()) if line.strip()), "")
    word = last.split(":", 1)[0].split(".")[-1].strip()
    if word == "ModuleNotFoundError":
        return "not installed"
    return word if word.isidentifier() else f"exit code {code}"


def alternate(
    commands: Mapping[str, Sequence[str | Path]],
    rounds: int,
    timeout: float,
    folder: Path,
    budget: float,
) -> dict[str, list[Run]]:
    """Run all commands in turn, `rounds` times; a slow one as often as fits into `budget` seconds.

    That is at least once. A command that failed is not run again.
    """
    runs: dict[str, list[Run]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            spent = sum(run.seconds for run in runs[name])
            again = spent + spent / max(len(runs[name]), 1) <= budget
            if again and not any(run.failure for run in runs[name]):
                runs[name].append(measure(command, timeout, folder))
    return runs


def best(runs: Sequence[Run]) -> Run:
    """The fastest run, with the least of the peaks; the failed one when there is one."""
    failed = [run for run in runs if run.failure]
    if failed:
        return failed[0]
    fastest = min(runs, key=lambda run: run.seconds)
    rss = min((run.rss for run in runs if run.rss is not None), default=None)
    anon = min((run.anon for run in runs if run.anon is not None), default=None)
    return Run(fastest.seconds, rss, anon, fastest.out, None)
