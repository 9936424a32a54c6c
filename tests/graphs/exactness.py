"""Whether float32 can have rounded anything: how many bits the sums of a graph need.

Seen values, and the absolute sums of what every operator adds up, in units of their finest bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.graphs.models import Arrays
from tests.graphs.spec import Array, Graph, Step, Tensor

BITS = 22  # float32 has 24; merging offsets into a bias may take one more
_NONE = 10_000  # the finest bit of zero


def grain(values: Array) -> Array:
    """The exponent of the lowest bit that is set in each number."""
    mantissa, exponent = np.frexp(values)
    whole = (np.abs(mantissa) * 2.0**53).astype(np.int64)
    lowest = np.log2(np.maximum(whole & -whole, 1)).astype(np.int64)
    return np.where(values == 0, _NONE, exponent - 53 + lowest)


@dataclass(frozen=True)
class Span:
    """Largest magnitudes and finest bits, of every channel or of everything."""

    top: Array
    fine: Array

    @property
    def bits(self) -> float:
        """How many bits hold everything."""
        if not self.top.any():
            return 0.0
        return float(np.log2(self.top.max())) - float(self.fine.min()) + 1


def _span(values: Any, axis: int | None = None) -> Span:
    numbers = np.asarray(values, np.float64)
    rows = numbers.reshape(1, -1) if axis is None else np.moveaxis(numbers, axis, 0)
    rows = rows.reshape(len(rows), -1)
    return Span(np.abs(rows).max(axis=1), grain(rows).min(axis=1))


def _channels(tensor: Tensor, values: Any) -> Span:
    """Of every channel."""
    batch = len(values)
    if tensor.layout == "flat":
        values = values.reshape(batch, tensor.width, -1)
    elif tensor.layout == "flat_last":
        values = values.reshape(batch, -1, tensor.width)
    return _span(values, 1 if tensor.layout in ("first", "flat") else -1)


def _matrix(step: Step, source: Span) -> float:
    """Bits of the sums of a matrix or convolution."""
    weight, groups = step.numbers["weight"], step.settings["groups"]
    out, _, read, _ = weight.shape
    top = np.repeat(source.top.reshape(groups, read), out // groups, axis=0)
    fine = np.repeat(source.fine.reshape(groups, read), out // groups, axis=0)
    sums = (np.abs(weight) * top[:, None, :, None]).sum(axis=(2, 3))
    finest = grain(weight) + np.where(top == 0, _NONE, fine)[:, None, :, None]
    least = finest.min(axis=(2, 3))
    if "bias" in step.numbers:
        sums = sums + np.abs(step.numbers["bias"])
        least = np.minimum(least, grain(step.numbers["bias"]))
    used = sums > 0
    return float((np.log2(sums[used]) - least[used]).max()) + 1 if used.any() else 0.0


def _others(step: Step, sources: list[Span]) -> float:
    """Bits of everything else: added where things are multiplied or added up."""
    numbers = sum(_span(v).bits for v in step.numbers.values() if v.size)
    operator = step.settings.get("operator", "")
    if step.kind == "merge" and operator == "mul":
        return sum(s.bits for s in sources)
    top = np.array([s.top.max() for s in sources])
    fine = np.array([s.fine.min() for s in sources])
    together = Span(top.sum(keepdims=True), fine.min(keepdims=True)).bits
    window = step.settings.get("window")
    return together + numbers + 2 * (0 if window is None else window.taps.bit_length())


def bits_needed(graph: Graph, seen: Arrays) -> float:
    """The most that any step needs, given what every tensor held."""
    most = 0.0
    for step in graph.steps:
        if step.kind in ("input", "words", "embedding", "gather", "split", "slice", "concat"):
            continue
        tensors = [graph.tensors[s] for s in step.sources]
        spans = [_channels(t, seen[t.name]) for t in tensors]
        if step.kind in ("conv", "transposed", "dense"):
            most = max(most, _matrix(step, spans[0]))
        else:
            whole = step.settings.get("operator", "").startswith(("Global", "Reduce"))
            extra = tensors[0].positions.bit_length() if whole else 0
            most = max(most, _others(step, spans) + extra)
    return most
