"""The nine ImageNet networks in onnx's package, with all large weights equal to 0.02.

Their expected outputs say little: behind a Softmax over equal scores every one is 0.001. So what
the last Softmax reads is compared too, and a second input is drawn.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx.backend.test.loader
import onnx.backend.test.runner
from onnx import ModelProto, numpy_helper

from benchmarks.compare import Feeds, Outcome, Unrunnable, difference, reduce_safely, run

_FOLDER = Path(onnx.backend.test.loader.DATA_DIR) / "light"
_DEFAULT = (1e-3, 1e-7)


@dataclass(frozen=True)
class Light:
    """One of the networks: its file, and how near onnx wants its outputs."""

    path: Path
    rtol: float
    atol: float

    @property
    def name(self) -> str:
        """The network's name."""
        return self.path.stem.removeprefix("light_")

    @property
    def expected(self) -> list[Any]:
        """The outputs onnx expects."""
        files = sorted(self.path.parent.glob(f"{self.path.stem}_output_*.pb"))
        return [numpy_helper.to_array(onnx.load_tensor(file)) for file in files]


@dataclass(frozen=True)
class Measured:
    """An outcome, how long the reduction took, and the largest difference relative to scale."""

    outcome: Outcome
    seconds: float
    apart: float = 0.0


def light_models(names: Sequence[str] = ()) -> list[Light]:
    """The networks of these names, or all nine."""
    limits = {
        Path(case.url or "").name: (case.rtol, case.atol)
        for case in onnx.backend.test.loader.load_model_tests(kind="real")
    }
    paths = sorted(_FOLDER.glob("*.onnx"))
    found = [Light(path, *limits.get(path.name, _DEFAULT)) for path in paths]
    return [light for light in found if not names or light.name in names]


def measure(light: Light) -> Measured:
    """Reduce one network and compare it with the original and with what onnx expects."""
    model = onnx.load(light.path)
    started = time.perf_counter()
    outcome = reduce_safely(light.name, model)
    seconds = time.perf_counter() - started
    if outcome.status not in ("changed", "unchanged") or outcome.result is None:
        return Measured(outcome, seconds)
    small = outcome.result.model
    apart = 0.0
    try:
        for feeds, expected in _samples(model, light.expected):
            before, after = (run(with_scores(m), feeds) for m in (model, small))
            reasons = [difference(before, after, where="reduced")]
            if expected is not None:
                count = len(expected)
                reasons += [
                    difference(expected, outputs[:count], light.rtol, light.atol, where)
                    for outputs, where in ((before, "original"), (after, "reduced"))
                ]
            wrong = next(filter(None, reasons), "")
            if wrong:
                return Measured(Outcome(light.name, "failed", wrong), seconds)
            apart = max(apart, *map(_relative, before, after))
    except Unrunnable as error:
        return Measured(Outcome(light.name, "failed", str(error)), seconds)
    return Measured(outcome, seconds, apart)


def with_scores(model: ModelProto) -> ModelProto:
    """The model with one more output: what the last Softmax reads, if it ends in one."""
    last = model.graph.node[-1]
    if last.op_type != "Softmax":
        return model
    wide = ModelProto()
    wide.CopyFrom(model)
    wide.graph.output.add(name=last.input[0])
    return wide


def _samples(model: ModelProto, expected: list[Any]) -> list[tuple[Feeds, list[Any] | None]]:
    """The input onnx's own runner makes, with what it expects of it, and a random one."""
    stored = {tensor.name for tensor in model.graph.initializer}
    entries = [entry for entry in model.graph.input if entry.name not in stored]
    make = onnx.backend.test.runner.Runner.generate_dummy_data
    dummy = {entry.name: make(entry) for entry in entries}
    rng = np.random.default_rng(0)
    drawn = {n: rng.standard_normal(v.shape).astype(v.dtype) for n, v in dummy.items()}
    return [(dummy, expected), (drawn, None)]


def _relative(before: Any, after: Any) -> float:
    scale = float(abs(before).max(initial=0.0))
    return float(abs(after - before).max(initial=0.0)) / scale if scale else 0.0


def table(measured: Sequence[Measured]) -> str:
    """A line per network."""
    lines = [
        f"{'network':<14}{'hidden features':>18}{'parameters':>28}{'file bytes':>20}"
        f"{'seconds':>9}{'apart':>10}  outcome"
    ]
    for one in measured:
        outcome, result = one.outcome, one.outcome.result
        cells = ["", "", ""]
        if result is not None:
            changes = (result.features, result.parameters, result.file_bytes)
            cells = [f"{change.before:,} -> {change.after:,}" for change in changes]
        lines.append(
            f"{outcome.name:<14}{cells[0]:>18}{cells[1]:>28}{cells[2]:>20}"
            f"{one.seconds:>9.2f}{one.apart:>10.1e}  {outcome.status} {outcome.reason}".rstrip()
        )
    return "\n".join(lines)
