"""Phases by mixed-integer programming (SCIP), for elements that all else leaves open.

A network of affine operations and ReLUs on a box is a mixed-integer program (Tjeng, Xiao, Tedrake,
Evaluating Robustness of Neural Networks with Mixed Integer Programming, 2019). A ReLU that reads z
in [l, u], l < 0 < u, is `y - s = z`, `0 <= y <= u a`, `0 <= s <= -l (1 - a)`, with a binary.

A solver computes within tolerances: what it says is *numerical*, never a proof. Its feasibility
tolerance is 1e-6, relative to what is large, so an element must stay away from 0 by MARGIN times
the bound of its size (at least 1) to have a phase here.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lumpcli.bounds.activations import RELU
from lumpcli.bounds.affine import Affine
from lumpcli.bounds.program import Program
from lumpcli.bounds.rounding import Array, Range
from lumpcli.bounds.samples import Seen
from lumpcli.bounds.sweep import open_elements
from lumpcli.errors import UsageError
from lumpcli.progress import Stage

MARGIN = 1e-5  # ten times the tolerance that the solver works to
_OFF = (
    "misc/catchctrlc",  # a signal is Python's
    "misc/allowstrongdualreds",  # all points are of interest, not only the best
    "misc/allowweakdualreds",
)
MOST_TERMS = 2**23  # coefficients of one tensor: some seconds to write down


@dataclass(frozen=True)
class Limits:
    """`seconds` for each element; none is begun after `end`, of `time.monotonic` (None: never)."""

    seconds: float
    end: float | None
    seed: int

    @property
    def left(self) -> float:
        """Seconds that the next element may take."""
        rest = self.seconds if self.end is None else self.end - time.monotonic()
        return max(0.0, min(self.seconds, rest))


def solver() -> Any:
    """The package pyscipopt; UsageError where it is not installed."""
    try:
        import pyscipopt
    except ImportError:
        raise UsageError(
            "mixed-integer programs need the package pyscipopt: pip install 'lumpcli[milp]'"
        ) from None
    return pyscipopt


def candidates(program: Program, ranges: Sequence[Range], seen: Seen) -> dict[int, Array]:
    """Per target what its elements (size,) int8 may be: 1 active, -1 inactive, 0 not asked.

    Asked are those which a ReLU reads, which are open, and which were not seen on both sides of 0.
    """
    found = {}
    for number in program.target_steps:
        if not any(program.steps[reader].operation is RELU for reader in program.readers[number]):
            continue
        above, below = seen.above[number], seen.below[number]
        asked = open_elements(program, number, ranges[number]) & ranges[number].finite[0]
        asked &= ~(above & below)
        found[number] = np.where(asked, np.where(above, 1, -1), 0).astype(np.int8)
    return found


def settle(
    program: Program,
    ranges: Sequence[Range],
    hopes: Mapping[int, Array],
    limits: Limits,
    stage: Stage,
) -> dict[int, Array]:
    """Which hopes (size,) of targets a solver confirms; 0 elsewhere.

    `ranges`: of all steps, on one box. What is confirmed of a tensor is used for later ones.
    """
    ranges, found = list(ranges), {}
    for number in sorted(hopes):
        wanted = hopes[number]
        found[number] = np.zeros_like(wanted)
        query = _query(program, ranges, number, limits) if wanted.any() and limits.left else None
        margins = MARGIN * np.maximum(1.0, ranges[number].magnitude[0])
        for element in np.flatnonzero(wanted):
            asked = int(element), int(wanted[element]), float(margins[element])
            if query is not None and query.holds(*asked):
                found[number][element] = wanted[element]
            stage.advance(1)
        ranges[number] = ranges[number].within(found[number])
    return found


def _query(program: Program, ranges: Sequence[Range], number: int, limits: Limits) -> _Query | None:
    """Questions about one tensor; None where what makes it is no program for the solver."""
    encoding = _Encoding(limits.seed)
    terms: dict[int, Array] = {}
    for step in _before(program, number):
        operation, sources = program.steps[step].operation, program.steps[step].sources
        own, size = [terms[s] for s in sources], program.steps[step].size
        fresh = 0 if isinstance(operation, Affine) else size
        if (1 + len(encoding.variables) + fresh) * size > MOST_TERMS:
            return None
        if operation is None:
            made = encoding.variables_in(ranges[step])
        elif isinstance(operation, Affine):
            made = _affine(operation, own)
        elif operation is RELU:
            made = encoding.relu(own[0], ranges[sources[0]])
        else:
            return None
        if made is None:
            return None
        terms[step] = made
    query = _Query(encoding, terms[number], limits)
    return query if query.sensible() else None


def _before(program: Program, number: int) -> list[int]:
    """The steps that one is computed from, and itself, in order."""
    found, pending = set(), [number]
    while pending:
        step = pending.pop()
        if step not in found:
            found.add(step)
            pending.extend(program.steps[step].sources)
    return sorted(found)


def _affine(operation: Affine, sources: Sequence[Array]) -> Array:
    """The operation, row by row of terms; only that of constants has its bias."""
    rows = max(len(terms) for terms in sources)
    padded = [np.pad(terms, ((0, rows - len(terms)), (0, 0))) for terms in sources]
    made = operation.linear(*padded)
    if operation.bias is not None:
        made[0] = made[0] + operation.bias
    return made


class _Encoding:
    """A model of the solver. Tensors are terms (1 + variables, size): constants, coefficients."""

    def __init__(self, seed: int) -> None:
        self.package = solver()
        self.model = self.package.Model()
        self.variables: list[Any] = []
        self.model.hideOutput()
        for name, value in (
            ("randomization/randomseedshift", seed),
            ("lp/threads", 1),
            ("parallel/maxnthreads", 1),
            ("limits/solutions", 1),  # one that is found answers the question
        ):
            self.model.setParam(name, value)
        for name in _OFF:
            self.model.setParam(name, False)

    def expression(self, terms: Array) -> Any:
        """The linear part of one element's terms (1 + variables,)."""
        return self.package.quicksum(
            float(terms[place]) * self.variables[place - 1]
            for place in np.flatnonzero(terms[1:]) + 1
        )

    def variables_in(self, bounds: Range) -> Array | None:
        """A variable for each element of an input."""
        if not bounds.finite.all():
            return None
        ends = zip(bounds.lower[0].tolist(), bounds.upper[0].tolist(), strict=True)
        return self._unit([self.model.addVar(lb=low, ub=high) for low, high in ends])

    def relu(self, source: Array, bounds: Range) -> Array | None:
        """The ReLU of a tensor: 0, the same, or a variable where the phase is open."""
        if not bounds.finite.all():
            return None
        lower, upper = bounds.lower[0], bounds.upper[0]
        crossing = np.flatnonzero((lower < 0) & (upper > 0))
        made = [self._relu(source[:, j], float(lower[j]), float(upper[j])) for j in crossing]
        units = self._unit(made)
        result = np.zeros((len(units), source.shape[1]))
        result[: len(source)] = np.where(lower >= 0, source, 0.0)
        result[:, crossing] = units
        return result

    def _relu(self, terms: Array, low: float, high: float) -> Any:
        model = self.model
        positive, negative = model.addVar(ub=high), model.addVar(ub=-low)
        active = model.addVar(vtype="B")
        model.addCons(self.expression(terms) - positive + negative == -float(terms[0]))
        model.addCons(positive <= high * active)
        model.addCons(negative <= -low * (1 - active))
        return positive

    def _unit(self, variables: list[Any]) -> Array:
        """The terms of new variables."""
        before = 1 + len(self.variables)
        self.variables += variables
        terms = np.zeros((1 + len(self.variables), len(variables)))
        terms[before:] = np.eye(len(variables))
        return terms


