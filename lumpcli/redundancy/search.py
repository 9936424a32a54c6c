"""The search: from a model, a box and a request to a plan."""

from __future__ import annotations

import numpy as np

from lumpcli.bounds import MOST_SPLIT_INPUTS, RUNGS, Phases, Program, Range, ladder, lower
from lumpcli.box import Box
from lumpcli.errors import UsageError
from lumpcli.loader import Host
from lumpcli.redundancy.applying import shifts_for
from lumpcli.redundancy.candidates import KINDS, Candidate, Kind, candidates
from lumpcli.redundancy.cover import Cover
from lumpcli.redundancy.growing import NOT_ASKED, Growing
from lumpcli.redundancy.neurons import Neurons, neurons_of
from lumpcli.redundancy.plan import Plan, Request, Verdict
from lumpcli.redundancy.questions import Question, Winner, Within


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
    outputs = _outputs(host, program)
    cover = _cover(program, box, phases)
    neurons = neurons_of(host, program)
    growing = Growing(
        cover,
        neurons,
        [*outputs.values()],
        _questions(request, [*outputs.values()]),
        program.evaluate(box.sample(np.random.default_rng(seed), samples)),
        cells if box.size <= MOST_SPLIT_INPUTS else 1,
        checks,
    )
    stable = candidates("phase", neurons, cover.root.ranges, 0.0)
    growing.begin(stable)
    for kind in request.kinds:
        some = candidates(kind, neurons, cover.root.ranges, request.eps)
        growing.grow(kind, growing.ordered([c for c in some if _improves(growing, kind, c)]))
    return _plan(request, phases, growing, outputs, {*stable})


def _improves(growing: Growing, kind: Kind, candidate: Candidate) -> bool:
    """Whether a neuron is not replaced yet, or a constant would replace a line."""
    if candidate.place not in growing.taken:
        return True
    taken, _ = growing.taken[candidate.place]
    return kind == "constant" and taken.action in ("identity", "line")


def _sensible(request: Request) -> None:
    unknown = [kind for kind in request.kinds if kind not in KINDS]
    if unknown or not request.kinds:
        given = f"not {unknown[0]!r}" if unknown else "none is given"
        raise UsageError(f"redundancy: kinds are {', '.join(KINDS)}; {given}")
    if not (np.isfinite(request.eps) and request.eps >= 0):
        raise UsageError(f"redundancy: eps must be a number from 0 up, not {request.eps}")
    if request.k is not None and request.k < 1:
        raise UsageError(f"redundancy: k must be at least 1, not {request.k}")


def _outputs(host: Host, program: Program) -> dict[str, int]:
    """The steps of the graph's outputs, all of which must be followed."""
    names = [info.name for info in host.graph.proto.output]
    for name in names:
        if name not in program.targets:
            why = program.unbounded.get(name, "it is not computed from the inputs")
            raise UsageError(f"redundancy: the output {name!r} is not followed: {why}")
    return {name: program.targets[name].step for name in names}


def _cover(program: Program, box: Box, phases: Phases) -> Cover:
    known = {
        program.targets[name].step: Range(b.lower.reshape(1, -1), b.upper.reshape(1, -1))
        for name, b in phases.tensors.items()
    }
    cover = Cover(program, box, known)
    for name, tensor in program.targets.items():
        if not cover.root.ranges[tensor.step].finite.all():
            raise UsageError(f"redundancy: {name!r} has no bounds on the box")
    return cover


def _questions(request: Request, outputs: list[int]) -> list[Question]:
    """What must hold of all that is replaced."""
    found: list[Question] = []
    if "forward" in request.kinds:
        found.append(Within(request.eps, tuple(outputs), request.k))
    if {"relaxed", "constant"} & {*request.kinds}:
        found.append(Within(request.eps, tuple(outputs)))
    if "result" in request.kinds:
        if len(outputs) != 1:
            raise UsageError("redundancy: 'result' is for networks with one output")
        found.append(Winner(outputs[0], request.pick))
    return found


def _plan(
    request: Request,
    phases: Phases,
    growing: Growing,
    outputs: dict[str, int],
    stable: set[Candidate],
) -> Plan:
    """What was found."""
    cells, lowest = len(growing.best.cells), growing.lowest()
    how = "difference" if cells == 1 else "difference, split"
    layers = {}
    for own in growing.neurons:
        rungs = _rungs(own, growing.cover.program, phases)
        verdicts = []
        for i, low in enumerate(lowest[own.layer].tolist()):
            if (own.layer, i) not in growing.taken:
                why = own.declined or growing.reasons.get((own.layer, i), NOT_ASKED)
                verdicts.append(Verdict("keep", reason=why))
                continue
            c, kind = growing.taken[own.layer, i]
            (shift,) = shifts_for([c.slope * low + c.offset])
            told = (kind, rungs[i] if c in stable else how, "rigorous", "", shift)
            verdicts.append(Verdict(c.action, c.slope, c.offset, *told))
        layers[own.layer] = tuple(verdicts)
    bounds = {
        name: tuple(bound.tolist())
        for name, bound in zip(outputs, growing.best.bounds, strict=True)
    }
    preserved = f"arg{request.pick}" if "result" in request.kinds else ""
    return Plan(request, layers, bounds, preserved, cells, growing.checks, growing.refused)


def _rungs(own: Neurons, program: Program, phases: Phases) -> list[str]:
    """The rung that decided each neuron of a layer: the last one of its positions."""
    last = np.full(own.width, -1)
    for name, tensor in program.targets.items():
        if tensor.step == own.source and name in phases.tensors:
            np.maximum.at(last, own.feature, phases.tensors[name].method.reshape(-1))
    return [RUNGS[number] if number >= 0 else "" for number in last]
