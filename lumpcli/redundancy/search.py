"""The search: candidates by how much they matter, taken as long as the whole set is proved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from lumpcli.bounds import MOST_SPLIT_INPUTS, RUNGS, Phases, Program, Range, ladder, lower
from lumpcli.box import Box
from lumpcli.errors import UsageError
from lumpcli.loader import Host
from lumpcli.progress import stage
from lumpcli.redundancy.asking import Answer, ask
from lumpcli.redundancy.cover import Cover
from lumpcli.redundancy.neurons import (
    Candidate,
    Neurons,
    constant,
    error,
    identity,
    line,
    neurons_of,
    replacements,
    zero,
)
from lumpcli.redundancy.plan import KINDS, Kind, Plan, Request, Verdict
from lumpcli.redundancy.questions import Question, Winner, Within, scene

_RATED = 16  # candidates bounded at once
_NOT_PROVED, _SAMPLED = "not proved", "a sample says no"
_NOT_ASKED = "no candidate"


def search(
    host: Host,
    box: Box,
    request: Request,
    *,
    phases: Phases | None = None,
    seed: int = 0,
    samples: int = 1024,
    cells: int = 64,
    checks: int = 1000,
) -> Plan:
    """What of a network's ReLUs is redundant on a box, jointly; for real arithmetic.

    Stable ReLUs are always replaced (kind "phase", eps 0, exact). `phases`: what the ladder of
    bounds found; it runs when not given. At most `cells` of the box are looked at to prove a set,
    and at most `checks` sets are asked about. Raises UsageError for a box that does not fit, a
    request that makes no sense, and networks whose differences are not followed.
    """
    _sensible(request)
    phases = ladder(host, box, seed=seed) if phases is None else phases
    if phases.semantics != "real":
        raise UsageError("redundancy: bounds for float32 say nothing about real arithmetic")
    program = lower(host, outputs=True)
    known = {
        program.targets[name].step: Range(b.lower.reshape(1, -1), b.upper.reshape(1, -1))
        for name, b in phases.tensors.items()
    }
    cover = Cover(program, box, known)
    if not all(cover.root.ranges[number].finite.all() for number in program.target_steps):
        raise UsageError("redundancy: some numbers of the network have no bounds on the box")
    most = cells if box.size <= MOST_SPLIT_INPUTS else 1
    outputs = _outputs(host, program)
    neurons = neurons_of(host, program)
    finder = _Finder(cover, neurons, request, outputs, most, checks)
    finder.run(program.evaluate(box.sample(np.random.default_rng(seed), samples)))
    return finder.plan(phases)


def _sensible(request: Request) -> None:
    unknown = [kind for kind in request.kinds if kind not in KINDS]
    if unknown or not request.kinds:
        given = repr(unknown[0]) if unknown else "none given"
        raise UsageError(f"redundancy: kinds are {', '.join(KINDS)}; {given}")
    if not (np.isfinite(request.eps) and request.eps >= 0):
        raise UsageError(f"redundancy: eps is {request.eps}, it must be a number from 0 up")
    if request.k is not None and request.k < 1:
        raise UsageError(f"redundancy: k is {request.k}, it must be at least 1")


def _outputs(host: Host, program: Program) -> dict[str, int]:
    """The steps of the graph's outputs, all of which must be followed."""
    names = [info.name for info in host.graph.proto.output]
    for name in names:
        if name not in program.targets:
            why = program.unbounded.get(name, "it is not computed from the inputs")
            raise UsageError(f"redundancy: the output {name!r} is not followed: {why}")
    return {name: program.targets[name].step for name in names}


Taken = dict[tuple[str, int], tuple[Candidate, Kind]]  # by layer and feature