class _Query:
    """Questions about the elements of one tensor, whose terms are known.

    A solver that fails has confirmed nothing, and is not asked again: what it was at is undefined.
    """

    def __init__(self, encoding: _Encoding, terms: Array, limits: Limits) -> None:
        self.encoding, self.terms, self.limits = encoding, terms, limits
        self.failed = False

    def sensible(self) -> bool:
        """Whether the solver finds any point at all: otherwise it would confirm everything."""
        return self._answer() == "found"

    def holds(self, element: int, sign: int, margin: float) -> bool:
        """Whether no point has `sign * z <= margin` for the element z."""
        if self.failed:
            return False
        model, terms = self.encoding.model, sign * self.terms[:, element]
        least = self.encoding.expression(terms)
        model.freeTransform()
        # A constraint, not an objective limit: that SCIP takes for infeasible where it is tight.
        below = model.addCons(least <= margin - float(terms[0]))
        model.setObjective(least, "minimize")
        answer = self._answer()
        if not self.failed:
            model.freeTransform()
            model.delCons(below)
        return answer == "none"

    def _answer(self) -> str:
        """Whether there is a point: "found", "none", or "" if time ran out or the solver failed."""
        model, seconds = self.encoding.model, self.limits.left
        if not seconds:
            return ""
        model.setParam("limits/time", seconds)
        try:
            model.optimize()
        except Exception:  # the package has no class of its own for errors of the solver
            self.failed = True
            return ""
        answers = {"infeasible": "none", "optimal": "found", "sollimit": "found"}
        return answers.get(model.getStatus(), "")
