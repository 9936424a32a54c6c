"""`slice_model`: one small, verified model for each slice of a box, and which to take where."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from lumpcli.api.boxed import Granted
from lumpcli.api.planning import threads
from lumpcli.api.verbs import reduce
from lumpcli.bounds import Semantics
from lumpcli.box import Box
from lumpcli.errors import OutputError, UsageError
from lumpcli.exporter import publish, staging, state_domain
from lumpcli.family import TABLE, Member, Table, Tree, box_to_dict, table_json
from lumpcli.judge import Settings, verify_family, verify_single
from lumpcli.loader import load, read_model
from lumpcli.measures import features, parameters
from lumpcli.passes import LINEAR, PASSES
from lumpcli.progress import stage
from lumpcli.results import Sizes, Sliced, Verdict
from lumpcli.slicing import (
    SINGLE,
    Journal,
    Request,
    Types,
    bisect,
    digest,
    file_name,
    input_types,
    pool,
    replace_text,
    single_model,
)

# What to cut, and what to be content with: linear features are made of others with rounded numbers,
# which may be too much where outputs are small. Without passes the slice is the model as it is.
_ATTEMPTS = ((*PASSES, LINEAR), tuple(PASSES), ())
_BATCH_SECONDS = 1.0  # after which a task hands back what it has not begun


@dataclass(frozen=True)
class Job:
    """What is the same for all slices, as it is sent to processes. `granted` is the whole box."""

    source: Path
    folder: Path
    tree: Tree
    box: Box
    granted: Granted
    types: Types
    settings: Settings


@dataclass(frozen=True)
class Made:
    """What became of a slice: `member` is None where it was not verified."""

    number: int
    member: Member | None
    verdict: Verdict | None


class _Unverified(Exception):
    """A model is not, or not known to be, what it should be; the argument is the verdict."""


def slice_model(
    source: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    box: Box | Sequence[str],
    slices: int,
    single_file: bool = False,
    semantics: Semantics = "real",
    budget: float | None = None,
    samples: int = 16,
    seed: int = 0,
    force: bool = False,
    jobs: int | None = 1,
    dask: str | None = None,
) -> Sliced:
    """Cut a box into slices, and write to a folder what is left of the model in each of them.

    `box` is a Box, or entries as on the command line. There are at most so many `slices`, fewer
    where cutting more would settle nothing. `slices.json` says which file is for which part of the
    box; `single_file`: one more model that selects its slice itself, for one sample at a time.
    Each slice is verified on so many `samples` of it, then all are together. `budget`: seconds for
    the bounds of each slice; without it the same request gives the same files.

    A folder that a run with the same request has left is gone on with: what is done is not done
    again. `jobs` processes make slices, None: one per core; a script that asks for several must be
    importable (`if __name__ == "__main__"`). `dask`: the address of a scheduler whose workers
    do it, on a file system that they share with this process.

    Where a slice, or all together, cannot be verified `Sliced.table` is None. Raises UsageError,
    InputError, OutputError, and RunError when a process is lost.
    """
    if slices < 1:
        raise UsageError(f"slices must be at least 1, not {slices}")
    settings, workers = Settings(samples=samples, seed=seed), threads(jobs)
    settings.check()
    host = load(source)
    if host.data_files:
        raise UsageError("a model with external data cannot be sliced: each slice would copy it")
    granted = Granted(box, semantics, budget, seed)
    types = input_types(host.graph, granted.on(host))
    whole = granted.on(host).inward(types)
    path, place = Path(source).absolute(), Path(folder).absolute()
    request = _request(path, whole, slices, granted, samples)
    journal = Journal.open(place, request, partial(bisect, host, whole, slices), force)
    granted = replace(granted, box=whole)
    job = Job(path, place, journal.tree, whole, granted, types, settings)
    resumed, table, single = len(journal.members), None, None
    try:
        _make_all(job, journal, workers, dask)
        verdict = _publish_table(job, journal)
        table = TABLE
        if single_file:
            _publish_single(job)
            single = SINGLE
    except _Unverified as failure:
        verdict = failure.args[0]
    members = journal.members.values()
    return Sliced(
        source=os.fspath(source),
        folder=os.fspath(folder),
        table=table,
        single_file=single,
        asked=slices,
        slices=journal.tree.slices,
        depth=journal.tree.depth,
        resumed=resumed,
        features=_sizes(features(host.net), [m.features for m in members]),
        parameters=_sizes(parameters(host), [m.parameters for m in members]),
        file_bytes=_sizes(path.stat().st_size, [m.bytes for m in members]),
        seed=seed,
        notes=tuple(f"{m.file}: {m.note}" for m in members if m.note),
        verdict=verdict,
    )


def _request(path: Path, box: Box, slices: int, granted: Granted, samples: int) -> Request:
    """What the slices depend on, as JSON types."""
    return {
        "source_sha256": digest(path),
        "box": box_to_dict(box),
        "slices": slices,
        "semantics": granted.semantics,
        "budget": granted.budget,
        "seed": granted.seed,
        "samples": samples,
    }


def _sizes(original: int, found: list[int]) -> Sizes:
    mean = sum(found) / max(len(found), 1)
    return Sizes(original, mean, min(found, default=0), max(found, default=0))


# --- the slices ---------------------------------------------------------------------------


def _make_all(job: Job, journal: Journal, jobs: int, dask: str | None) -> None:
    """Make what is not done yet. Raises _Unverified for the first slice that is not verified."""
    numbers = [k for k in range(job.tree.slices) if k not in journal.members]
    step = stage("slicing", job.tree.slices, "slices")
    step.advance(len(journal.members))
    if not numbers:
        return
    try:
        with pool(jobs, dask) as workers:
            for made in workers.run(partial(make_some, job), numbers):
                if made.member is None:
                    raise _Unverified(made.verdict)
                journal.add(made.number, made.member)
                step.advance(1)
    finally:
        journal.tidy()


def make_some(job: Job, numbers: Sequence[int]) -> list[Made]:
    """Make slices until a second has gone, at least one; also called in other processes."""
    domains = job.tree.domains(job.box)
    end = time.monotonic() + _BATCH_SECONDS
    made: list[Made] = []
    for number in numbers:
        made.append(_make(job, number, domains[number]))
        if time.monotonic() > end:
            break
    return made


def _make(job: Job, number: int, domain: Box) -> Made:
    """Cut all that can be, or less where that is not verified to be the same function."""
    target, note = job.folder / file_name(number), ""
    for passes in _ATTEMPTS:
        result = reduce(
            job.source,
            target,
            force=True,
            passes=passes,
            granted=replace(job.granted, box=domain),
            settings=job.settings,
            jobs=1,
        )
        if result.output is not None:
            sizes = (result.file_bytes.after, result.features.after, result.parameters.after)
            return Made(number, Member(target.name, digest(target), *sizes, note), result.verdict)
        note = "" if result.verdict is None else result.verdict.reason
    return Made(number, None, result.verdict)


# --- all slices together ------------------------------------------------------------------


def _publish_table(job: Job, journal: Journal) -> Verdict:
    """Write the table; when the slices together are not the model, remove it: _Unverified."""
    members = tuple(journal.members[k] for k in range(job.tree.slices))
    name, seed = job.source.name, job.granted.seed
    table = Table(name, digest(job.source), seed, job.box, job.tree, members)
    try:
        replace_text(job.folder / TABLE, table_json(table))
    except OSError as error:
        raise OutputError(f"{job.folder / TABLE} cannot be written: {error.strerror}") from None
    verdict = verify_family(job.source, job.folder, job.settings)
    if verdict.status != "equal":
        (job.folder / TABLE).unlink()
        raise _Unverified(verdict)
    return verdict


def _publish_single(job: Job) -> None:
    """Write the model that selects its slice, once it is verified; otherwise _Unverified."""
    original, _ = read_model(job.source, whole=True)
    files = [job.folder / file_name(k) for k in range(job.tree.slices)]
    slices = [read_model(file, whole=True)[0] for file in files]
    model = single_model(original, slices, job.tree, job.types)
    state_domain(model, job.box)
    target = job.folder / SINGLE
    with staging(target) as folder:
        (folder / SINGLE).write_bytes(model.SerializeToString())
        verdict = verify_single(job.source, folder / SINGLE, job.folder, job.settings)
        if verdict.status != "equal":
            raise _Unverified(verdict)
        publish(folder, [SINGLE], target)
