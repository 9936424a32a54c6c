"""A network as a short program: steps in order, each one tensor, flat, for one sample."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lumpcli.bounds.affine import Affine
from lumpcli.bounds.functions import Function
from lumpcli.bounds.opaque import Opaque
from lumpcli.bounds.rounding import SPARE, Array

Operation = Affine | Function | Opaque


@dataclass(frozen=True)
class Step:
    """One tensor (size,): a piece of the box where `operation` is None."""

    size: int
    operation: Operation | None
    sources: tuple[int, ...] = ()


@dataclass(frozen=True)
class Tensor:
    """Which step makes a tensor of the model, and its shape for one sample."""

    step: int
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Program:
    """The steps; `inputs` are the graph's, `targets` the tensors that activations read.

    `unbounded` says why of each tensor that could not be followed.
    """

    steps: tuple[Step, ...]
    inputs: Mapping[str, Tensor]
    tensors: Mapping[str, Tensor]
    targets: Mapping[str, Tensor]
    unbounded: Mapping[str, str]

    @cached_property
    def target_steps(self) -> tuple[int, ...]:
        """The steps that activations read, in order."""
        return tuple(sorted({tensor.step for tensor in self.targets.values()}))

    @cached_property
    def roundings(self) -> int:
        """At least the length of every sum that rows or their constants are part of."""
        longest = 0
        for step in self.steps:
            if isinstance(step.operation, Affine):
                longest = max(longest, step.operation.roundings + step.operation.fan_out)
            longest = max(longest, step.size)
        return longest + len(self.steps) + SPARE

    @cached_property
    def readers(self) -> tuple[tuple[int, ...], ...]:
        """Which steps read each step."""
        found: list[list[int]] = [[] for _ in self.steps]
        for number, step in enumerate(self.steps):
            for source in step.sources:
                found[source].append(number)
        return tuple(tuple(numbers) for numbers in found)

    @property
    def largest(self) -> int:
        """The size of the largest tensor."""
        return max(step.size for step in self.steps)

    @cached_property
    def entries(self) -> int:
        """The size of all tensors together."""
        return sum(step.size for step in self.steps)

    def evaluate(self, points: Mapping[str, Array]) -> list[Array]:
        """All tensors (samples, size) in float64, at inputs (samples, *shape)."""
        values: list[Array] = []
        made = {tensor.step: points[name] for name, tensor in self.inputs.items()}
        for number, step in enumerate(self.steps):
            if step.operation is None:
                values.append(made[number].reshape(len(made[number]), -1).astype(np.float64))
            else:
                values.append(step.operation.value(*[values[s] for s in step.sources]))
        return values
