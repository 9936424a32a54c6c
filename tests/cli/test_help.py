"""`--help`, `--version`, and what they import."""

from __future__ import annotations

import subprocess
import sys

import pytest

from lumpcli.cli import COMMANDS
from tests.cli.conftest import ROOT

PRINT_MODULES = """
import sys
from lumpcli.cli import run
code = run(sys.argv[1:])
print(code, *sorted(sys.modules), file=sys.stderr)
"""
HEAVY = {"numpy", "onnx", "onnxruntime", "lumpcli.api"}


def imported(*args: str) -> tuple[int, str, set[str]]:
    command = [sys.executable, "-c", PRINT_MODULES, *args]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    code, *modules = done.stderr.split()
    return int(code), done.stdout, set(modules)


@pytest.mark.parametrize("option", ["--help", "-h", "--version"])
def test_help_and_version_import_next_to_nothing(option):
    code, out, modules = imported(option)
    assert code == 0
    assert out
    commands = {entry.module for entry in COMMANDS.values()}
    assert not modules & (HEAVY | commands | {"lumpcli.results", "lumpcli.report"})


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_imports_only_that_command(command):
    code, out, modules = imported(command, "--help")
    assert code == 0
    assert out.startswith(f"Usage: lumpcli {command} [OPTIONS]")
    others = {entry.module for name, entry in COMMANDS.items() if name != command}
    assert not modules & (HEAVY | others | {"lumpcli.results", "lumpcli.report"})


def test_module_and_script_are_the_same():
    command = [sys.executable, "-m", "lumpcli", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.startswith("Usage: lumpcli [OPTIONS] COMMAND")
    assert done.stderr == ""


def test_help_lists_the_commands_as_they_describe_themselves(lump):
    ran = lump("--help")
    assert (ran.code, ran.err) == (0, "")
    for name, entry in COMMANDS.items():
        assert f"  {name} " in ran.out
        assert entry.summary in ran.out


def test_version(lump):
    ran = lump("--version")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("lumpcli ")


def test_no_command_is_a_usage_error(lump):
    ran = lump()
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("Usage: lumpcli")
