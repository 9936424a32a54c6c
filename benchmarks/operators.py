"""The corpus of onnx's own operator tests, as they are and between layers of weights."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import onnx.backend.test.loader
from onnx import ModelProto

from benchmarks.between import surround
from benchmarks.compare import Outcome, plain, reduce_and_run


@dataclass
class Tally:
    """What happened to the models of a corpus."""

    counts: Counter[str] = field(default_factory=Counter)
    features: Counter[str] = field(default_factory=Counter)  # before, after
    not_compared: Counter[str] = field(default_factory=Counter)  # why, shortened
    refused: list[Outcome] = field(default_factory=list)
    failures: list[Outcome] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        """Count one more model."""
        self.counts.update(("models", outcome.status))
        self.counts["compared"] += outcome.ran
        if outcome.result is not None:
            self.features["before"] += outcome.result.features.before
            self.features["after"] += outcome.result.features.after
        if outcome.status == "changed" and not outcome.ran:
            self.not_compared[outcome.reason[:90]] += 1
        if outcome.status == "refused":
            self.refused.append(outcome)
        if outcome.status == "failed":
            self.failures.append(outcome)

    def lines(self) -> Iterator[str]:
        """The counts, and each model that is not as it should be, with the reason."""
        keys = ("models", "unchanged", "changed", "compared", "refused", "failed")
        yield ", ".join(f"{self.counts[key]:,} {key}" for key in keys)
        if self.features["before"]:
            yield f"hidden features {self.features['before']:,} -> {self.features['after']:,}"
        for reason, count in self.not_compared.most_common(8):
            yield f"  {count:>5} x {reason}"
        for outcome in (*self.refused, *self.failures):
            yield f"  {outcome.status} {outcome.name}: {outcome.reason}"


def operator_tests() -> list[Any]:
    """onnx's operator tests: name, model, data_sets of (inputs, outputs)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # onnx divides by zero and overflows on purpose
        cases: list[Any] = onnx.backend.test.loader.load_model_tests(kind="node")
    return sorted(cases, key=lambda case: str(case.name))


def as_they_are(cases: Iterable[Any]) -> Tally:
    """Each test as onnx made it: nearly all without constants, so that nothing can be cut."""
    tally = Tally()
    for case in cases:
        samples = [
            (_feeds(case.model, inputs), [plain(value) for value in outputs])
            for inputs, outputs in case.data_sets
        ]
        tally.add(reduce_and_run(case.name, case.model, samples))
    return tally


def between_layers(cases: Iterable[Any]) -> Tally:
    """Each test between two layers of weights, in every way that fits."""
    tally = Tally()
    for case in cases:
        inputs = [plain(value) for value in case.data_sets[0][0]]
        for planted in surround(case.model, inputs):
            name = f"{case.name} ({planted.label})"
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # some operators give NaN on what they get here
                tally.add(reduce_and_run(name, planted.model, [(planted.feeds, None)]))
    return tally


def _feeds(model: ModelProto, inputs: Sequence[Any]) -> dict[str, Any]:
    names = [entry.name for entry in model.graph.input]
    return {name: plain(value) for name, value in zip(names, inputs, strict=False)}
