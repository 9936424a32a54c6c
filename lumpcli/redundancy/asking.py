"""A set of replacements is asked about on the whole box, which is cut where that is not enough."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lumpcli.ir import Array
from lumpcli.redundancy.cover import Cell, Cover
from lumpcli.redundancy.joint import Replacements
from lumpcli.redundancy.questions import Question, scene

_BATCH = 32  # cells at once


@dataclass(frozen=True)
class Answer:
    """Whether all was proved, and on which cells; `bounds` (size,) of differences by output."""

    proved: bool
    cells: tuple[Cell, ...]
    bounds: tuple[Array, ...]


def ask(
    cover: Cover,
    start: Sequence[Cell],
    replaced: Replacements,
    questions: Sequence[Question],
    outputs: Sequence[int],
    most: int,
) -> Answer:
    """Whether all questions hold for the set as a whole, in every cell of a cover of the box.

    Cells in which one does not are halved until more than `most` would be needed. `outputs` are
    steps.
    """
    left, done = [*start], list[Cell]()
    bounds = [np.zeros(cover.program.steps[n].size) for n in outputs]
    while left:
        batch, left = left[:_BATCH], left[_BATCH:]
        seen = scene(cover, batch, replaced)
        held = np.ones(len(batch), bool)
        for question in questions:
            held &= question.holds(seen, replaced)
        failed = np.flatnonzero(~held)
        if len(done) + len(left) + len(batch) + len(failed) > max(most, len(start)):
            return Answer(False, (), ())
        for k, number in enumerate(outputs):
            largest = seen.difference(number).magnitude[held]
            bounds[k] = np.maximum(bounds[k], largest.max(axis=0, initial=0.0))
        done += [batch[k] for k in np.flatnonzero(held)]
        if len(failed):
            halves = cover.halved([batch[k] for k in failed], seen.gains(cover, batch)[failed])
            left = [*halves, *left]  # where it fails is looked at first
    return Answer(True, tuple(done), tuple(bounds))
