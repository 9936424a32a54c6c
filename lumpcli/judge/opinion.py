"""From tallies to rows: tolerances, noise, and whether the referee may judge."""

from __future__ import annotations

from dataclasses import dataclass

from lumpcli.judge.compare import ARITHMETIC, Arithmetic, Comparison, Noise, Row, Tally
from lumpcli.judge.referee import Referee
from lumpcli.judge.settings import Settings
from lumpcli.judge.signature import COARSEST_FIRST, Signature

_MOST_FLIPS = 0.1  # of the integers of an output: thresholds flip, but not that often


@dataclass(frozen=True)
class Opinion:
    """All rows, those of onnxruntime first, and the referee in a few words."""

    rows: tuple[Row, ...]
    mismatches: tuple[tuple[str, int], ...]  # outputs that differ in structure, and the batch
    referee: str

    @property
    def failed(self) -> frozenset[str]:
        """Names of outputs that are not equal."""
        return frozenset(r.comparison.name for r in self.rows if not r.comparison.equal)


def judge_rows(
    a: Signature, settings: Settings, comparison: Comparison, referee: Referee, samples: int
) -> Opinion:
    """Apply the tolerance rule to everything that was seen of `samples` samples."""
    skipped = referee.skipped or _disagreement(a, comparison, referee)
    if not referee.samples and not skipped:
        skipped = "no sample was done in time"
    rows = []
    for name, tally in comparison.tallies.items():
        rule = _arithmetic(a, tally)
        tolerance = rule.tolerance if settings.tolerance is None else settings.tolerance
        rows.append(tally.row(rule, tolerance, None if skipped else _noise(referee, name)))
    mismatches = [comparison.mismatch]
    if skipped:
        return Opinion(tuple(rows), _present(mismatches), f"skipped: {skipped}")
    second = []
    for name, tally in referee.comparison.tallies.items():
        rule = _arithmetic(a, tally)
        second.append(tally.row(rule, rule.referee, _noise(referee, name)))
    mismatches.append(referee.comparison.mismatch)
    agrees = all(r.comparison.equal for r in second) and referee.comparison.mismatch is None
    word = "agrees" if agrees else "differs"
    if referee.samples < samples:
        word += f" on {referee.samples} of {samples} samples"
    return Opinion((*rows, *second), _present(mismatches), word)


def decide(opinion: Opinion) -> tuple[str, int] | None:
    """The first thing that is not equal: a sentence and the batch it shows in."""
    if opinion.mismatches:
        return opinion.mismatches[0]
    return next(((r.sentence, r.batch) for r in opinion.rows if not r.comparison.equal), None)


def _present(found: list[tuple[str, int] | None]) -> tuple[tuple[str, int], ...]:
    return tuple(f for f in found if f is not None)


def _arithmetic(a: Signature, tally: Tally) -> Arithmetic:
    """By the coarser of the model's type and the output's."""
    types = (a.arithmetic, tally.dtype)
    return ARITHMETIC[next((t for t in COARSEST_FIRST if t in types), "float32")]


def _noise(referee: Referee, name: str) -> Noise | None:
    measured = referee.noise.get(name)
    return None if measured is None else Noise(measured, referee.magnitude)


def _disagreement(a: Signature, comparison: Comparison, referee: Referee) -> str:
    """Why the referee's view of the original cannot be right; "" when it can."""
    for name, tally in comparison.tallies.items():
        noise = _noise(referee, name)
        if noise is not None and noise.is_gross(_arithmetic(a, tally), tally.scale.largest):
            far = (
                f"{noise.measured.largest:.2g} where the largest value is {tally.scale.largest:.2g}"
            )
            return f"it disagrees with onnxruntime about the original's output {name} by {far}"
        rate = referee.flip_rate(name)
        if rate > _MOST_FLIPS:
            return f"it disagrees with onnxruntime about {rate:.0%} of the original's output {name}"
    return ""
