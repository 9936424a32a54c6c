"""Cells that cover the box, and the original's ranges in each, computed when first needed.

The cells are a tree: each has two halves, which are made once and serve all questions after.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from lumpcli.bounds import Arithmetic, Cells, Program, Range, open_elements, sweep
from lumpcli.box import Box
from lumpcli.ir import Array

Known = Mapping[int, Range]  # of tensors on the whole box, by step


@dataclass(eq=False)
class Cell:
    """A box (inputs,), the ranges (1, size) of all steps in it, and its halves once made."""

    lower: Array
    upper: Array
    ranges: tuple[Range, ...]
    halves: tuple[Cell, Cell] | None = None


class Cover:
    """The whole box and what it was cut into."""

    def __init__(self, program: Program, box: Box, known: Known) -> None:
        self.program, self.known = program, known
        ends = [
            np.concatenate([box.ranges[name][k].reshape(-1) for name in program.inputs])
            for k in (0, 1)
        ]
        (self.root,) = self._cells(ends[0][None], ends[1][None], tighten=False)
        self.widths = np.where(ends[1] > ends[0], ends[1] - ends[0], 1.0)

    def inputs(self, lower: Array, upper: Array) -> dict[int, Range]:
        """Ends (cells, inputs) as ranges of the steps that are the inputs."""
        found, start = {}, 0
        for tensor in self.program.inputs.values():
            stop = start + self.program.steps[tensor.step].size
            found[tensor.step] = Range(lower[:, start:stop], upper[:, start:stop])
            start = stop
        return found

    def middles(self, cells: Sequence[Cell]) -> dict[str, Array]:
        """A point (cells, *shape) per input in each cell."""
        ends = self.inputs(*ends_of(cells))
        return {
            name: ((r.lower + r.upper) / 2).reshape(-1, *tensor.shape)
            for name, tensor in self.program.inputs.items()
            for r in [ends[tensor.step]]
        }

    def halved(self, cells: Sequence[Cell], gains: Array) -> list[Cell]:
        """The halves of cells, cut where `gains` (cells, inputs) are greatest."""
        new = [k for k, cell in enumerate(cells) if cell.halves is None]
        if new:
            lower, upper = ends_of([cells[k] for k in new])
            relative = (upper - lower) / self.widths
            told = gains[new] * (upper > lower)
            axes = np.where(told.any(axis=1), told.argmax(axis=1), relative.argmax(axis=1))
            both = Cells(lower, upper, np.zeros((len(new), 0))).halves(axes)
            made = self._cells(both.lower, both.upper, tighten=True)
            for k, first, second in zip(new, made[: len(new)], made[len(new) :], strict=True):
                cells[k].halves = first, second
        return [half for cell in cells for half in cell.halves or ()]

    def _cells(self, lower: Array, upper: Array, *, tighten: bool) -> list[Cell]:
        """Cells with their ranges; what is known of the whole box was tightened already."""
        program = self.program
        state = sweep(
            program,
            self.inputs(lower, upper),
            Arithmetic(),
            known=self.known,
            wanted=partial(open_elements, program) if tighten else None,
        )
        return [
            Cell(lower[k], upper[k], tuple(_row(r, k) for r in state.ranges))
            for k in range(len(lower))
        ]


def _row(found: Range, cell: int) -> Range:
    return Range(found.lower[cell][None], found.upper[cell][None])


def ends_of(cells: Sequence[Cell]) -> tuple[Array, Array]:
    """The ends (cells, inputs) of boxes."""
    return np.stack([c.lower for c in cells]), np.stack([c.upper for c in cells])


def ranges_of(cells: Sequence[Cell]) -> list[Range]:
    """The ranges (cells, size) of all steps."""
    return [
        Range(np.concatenate([r.lower for r in rows]), np.concatenate([r.upper for r in rows]))
        for rows in zip(*(cell.ranges for cell in cells), strict=True)
    ]
