"""A folder of slices against the network they were made of: sampled, dispatched, compared.

Every slice gets samples inside, on faces and at corners, so the faces between slices are looked
at as well. What computes a sample is what the table says, as it is for anybody who uses it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from lumpcli.box import Array, summarise
from lumpcli.errors import UsageError
from lumpcli.family import TABLE, Table, read_table
from lumpcli.judge.arrays import write_witness
from lumpcli.judge.compare import Comparison
from lumpcli.judge.flatten import Unsupported, flatten
from lumpcli.judge.opinion import decide, judge_rows
from lumpcli.judge.referee import Referee
from lumpcli.judge.session import OutOfTime, Refused, Session, describe_runtime
from lumpcli.judge.settings import Settings
from lumpcli.judge.signature import Signature, difference, read_signature
from lumpcli.judge.trial import Case
from lumpcli.progress import stage
from lumpcli.results import Verdict

Name = str | os.PathLike[str]
Status = Literal["equal", "different", "unverified"]
Parts = Sequence[tuple[Path, Array]]  # a file, and the numbers of the samples that it is for


def verify_family(a: Name, folder: Name, settings: Settings) -> Verdict:
    """Whether the slices in a folder compute what model `a` does, on samples of their box.

    At least one sample is drawn of each slice; the verdict is as that of `verify`. Raises
    InputError for what cannot be read, UsageError for settings that are not for slices, OutputError
    for a witness that cannot be written.
    """
    drawn = _drawn(a, folder, settings)
    numbers = drawn.table.tree.locate(drawn.points)
    files = [Path(folder) / member.file for member in drawn.table.members]
    parts = [(file, np.flatnonzero(numbers == k)) for k, file in enumerate(files)]
    return _judge(read_signature(a), parts, drawn, settings)


def verify_single(a: Name, b: Name, folder: Name, settings: Settings) -> Verdict:
    """The same for one file `b` that selects the slice itself; the folder says of which box."""
    drawn = _drawn(a, folder, settings)
    count = len(next(iter(drawn.points.values())))
    return _judge(read_signature(a), [(Path(b), np.arange(count))], drawn, settings)


@dataclass(frozen=True)
class _Drawn:
    """A table, and samples (samples, *shape) of all its slices."""

    table: Table
    points: Mapping[str, Array]


def _drawn(a: Name, folder: Name, settings: Settings) -> _Drawn:
    settings.check()
    given = settings.inputs, settings.input_shapes, settings.dims, settings.box
    if any(given) or settings.everywhere:
        raise UsageError("slices are compared on samples of their box: no inputs, shapes, boxes")
    table = read_table(Path(folder))
    types = {port.name: port.dtype for port in read_signature(a).inputs}
    if set(types) != set(table.box.ranges):
        raise UsageError(f"{os.fspath(folder)} is about other inputs than those of {os.fspath(a)}")
    domains = table.tree.domains(table.box)
    shares = np.array_split(np.arange(max(settings.samples, len(domains))), len(domains))
    rng = np.random.default_rng(settings.seed)
    drawn = [d.sample(rng, len(share)) for d, share in zip(domains, shares, strict=True)]
    points = {n: np.concatenate([d[n] for d in drawn]).astype(t) for n, t in types.items()}
    return _Drawn(table, points)


class _Stop(Exception):
    """No further sample is compared; the arguments are the status and the reason."""


@dataclass
class _Run:
    """What was compared, so far."""

    comparison: Comparison = field(default_factory=lambda: Comparison("onnxruntime"))
    samples: int = 0
    late: bool = False


def _judge(a: Signature, parts: Parts, drawn: _Drawn, settings: Settings) -> Verdict:
    case, run = Case(a, a, settings), _Run()
    try:
        _compare(case, parts, drawn.points, run)
    except _Stop as stop:
        return _verdict(case, drawn, run, *stop.args)
    except OutOfTime:
        run.late = True
    return _verdict(case, drawn, run)


def _compare(case: Case, parts: Parts, points: Mapping[str, Array], run: _Run) -> None:
    """Compare file by file and sample by sample. Raise _Stop, and OutOfTime when time is out."""
    original = _session(case, case.a, "unverified")
    step = stage("verifying", sum(len(numbers) for _, numbers in parts), "samples")
    for path, numbers in parts:
        signature = read_signature(path)
        sentence = difference(case.a, signature)
        if sentence is not None:
            raise _Stop("different", f"{path}: {sentence}")
        if not len(numbers):
            continue
        session = _session(case, signature, "different")
        for number in numbers.tolist():
            if case.tired and run.samples:
                raise OutOfTime
            feeds = {name: array[number] for name, array in points.items()}
            ours = _outputs(case, original, case.a, "unverified", feeds)
            theirs = _outputs(case, session, signature, "different", feeds)
            run.comparison.add(ours, theirs, number)
            run.samples += 1
        step.advance(len(numbers))


def _session(case: Case, signature: Signature, status: str) -> Session:
    try:
        return case.session(signature)
    except Refused as error:
        raise _Stop(status, f"onnxruntime cannot load {signature.path}: {error}") from None


def _outputs(
    case: Case, session: Session, signature: Signature, status: str, feeds: Mapping[str, Array]
) -> dict[str, Array]:
    try:
        return flatten(session.run(feeds, case.deadline))
    except (Refused, Unsupported) as error:
        raise _Stop(status, f"{signature.path} does not run: {error}") from None


def _verdict(
    case: Case,
    drawn: _Drawn,
    run: _Run,
    status: Status = "equal",
    reason: str = "",
) -> Verdict:
    referee = Referee(case.a, case.a)
    referee.skipped = "slices are compared in onnxruntime alone"
    opinion = judge_rows(case.a, case.settings, run.comparison, referee, run.samples)
    failed = decide(opinion)
    witness = None
    if status == "equal" and failed is not None:
        status, (reason, number) = "different", failed
        witness = _witness(case, {name: array[number] for name, array in drawn.points.items()})
    if status == "equal" and not run.samples:
        status, reason = "unverified", "no sample was done in time"
    return Verdict(
        status=status,
        reason=reason,
        outputs=tuple(row.comparison for row in opinion.rows),
        samples=run.samples,
        seed=case.settings.seed,
        runtime=describe_runtime(case.settings.optimize) + (", out of time" if run.late else ""),
        referee=opinion.referee,
        witness=witness,
        domain=summarise(drawn.table.box, f"stated by {TABLE}"),
    )


def _witness(case: Case, feeds: Mapping[str, Array]) -> str | None:
    if case.settings.witness is None:
        return None
    write_witness(case.settings.witness, feeds)
    return str(case.settings.witness)
