"""The command line: `run` answers arguments with an exit code, `main` is the console script."""

from __future__ import annotations

from lumpcli.cli.root import COMMANDS, cli, main, run

__all__ = ["COMMANDS", "cli", "main", "run"]
