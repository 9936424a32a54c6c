"""`lumpcli verify A B`: are two models the same function?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from lumpcli.api import Settings

EXIT = {"equal": 0, "different": 1, "unverified": 4}


def _check(console: Console, a: str, b: str, certificate: str, samples: Settings | None) -> int:
    from lumpcli.api import check_certificate
    from lumpcli.report import proof_json, proof_text

    proof = check_certificate(a, b, certificate, samples)
    if console.json:
        console.write(proof_json(proof))
    elif not console.quiet:
        console.write(proof_text(proof, console.look()))
    if proof.status == "refused":
        where = proof.layer or proof.tensor
        at = f" at {where}" if where else ""
        console.note(f"error: {certificate} is refused{at}: {proof.reason}")
        return 1
    verdict = proof.verdict
    if verdict is None or verdict.status == "equal":
        return 0
    console.note(
        f"error: proved, but on samples {a} and {b} are {verdict.status}: {verdict.reason}"
    )
    return EXIT[verdict.status]


@click.command(cls=Command, short_help="Are two models the same function?")
@click.argument("a", metavar="A")
@click.argument("b", metavar="B")
@click.option(
    "--certificate",
    metavar="FILE.json",
    help="Check the proof that `reduce --certificate` wrote; samples are compared only if one of "
    "the other options asks for it.",
)
@click.option(
    "--box",
    multiple=True,
    metavar="BOX",
    help="Compare inside this box: lo,hi for all inputs, NAME=lo,hi, FILE.npz or FILE.vnnlib "
    "(repeatable; default: the domain that A or B states, if one does).",
)
@click.option("--everywhere", is_flag=True, help="Compare everywhere, whatever A and B state.")
@verification_options
@click.option("--optimize", is_flag=True, help="Run with onnxruntime's default optimisations.")
@jobs_option
@output_options
@click.pass_obj
def verify(
    console: Console, /, *, a: str, b: str, certificate: str | None, **verification: Any
) -> int:
    """Run the models A and B on the same samples and compare their outputs. B may be a folder of
    slices, which are compared on samples of their box.

    Exit code 0: they agree on all samples. 1: they differ, or have other inputs or outputs.
    4: onnxruntime cannot run them, or their outputs are random.

    With a certificate nothing is run: the reduction of A to B that it describes is derived again,
    step by step. Exit code 0: proved. 1: refused, naming the step.
    """
    if certificate is not None:
        return _check(console, a, b, certificate, settings(**verification))
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
