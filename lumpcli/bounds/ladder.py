"""The ladder of bounds: cheap ones first, dearer ones for what is left."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal

import numpy as np

from lumpcli.bounds.backward import State, least
from lumpcli.bounds.lowering import input_shapes, lower, made_by_none, narrow_inputs
from lumpcli.bounds.milp import Limits, candidates, settle, solver
from lumpcli.bounds.program import Program
from lumpcli.bounds.rounding import Arithmetic, Array, Range
from lumpcli.bounds.samples import Seen, climb, sample
from lumpcli.bounds.slopes import Search
from lumpcli.bounds.splitting import Splitting
from lumpcli.bounds.sweep import Minimum, open_elements, sweep
from lumpcli.box import Box
from lumpcli.errors import UsageError
from lumpcli.loader import Host
from lumpcli.progress import stage

Semantics = Literal["real", "float32"]
Assurance = Literal["rigorous", "numerical"]
RUNGS = ("interval", "crown", "alpha", "split")  # what they find is rigorous
MILP = "milp"  # the rung after them: what a solver finds is numerical
MOST_SPLIT_INPUTS = 16
MOST_WORK = 2**30  # entries of rows that one tensor is bounded with: some seconds


@dataclass(frozen=True)
class Bounds:
    """Of one tensor that an activation reads; all arrays have its shape for one sample.

    `lower` and `upper` are float64, `phase` is int8: 1 where it is proved that the element is never
    below 0, -1 where never above, 0 where unknown. `method` is the number of the rung in `RUNGS`
    that decided the phase, -1 for none. `refuted`: samples were seen on both sides of 0. All of
    this is rigorous. `numerical`, int8 like `phase`, is what a solver says where that is unknown,
    within its tolerance: it is no proof, and 0 elsewhere.
    """

    lower: Array
    upper: Array
    phase: Array
    method: Array
    refuted: Array
    numerical: Array


@dataclass(frozen=True)
class Phases:
    """What is known on a box.

    `tensors`: bounds by tensor; `unbounded`: tensors that could not be followed, and why;
    `cells`: how many cells the splitting has bounded. `ends`: lower and upper bounds of tensors
    that no layer makes, with their shapes for one sample.
    """

    tensors: Mapping[str, Bounds]
    unbounded: Mapping[str, str]
    semantics: Semantics
    cells: int
    ends: Mapping[str, tuple[Array, Array]] = field(default_factory=dict)

    def counts(self) -> dict[str, int]:
        """How many elements each rung has decided."""
        methods = [b.method.reshape(-1) for b in self.tensors.values()]
        found = np.concatenate(methods) if methods else np.zeros(0, np.int8)
        return {rung: int((found == number).sum()) for number, rung in enumerate(RUNGS)}

    def accepting(self, assurance: Assurance) -> Phases:
        """With "numerical", what a solver says counts as a phase: what rests on it is no proof."""
        if assurance == "rigorous":
            return self
        tensors = {
            name: replace(b, phase=np.where(b.phase == 0, b.numerical, b.phase))
            for name, b in self.tensors.items()
        }
        return replace(self, tensors=tensors)


@dataclass(frozen=True)
class _Effort:
    """How much each rung may do; see `ladder`."""

    seed: int
    samples: int
    cells: int
    jobs: int
    seconds: float


def ladder(
    host: Host,
    box: Box,
    *,
    rungs: Sequence[str] = RUNGS,
    seed: int = 0,
    budget: float | None = None,
    semantics: Semantics = "real",
    jobs: int = 1,
    samples: int = 8192,
    cells: int = 40_000,
    seconds: float = 10.0,
) -> Phases:
    """Bounds of every tensor that an activation of the model reads, on a box, for one sample.

    `semantics`: claims hold for real arithmetic on the stored numbers, or for float32 with sums in
    any order. `samples` are looked at before, and at most `cells` bounded by splitting, which is
    for networks of at most 16 inputs. The same seed gives the same result, for any number of
    `jobs` (threads), unless `budget`, seconds, ends the work. The rung MILP, which is not among the
    rigorous `RUNGS`, asks a solver, in at most `seconds` per element. Raises UsageError for a box
    that does not fit the model, an unknown rung, float32 where the model computes in less, and MILP
    without its solver, or for float32.
    """
    unknown = [rung for rung in rungs if rung not in (*RUNGS, MILP)]
    if unknown or semantics not in ("real", "float32"):
        raise UsageError(f"bounds: no such rung or semantics: {(*unknown, semantics)[0]!r}")
    box.matches(input_shapes(host.graph))
    if semantics == "float32" and narrow_inputs(host.graph):
        raise UsageError(f"bounds: {narrow_inputs(host.graph)[0]!r} is narrower than float32")
    if MILP in rungs:
        if semantics == "float32":
            raise UsageError("bounds: a solver's verdicts are about real arithmetic, not float32")
        solver()
    program = lower(host)
    effort = _Effort(seed, samples, cells, jobs, seconds)
    climber = _Climber(program, box, Arithmetic(semantics == "float32"), budget)
    for rung in (*RUNGS, MILP):
        if rung in rungs and climber.in_time():
            climber.rungs[rung](effort)
    return climber.result(semantics, made_by_none(host))


class _Climber:
    """The best state so far, and which rung decided what."""

    def __init__(
        self, program: Program, box: Box, arithmetic: Arithmetic, budget: float | None
    ) -> None:
        self.program, self.box, self.arithmetic = program, box, arithmetic
        self.end = None if budget is None else time.monotonic() + budget
        self.inputs = {
            tensor.step: Range(*[bound.reshape(1, -1) for bound in box.ranges[name]])
            for name, tensor in program.inputs.items()
        }
        self.seen = Seen.nothing(program)
        self.sampled = False
        self.cells = 0
        self.rungs = {
            "interval": self.interval,
            "crown": self.crown,
            "alpha": self.alpha,
            "split": self.split,
            MILP: self.milp,
        }
        self.method = {t: np.full(program.steps[t].size, -1, np.int8) for t in program.target_steps}
        self.numerical: dict[int, Array] = {}
        self.state: State = sweep(program, self.inputs, arithmetic)

    def in_time(self) -> bool:
        return self.end is None or time.monotonic() < self.end

    def interval(self, effort: _Effort) -> None:
        self._decided("interval")

    def crown(self, effort: _Effort) -> None:
        self._sweep(least, 1)
        self._decided("crown")

    def alpha(self, effort: _Effort) -> None:
        search = Search()
        self._sweep(search.minimum, 2 * search.rounds)
        self._decided("alpha")

    def split(self, effort: _Effort) -> None:
        self._sample(effort)
        if self.box.size > MOST_SPLIT_INPUTS or not self.program.target_steps:
            return
        names = list(self.program.inputs)
        ends = [np.concatenate([self.box.ranges[n][k].reshape(-1) for n in names]) for k in (0, 1)]
        splitting = Splitting(self.state, (ends[0], ends[1]), self.seen, self.arithmetic)
        progress = stage("splitting the box", effort.cells, "cells")

        def more(done: int) -> bool:
            progress.advance(done)
            return self.in_time()

        for number, phase in splitting.run(effort.cells, effort.jobs, more).items():
            self.state.ranges[number] = self.state.ranges[number].within(phase)
        self.cells = splitting.count
        self._decided("split")

    def milp(self, effort: _Effort) -> None:
        self._sample(effort)
        ranges = self.state.ranges
        hopes = candidates(self.program, ranges, self.seen)
        asked = sum(int((signs != 0).sum()) for signs in hopes.values())
        progress = stage("asking a solver", asked, "neurons")
        limits = Limits(effort.seconds, self.end, effort.seed)
        self.numerical = settle(self.program, ranges, hopes, limits, progress)

    def _known(self) -> dict[int, Range]:
        return {t: self.state.ranges[t] for t in self.program.target_steps}

    def _wanted(self, times: int, number: int, found: Range) -> Array:
        """What is open, unless its rows through all steps, so many times, are too much work."""
        opened = open_elements(self.program, number, found)
        entries = sum(step.size for step in self.program.steps[: number + 1])
        work = 2 * int(opened.sum()) * entries * times
        return opened if work <= MOST_WORK and self.in_time() else np.zeros_like(opened)

    def _sweep(self, minimum: Minimum, times: int) -> None:
        self.state = sweep(
            self.program,
            self.inputs,
            self.arithmetic,
            known=self._known(),
            wanted=partial(self._wanted, times),
            minimum=minimum,
        )

    def _sample(self, effort: _Effort) -> None:
        if self.sampled:
            return
        self.sampled = True
        progress = stage("sampling the box", effort.samples, "samples")
        sample(self.state, self.box, effort.seed, effort.samples, self.seen, progress)
        climb(self.state, self.box, effort.seed, self.seen, 16, progress)

    def _decided(self, rung: str) -> None:
        """Note which rung decided what no earlier one did."""
        for number, method in self.method.items():
            fresh = (method < 0) & (self.state.ranges[number].phase[0] != 0)
            method[fresh] = RUNGS.index(rung)

    def result(self, semantics: Semantics, sources: Collection[str]) -> Phases:
        found = {}
        for name, tensor in self.program.targets.items():
            number = tensor.step
            own = self.state.ranges[number]
            refuted = self.seen.above[number] & self.seen.below[number]
            size = self.program.steps[number].size
            solved = self.numerical.get(number, np.zeros(size, np.int8))
            known = (own.lower[0], own.upper[0], own.phase[0], self.method[number])
            parts = [p.reshape(tensor.shape) for p in (*known, refuted, solved)]
            found[name] = Bounds(*parts)
        ends = {
            name: tuple(end[0].reshape(tensor.shape) for end in (own.lower, own.upper))
            for name, tensor in self.program.tensors.items()
            if name in sources
            for own in [self.state.ranges[tensor.step]]
        }
        return Phases(found, self.program.unbounded, semantics, self.cells, ends)
