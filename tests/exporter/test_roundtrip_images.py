"""The law on convolutional models: kernels, groups, moments, features taken and moved."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from lumpcli.analysis import Grants
from lumpcli.api.planning import plan_export
from lumpcli.errors import InternalError
from lumpcli.exporter import check_roundtrip, export
from lumpcli.ir import Moments, Net, Symmetry
from lumpcli.loader import load
from tests.loader.images import BIAS, kernel, through
from tests.models import node, planted

OTHER, SHIFT = planted(6, seed=4)
GROUPS, _ = planted(3, seed=8)


def _model():
    """p, a padded kernel k, depthwise d, groups g, n normalised, m pooled, s sliced, c joined."""
    numbers = {name: np.array([1, 1, 2, 2, 3, 4], "f4") for name in ("a", "e", "f", "i")}
    nodes = [
        node("Conv", ["p", "wk", "bk"], ["k"], pads=[1] * 4),
        node("Conv", ["k", "wd"], ["d"], group=6),
        node("Conv", ["d", "wg"], ["g"], group=2),
        node("BatchNormalization", ["g", "a", "e", "f", "i"], ["n"]),
        node("MaxPool", ["n"], ["m"], kernel_shape=[2, 2]),
        node("Slice", ["m", "zero", "four", "one"], ["s"]),
        node("Gather", ["m", "places"], ["t"], axis=1),
        node("Concat", ["t", "s"], ["c"], axis=1),
        node("GlobalAveragePool", ["c"], ["h"]),
    ]
    extra = {
        "wk": kernel(OTHER, 3, 3),
        "bk": BIAS,
        "wd": np.arange(1, 25, dtype="f4").reshape(6, 1, 2, 2),
        "wg": kernel(GROUPS, 1, 2),
        "zero": np.array([0]),
        "four": np.array([4]),
        "one": np.array([1]),
        "places": np.array([5, 4]),
        **numbers,
    }
    return through(*nodes, extra=extra, positions=(6, 6))


def test_the_law_holds():
    host = load(_model())
    check_roundtrip(host.net, load(export(host, host.net).model).net)
    done, exported = plan_export(host, host.net, Grants())
    check_roundtrip(done.reduced, load(exported.model).net)


def _term(layer, **changes):
    return replace(layer, terms=(replace(layer.terms[0], **changes), *layer.terms[1:]))


def _one_more(array):
    changed = array.copy()
    changed.reshape(-1)[-1] += 1
    return changed


def _measured(layer, **changes):
    moments = layer.terms[0].moments
    assert isinstance(moments, Moments)
    return _term(layer, moments=replace(moments, **changes))


TAMPERED = {
    "a tap": ("k", lambda n: _term(n, weight=_one_more(n.terms[0].weight))),
    "padding": ("k", lambda n: _term(n, padded=False)),
    "geometry": ("k", lambda n: _term(n, via="Conv of another kind")),
    "a tap of a channel": ("d", lambda n: _term(n, weight=_one_more(n.terms[0].weight))),
    "groups": ("g", lambda n: _term(n, blocks=1)),
    "mean": ("n", lambda n: _measured(n, mean=_one_more(n.terms[0].moments.mean))),
    "variance": ("n", lambda n: _measured(n, variance=_one_more(n.terms[0].moments.variance))),
    "epsilon": ("n", lambda n: _measured(n, epsilon=Fraction(1))),
    "no moments": ("n", lambda n: _term(n, moments=None)),
    "symmetry": ("m", lambda n: _term(n, symmetry=Symmetry.LINEAR)),
    "which are sliced": ("s", lambda n: _term(n, select=n.terms[0].select + 1)),
    "which are gathered": ("t", lambda n: _term(n, select=n.terms[0].select[::-1])),
    "where a part begins": ("c", lambda n: _term(n, select=np.roll(n.terms[0].select, 1))),
    "order of the parts": ("c", lambda n: replace(n, terms=n.terms[::-1])),
}


@pytest.mark.parametrize("what", TAMPERED)
def test_tampering_is_noticed(what):
    name, edit = TAMPERED[what]
    net = load(_model()).net
    layers = tuple(edit(layer) if layer.name == name else layer for layer in net.layers)
    assert any(a is not b for a, b in zip(layers, net.layers, strict=True))
    tampered = object.__new__(Net)
    object.__setattr__(tampered, "layers", layers)
    object.__setattr__(tampered, "outputs", net.outputs)
    for pair in ((net, tampered), (tampered, net)):
        with pytest.raises(InternalError, match=f"reduced net: {name}: "):
            check_roundtrip(*pair)


def test_a_depthwise_kernel_of_one_channel_is_a_plain_one():
    """What was cut to one channel loads as a convolution of one."""
    ones = np.ones((6, 5, 1, 1), "f4")
    taps = np.repeat(np.arange(1, 10, dtype="f4").reshape(1, 1, 3, 3), 6, axis=0)
    layer = node("Conv", ["p", "d"], ["h"], group=6)
    host = load(through(layer, extra={"d": taps, "w": ones, "b": np.ones(6, "f4")}))
    done, exported = plan_export(host, host.net, Grants())
    assert done.reduced["r"].width == 1
    loaded = load(exported.model).net
    assert done.reduced["r"].terms[0].diagonal != loaded["r"].terms[0].diagonal
    check_roundtrip(done.reduced, loaded)
