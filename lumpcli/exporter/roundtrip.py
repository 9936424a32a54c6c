"""The exporter's law: `load(export(net, quotient)) == quotient applied to net, rounded once`."""

from __future__ import annotations

from lumpcli.errors import InternalError
from lumpcli.ir import Net, difference
from lumpcli.progress import stage


def check_roundtrip(expected: Net, loaded: Net) -> None:
    """InternalError, naming layer and part, unless the loaded net is the expected one exactly."""
    found = {layer.name: layer for layer in loaded.layers}
    if {layer.name for layer in expected.layers} != set(found):
        raise InternalError("the written model does not load as the same layers")
    if expected.outputs != loaded.outputs:
        raise InternalError("the written model differs from the reduced net: graph outputs")
    step = stage("checking", sum(layer.nbytes for layer in expected.layers))
    for a in expected.layers:
        step.advance(a.nbytes)
        part = difference(a, found[a.name])
        if part is not None:
            raise InternalError(f"the written model differs from the reduced net: {a.name}: {part}")
