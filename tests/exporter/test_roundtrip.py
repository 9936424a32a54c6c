"""The law: what was written loads as the reduced net, number for number."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from onnx import TensorProto

from lumpcli.analysis import Grants
from lumpcli.api.planning import plan_export
from lumpcli.errors import InternalError
from lumpcli.exporter import check_roundtrip, export
from lumpcli.ir import Activation
from lumpcli.loader import load
from tests.models import build, mlp, node, planted, reader

ROWS, BIAS = planted()


def _mixed():
    """Every kind of layer: dense, scaled, divided, with slopes, skipped, joined, moved."""
    nodes = [
        node("Gemm", ["x", "w", "b"], ["g"], transB=1, alpha=0.5),
        node("Mul", ["g", "d"], ["m"]),
        node("Div", ["m", "e"], ["q"]),
        node("PRelu", ["q", "s"], ["p"]),
        node("Add", ["p", "g"], ["a"]),
        node("Max", ["a", "m"], ["j"]),
        node("Reshape", ["j", "t"], ["h"]),
        node("LeakyRelu", ["h"], ["r"], alpha=0.25),
        node("Gemm", ["r", "v", "c"], ["y"]),
    ]
    two = np.array([2, 2, 1, 1, 2, 4], "f4")
    weights = {"w": ROWS, "b": BIAS, "v": reader(), "c": np.ones(3, "f4"), "t": np.array([-1, 6])}
    return build(nodes, {**weights, "d": two, "e": 2 * two, "s": two / 8})


@pytest.mark.parametrize("model", [mlp(), _mixed()])
def test_the_law_holds(model):
    host = load(model)
    check_roundtrip(host.net, load(export(host, host.net).model).net)
    done, exported = plan_export(host, host.net, Grants())
    assert exported.changed
    check_roundtrip(done.reduced, load(exported.model).net)


def _edited(name, edit):
    net = load(_mixed()).net
    layers = tuple(edit(layer) if layer.name == name else layer for layer in net.layers)
    tampered = object.__new__(type(net))
    object.__setattr__(tampered, "layers", layers)
    object.__setattr__(tampered, "outputs", net.outputs)
    return tampered


def _term(layer, **changes):
    return replace(layer, terms=(replace(layer.terms[0], **changes), *layer.terms[1:]))


def _one_bit(array):
    """The number nearest to the last one."""
    changed = array.copy()
    changed.reshape(-1)[-1] = np.nextafter(changed.reshape(-1)[-1], np.inf, dtype=array.dtype)
    return changed


def _slopes(layer):
    slopes = _one_bit(layer.activation.slopes)
    return replace(layer, activation=Activation("PRelu", (), slopes))


TAMPERED = {
    "one bit of a weight": ("g", lambda n: _term(n, weight=_one_bit(n.terms[0].weight))),
    "type of a weight": ("g", lambda n: _term(n, weight=n.terms[0].weight.astype("f8"))),
    "one bit of a bias": ("g", lambda n: replace(n, bias=_one_bit(n.bias))),
    "no bias": ("g", lambda n: replace(n, bias=None)),
    "scale of a weight": ("g", lambda n: _term(n, scale=Fraction(1, 3))),
    "scale of a bias": ("g", lambda n: replace(n, bias_scale=Fraction(1, 3))),
    "width": ("g", lambda n: replace(n, width=7)),
    "activation": ("r", lambda n: replace(n, activation=Activation("Relu"))),
    "attribute": ("r", lambda n: replace(n, activation=Activation("LeakyRelu", (0.5,)))),
    "slope": ("p", _slopes),
    "diagonal weight": ("m", lambda n: _term(n, weight=_one_bit(n.terms[0].weight))),
    "divisor": ("p", lambda n: _term(n, inverse=False)),
    "sign of a skip": ("a", lambda n: _term(n, scale=Fraction(-1))),
    "source": ("a", lambda n: _term(n, source="m")),
    "number of terms": ("a", lambda n: replace(n, terms=n.terms[:1])),
    "order of terms": ("a", lambda n: replace(n, terms=n.terms[::-1])),
    "operator of a join": ("j", lambda n: replace(n, function="Min")),
    "kind of a term": ("g", lambda n: _term(n, diagonal=True, weight=None)),
    "move": ("r", lambda n: _term(n, via="elsewhere")),
    "padding": ("g", lambda n: _term(n, padded=True)),
    "name": ("r", lambda n: replace(n, name="other")),
}


@pytest.mark.parametrize("what", TAMPERED)
def test_tampering_is_noticed(what):
    name, edit = TAMPERED[what]
    net = load(_mixed()).net
    name = name if name in [layer.name for layer in net.layers] else "h"
    tampered = _edited(name, edit)
    with pytest.raises(
        InternalError, match=r"differs from the reduced net|does not load as the same"
    ):
        check_roundtrip(net, tampered)
    with pytest.raises(InternalError):
        check_roundtrip(tampered, net)


def test_the_message_names_layer_and_part():
    name, edit = TAMPERED["one bit of a bias"]
    with pytest.raises(InternalError, match="reduced net: g: bias"):
        check_roundtrip(load(_mixed()).net, _edited(name, edit))


def test_a_missing_layer_and_lost_outputs_are_noticed():
    net = load(_mixed()).net
    with pytest.raises(InternalError, match="same layers"):
        check_roundtrip(net, replace(net, layers=net.layers[:-1]))
    with pytest.raises(InternalError):
        check_roundtrip(net, replace(net, outputs=()))


def test_no_bias_is_a_bias_of_zeros():
    net = load(mlp()).net
    zeros = replace(net["y"], bias=np.zeros(3, "f4"))
    check_roundtrip(net, replace(net, layers=(*net.layers[:-1], zeros)))


@pytest.mark.parametrize("number", range(8))
def test_a_tampered_file_is_noticed(number):
    """The lowest bit of the last entry of any initializer."""
    host = load(_mixed())
    done, exported = plan_export(host, host.net, Grants())
    tensor = exported.model.graph.initializer[number]
    content = bytearray(tensor.raw_data)
    content[-8 if tensor.data_type == TensorProto.INT64 else -4] ^= 1
    tensor.raw_data = bytes(content)
    with pytest.raises(InternalError):
        check_roundtrip(done.reduced, load(exported.model).net)
