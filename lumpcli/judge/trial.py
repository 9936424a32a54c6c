"""A case to judge: two files, the samples the original accepts, what it makes of them."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from lumpcli.judge.domain import Inside, find_domain, guards
from lumpcli.judge.flatten import Unsupported, flatten
from lumpcli.judge.maxima import gap
from lumpcli.judge.samples import Samples, guesses
from lumpcli.judge.session import OutOfTime, Refused, Session
from lumpcli.judge.settings import PATIENCE, Settings
from lumpcli.judge.signature import Signature
from lumpcli.progress import stage

Outputs = dict[str, np.ndarray]
_MOST_KEPT = 1 << 28  # bytes of outputs
_FAR = 1_000_003  # between two seeds: onnxruntime's generators start from 0 and from 1 alike


@dataclass
class Case:
    """The two files, and how long there is to judge them."""

    a: Signature
    b: Signature
    settings: Settings
    started: float = field(default_factory=lambda: time.monotonic())
    frugal: bool = False  # one model in memory at a time, and neither twice

    @cached_property
    def inside(self) -> Inside | None:
        """Where samples are drawn; None: everywhere. Raise UsageError, InputError."""
        return find_domain(self.a, self.b, self.settings)

    @property
    def uncompared(self) -> frozenset[str]:
        """Outputs of one model alone that say whether an input is in its domain."""
        return guards(self.a, self.b)

    @property
    def deadline(self) -> float:
        """When to stop in the middle of a run."""
        return self.started + (self.settings.timeout or math.inf)

    @property
    def tired(self) -> bool:
        """Whether no further batch should begin."""
        return self.left <= 0

    @property
    def left(self) -> float:
        """Seconds in which batches may begin."""
        return self.started + (self.settings.timeout or PATIENCE) - time.monotonic()

    def session(self, signature: Signature, other: bool = False) -> Session:
        """Load a model; `other`: with another seed for its random operators. Raise Refused."""
        seed = self.settings.seed + (_FAR if other else 0)
        return Session(signature.path, seed, self.settings.optimize, self.frugal)


@dataclass
class Trial:
    """Samples that the original accepts, and what it made of the first of them.

    `first` has None for a sample the original refuses; `session` is None once it is closed.
    """

    samples: Samples
    session: Session | None
    first: list[Outputs | None]
    seconds: list[float]

    def run_original(
        self, case: Case, k: int, feeds: Mapping[str, np.ndarray]
    ) -> tuple[Outputs, float] | None:
        """The original's outputs on batch `k`, and seconds; None for a sample it refuses.

        Such a sample says nothing. Raise OutOfTime, also when the session is closed.
        """
        if k < len(self.first):
            made = self.first[k]
            return None if made is None else (made, self.seconds[k])
        if self.session is None:
            raise OutOfTime
        try:
            made = flatten(self.session.run(feeds, case.deadline))
            return made, self.session.seconds
        except (Refused, Unsupported):
            return None

    def run_ahead(self, case: Case) -> None:
        """Let the original do all its batches, keep what it makes, and close it.

        It gets half of the time left; with what it did not come to, nothing is compared. Where
        its outputs are too large to keep, it stays open and the rest is done batch by batch.
        """
        step = stage("running the original", self.samples.total, "samples")
        end = time.monotonic() + case.left / 2
        kept = 0
        for k in range(len(self.samples)):
            if kept > _MOST_KEPT:
                return
            if k >= len(self.first):
                if time.monotonic() > end:
                    break
                try:
                    made = self.run_original(case, k, self.samples.feeds(k))
                except OutOfTime:
                    break
                self.first.append(made[0] if made else None)
                self.seconds.append(made[1] if made else 0.0)
            kept += sum(array.nbytes for array in (self.first[k] or {}).values())
            step.advance(self.samples.count(k))
        self.session = None


def open_trial(case: Case) -> Trial:
    """Find sizes with which the original runs. Raise Refused with the first reason, OutOfTime."""
    refusal: str | None = None
    session: Session | None = None
    box = None if case.inside is None else case.inside.box
    for guess in guesses(case.a.inputs):
        samples = Samples(case.a, case.settings, guess, box)
        unsupported = samples.unsupported()
        if unsupported:
            raise Refused(unsupported)
        if refusal is not None and samples.oversized:
            continue
        if session is None or case.a.random:  # a failed run leaves random operators further on
            session = _load_original(case)
        try:
            return _probe(case, samples, session)
        except Refused as error:
            refusal = refusal or str(error)
    raise Refused(f"onnxruntime cannot run {case.a.path}: {refusal}{_hint(case.a)}")


def _load_original(case: Case) -> Session:
    try:
        return case.session(case.a)
    except Refused as error:
        raise Refused(f"onnxruntime cannot load {case.a.path}: {error}") from error


def _probe(case: Case, samples: Samples, session: Session) -> Trial:
    trial = Trial(samples, session, [], [])
    for k in range(samples.probes):
        trial.first.append(flatten(session.run(samples.feeds(k), case.deadline)))
        trial.seconds.append(session.seconds)
    return trial


def _hint(signature: Signature) -> str:
    sizes = [d for p in signature.inputs for d in p.shape or () if not isinstance(d, int)]
    if any(isinstance(d, str) for d in sizes):
        return " (give sizes with --dim or --input-shape, or your own data with --input)"
    if sizes:
        return " (give sizes with --input-shape, or your own data with --input)"
    return " (give your own data with --input)" if signature.inputs else ""


def nondeterministic(case: Case, trial: Trial, failed: frozenset[str]) -> str:
    """Why a difference says nothing about B; "" when it does.

    The original is run again on the first batch: with the same seed every output must be the
    same; with another, those in which B differs (their random operators may be numbered anew).
    """
    same = _varying(case, trial, other=False)
    if same:
        return f"nondeterministic: two runs of {case.a.path} differ in {', '.join(sorted(same))}"
    if not failed or not case.a.random:
        return ""
    if failed <= _varying(case, trial, other=True):
        return f"nondeterministic: {case.a.path} draws random numbers ({', '.join(case.a.random)})"
    return ""


def _varying(case: Case, trial: Trial, other: bool) -> set[str]:
    """Outputs of the original that are not the same, to the bit, in a new session."""
    try:
        run = case.session(case.a, other).run(trial.samples.feeds(0), case.deadline)
    except (Refused, OutOfTime):
        return set()
    again, first = flatten(run), trial.first[0] or {}
    return {
        name
        for name, array in first.items()
        if name not in again
        or again[name].shape != array.shape
        or not gap(array, again[name]).identical
    }
