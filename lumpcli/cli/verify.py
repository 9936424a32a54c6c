"""`lumpcli verify A B`: are two models the same function?"""

from __future__ import annotations

from typing import Any

import click

from lumpcli.cli.bar import progress
from lumpcli.cli.console import Console
from lumpcli.cli.options import (
    Command,
    jobs_option,
    output_options,
    settings,
    verification_options,
)

EXIT = {"equal": 0, "different": 1, "unverified": 4}


@click.command(cls=Command, short_help="Are two models the same function?")
@click.argument("a", metavar="A")
@click.argument("b", metavar="B")
@verification_options
@click.option("--optimize", is_flag=True, help="Run with onnxruntime's default optimisations.")
@jobs_option
@output_options
@click.pass_obj
def verify(console: Console, /, *, a: str, b: str, **verification: Any) -> int:
    """Run the models A and B on the same samples and compare their outputs.

    Exit code 0: they agree on all samples. 1: they differ, or have other inputs or outputs.
    4: onnxruntime cannot run them, or their outputs are random.
    """
    from lumpcli.api import verify as api_verify

    with progress(console):
        verdict = api_verify(a, b, settings(**verification))
    from lumpcli.report import verify_json, verify_text

    if console.json:
        console.write(verify_json(verdict))
    elif not console.quiet:
        console.write(verify_text(verdict, console.look()))
    if verdict.status != "equal":
        what = "differ" if verdict.status == "different" else "could not be compared"
        console.note(f"error: {a} and {b} {what}: {verdict.reason}")
    return EXIT[verdict.status]
