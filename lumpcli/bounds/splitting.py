"""Input splitting: the box is cut in halves until each element that may have a phase has it.

The cells always cover the box, so what holds in every cell holds in the box. For networks of few
inputs.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from lumpcli.bounds.backward import State, Trail, least
from lumpcli.bounds.cells import influence, input_ranges
from lumpcli.bounds.program import Program
from lumpcli.bounds.rounding import Arithmetic, Array, Range
from lumpcli.bounds.samples import Seen
from lumpcli.bounds.sweep import open_elements, sweep

_BATCH = 32  # cells in one sweep
_ROUND = 16  # batches between looks at what is left


@dataclass(frozen=True)
class Cells:
    """Boxes, and what is known in each: `lower`, `upper` (cells, inputs), `phases` (cells, T)."""

    lower: Array
    upper: Array
    phases: Array  # of all elements of all targets, one after the other

    def __len__(self) -> int:
        return len(self.lower)

    def __getitem__(self, chosen: Array | slice) -> Cells:
        return Cells(self.lower[chosen], self.upper[chosen], self.phases[chosen])

    def halves(self, axes: Array) -> Cells:
        """Both halves of each cell, cut along its axis (cells,); they meet in the middle."""
        places = np.arange(len(self))
        lower, upper = self.lower.copy(), self.upper.copy()
        low, high = lower[places, axes], upper[places, axes]
        middle = np.clip(low + (high - low) / 2, low, high)
        lower[places, axes] = upper[places, axes] = middle
        pair = np.concatenate
        first = (self.lower, upper, self.phases)
        second = (lower, self.upper, self.phases)
        return Cells(*[pair([a, b]) for a, b in zip(first, second, strict=True)])


def joined(cells: list[Cells]) -> Cells:
    """All cells, in order."""
    fields = zip(*[(c.lower, c.upper, c.phases) for c in cells], strict=True)
    return Cells(*[np.concatenate(arrays) for arrays in fields])


class Splitting:
    """The cells left, and which phases are still hoped for."""

    def __init__(
        self, root: State, box: tuple[Array, Array], seen: Seen, arithmetic: Arithmetic
    ) -> None:
        """`root`: ranges in the whole box, whose bounds (inputs,) are `box`."""
        self.program: Program = root.program
        self.arithmetic, self.seen, self.root = arithmetic, seen, root
        targets = self.program.target_steps
        ends = np.cumsum([self.program.steps[t].size for t in targets])
        self.places = {
            t: slice(int(end) - self.program.steps[t].size, int(end))
            for t, end in zip(targets, ends, strict=True)
        }
        known = np.concatenate([root.ranges[t].phase[0] for t in targets])
        above = np.concatenate([seen.above[t] for t in targets])
        below = np.concatenate([seen.below[t] for t in targets])
        # an element seen on neither side is 0 as far as anybody knows: try for inactive
        hope = np.where(above & below, 0, np.where(above, 1, -1))
        self.wanted: Array = np.where(known != 0, 0, hope).astype(np.int8)
        self.first = self.wanted.copy()
        self.left = Cells(box[0][None], box[1][None], known[None])
        self.count = 0

    def run(self, most: int, jobs: int, more: Callable[[int], bool]) -> dict[int, Array]:
        """Split until all is settled, `most` cells were bounded, or `more(cells)` says no.

        Returns the phases (size,) of targets that were proved, 0 elsewhere.
        """
        with ThreadPoolExecutor(jobs) as pool:
            while len(self.left) and self.wanted.any():
                now, later = self.left[: _BATCH * _ROUND], self.left[_BATCH * _ROUND :]
                batches = [now[k : k + _BATCH] for k in range(0, len(now), _BATCH)]
                bounded = [*(map if jobs == 1 else pool.map)(self._bounded, batches)]
                for cells, _ in bounded:
                    self._probe(cells)
                self.count += len(now)
                self.left = joined([later, *(self._children(*pair) for pair in bounded)])
                going_on = more(len(now))
                self._give_up(most)
                if not going_on:
                    self._drop(np.any(self._open(), axis=0))
        return {t: self.wanted[place] for t, place in self.places.items()}

    def _open(self) -> Array:
        """Which hopes are not settled in which cell (cells, T)."""
        unsettled: Array = (self.wanted != 0) & (self.left.phases != self.wanted)
        return unsettled

    def _give_up(self, most: int) -> None:
        """Drop what was seen on the other side by now, and what needs too many cells."""
        above = np.concatenate([self.seen.above[t] for t in self.places])
        below = np.concatenate([self.seen.below[t] for t in self.places])
        self._drop(np.where(self.wanted > 0, below, above) & (self.wanted != 0))
        while len(self.left) and self.count + len(self.left) > most:
            self._drop(np.arange(len(self.wanted)) == self._open().sum(axis=0).argmax())

    def _drop(self, hopeless: Array | np.bool_) -> None:
        self.wanted = np.where(hopeless, 0, self.wanted).astype(np.int8)
        self.left = self.left[np.flatnonzero(self._open().any(axis=1))]

    def _children(self, cells: Cells, axes: Array) -> Cells:
        """The halves of cells that are not settled."""
        unsettled = ((self.wanted != 0) & (cells.phases != self.wanted)).any(axis=1)
        return cells[unsettled].halves(axes[unsettled])

    def _bounded(self, cells: Cells) -> tuple[Cells, Array]:
        """Cells with the phases that bounds give them, and along which axis to cut each."""
        wanted, program = self.wanted, self.program
        last = max(t for t, place in self.places.items() if wanted[place].any())
        gains = np.zeros_like(cells.lower)

        def minimum(state: State, number: int, rows: Array) -> Array:
            trail = Trail()
            found = least(state, number, rows, trail=trail)
            nonlocal gains
            gains = gains + self._gains(found, trail, cells)
            return found

        state = sweep(
            program,
            input_ranges(self.program, cells.lower, cells.upper),
            self.arithmetic,
            phases={t: cells.phases[:, place] for t, place in self.places.items()},
            wanted=lambda number, found: self._rows(number, found, last, wanted, cells),
            minimum=minimum,
            stop=last,
        )
        phases = cells.phases.copy()
        for t, place in self.places.items():
            if t <= last:
                own = state.ranges[t].phase
                phases[:, place] = np.where(phases[:, place] != 0, phases[:, place], own)
        axes = np.where(gains.any(axis=1), gains.argmax(axis=1), self._widths(cells).argmax(axis=1))
        return replace(cells, phases=phases), axes

    def _rows(self, number: int, found: Range, last: int, wanted: Array, cells: Cells) -> Array:
        """All that are undecided in some cell; of the last target those that are hoped for."""
        if number < last:
            return open_elements(self.program, number, found)
        place = self.places[number]
        hoped = (wanted[place] != 0) & (found.phase != wanted[place])
        chosen: Array = hoped.any(axis=0)
        return chosen

    def _gains(self, found: Array, trail: Trail, cells: Cells) -> Array:
        """How much bounds that are not settled depend on each input (cells, inputs).

        Those that nothing is hoped of count, too: the lines of other bounds depend on them.
        """
        gains: Array = influence(self.program, found, trail) * (cells.upper - cells.lower)
        return gains

    def _widths(self, cells: Cells) -> Array:
        whole = self.root_widths
        relative: Array = (cells.upper - cells.lower) / np.where(whole > 0, whole, 1.0)
        return relative

    @property
    def root_widths(self) -> Array:
        """The widths of the whole box (inputs,)."""
        ranges = [self.root.ranges[t.step] for t in self.program.inputs.values()]
        return np.concatenate([r.upper[0] - r.lower[0] for r in ranges])

    def _probe(self, cells: Cells) -> None:
        """Look at the middle of each cell."""
        middle = input_ranges(self.program, cells.lower, cells.upper)
        points = {
            name: ((r.lower + r.upper) / 2).reshape(-1, *tensor.shape)
            for name, tensor in self.program.inputs.items()
            for r in [middle[tensor.step]]
        }
        self.seen.look(self.root, self.program.evaluate(points))
