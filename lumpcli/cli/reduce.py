"""`lumpcli reduce IN OUT`: make a model smaller, verify it, write it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from lumpcli.cli.bar import progress
from lumpcli.cli.console import Console
from lumpcli.cli.options import (
    LEVELS,
    PASSES,
    Command,
    bounds_options,
    freeze_option,
    jobs_option,
    output_options,
    settings,
    split_passes,
    verification_options,
)

if TYPE_CHECKING:
    from lumpcli.api import Assurance, Guard, Level, Semantics

EXIT = {"equal": 0, "different": 1, "unverified": 4}


@click.command(cls=Command, short_help="Make a model smaller: reduce, verify, write.")
@click.argument("source", metavar="IN")
@click.argument("output", metavar="[OUT]", required=False)
@click.option(
    "--level",
    type=click.Choice(LEVELS),
    default="exact",
    show_default=True,
    help="exact: equal as real functions, each folded weight rounded once when stored. strict: "
    "only where nothing is rounded. rounding: also rows that are proportional up to the "
    "rounding of the stored type.",
)
@click.option(
    "--passes",
    metavar="A,B",
    callback=split_passes,
    help=f"What to cut: {', '.join(PASSES)}; all of them when not given.",
)
@click.option(
    "--only",
    multiple=True,
    metavar="PATTERN",
    help="Cut only layers whose output tensor or node matches (globs; repeatable).",
)
@click.option(
    "--exclude", multiple=True, metavar="PATTERN", help="Never cut these layers (repeatable)."
)
@click.option("--force", is_flag=True, help="Replace OUT if it exists.")
@click.option("--dry-run", is_flag=True, help="Do everything but write OUT.")
@click.option("--no-verify", is_flag=True, help="Write OUT without comparing it with IN.")
@click.option(
    "--certificate",
    metavar="FILE.json",
    help="Write a proof beside OUT, for `lumpcli verify IN OUT --certificate FILE.json`.",
)
@click.option(
    "--box",
    multiple=True,
    metavar="BOX",
    help="Inputs lie in a box: LO,HI for all, NAME=LO,HI, an .npz of bounds or a .vnnlib file "
    "(repeatable). OUT is the same function there; outside it may be another.",
)
@bounds_options
@click.option(
    "--milp",
    is_flag=True,
    help="Ask a solver about neurons that bounds leave open, 10 s each (extra milp). What it says "
    "is no proof.",
)
@click.option(
    "--assurance",
    type=click.Choice(("rigorous", "numerical")),
    default="rigorous",
    show_default=True,
    help="What cuts may rest on. numerical: also on what the solver of --milp says.",
)
@click.option(
    "--guard",
    type=click.Choice(("clip", "output")),
    help="What OUT does with inputs outside the box. clip: takes the nearest inside. output: says "
    "so, in one more output.",
)
@click.option(
    "--redundancy",
    metavar="KIND,...",
    help="Also replace ReLUs whose going changes outputs in the box by no more than --eps: phase, "
    "forward, relaxed, constant; or result: the greatest output stays the greatest.",
)
@click.option("--eps", type=click.FloatRange(min=0), help="What --redundancy may change.")
@click.option(
    "--layers-later",
    type=click.IntRange(min=1),
    metavar="K",
    help="For --redundancy forward: no value K layers later changes by more (default: no output).",
)
@freeze_option
@jobs_option
@verification_options
@output_options
@click.pass_obj
def reduce(
    console: Console,
    /,
    *,
    source: str,
    output: str | None,
    level: Level,
    passes: tuple[str, ...] | None,
    only: tuple[str, ...],
    exclude: tuple[str, ...],
    force: bool,
    dry_run: bool,
    no_verify: bool,
    certificate: str | None,
    box: tuple[str, ...],
    semantics: Semantics,
    time_budget: float | None,
    milp: bool,
    assurance: Assurance,
    guard: Guard | None,
    redundancy: str | None,
    eps: float | None,
    layers_later: int | None,
    freeze_initializers: bool,
    jobs: int | None,
    **verification: Any,
) -> int:
    """Remove from the model IN what its outputs do not need, verify the result against IN, and
    write it to OUT. OUT may be left out with --dry-run.

    Removed are features (neurons) that nothing reads, that are constant, or that are multiples of
    others. When there is nothing to remove, OUT is a copy of IN. OUT is written only once it is
    verified; otherwise it stays as it was.
    """
    if output is None and not dry_run:
        raise click.UsageError("Missing argument 'OUT'; without it, only --dry-run is possible.")
    about_box = (time_budget, guard, redundancy)
    switched = semantics != "real" or assurance != "rigorous" or milp
    if not box and (switched or any(option is not None for option in about_box)):
        told = "--semantics, --time-budget, --milp, --assurance, --guard and --redundancy"
        raise click.UsageError(f"{told} are about a box: --box.")
    if redundancy is None and (eps is not None or layers_later is not None):
        raise click.UsageError("--eps and --layers-later are about --redundancy.")
    from lumpcli.api import Granted, Request
    from lumpcli.api import reduce as api_reduce

    granted = None
    if box:
        request = None
        if redundancy is not None:
            kinds: tuple[Any, ...] = tuple(kind.strip() for kind in redundancy.split(","))
            request = Request(kinds, eps or 0.0, layers_later)
        seed = verification["seed"] or 0
        about = (box, semantics, time_budget, seed, guard, request, milp, assurance)
        granted = Granted(*about)
    with progress(console):
        result = api_reduce(
            source,
            output,
            level=level,
            passes=passes,
            only=only,
            exclude=exclude,
            force=force,
            dry_run=dry_run,
            check=not no_verify,
            freeze_initializers=freeze_initializers,
            certificate=certificate,
            granted=granted,
            settings=settings(**verification),
            jobs=jobs,
        )
    from lumpcli.report import reduce_json, reduce_text

    if console.json:
        console.write(reduce_json(result))
    elif not console.quiet:
        console.write(reduce_text(result, console.look()))
    verdict = result.verdict
    if verdict is None or verdict.status == "equal":
        return 0
    failed = {
        "different": f"the reduced model is not the same function as {source}",
        "unverified": f"the reduced model could not be verified against {source}",
    }[verdict.status]
    wrote = "nothing was written" if output is None else f"{output} was not written"
    console.note(f"error: {failed}; {wrote}: {verdict.reason}")
    return EXIT[verdict.status]
