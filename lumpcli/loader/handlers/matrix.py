"""The weights and the bias of a layer: stored as floats, or as integers behind a dequantisation."""

from __future__ import annotations

from dataclasses import dataclass

from lumpcli.ir import Array
from lumpcli.loader.draft import Draft, DraftSite
from lumpcli.loader.quantum import Quantum
from lumpcli.loader.site import Role
from lumpcli.loader.trace import Trace
from lumpcli.loader.weights import Stored


@dataclass(frozen=True)
class Matrix:
    """Stored weights: `array` are floats, or integers that stand for multiples of `row_scale`."""

    stored: Stored
    row_scale: Array | None = None

    @property
    def array(self) -> Array:
        """The numbers as they are laid out in the file."""
        return self.stored.array

    @property
    def limits(self) -> tuple[int, int] | None:
        """The range of the integers, if they are."""
        quantum = self.stored.quantum
        return None if quantum is None else quantum.limits


def matrix(trace: Trace, name: str, row_axis: int, rows: int | None = None) -> Matrix | str:
    """The weights of that name, rows along an axis; the reason where they are of another kind.

    `rows`: how many there are, if not the length of the axis.
    """
    stored = trace.numbers(name)
    if stored is not None:
        return Matrix(stored)
    stored = trace.weights.any(name)
    if stored is None or stored.quantum is None:
        return trace.why_no_numbers(name)
    if stored.array.ndim <= row_axis:
        return f"{name!r} has shape {list(stored.array.shape)}"
    scale = stored.quantum.per_row(row_axis, rows or stored.array.shape[row_axis])
    if scale is None:
        return f"{name!r} is scaled along another axis than its rows'"
    return Matrix(stored, scale)


def matrix_sites(trace: Trace, layer: Draft, slot: int, weights: Matrix, transposed: bool) -> None:
    """Where weights are written, and what they are multiples of."""
    trace.site(layer, slot, "weight", weights.stored, transposed=transposed)
    if weights.stored.quantum is not None:
        _quantum_sites(trace, layer, weights.stored.quantum, "row scale")


def _quantum_sites(trace: Trace, layer: Draft, quantum: Quantum, scale: Role) -> None:
    """Where scales and zeros are written, if there is one per feature."""
    roles: tuple[tuple[int, Role], ...] = ((1, scale), (2, "repeated"))
    node = trace.graph.proto.node[quantum.node]
    for slot, role in roles:
        stored = trace.constant(node.input[slot]) if len(node.input) > slot else None
        if stored is not None and stored.array.size > 1:
            layer.sites.append(DraftSite(quantum.node, slot, role, stored))


def why_no_bias(trace: Trace, name: str, width: int) -> str | None:
    """Why a tensor cannot be the bias (width,) of a layer; None when it can."""
    stored = trace.numbers(name) or trace.weights.any(name)
    if stored is None or (stored.quantum is None and trace.numbers(name) is None):
        return trace.why_no_numbers(name)
    if stored.array.shape != (width,):
        return f"its bias has shape {list(stored.array.shape)}"
    if stored.quantum is not None and stored.quantum.per_row(0, width) is None:
        return f"{name!r} is scaled in another way than by its numbers"
    return None


def put_bias(trace: Trace, layer: Draft, slot: int, name: str) -> str | None:
    """Give a layer the bias of that name; the reason where that is not possible."""
    reason = why_no_bias(trace, name, layer.width)
    stored = trace.numbers(name) or trace.weights.any(name)
    if reason is not None or stored is None:
        return reason
    layer.bias, layer.bias_fixed = stored.array, stored.quantum is not None
    trace.site(layer, slot, "bias", stored)
    if stored.quantum is not None:
        layer.bias_units = stored.quantum.per_row(0, layer.width)
        _quantum_sites(trace, layer, stored.quantum, "bias units")
    return None
