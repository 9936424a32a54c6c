"""The second opinion on what was understood can tell that something was not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from lumpcli.ir import Activation, Layer, Net, Symmetry
from lumpcli.loader import Host, load
from tests.evaluate import disagreements
from tests.loader.images import kernel, through
from tests.models import integers, node, planted

Edit = Callable[[Layer], Layer]


def _host(*nodes, extra=None, positions=(4, 5), **options):
    return load(through(*nodes, extra=extra, positions=positions, **options))


def _edited(host: Host, name: str, edit: Edit) -> Host:
    layers = tuple(edit(layer) if layer.name == name else layer for layer in host.net.layers)
    tampered = object.__new__(Net)  # without the checks of a net
    object.__setattr__(tampered, "layers", layers)
    object.__setattr__(tampered, "outputs", host.net.outputs)
    return replace(host, net=tampered)


def _term(**changes) -> Edit:
    def edit(layer):
        return replace(layer, terms=(replace(layer.terms[0], **changes), *layer.terms[1:]))

    return edit


POOL = node("MaxPool", ["p"], ["h"], kernel_shape=[2, 2])
MEAN = node("AveragePool", ["p"], ["h"], kernel_shape=[2, 2])
PAD = node("Pad", ["p", "pads"], ["h"])
PADS = {"pads": np.array([0, 0, 1, 0, 0, 0, 0, 0])}
CONV = node("Conv", ["p", "k"], ["h"], strides=[2, 1])
KERNEL = {"k": kernel(planted(6, seed=4)[0], 2, 2)}
SLICE = [node("Slice", ["p", "one", "five", "one"], ["h"])]
LIMITS = {"one": np.array([1]), "five": np.array([5])}

TAMPERED = {
    "a weight": ("p", [POOL], {}, {}, _term(weight=np.ones((6, 5, 1, 1), "f4"))),
    "a scale": ("p", [POOL], {}, {}, _term(scale=Fraction(2))),
    "an activation": ("r", [POOL], {}, {}, lambda n: replace(n, activation=Activation("Abs"))),
    "a bias": ("p", [POOL], {}, {}, lambda n: replace(n, bias=None)),
    "a maximum that is linear": ("h", [POOL], {}, {}, _term(symmetry=Symmetry.LINEAR)),
    "a maximum of magnitudes": ("h", [POOL], {}, {}, _term(symmetry=Symmetry.ABSOLUTE)),
    "zeros that are not told": ("h", [PAD], PADS, {}, _term(padded=False)),
    "taps in another order": ("r", [CONV], KERNEL, {}, _term(weight=KERNEL["k"][..., ::-1])),
    "which are taken": ("h", SLICE, LIMITS, {"columns": 4}, _term(select=np.arange(4))),
    "another source": ("h", [POOL], {}, {}, _term(source="x")),
}


@pytest.mark.parametrize("what", TAMPERED)
def test_what_is_not_so_is_noticed(what):
    name, nodes, extra, options, edit = TAMPERED[what]
    host = _host(*nodes, extra=extra, **options)
    name = name if name in [layer.name for layer in host.net.layers] else "r"
    inputs = integers(host.model)
    assert disagreements(host, inputs, 1e-6) == []
    assert disagreements(_edited(host, name, edit), inputs, 1e-6) != []


def test_features_along_another_axis_are_noticed():
    """(N, 6, 6, 6), where all axes look alike."""
    host = _host(MEAN, positions=(7, 7))
    assert disagreements(host, integers(host.model), 1e-6) == []
    axes = host.axes | {"h": ("h", -1)}
    assert disagreements(replace(host, axes=axes), integers(host.model), 1e-6) != []


def test_a_tensor_that_holds_another_layer_is_noticed():
    host = _host(node("Relu", ["p"], ["q"]), node("Identity", ["q"], ["h"]), activation="Neg")
    axes = host.axes | {"h": ("x", -3)}
    assert "h is not x" in disagreements(replace(host, axes=axes), integers(host.model))


def test_an_output_of_another_layer_is_noticed():
    host = _host(POOL)
    outputs = (replace(host.net.outputs[0], layer="r"),)
    other = replace(host, net=replace(host.net, outputs=outputs))
    assert disagreements(other, integers(host.model)) == ["output y is not r"]


def test_functions_that_mix_features_are_noticed():
    """A maximum over channels, taken for one over positions."""
    host = _host(node("Softmax", ["p"], ["h"], axis=2))
    host.model.graph.node[1].attribute[0].i = 1
    found = disagreements(host, integers(host.model), 1e-5)
    assert any("alone and alike" in complaint for complaint in found)


def test_nodes_that_share_a_key_and_differ_are_noticed():
    nodes = [node("MaxPool", ["p"], [n], kernel_shape=[2, 2]) for n in "st"]
    host = _host(*nodes, node("Sub", ["s", "t"], ["h"]))
    assert disagreements(host, integers(host.model)) == []
    host.model.graph.node[2].attribute[0].ints[:] = [2, 2]
    host.model.graph.node[2].op_type = "AveragePool"
    found = disagreements(host, integers(host.model), 1e-5)
    assert any("another node with its key" in complaint for complaint in found)
