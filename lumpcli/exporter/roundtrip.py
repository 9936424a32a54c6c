"""The exporter's law: `load(export(net, quotient)) == quotient applied to net, rounded once`."""

from __future__ import annotations

import numpy as np

from lumpcli.errors import InternalError
from lumpcli.ir import Array, Join, Layer, Net, Term


def check_roundtrip(expected: Net, loaded: Net) -> None:
    """InternalError, naming layer and part, unless the loaded net is the expected one exactly."""
    found = {layer.name: layer for layer in loaded.layers}
    if {layer.name for layer in expected.layers} != set(found):
        raise InternalError("the written model does not load as the same layers")
    if expected.outputs != loaded.outputs:
        raise InternalError("the written model differs from the reduced net: graph outputs")
    for a in expected.layers:
        part = _difference(a, found[a.name])
        if part is not None:
            raise InternalError(f"the written model differs from the reduced net: {a.name}: {part}")


def _difference(a: Layer, b: Layer) -> str | None:
    if a.width != b.width:
        return f"width {a.width} became {b.width}"
    if not _equal(_bias(a), _bias(b)) or (a.bias is not None and a.bias_scale != b.bias_scale):
        return "bias"
    if any(a.activation.key(i) != b.activation.key(i) for i in range(a.width)):
        return "activation"
    if isinstance(a, Join) != isinstance(b, Join) or getattr(a, "function", "") != getattr(
        b, "function", ""
    ):
        return "operator"
    if len(a.terms) != len(b.terms):
        return "number of terms"
    for index, (s, t) in enumerate(zip(a.terms, b.terms, strict=True)):
        if not _same_term(s, t, a.width):
            return f"term {index} (reads {s.source})"
    return None


def _bias(layer: Layer) -> Array:
    return np.zeros(layer.width) if layer.bias is None else layer.bias.astype(np.float64)


def _same_term(s: Term, t: Term, width: int) -> bool:
    if (s.source, s.diagonal, s.via, s.padded) != (t.source, t.diagonal, t.via, t.padded):
        return False
    if s.diagonal:
        return all(s.factor(i) == t.factor(i) for i in range(width))
    return (
        s.scale == t.scale
        and s.weight is not None
        and t.weight is not None
        and (s.weight.dtype == t.weight.dtype and _equal(s.weight, t.weight))
    )


def _equal(a: Array, b: Array) -> bool:
    return a.shape == b.shape and bool((a == b).all())
