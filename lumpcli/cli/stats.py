"""`lumpcli stats MODEL...`: what is in there, and what could go."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lumpcli.cli.bar import progress
from lumpcli.cli.console import Console
from lumpcli.cli.explain import explain
from lumpcli.cli.options import Command, freeze_option, jobs_option, output_options, percentage
from lumpcli.errors import UsageError

if TYPE_CHECKING:
    from lumpcli.api import Stats
    from lumpcli.report import Exceeded, Failure


@click.command(cls=Command, short_help="What is in a model, and what could go?")
@click.argument("models", metavar="MODEL...", nargs=-1, required=True)
@click.option("--deep", is_flag=True, help="Also the nearest miss and the numerical rank; slow.")
@click.option(
    "--fail-if-reducible", is_flag=True, help="Exit with 1 if any feature of a model could go."
)
@click.option(
    "--max-reducible",
    type=float,
    metavar="PERCENT",
    callback=percentage,
    help="Exit with 1 if more of a model's hidden features could go.",
)
@freeze_option
@jobs_option
@output_options
@click.pass_obj
def stats(
    console: Console,
    /,
    *,
    models: tuple[str, ...],
    deep: bool,
    fail_if_reducible: bool,
    max_reducible: float | None,
    freeze_initializers: bool,
    jobs: int | None,
) -> int:
    """Print for each MODEL, layer by layer, its width, parameters and MACs, how many features
    `reduce` would remove and why, and why a layer cannot be cut.

    All models are looked at, also when one of them cannot be read; the exit code is the worst
    (highest) of all.
    """
    from lumpcli.api import stats as api_stats
    from lumpcli.report import Failure, stats_json, stats_line, stats_text

    entries: list[Stats | Failure] = []
    exceeded: list[Exceeded] = []
    codes = [0]
    look = console.look()
    gated = fail_if_reducible or max_reducible is not None
    for model in models:
        try:
            with progress(console):
                found = api_stats(
                    model, deep=deep, freeze_initializers=freeze_initializers, jobs=jobs
                )
        except UsageError:
            raise
        except Exception as e:
            code, message = explain(e)
            entries.append(Failure(model, code, message))
            codes.append(code)
            console.complain(message)
            continue
        gates = _gates(found, model, fail_if_reducible, max_reducible)
        if console.quiet and not console.json:
            console.write(stats_line(found))
        elif not console.json:
            console.write(("\n" if entries else "") + stats_text(found, look))
        for gate in gates:
            codes.append(1)
            console.note(f"error: {_sentence(gate)}")
        entries.append(found)
        exceeded += gates
        if console.closed and not gated:
            break
    if console.json:
        console.write(stats_json(entries, exceeded))
    return max(codes)


def _gates(found: Stats, source: str, fail: bool, limit: float | None) -> list[Exceeded]:
    """The gates this model does not pass."""
    from lumpcli.report import Exceeded

    counts = (found.reducible, found.reducible_percent)
    gates = []
    if fail and found.reducible > 0:
        gates.append(Exceeded(source, "--fail-if-reducible", 0.0, *counts))
    if limit is not None and found.reducible_percent > limit:
        gates.append(Exceeded(source, "--max-reducible", limit, *counts))
    return gates


def _sentence(gate: Exceeded) -> str:
    found = f"{gate.reducible:,} hidden features ({gate.reducible_percent:.1f} %) are reducible"
    allowed = "none may be" if gate.gate == "--fail-if-reducible" else f"{gate.limit:g} % may be"
    return f"{gate.source}: {found}, {allowed} ({gate.gate})"
