"""`lumpcli slice IN OUTDIR`: cut a box of inputs into slices, and make a small model for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lumpcli.cli.bar import progress
from lumpcli.cli.console import Console
from lumpcli.cli.options import Command, bounds_options, output_options

if TYPE_CHECKING:
    from lumpcli.api import Semantics

EXIT = {"equal": 0, "different": 1, "unverified": 4}


@click.command("slice", cls=Command, short_help="Cut a box into slices: a small model for each.")
@click.argument("source", metavar="IN")
@click.argument("folder", metavar="OUTDIR")
@click.option(
    "--box",
    multiple=True,
    required=True,
    metavar="BOX",
    help="Where inputs lie: LO,HI for all, NAME=LO,HI, an .npz of bounds or a .vnnlib file "
    "(repeatable).",
)
@click.option(
    "--slices",
    type=click.IntRange(min=1),
    required=True,
    metavar="N",
    help="How many to make at most; fewer where cutting more would settle nothing.",
)
@click.option(
    "--single-file",
    is_flag=True,
    help="Also write single.onnx, which selects its slice itself, for one sample at a time.",
)
@bounds_options
@click.option(
    "--samples",
    type=click.IntRange(min=1),
    default=16,
    show_default=True,
    metavar="N",
    help="Samples to verify each slice on.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**31 - 1),
    default=0,
    show_default=True,
    metavar="N",
    help="Seed of samples.",
)
@click.option("--force", is_flag=True, help="Replace the slices of another run in OUTDIR.")
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    metavar="N",
    help="Processes that make slices (default: one per core).",
)
@click.option(
    "--dask",
    metavar="ADDRESS",
    help="Let the workers of a dask scheduler make the slices, e.g. tcp://host:8786; they must see "
    "the same files.",
)
@output_options
@click.pass_obj
def slice_(
    console: Console,
    /,
    *,
    source: str,
    folder: str,
    box: tuple[str, ...],
    slices: int,
    single_file: bool,
    semantics: Semantics,
    time_budget: float | None,
    samples: int,
    seed: int,
    force: bool,
    jobs: int | None,
    dask: str | None,
) -> int:
    """Cut a box of inputs where bounds leave most open, and write to OUTDIR what is left of the
    model IN in each slice, and slices.json, which says which file is for which part of the box.

    Every slice is verified before it is written, and all of them together afterwards. A run that
    was interrupted is resumed by the same command: slices that are done are not done again.
    """
    if jobs is not None and dask is not None:
        raise click.UsageError("--jobs and --dask exclude each other")
    from lumpcli.api import slice_model
    from lumpcli.report import slice_json, slice_text

    with progress(console):
        sliced = slice_model(
            source,
            folder,
            box=box,
            slices=slices,
            single_file=single_file,
            semantics=semantics,
            budget=time_budget,
            samples=samples,
            seed=seed,
            force=force,
            jobs=jobs,
            dask=dask,
        )
    if console.json:
        console.write(slice_json(sliced))
    elif not console.quiet:
        console.write(slice_text(sliced, console.look()))
    verdict = sliced.verdict
    if verdict is None or verdict.status == "equal":
        return 0
    what = "differ" if verdict.status == "different" else "could not be compared"
    console.note(f"error: {source} and the slices in {folder} {what}: {verdict.reason}")
    return EXIT[verdict.status]
