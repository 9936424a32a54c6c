"""What every dialect must pass: understood as onnxruntime runs it, cut, and bit-equal after."""

from __future__ import annotations

import numpy as np
from onnx import ModelProto

from lumpcli.api import reduce
from lumpcli.exporter import check_roundtrip
from lumpcli.ir import Net
from lumpcli.loader import Host, load
from tests.evaluate import disagreements, run
from tests.models import KEPT, PLANTED, integers

FACTS = ("unread", "constant", "lumping")  # what cuts planted features


def widths(net: Net) -> dict[str, int]:
    """The number of features of every layer."""
    return {layer.name: layer.width for layer in net.layers}


def misread(host: Host) -> list[str]:
    """The places in the file that do not hold what the net says they hold.

    Indices and limits of slices may be stated in other ways, from the end say.
    """
    found = []
    for site in host.sites:
        if site.role == "indices" or any(e.measure != "width" for e in site.extents):
            continue
        value = site.values(host.net)
        if site.stored is None:
            if value is not None:
                found.append(f"{site.layer}: {site.role} is nowhere")
        elif value is None or not np.array_equal(value, site.stored.array):
            found.append(f"{site.layer}: {site.role} is {site.stored.array}, not {value}")
    return found


def same_outputs(
    model: ModelProto, other: ModelProto, batch: int = 3, *, apart: float = 0.0
) -> None:
    """On integers: bit for bit, or as far `apart` as rounding puts them."""
    inputs = integers(model, batch)
    before, after = run(model, inputs), run(other, inputs)
    assert before.keys() == after.keys()
    for name, value in before.items():
        if apart:
            np.testing.assert_allclose(value, after[name], apart, apart * np.abs(value).max())
        else:
            np.testing.assert_array_equal(value, after[name], strict=True)


def shrinks(
    model: ModelProto,
    layers: tuple[str, ...] = ("r",),
    *,
    after: int = KEPT,
    tolerance: float = 0.0,
    apart: float = 0.0,
    batch: int = 3,
    **options: bool,
) -> ModelProto:
    """The reduced model, after checking that the layers go from 6 features to 4 and why not."""
    host = load(model, **options)
    assert misread(host) == []
    assert disagreements(host, integers(model, batch), tolerance) == []
    before = widths(host.net)
    assert {name: before.get(name) for name in layers} == dict.fromkeys(layers, PLANTED)
    result = reduce(model, passes=FACTS, **options)
    assert result.changed
    reduced = result.model
    reloaded = load(reduced, **options)
    assert {name: widths(reloaded.net)[name] for name in layers} == dict.fromkeys(layers, after)
    assert disagreements(reloaded, integers(model, batch), tolerance) == []
    same_outputs(model, reduced, batch, apart=apart)
    check_roundtrip(
        reloaded.net, load(reduce(reduced, passes=FACTS, **options).model, **options).net
    )
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
    assert misread(host) == []
    if runs:
        assert disagreements(host, integers(model, batch), tolerance) == []
    result = reduce(model, passes=FACTS, **options)
    assert not result.changed
    assert result.model.SerializeToString() == model.SerializeToString()
    return [*host.notes, *(layer.pinned for layer in host.net.layers if layer.pinned)]