@dataclass
class _Finder:
    """The set so far, and what was asked."""

    cover: Cover
    neurons: Sequence[Neurons]
    request: Request
    outputs: dict[str, int]
    most: int
    limit: int
    taken: Taken = field(default_factory=dict)
    reasons: dict[tuple[str, int], str] = field(default_factory=dict)
    checks: int = 0
    refused: int = 0

    def __post_init__(self) -> None:
        self.questions = self._questions()
        self.free = [n for n in self.neurons if n.pinned is None]
        self.best = Answer(True, (self.cover.root,), ())
        self.exact = self._stable(0.0)
        self._try(self.exact, "phase", ())

    def run(self, values: Sequence[np.ndarray]) -> None:
        """Look for each kind in turn."""
        self.values = values
        for kind in self.request.kinds:
            if kind == "phase":
                fresh = self._open(self._stable(self.request.eps))
                if fresh:
                    self._try(fresh, "phase", self.questions)
            elif kind == "constant":
                self._grow(kind, self._ordered(self._constants()))
            else:
                self._grow(kind, self._ordered(self._open(self._candidates(kind))))

    def _questions(self) -> list[Question]:
        """What must hold of all that is replaced."""
        kinds, eps = self.request.kinds, self.request.eps
        steps = tuple(self.outputs.values())
        found: list[Question] = []
        if "forward" in kinds:
            found.append(Within(eps, steps, self.request.k))
        if "relaxed" in kinds or "constant" in kinds:
            found.append(Within(eps, steps))
        if "result" in kinds:
            if len(steps) != 1:
                raise UsageError("redundancy: 'result' is for networks with one output")
            found.append(Winner(steps[0], self.request.pick))
        return found

    def _ends(self, own: Neurons) -> tuple[np.ndarray, np.ndarray]:
        (source,) = self.cover.program.steps[own.step].sources
        return own.ends(self.cover.root.ranges[source])

    def _stable(self, eps: float) -> list[Candidate]:
        """Those that are never on the other side of 0 by more than eps."""
        found = []
        for own in self.free:
            low, high = self._ends(own)
            for i in range(own.width):
                if high[i] <= eps and high[i] <= -low[i]:
                    found.append(zero(own.layer, i))
                elif low[i] >= -eps:
                    found.append(identity(own.layer, i))
        return found

    def _candidates(self, kind: Kind) -> list[Candidate]:
        """One for each neuron of both phases: the replacement that is nearest to it."""
        found = []
        for own in self.free:
            low, high = self._ends(own)
            for i in np.flatnonzero((low < 0) & (high > 0)).tolist():
                options = [zero(own.layer, i), identity(own.layer, i)]
                if kind == "relaxed":
                    options = [line(own.layer, i, low[i], high[i])]
                found.append(min(options, key=lambda c: error(c, low[i], high[i])))
        return found

    def _open(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """Those whose neuron is not replaced yet."""
        return [c for c in candidates if (c.layer, c.feature) not in self.taken]

    def _constants(self) -> list[Candidate]:
        """Constants for all neurons that are not 0 already; also for those that are linear now."""
        found = []
        for own in self.free:
            low, high = self._ends(own)
            for i in np.flatnonzero(high > 0).tolist():
                taken = self.taken.get((own.layer, i))
                if taken is None or taken[0].action != "zero":
                    found.append(constant(own.layer, i, low[i], high[i]))
        return found

    def _with(self, some: Sequence[Candidate]) -> list[Candidate]:
        """What is taken and some more; of two for one neuron the later counts."""
        return [*(c for c, _ in self.taken.values()), *some]

    def _ordered(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """Those that no sample throws out, by how much they alone change the outputs at most."""
        left = []
        for c in candidates:
            if self._survives([c]):
                left.append(c)
            else:
                self.reasons[c.layer, c.feature] = _SAMPLED
        rated: list[float] = []
        for start in range(0, len(left), _RATED):
            sets = [[*self.exact, c] for c in left[start : start + _RATED]]
            cells = [self.cover.root] * len(sets)
            seen = scene(self.cover, cells, replacements(self.free, sets))
            worst = [seen.difference(n).magnitude.max(axis=1) for n in self.outputs.values()]
            rated += np.max(worst, axis=0).tolist()
        return [left[k] for k in np.argsort(rated, kind="stable")]

    def _survives(self, some: Sequence[Candidate]) -> bool:
        replaced = replacements(self.free, [self._with(some)])
        program = self.cover.program
        return all(q.survives(program, self.values, replaced) for q in self.questions)

    def _grow(self, kind: Kind, queue: list[Candidate]) -> None:
        """Take candidates in order, more at once after each success, one after each failure."""
        at_once = 1
        progress = stage(f"redundancy: {kind}", len(queue), "cells")
        while queue and self.checks < self.limit:
            some = queue[:at_once]
            if self._survives(some) and self._try(some, kind, self.questions):
                at_once *= 2
            elif len(some) > 1:
                at_once = max(1, len(some) // 2)
                continue
            else:
                self.reasons[some[0].layer, some[0].feature] = _NOT_PROVED
            queue = queue[len(some) :]
            progress.advance(len(some))

    def _try(self, some: Sequence[Candidate], kind: Kind, questions: Sequence[Question]) -> bool:
        """Ask about what is taken and some more; take that, too, when it is proved."""
        self.checks += 1
        replaced = replacements(self.free, [self._with(some)])
        steps = [*self.outputs.values()]
        found = ask(self.cover, self.best.cells, replaced, questions, steps, self.most)
        if found.proved:
            self.taken |= {(c.layer, c.feature): (c, kind) for c in some}
            self.best = found
        else:
            self.refused += 1
        return found.proved

    def plan(self, phases: Phases) -> Plan:
        """What was found."""
        method = "difference" if len(self.best.cells) == 1 else "difference, split"
        layers = {}
        for own in self.neurons:
            rungs = self._rungs(own, phases)
            layers[own.layer] = tuple(
                self._verdict(own, i, rungs[i], method) for i in range(own.width)
            )
        bounds = {
            name: tuple(bound.tolist())
            for name, bound in zip(self.outputs, self.best.bounds, strict=True)
        }
        preserved = f"arg{self.request.pick}" if "result" in self.request.kinds else ""
        return Plan(
            self.request, layers, bounds, preserved, len(self.best.cells), self.checks, self.refused
        )

    def _verdict(self, own: Neurons, feature: int, rung: str, method: str) -> Verdict:
        place = own.layer, feature
        if place not in self.taken:
            return Verdict("keep", reason=own.pinned or self.reasons.get(place, _NOT_ASKED))
        c, kind = self.taken[place]
        how = rung if c in self.exact else method
        return Verdict(c.action, c.slope, c.offset, kind, how, "rigorous")

    def _rungs(self, own: Neurons, phases: Phases) -> list[str]:
        """The rung that decided each neuron of a layer: the last one of its positions."""
        (source,) = self.cover.program.steps[own.step].sources
        names = [n for n, t in self.cover.program.targets.items() if t.step == source]
        last = np.full(own.width, -1)
        for name in names:
            if name in phases.tensors:
                np.maximum.at(last, own.feature, phases.tensors[name].method.reshape(-1))
        return [RUNGS[number] if number >= 0 else "" for number in last]
