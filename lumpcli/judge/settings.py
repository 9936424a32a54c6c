"""What a user may choose about a verification."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from lumpcli.box import Box
from lumpcli.errors import UsageError


@dataclass(frozen=True)
class Settings:
    """How to verify. `check` raises UsageError for values that make no sense.

    samples: how many to draw; a row of a dynamic batch is one, and so is a run of a fixed batch.
    seed: of the samples and of onnxruntime's random operators.
    tolerance: of the largest value of a channel, for the rows of onnxruntime; None: by arithmetic.
    inputs: arrays by input name. They replace the drawn values of those inputs in every run; when
        they cover all inputs, nothing is drawn and the arrays are the samples. An array whose first
        axis is a multiple of a fixed first dimension is cut into several runs.
    input_shapes, dims: sizes for dynamic dimensions, by input or by symbol; a shape wins.
    timeout: seconds for all runs; what was compared until then counts. None: no
        new batch starts after `PATIENCE` seconds.
    witness: .npz file for the input on which the models differ most, written when they differ.
    optimize: let onnxruntime optimise the graphs as it does by default.
    referee: also compare the models in float64, where they are small enough.
    jobs: threads for lumpcli's own work; None: one per core. onnxruntime always has one: sums in
        several threads would not come out the same twice.
    box: where samples are drawn, and where your own must lie: a Box, or texts for `read_box`.
        None: in the domains that the models state, if they do.
    everywhere: draw samples everywhere, whatever the models state.
    """

    samples: int = 64
    seed: int = 0
    tolerance: float | None = None
    inputs: Mapping[str, np.ndarray] | None = None
    input_shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    dims: Mapping[str, int] = field(default_factory=dict)
    timeout: float | None = None
    witness: Path | None = None
    optimize: bool = False
    referee: bool = True
    jobs: int | None = None
    box: Box | Sequence[str] | None = None
    everywhere: bool = False

    def check(self) -> None:
        """Raise UsageError when a number is out of range."""
        _demand(self.samples >= 1, f"samples must be at least 1, not {self.samples}")
        _demand(0 <= self.seed < 2**31, f"seed must be from 0 to 2**31 - 1, not {self.seed}")
        tolerance = self.tolerance
        _demand(
            tolerance is None or (math.isfinite(tolerance) and tolerance >= 0),
            f"tolerance must be finite and not negative, not {tolerance}",
        )
        _demand(
            self.timeout is None or self.timeout > 0,
            f"timeout must be more than 0 seconds, not {self.timeout}",
        )
        _demand(self.jobs is None or self.jobs >= 1, f"jobs must be at least 1, not {self.jobs}")
        _demand(
            self.box is None or not self.everywhere, "give a box, or compare everywhere, not both"
        )
        for name, size in self.dims.items():
            _demand(size >= 1, f"dimension {name} must be at least 1, not {size}")
        for name, shape in self.input_shapes.items():
            _demand(
                all(d >= 1 for d in shape), f"shape of input {name} has a size below 1: {shape}"
            )


# Seconds. Without a timeout a slow model gets fewer samples, and the verdict says how many.
PATIENCE = 10.0


def _demand(condition: bool, sentence: str) -> None:
    if not condition:
        raise UsageError(sentence)
