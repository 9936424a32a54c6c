"""The group and the one place where exceptions become exit codes, with a command made up here."""

from __future__ import annotations

import io
import signal
import sys
import types

import click
import pytest

from lumpcli.cli import root
from lumpcli.cli.console import Console
from lumpcli.cli.interrupts import INTERRUPTS
from lumpcli.errors import InputError
from tests.report.schema import load, validate


@pytest.fixture
def probe(monkeypatch):
    """Registers the command `probe`, which does what it is given."""

    def register(action):
        @click.command()
        @click.option("--json", is_flag=True)
        @click.pass_obj
        def command(console, json):
            return action(console)

        module = types.ModuleType("tests_probe")
        module.probe = command
        monkeypatch.setitem(sys.modules, "tests_probe", module)
        entry = root.Entry("tests_probe", "probe", "Does as it is told.")
        monkeypatch.setitem(root.COMMANDS, "probe", entry)

    return register


def raising(error):
    def action(console):
        raise error

    return action


def test_commands_are_what_the_list_says():
    context = click.Context(root.cli)
    assert root.cli.list_commands(context) == ["reduce", "slice", "verify", "stats"]
    for name, entry in root.COMMANDS.items():
        command = root.cli.get_command(context, name)
        assert isinstance(command, click.Command)
        assert command.name == name
        assert entry.summary.endswith((".", "?"))
    assert root.cli.get_command(context, "redu") is None


def test_the_list_in_the_help_imports_nothing(monkeypatch, capsys):
    entry = root.Entry("no_such_module", "x", "Cannot be imported.")
    monkeypatch.setitem(root.COMMANDS, "ghost", entry)
    assert root.run(["--help"]) == 0
    out, err = capsys.readouterr()
    assert "  ghost   Cannot be imported." in out
    assert err == ""


@pytest.mark.parametrize(("answer", "code"), [(None, 0), (0, 0), (1, 1), (5, 5)])
def test_what_a_command_returns_is_the_exit_code(probe, answer, code):
    probe(lambda console: answer)
    assert root.run(["probe"]) == code


def test_a_command_gets_the_console(probe, capsys):
    seen = []
    probe(lambda console: seen.append(console) or console.write("an answer"))
    assert root.run(["probe", "--json"]) == 0
    assert (type(seen[0]), seen[0].json, seen[0].written) == (Console, True, True)
    assert capsys.readouterr() == ("an answer\n", "")


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (InputError("no such file"), 3, "no such file"),
        (ZeroDivisionError("by zero"), 70, "this is a bug in lumpcli: ZeroDivisionError: by zero"),
        (click.UsageError("no such option"), 2, "no such option"),
    ],
)
def test_errors_of_a_command(probe, capsys, error, code, message):
    probe(raising(error))
    assert root.run(["probe"]) == code
    out, err = capsys.readouterr()
    assert (out, message in err) == ("", True)
    assert root.run(["probe", "--json"]) == code
    document = load(capsys.readouterr().out)
    validate(document)
    assert document["error"]["exit_code"] == code
    assert document["error"]["message"].startswith(message)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), click.Abort()], ids=["signal", "abort"])
def test_interrupted_commands_are_quiet(probe, capsys, error):
    probe(raising(error))
    assert root.run(["probe"]) == root.INTERRUPTED == 130
    assert capsys.readouterr() == ("", "")
    assert root.run(["probe", "--json"]) == 130
    out, err = capsys.readouterr()
    assert (load(out)["error"], err) == ({"exit_code": 130, "message": "interrupted"}, "")


def test_a_signal_counts_whatever_error_was_made_of_it(probe, capsys):
    def action(console):
        try:
            signal.raise_signal(signal.SIGTERM)
        except KeyboardInterrupt:
            raise ImportError("numpy could not be imported") from None

    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        probe(action)
        assert root.run(["probe"]) == 130
    finally:
        signal.signal(signal.SIGTERM, before)
    assert capsys.readouterr() == ("", "")
    probe(raising(ImportError("numpy could not be imported")))
    assert root.run(["probe"]) == 70  # the signal of the last run is forgotten
    assert not INTERRUPTS.seen


def test_an_interrupt_while_failing(probe, monkeypatch):
    def interrupted(*args, **options):
        raise KeyboardInterrupt

    probe(raising(InputError("no such file")))
    monkeypatch.setattr(Console, "fail", interrupted)
    assert root.run(["probe"]) == 130


def test_a_pipe_that_closes_while_click_prints(probe, capsys):
    probe(raising(BrokenPipeError()))
    assert root.run(["probe"]) == 0
    assert capsys.readouterr() == ("", "")


def test_exit_codes_of_click_are_kept(probe):
    probe(raising(click.exceptions.Exit(4)))
    assert root.run(["probe"]) == 4


@pytest.mark.parametrize("args", [["nonsense"], ["--nonsense"], ["probe", "extra"]])
def test_usage_errors(probe, capsys, args):
    probe(lambda console: 0)
    assert root.run(args) == 2
    out, err = capsys.readouterr()
    assert (out, err.startswith("Usage: lumpcli")) == ("", True)
    assert args[-1] in err


def test_version(capsys):
    import lumpcli

    assert root.run(["--version"]) == 0
    assert capsys.readouterr() == (f"lumpcli {lumpcli.__version__}\n", "")


def test_main_answers_the_arguments_and_exits(monkeypatch, probe):
    probe(lambda console: console.write("\u03b1"))
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    monkeypatch.setattr(sys, "argv", ["lumpcli", "probe"])
    with pytest.raises(SystemExit) as caught:
        root.main()
    assert caught.value.code == 0
    assert raw.getvalue() == b"\\u03b1\n"
