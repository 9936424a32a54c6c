"""Claims in plain Python, and the check that their quotient computes what the net did."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from lumpcli.ir import Claim, apply, compose
from tests.computed import agree, evaluate, outputs, points, same
from tests.nets import LINEAR, dense, net, source


def claim(layer, features, classes, ratio=None, offset=None, kind="lumped"):
    k = len(features)
    return Claim(
        layer,
        kind,
        np.array(features),
        np.array(classes),
        tuple(Fraction(r) for r in (ratio or [1] * k)),
        tuple(Fraction(o) for o in (offset or [0] * k)),
    )


def constant(layer, features, values):
    k = len(features)
    return claim(layer, features, [-1] * k, [0] * k, values, "constant")


def unread(layer, features, offset=None):
    k = len(features)
    return claim(layer, features, [0] * k, [1] * k, offset or [0] * k, "unread")


def check(made, claims, strict=False):
    """The quotient of true claims; it and the net after it compute what the net did."""
    quotient = compose(made, claims, strict)[0]
    rng = np.random.default_rng(0)
    assert agree(made, quotient, rng)
    reduced, tally = apply(made, quotient)
    if not tally.rounded:
        inputs = points(made, rng)
        now = outputs(reduced, evaluate(reduced, inputs))
        assert same(outputs(made, evaluate(made, inputs)), now)
    assert not tally.overflow
    assert not (strict and tally.rounded)
    return quotient


def kept(quotient, layer="h"):
    return quotient.cuts[layer].keep.tolist() if layer in quotient.cuts else None


def two_layers(rows, columns, bias=None, act=None, dtype=np.float32, **reader):
    more = {} if act is None else {"act": act}
    return net(
        source("x", len(rows[0])),
        dense("h", "x", rows, bias, dtype=dtype, **more),
        dense("y", "h", columns, act=LINEAR, dtype=dtype, **reader),
    )
