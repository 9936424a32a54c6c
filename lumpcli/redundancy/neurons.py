"""The layers of ReLUs whose neurons may be replaced, and where their elements are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lumpcli.bounds import RELU, Program, Range
from lumpcli.ir import Array, Layer, Net, Term
from lumpcli.loader import Host

_WIDE = (np.float32, np.float64)  # in narrower types what a change rounds would matter


@dataclass(frozen=True)
class Neurons:
    """A layer of ReLUs: `step` makes its values from those of step `source`.

    `feature` (size,) says whose each element is. `declined`: why none may be replaced, if so;
    `shifts`: whether lines may replace them, which shift biases here and in readers.
    """

    layer: str
    step: int
    source: int
    feature: Array
    width: int
    declined: str
    shifts: bool

    def ends(self, source: Range) -> tuple[Array, Array]:
        """The least and the greatest value (width,) of z over all positions and cells."""
        low, high = np.full(self.width, np.inf), np.full(self.width, -np.inf)
        np.minimum.at(low, self.feature, source.lower.min(axis=0))
        np.maximum.at(high, self.feature, source.upper.max(axis=0))
        return low, high


def neurons_of(host: Host, program: Program) -> list[Neurons]:
    """The layers whose ReLU the program follows, in order."""
    found: dict[int, Neurons] = {}
    for layer in host.net.layers:
        tensor = program.tensors.get(layer.name)
        axis = host.axes.get(layer.name, ("", None))[1]
        if tensor is None or axis is None or tensor.step in found:
            continue
        step = program.steps[tensor.step]
        fits = len(tensor.shape) >= -axis and tensor.shape[axis] == layer.width
        if step.operation is not RELU or not fits:
            continue
        index = np.moveaxis(np.zeros(tensor.shape, np.int64), axis, -1) + np.arange(layer.width)
        feature = np.moveaxis(index, -1, axis).reshape(-1)
        found[tensor.step] = Neurons(
            layer.name,
            tensor.step,
            step.sources[0],
            feature,
            layer.width,
            declined(layer),
            shifts(host.net, layer),
        )
    return [found[step] for step in sorted(found)]


def declined(layer: Layer) -> str:
    """Why rows and biases of a layer may not be replaced; "" where they may."""
    if layer.pinned is not None:
        return layer.pinned
    if layer.terms and all(map(_plain, layer.terms)) and _adds(layer):
        return ""
    return "its numbers are not rows of weights and biases of its own"


def shifts(net: Net, layer: Layer) -> bool:
    """Whether all readers can take back what is added to a layer's biases."""
    readers = [(reader, reader.terms[index]) for reader, index in net.readers[layer.name]]
    return all(_plain(term) and not term.padded and _adds(reader) for reader, term in readers)


def _plain(term: Term) -> bool:
    """Whether a term has rows of stored numbers that may change."""
    own = not term.diagonal and term.blocks == 1 and term.row_scale is None and not term.frozen
    return own and term.weight is not None and term.weight.dtype in _WIDE


def _adds(layer: Layer) -> bool:
    """Whether a layer has biases that may change."""
    plain = layer.bias_scale == 1 and layer.bias_units is None
    return plain and layer.bias is not None and layer.bias.dtype in _WIDE


def depths_of(program: Program) -> list[int]:
    """Per step, the most ReLUs on a way to it, itself included."""
    depths: list[int] = []
    for step in program.steps:
        before = max((depths[s] for s in step.sources), default=0)
        depths.append(before + (step.operation is RELU))
    return depths
