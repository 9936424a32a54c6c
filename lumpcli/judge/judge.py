"""Run two models on the same samples, batch by batch, and judge what comes out."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Literal

from lumpcli.judge.arrays import write_witness
from lumpcli.judge.compare import Comparison
from lumpcli.judge.flatten import Unsupported, flatten
from lumpcli.judge.opinion import Opinion, decide, judge_rows
from lumpcli.judge.referee import SECONDS, Referee
from lumpcli.judge.session import NoMemory, OutOfTime, Refused, Session, describe_runtime
from lumpcli.judge.signature import difference
from lumpcli.judge.trial import Case, Trial, nondeterministic, open_trial
from lumpcli.progress import stage
from lumpcli.results import Verdict


def judge(case: Case) -> Verdict:
    """Whether model `b` computes what the original `a` does, on samples: see `verify`.

    Raise UsageError for settings that do not fit the model, InputError for a domain that cannot be
    read, OutputError for a witness that cannot be written.
    """
    sentence = difference(case.a, case.b, case.uncompared)
    if sentence is not None:
        return _verdict(case, "different", sentence)
    try:
        trial = open_trial(case)
    except (Refused, Unsupported) as refusal:
        return _verdict(case, "unverified", str(refusal))
    except OutOfTime:
        timeout = case.settings.timeout
        return _verdict(case, "unverified", f"no sample was done within {timeout:g} s")
    if case.frugal:
        trial.run_ahead(case)
    return _compare(case, trial)


def _verdict(
    case: Case,
    status: Literal["equal", "different", "unverified"],
    reason: str,
    opinion: Opinion | None = None,
    samples: int = 0,
    note: str = "",
    witness: str | None = None,
) -> Verdict:
    opinion = opinion or Opinion((), (), "skipped: the models were not compared")
    return Verdict(
        status=status,
        reason=reason,
        outputs=tuple(row.comparison for row in opinion.rows),
        samples=samples,
        seed=case.settings.seed,
        runtime=describe_runtime(case.settings.optimize) + note,
        referee=opinion.referee,
        witness=witness,
        domain=None if case.inside is None else case.inside.summary,
        uncompared=tuple(sorted(case.uncompared)),
    )


@dataclass
class _Progress:
    """What was compared, so far."""

    comparison: Comparison
    samples: int = 0
    crash: tuple[str, int] | None = None  # why B does not run, and on which batch
    starved: str = ""  # why B could not run, which is not its fault
    late: bool = False


def _compare(case: Case, trial: Trial) -> Verdict:
    referee = Referee(case.a, case.b, _referee_seconds(case))
    if not case.settings.referee:
        referee.skipped = "not asked for"
    progress = _Progress(Comparison("onnxruntime", case.uncompared))
    try:
        _run(case, trial, case.session(case.b), progress, referee)
    except NoMemory as error:
        return _verdict(case, "unverified", f"{case.b.path} cannot be loaded: {error}")
    except Refused as error:
        return _verdict(case, "different", f"{case.b.path} does not run: {error}")
    trial.session = None  # what remains to be asked is asked of a new one
    return _conclude(case, trial, progress, referee)


def _referee_seconds(case: Case) -> float:
    """The referee gets at most a quarter of the user's time."""
    timeout = case.settings.timeout
    return SECONDS if timeout is None else min(SECONDS, timeout / 4)


def _run(case: Case, trial: Trial, other: Session, progress: _Progress, referee: Referee) -> None:
    """Compare batch by batch, until all are done, time runs out or B breaks down."""
    step = stage("verifying", trial.samples.total, "samples")
    for k in range(len(trial.samples)):
        if case.tired and (k or case.settings.timeout):
            progress.late = True
        if progress.late or not _step(case, trial, other, progress, referee, k):
            break
        step.advance(trial.samples.count(k))


def _step(
    case: Case, trial: Trial, other: Session, progress: _Progress, referee: Referee, k: int
) -> bool:
    """Compare one batch; False when time ran out or B broke down."""
    feeds = trial.samples.feeds(k)
    try:
        made = trial.run_original(case, k, feeds)
        if made is None:
            return True
        a, seconds = made
        b = flatten(other.run(feeds, case.deadline))
    except OutOfTime:
        progress.late = True
        return False
    except NoMemory as error:
        progress.starved = f"{case.b.path} cannot be run: {error}"
        return False
    except (Refused, Unsupported) as error:
        progress.crash = (f"{case.b.path} does not run: {error}", k)
        return False
    progress.comparison.add(a, b, k)
    progress.samples += trial.samples.count(k)
    referee.observe(feeds, a, k, trial.samples.count(k), seconds)
    return True


def _conclude(case: Case, trial: Trial, progress: _Progress, referee: Referee) -> Verdict:
    opinion = judge_rows(case.a, case.settings, progress.comparison, referee, progress.samples)
    note = ""
    if progress.late:
        note = f", stopped after {time.monotonic() - case.started:.0f} s"

    def verdict(
        status: Literal["equal", "different", "unverified"], reason: str, batch: int | None = None
    ) -> Verdict:
        witness = None if batch is None else _witness(case, trial, batch)
        return _verdict(case, status, reason, opinion, progress.samples, note, witness)

    if progress.starved:
        return verdict("unverified", progress.starved)
    if progress.crash:
        return verdict("different", *progress.crash)
    if not progress.samples:
        return verdict("unverified", f"no sample was done within {case.settings.timeout:g} s")
    failed = decide(opinion)
    if failed or not progress.comparison.identical:
        reason = nondeterministic(case, trial, opinion.failed)
        if reason:
            return verdict("unverified", reason)
    if failed:
        return verdict("different", *failed)
    return verdict("equal", "") if _tells(progress) else verdict("unverified", _NOTHING)


_NOTHING = (
    "every output is NaN or infinite on every sample, which says nothing: "
    "give your own data with --input"
)


def _tells(progress: _Progress) -> bool:
    tallies = progress.comparison.tallies.values()
    return not tallies or any(t.finite for t in tallies)


def _witness(case: Case, trial: Trial, batch: int) -> str | None:
    if case.settings.witness is None:
        return None
    write_witness(case.settings.witness, trial.samples.feeds(batch))
    return str(case.settings.witness)
