"""The bar: what it draws, when, and that the line is clean afterwards."""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
import time
from contextlib import contextmanager

import pytest

from lumpcli.cli import bar
from lumpcli.cli.bar import Bar, describe, progress
from lumpcli.cli.console import Console
from lumpcli.progress import Meter, Stage, stage


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def screen(written: str) -> str:
    """What one line shows after all that was written to it."""
    cells: list[str] = []
    at = 0
    for character in written:
        assert character.isprintable() or character == "\r"
        if character == "\r":
            at = 0
            continue
        cells[at : at + 1] = [character]
        at += 1
    return "".join(cells).rstrip()


@contextmanager
def shown(stream, **options):
    """`progress` with that stream as stderr, which pytest sets anew for each test."""
    before, sys.stderr = sys.stderr, stream
    try:
        with progress(Console(**options)):
            yield
    finally:
        sys.stderr = before


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(bar, "_PATIENCE", 0.0)
    monkeypatch.setattr(bar, "_PAUSE", 0.0)
    return Terminal()


def a_stage(name, total, done, unit="bytes"):
    found = Stage(Meter(), name, total, unit)
    found.advance(done)
    return found


@pytest.mark.parametrize(
    ("made", "line"),
    [
        (a_stage("reading", 4 * 10**9, 10**9), f"reading [{'######':-<24}]  25 %  1.0 of 4.0 GB"),
        (a_stage("writing", 2500, 2500), f"writing [{'#' * 24}] 100 %  2.5 of 2.5 kB"),
        (a_stage("writing", 80, 90), f"writing [{'#' * 24}] 100 %  80 of 80 bytes"),
        (a_stage("folding", 0, 0), f"folding [{'-' * 24}]   0 %  0 of 0 bytes"),
        (
            a_stage("verifying", 6400, 64, "samples"),
            f"verifying [{'-' * 24}]   1 %  64 of 6,400 samples",
        ),
    ],
)
def test_a_stage_in_one_line(made, line):
    assert describe(made) == line


def test_it_shows_the_stage_and_is_gone(terminal):
    with shown(terminal):
        first = stage("searching by and by", 100)
        first.advance(50)
        assert screen(terminal.getvalue()) == describe(first)
        second = stage("folding", 10)
        first.advance(50)
        assert screen(terminal.getvalue()) == describe(second)
        second.advance(1)
        assert screen(terminal.getvalue()) == describe(second)
    assert screen(terminal.getvalue()) == ""
    assert terminal.getvalue().endswith("\r")
    size = len(terminal.getvalue())
    second.advance(1)  # a thread that was late
    stage("nobody looks", 1).advance(1)
    assert len(terminal.getvalue()) == size


def test_short_work_shows_nothing(terminal, monkeypatch):
    monkeypatch.setattr(bar, "_PATIENCE", 2.0)
    with shown(terminal):
        stage("reading", 10).advance(5)
    assert terminal.getvalue() == ""


def test_it_is_not_drawn_at_every_step(terminal, monkeypatch):
    monkeypatch.setattr(bar, "_PAUSE", 60.0)
    with shown(terminal):
        step = stage("reading", 1000)
        drawn = terminal.getvalue()
        for _ in range(1000):
            step.advance(1)
        assert terminal.getvalue() == drawn


@pytest.mark.parametrize("option", ["quiet", "json"])
def test_quiet_and_json(terminal, option):
    with shown(terminal, **{option: True}):
        stage("reading", 10).advance(5)
    assert terminal.getvalue() == ""


def test_only_on_a_terminal(terminal, monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    with shown(terminal):
        stage("reading", 10).advance(5)
    assert terminal.getvalue() == ""
    monkeypatch.setenv("TERM", "xterm")
    closed = Terminal()
    closed.close()
    for stream in (io.StringIO(), None, closed):
        with shown(stream):
            stage("reading", 10).advance(5)
        assert not isinstance(stream, io.StringIO) or stream.closed or stream.getvalue() == ""


@pytest.mark.parametrize("columns", ["1", "10", "40"])
def test_narrow_terminals(terminal, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", columns)
    with shown(terminal):
        stage("searching", 10).advance(5)
        assert all(len(part) < int(columns) for part in terminal.getvalue().split("\r"))
    assert screen(terminal.getvalue()) == ""


def test_an_interrupt_leaves_a_clean_line(terminal):
    def work():
        stage("searching", 10).advance(5)
        terminal.write("^C")  # what the terminal itself shows
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), shown(terminal):
        work()
    assert screen(terminal.getvalue()) == ""


def test_a_terminal_that_goes_away(terminal, monkeypatch):
    def fail(text):
        raise OSError(5, "gone")

    with shown(terminal):
        monkeypatch.setattr(terminal, "write", fail)
        stage("searching", 10).advance(5)


def test_threads_draw_one_line(terminal):
    with shown(terminal):
        step = stage("searching", 4000)
        threads = [
            threading.Thread(target=lambda: [step.advance(1) for _ in range(500)]) for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert screen(terminal.getvalue()) == describe(step)
        assert step.done == 4000


def test_nothing_is_drawn_without_a_stage():
    terminal = Terminal()
    Bar(terminal).close()
    assert terminal.getvalue() == ""


WORK = """
from lumpcli.cli import bar
from lumpcli.progress import stage
bar._PATIENCE = 0.0

def work(*args, **options):
    step = stage("searching", 100)
    step.advance(50)
    {rest}
    return samples.EQUAL

api.answers["verify"] = work
"""


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="no pseudo-terminals here")
@pytest.mark.parametrize("number", [None, signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("options", [[], ["-q"], ["--json"]])
def test_on_a_real_terminal(start, number, options):
    master, terminal = os.openpty()
    rest = "time.sleep(0.1)" if number is None else "print('go', flush=True); time.sleep(60)"
    env = {**os.environ, "TERM": "xterm", "COLUMNS": "80"}
    setup = WORK.format(rest=rest)
    process = start("verify", "a.onnx", "b.onnx", *options, setup=setup, stderr=terminal, env=env)
    os.close(terminal)
    if number is not None:
        assert process.stdout is not None
        assert process.stdout.readline() == "go\n"
        time.sleep(0.1)
        process.send_signal(number)
    process.stdout.read()
    assert process.wait(timeout=30) == (130 if number else 0)
    written = b""
    while True:
        try:
            chunk = os.read(master, 1 << 16)
        except OSError:  # how Linux says that the other end is closed
            break
        if not chunk:
            break
        written += chunk
    os.close(master)
    text = written.decode()
    assert ("searching [" in text) == (not options)
    assert screen(text) == ""
