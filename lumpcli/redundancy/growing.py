"""A set of replacements that grows as long as all that is asked is proved of the whole set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from lumpcli.ir import Array
from lumpcli.redundancy.asking import Answer, ask
from lumpcli.redundancy.candidates import Candidate, Kind, replacements
from lumpcli.redundancy.cover import Cover
from lumpcli.redundancy.joint import Replacements
from lumpcli.redundancy.neurons import Neurons
from lumpcli.redundancy.questions import Question, scene

_RATED = 16  # candidates bounded at once
NOT_ASKED = "no candidate, or the search ended before"
NOT_PROVED = "not proved together with what is replaced"
SAMPLED = "a sample says no"


@dataclass
class Growing:
    """What is taken, by layer and feature, and the proof of all of it together.

    `values` (samples, size) are those of all steps of the original. A proof may need `most` cells,
    and `limit` sets are asked about. `reasons` say why a neuron was not taken.
    """

    cover: Cover
    neurons: Sequence[Neurons]
    outputs: Sequence[int]
    questions: Sequence[Question]
    values: Sequence[Array]
    most: int
    limit: int
    taken: dict[tuple[str, int], tuple[Candidate, Kind]] = field(default_factory=dict)
    reasons: dict[tuple[str, int], str] = field(default_factory=dict)
    best: Answer = field(init=False)
    checks: int = 0
    refused: int = 0

    def begin(self, stable: Sequence[Candidate]) -> None:
        """Take what changes nothing, on the whole box: that need not be asked."""
        self.taken |= {c.place: (c, "phase") for c in stable}
        chosen = replacements(self.neurons, [stable])
        self.best = ask(self.cover, [self.cover.root], chosen, (), self.outputs, 1)

    def grow(self, kind: Kind, queue: Sequence[Candidate]) -> None:
        """Take candidates in order, more at once after each success, one after each failure."""
        queue, at_once = list(queue), 1
        while queue and self.checks < self.limit:
            some = queue[:at_once]
            if self.take(kind, some):
                at_once *= 2
            elif len(some) > 1:
                at_once = len(some) // 2
                continue
            queue = queue[len(some) :]

    def take(self, kind: Kind, some: Sequence[Candidate]) -> bool:
        """Take some when everything asked holds for them and what is taken, jointly."""
        chosen = replacements(self.neurons, [self._with(some)])
        if not self._survives(chosen):
            self.reasons |= {c.place: SAMPLED for c in some}
            return False
        self.checks += 1
        start = self.best.cells
        found = ask(self.cover, start, chosen, self.questions, self.outputs, self.most)
        if not found.proved:
            self.refused += 1
            self.reasons |= {c.place: NOT_PROVED for c in some}
            return False
        self.taken |= {c.place: (c, kind) for c in some}
        self.best = found
        return True

    def _survives(self, chosen: Replacements) -> bool:
        program = self.cover.program
        return all(q.survives(program, self.values, chosen) for q in self.questions)

    def ordered(self, some: Sequence[Candidate]) -> list[Candidate]:
        """Those that no sample throws out, by how much they alone change the outputs at most."""
        left = [c for c in some if self._survives(replacements(self.neurons, [[c]]))]
        self.reasons |= {c.place: SAMPLED for c in some if c not in left}
        rated: list[float] = []
        stable = [c for c, kind in self.taken.values() if kind == "phase"]
        for start in range(0, len(left), _RATED):
            sets = [[*stable, c] for c in left[start : start + _RATED]]
            cells = [self.cover.root] * len(sets)
            seen = scene(self.cover, cells, replacements(self.neurons, sets))
            worst = [seen.difference(n).magnitude.max(axis=1) for n in self.outputs]
            rated += np.max(worst, axis=0).tolist()
        return [left[k] for k in np.argsort(rated, kind="stable")]

    def _with(self, some: Sequence[Candidate]) -> list[Candidate]:
        """What is taken and some more; of two for one neuron the later counts."""
        return [*(c for c, _ in self.taken.values()), *some]

    def lowest(self) -> dict[str, Array]:
        """Per layer, what z (width,) of the reduced network is never below."""
        chosen = replacements(self.neurons, [self._with([])])
        found = {own.layer: np.full(own.width, np.inf) for own in self.neurons}
        for start in range(0, len(self.best.cells), _RATED):
            seen = scene(self.cover, self.best.cells[start : start + _RATED], chosen)
            for own in self.neurons:
                z, moved = seen.state.ranges[own.source], seen.both.differences.get(own.source)
                low = z.lower if moved is None else z.lower + seen.state.ranges[moved].lower
                low = np.nextafter(low, -np.inf) if moved is not None else low
                np.minimum.at(found[own.layer], own.feature, low.min(axis=0))
        return found
