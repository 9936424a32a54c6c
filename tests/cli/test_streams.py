"""Pipes that close, disks that are full, signals, terminals, odd encodings."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from lumpcli.cli.console import Console
from lumpcli.report import stats_text
from tests.cli.conftest import ROOT
from tests.report import samples
from tests.report.schema import load, validate

MANY = "from dataclasses import replace\napi.answers['stats'] = replace(samples.MEASURED, "
MANY += "notes=('a note',) * 20000)"
SLEEP = """
def sleep(*args, **options):
    print("ready", file=sys.stderr, flush=True)
    time.sleep(60)
for verb in ("reduce", "verify", "stats"):
    api.answers[verb] = sleep
"""
posix = pytest.mark.skipif(os.name != "posix", reason="signals and devices of POSIX")


def test_a_closed_pipe_is_quiet(start):
    process = start("stats", "a.onnx", setup=MANY)
    assert process.stdout.readline() == "mlp.onnx\n"
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait() == 0


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (["--help"], 0),
        (["stats", "a.onnx", "b.onnx"], 0),
        (["stats", "a.onnx", "b.onnx", "--fail-if-reducible", "-q"], 1),
        (["stats", "a.onnx", "--json"], 0),
        (["reduce", "a.onnx"], 2),
    ],
)
def test_a_pipe_closed_from_the_start(start, args, code):
    """The exit code is still the answer's."""
    read, write = os.pipe()
    os.close(read)
    process = start(*args, stdout=write)
    os.close(write)
    err = process.stderr.read()
    assert process.wait() == code
    assert "Traceback" not in err
    assert "Broken pipe" not in err
    assert bool(err) == (code != 0)


def test_both_pipes_closed(start):
    read, write = os.pipe()
    os.close(read)
    process = start("stats", "a.onnx", "--fail-if-reducible", stdout=write, stderr=write)
    os.close(write)
    assert process.wait() == 1


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_full_disk(start, options):
    with open("/dev/full", "w") as full:
        process = start("verify", "a.onnx", "b.onnx", *options, stdout=full)
        err = process.stderr.read()
        assert process.wait() == 5
    assert err == "lumpcli: error: cannot write the report: No space left on device\n"


@posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    "args", [["reduce", "a", "b"], ["verify", "a", "b", "--json"], ["stats", "a", "--debug"]]
)
def test_signals(start, number, args):
    process = start(*args, setup=SLEEP)
    assert process.stderr.readline() == "ready\n"
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (130, "")
    if "--json" in args:
        validate(load(out))
    else:
        assert out == ""


@posix
def test_the_handler_of_sigterm_is_put_back(lump, api):
    before = signal.getsignal(signal.SIGTERM)
    seen = []
    api.answers["verify"] = lambda *a, **o: (
        seen.append(signal.getsignal(signal.SIGTERM)) or (samples.EQUAL)
    )
    assert lump("verify", "a", "b").code == 0
    assert seen[0] is not before
    assert signal.getsignal(signal.SIGTERM) is before


@posix
def test_an_ignored_sigterm_stays_ignored(lump, api):
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        api.answers["verify"] = lambda *a, **o: (
            os.kill(os.getpid(), signal.SIGTERM) or samples.EQUAL
        )
        assert lump("verify", "a", "b").code == 0
    finally:
        signal.signal(signal.SIGTERM, before)


def test_no_streams_at_all(start):
    setup = "sys.stdout = sys.stderr = None"
    assert start("stats", "a", "--fail-if-reducible", setup=setup).wait() == 1
    assert start("stats", "--help", setup=setup).wait() == 0


def test_names_that_the_encoding_lacks(start):
    setup = "from dataclasses import replace\n"
    setup += "api.answers['stats'] = replace(samples.MEASURED, source='\\u00df\\u03b1.onnx')"
    env = {**os.environ, "PYTHONIOENCODING": "ascii"}
    process = start("stats", "a", setup=setup, env=env)
    out, err = process.communicate()
    assert (process.returncode, err) == (0, "")
    assert out.startswith("\\xdf\\u03b1.onnx\n")


@posix
@pytest.mark.parametrize(
    ("args", "env", "colored"),
    [
        ([], {}, True),
        (["--no-color"], {}, False),
        ([], {"NO_COLOR": "1"}, False),
        ([], {"NO_COLOR": ""}, True),
        ([], {"TERM": "dumb"}, False),
        (["--json"], {}, False),
    ],
)
def test_colours_on_a_terminal_only(start, args, env, colored):
    import pty

    leader, follower = pty.openpty()
    clean = {k: v for k, v in os.environ.items() if k != "NO_COLOR"} | {"TERM": "xterm"}
    process = start("stats", "a", *args, stdout=follower, env=clean | env)
    assert process.stderr.read() == ""
    assert process.wait() == 0
    os.close(follower)
    text = os.read(leader, 100_000).decode()
    os.close(leader)
    assert "mlp.onnx" in text
    assert ("\x1b[" in text) is colored


def test_no_colours_in_a_pipe(start):
    process = start("stats", "a")
    out, err = process.communicate()
    assert (out, err) == (stats_text(samples.MEASURED) + "\n", "")


def test_the_width_of_a_terminal(monkeypatch):
    class Terminal:
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.setenv("COLUMNS", "77")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    look = Console(verbose=True).look()
    assert (look.width, look.color, look.verbose) == (77, True, True)


def test_json_is_known_before_the_arguments_are_parsed():
    console = Console.for_arguments(["stats", "--json", "--debug"])
    assert (console.json, console.debug) == (True, True)
    console = Console.for_arguments(["stats", "--", "--json"])
    assert (console.json, console.debug) == (False, False)


def test_a_thread_cannot_handle_signals():
    code = (
        "import sys, threading\n"
        "from lumpcli.cli import run\n"
        "codes = []\n"
        "thread = threading.Thread(target=lambda: codes.append(run(['--help'])))\n"
        "thread.start(); thread.join()\n"
        "sys.exit(codes[0])\n"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, cwd=ROOT).returncode == 0
    )
