"""The group `lumpcli` and the one place where exceptions become messages and exit codes.

Commands are imported when they are invoked: `lumpcli --help` needs click and nothing else.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import NamedTuple, NoReturn

import click

from lumpcli.cli.console import Console
from lumpcli.cli.explain import explain
from lumpcli.cli.interrupts import INTERRUPTS

INTERRUPTED = 130


class Entry(NamedTuple):
    """Where a command lives and what the list of commands says about it."""

    module: str
    attribute: str
    summary: str


COMMANDS = {
    "reduce": Entry("lumpcli.cli.reduce", "reduce", "Make a model smaller: reduce, verify, write."),
    "slice": Entry("lumpcli.cli.slice", "slice_", "Cut a box into slices: a small model for each."),
    "verify": Entry("lumpcli.cli.verify", "verify", "Are two models the same function?"),
    "stats": Entry("lumpcli.cli.stats", "stats", "What is in a model, and what could go?"),
}


class Root(click.Group):
    """A group whose commands are imported only when they are invoked."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the commands, in the order a user meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, imported now; None when there is none."""
        if cmd_name not in COMMANDS:
            return None
        entry = COMMANDS[cmd_name]
        command: click.Command = getattr(importlib.import_module(entry.module), entry.attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands in `--help`, without importing any of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.summary) for name, entry in COMMANDS.items()])


def _print_version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        import lumpcli

        ctx.ensure_object(Console).write(f"lumpcli {lumpcli.__version__}")
        ctx.exit()


@click.group(cls=Root, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Show the version and exit.",
)
def cli() -> None:
    """Make ONNX networks smaller without changing what they compute.

    \b
    lumpcli stats model.onnx               what could go
    lumpcli reduce model.onnx small.onnx   remove it, verify, write
    lumpcli verify model.onnx small.onnx   compare two models

    Exit codes: 0 done; 1 the answer is no (models differ, a threshold is exceeded); 2 usage;
    3 the input cannot be read; 4 the model cannot be run, so not be verified; 5 the output exists
    or cannot be written; 70 a bug in lumpcli; 130 interrupted.
    """


def main() -> NoReturn:
    """The console script and `python -m lumpcli`: answer sys.argv, then exit."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # names that the terminal's encoding lacks
            stream.reconfigure(errors="backslashreplace")
    sys.exit(run(sys.argv[1:]))


def run(args: Sequence[str]) -> int:
    """Answer the arguments (without the program's name) and return the exit code.

    Prints to sys.stdout and sys.stderr, raises nothing.
    """
    console = Console.for_arguments(args)
    with INTERRUPTS.handled():
        try:
            return console.finish(_run(list(args), console))
        except KeyboardInterrupt:
            return INTERRUPTED


def _run(args: list[str], console: Console) -> int:
    try:
        with cli.make_context("lumpcli", args, obj=console) as ctx:
            return cli.invoke(ctx) or 0
    except click.exceptions.Exit as e:
        return e.exit_code
    except (KeyboardInterrupt, click.Abort):
        return console.fail(INTERRUPTED, "interrupted", quiet=True)
    except click.ClickException as e:
        return console.fail(e.exit_code, e.format_message(), show=e)
    except BrokenPipeError:  # click's own output: help
        console.silence(sys.stdout)
        return 0
    except Exception as e:
        if INTERRUPTS.seen:  # an extension module made another error of it
            return console.fail(INTERRUPTED, "interrupted", quiet=True)
        return console.fail(*explain(e))
