"""The console by itself: what goes where, and streams that fail."""

from __future__ import annotations

import errno
import io
import json
import os
import sys

import click
import pytest

from lumpcli.cli.console import Console
from lumpcli.errors import OutputError

FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
GONE = BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


class Failing(io.StringIO):
    """A stream on which every write and flush fails."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error
        self.attempts = 0

    def write(self, text: str) -> int:
        self.attempts += 1
        raise self.error

    def flush(self) -> None:
        raise self.error


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("args", "json", "debug"),
    [
        ([], False, False),
        (["stats", "--json"], True, False),
        (["--debug", "reduce", "--nonsense"], False, True),
        (["stats", "--", "--json", "--debug"], False, False),
        (["--json", "--", "--debug"], True, False),
        (["--jsonish"], False, False),
    ],
)
def test_options_seen_before_parsing(args, json, debug):
    console = Console.for_arguments(args)
    assert console == Console(json=json, debug=debug)


def test_results_go_to_stdout_and_notes_to_stderr(capsys):
    console = Console()
    console.note("careful")
    assert not console.written
    console.write("a result")
    assert console.written
    assert capsys.readouterr() == ("a result\n", "lumpcli: careful\n")


def test_results_are_written_as_they_are_and_notes_without_escapes(capsys):
    Console().write("\x1b[1mbold\x1b[0m")
    Console().note("a\x1b[2J\tb\nsecond \u202e")
    out, err = capsys.readouterr()
    assert out == "\x1b[1mbold\x1b[0m\n"
    assert err == "lumpcli: a\\x1b[2J\\tb\nsecond \\u202e\n"


def test_a_closed_pipe_ends_stdout_quietly(monkeypatch, capsys):
    pipe = Failing(GONE)
    monkeypatch.setattr(sys, "stdout", pipe)
    console = Console()
    console.write("one")
    console.write("two")
    assert (console.closed, console.written, pipe.attempts) == (True, True, 1)
    console.note("still here")
    assert capsys.readouterr().err == "lumpcli: still here\n"


def test_a_full_disk_is_an_output_error(monkeypatch):
    monkeypatch.setattr(sys, "stdout", Failing(FULL))
    with pytest.raises(OutputError) as caught:
        Console().write("a result")
    assert str(caught.value) == f"cannot write the report: {FULL.strerror}"
    assert caught.value.__cause__ is FULL
    monkeypatch.setattr(sys, "stdout", Failing(OSError("odd")))
    with pytest.raises(OutputError, match="cannot write the report: odd"):
        Console().write("a result")


@pytest.mark.parametrize(
    "stream", [None, Failing(GONE), Failing(FULL)], ids=["none", "gone", "full"]
)
def test_notes_never_fail(monkeypatch, stream):
    monkeypatch.setattr(sys, "stderr", stream)
    console = Console(debug=True)
    console.note("careful")
    console.complain("one of several")
    assert console.fail(3, "no such file") == 3
    assert not console.closed


def test_no_stdout_at_all(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    console = Console()
    console.write("nobody reads this")
    assert (console.closed, console.finish(1), console.look().width) == (False, 1, None)


def test_failures_on_stderr(capsys):
    assert Console().fail(3, "m.onnx: no such file") == 3
    assert capsys.readouterr() == ("", "lumpcli: error: m.onnx: no such file\n")
    assert Console().fail(130, "interrupted", quiet=True) == 130
    assert capsys.readouterr() == ("", "")


def test_failures_as_json(capsys):
    assert Console(json=True).fail(5, "it exists") == 5
    out, err = capsys.readouterr()
    assert json.loads(out)["error"] == {"exit_code": 5, "message": "it exists"}
    assert err == "lumpcli: error: it exists\n"
    Console(json=True).fail(130, "interrupted", quiet=True)
    out, err = capsys.readouterr()
    assert (json.loads(out)["error"]["exit_code"], err) == (130, "")


def test_stdout_holds_one_json_document_at_most(capsys):
    console = Console(json=True)
    console.write("{}")
    console.fail(4, "then it failed")
    assert capsys.readouterr() == ("{}\n", "lumpcli: error: then it failed\n")


def test_usage_errors_are_shown_by_click(capsys):
    error = click.UsageError("no such option: --x")
    assert Console(debug=True).fail(2, error.format_message(), show=error) == 2
    out, err = capsys.readouterr()
    assert (out, err) == ("", "Error: no such option: --x\n")


def test_a_full_stdout_does_not_hide_the_error(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdout", Failing(FULL))
    assert Console(json=True).fail(3, "no such file") == 3
    assert "lumpcli: error: no such file\n" in capsys.readouterr().err


@pytest.mark.parametrize("debug", [False, True])
def test_tracebacks_only_when_asked(debug, capsys):
    console = Console(debug=debug)
    for tell in (lambda: console.complain("a"), lambda: console.fail(3, "b"), console.trace):
        try:
            raise ZeroDivisionError("by zero")
        except ZeroDivisionError:
            tell()
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith("Traceback (most recent call last):") is debug
        assert ("ZeroDivisionError: by zero\n" in err) is debug


def test_finish_flushes_both_streams_and_keeps_the_code(monkeypatch):
    class Counting(io.StringIO):
        flushed = 0

        def flush(self) -> None:
            self.flushed += 1

    streams = Counting(), Counting()
    monkeypatch.setattr(sys, "stdout", streams[0])
    monkeypatch.setattr(sys, "stderr", streams[1])
    assert Console().finish(7) == 7
    assert [s.flushed for s in streams] == [1, 1]


def test_finish_survives_streams_that_fail(monkeypatch):
    closed = Failing(ValueError("I/O operation on closed file"))
    for stdout, stderr in ((Failing(FULL), closed), (closed, Failing(GONE)), (None, None)):
        monkeypatch.setattr(sys, "stdout", stdout)
        monkeypatch.setattr(sys, "stderr", stderr)
        console = Console()
        assert console.finish(1) == 1
        assert console.closed is (stdout is not None)


def test_silence_throws_away_what_is_still_buffered(tmp_path):
    path = tmp_path / "out"
    with path.open("w") as stream:
        stream.write("seen\n")
        stream.flush()
        stream.write("buffered\n")
        console = Console()
        console.silence(stream)
        stream.write("later\n")
    assert path.read_text() == "seen\n"
    assert not console.closed  # it was not stdout


@pytest.mark.parametrize(
    ("env", "no_color", "color"),
    [
        ({}, False, True),
        ({}, True, False),
        ({"NO_COLOR": "1"}, False, False),
        ({"NO_COLOR": ""}, False, True),
        ({"TERM": "dumb"}, False, False),
    ],
)
def test_the_look_of_a_terminal(monkeypatch, env, no_color, color):
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in {"TERM": "xterm", "COLUMNS": "61", **env}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "stdout", Terminal())
    look = Console(no_color=no_color, verbose=True).look()
    assert (look.width, look.color, look.verbose) == (61, color, True)


def test_the_look_of_a_file(monkeypatch):
    monkeypatch.setenv("COLUMNS", "61")
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    look = Console().look()
    assert (look.width, look.color, look.verbose) == (None, False, False)
