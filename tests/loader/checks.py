"""What every dialect must pass: understood as onnxruntime runs it, cut, and bit-equal after."""

from __future__ import annotations

import numpy as np
from onnx import ModelProto

from lumpcli.api import reduce
from lumpcli.exporter import check_roundtrip
from lumpcli.ir import Net
from lumpcli.loader import load
from tests.evaluate import disagreements, run
from tests.models import KEPT, PLANTED, integers


def widths(net: Net) -> dict[str, int]:
    return {layer.name: layer.width for layer in net.layers}


def same_outputs(model: ModelProto, other: ModelProto, batch: int = 3) -> None:
    """Bit for bit, on integers."""
    inputs = integers(model, batch)
    before, after = run(model, inputs), run(other, inputs)
    assert before.keys() == after.keys()
    for name, value in before.items():
        np.testing.assert_array_equal(value, after[name], strict=True)


def shrinks(
    model: ModelProto,
    layers: tuple[str, ...] = ("r",),
    *,
    after: int = KEPT,
    tolerance: float = 0.0,
    batch: int = 3,
    **options: bool,
) -> ModelProto:
    """The reduced model, after checking that the layers go from 6 features to 4 and why not."""
    host = load(model, **options)
    assert disagreements(host, integers(model, batch), tolerance) == []
    before = widths(host.net)
    assert {name: before.get(name) for name in layers} == dict.fromkeys(layers, PLANTED)
    result = reduce(model, **options)
    assert result.changed
    reduced = result.model
    reloaded = load(reduced, **options)
    assert {name: widths(reloaded.net)[name] for name in layers} == dict.fromkeys(layers, after)
    assert disagreements(reloaded, integers(model, batch), tolerance) == []
    same_outputs(model, reduced, batch)
    check_roundtrip(reloaded.net, load(reduce(reduced, **options).model, **options).net)
    return reduced


def stays(
    model: ModelProto,
    *,
    runs: bool = True,
    tolerance: float = 0.0,
    batch: int = 3,
    **options: bool,
) -> list[str]:
    """Nothing is cut, and the bytes stay; returns every reason lumpcli gives."""
    host = load(model, **options)
    if runs:
        assert disagreements(host, integers(model, batch), tolerance) == []
    result = reduce(model, **options)
    assert not result.changed
    assert result.model.SerializeToString() == model.SerializeToString()
    return [*host.notes, *(layer.pinned for layer in host.net.layers if layer.pinned)]
