"""What a pass proposes for a net, in plain Python."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from lumpcli.analysis import Grants, liveness_of, values_of
from lumpcli.ir import Claim, Net, compose
from lumpcli.passes import Pass
from tests.computed import agree


def claims_of(method: Pass, made: Net, level: str = "exact") -> list[Claim]:
    """The claims; cut alone they do not change the net."""
    values = values_of(made)
    claims = method.propose(made, values, liveness_of(made, values), Grants(level))
    for claim in claims:
        k = len(claim.features)
        assert len(claim.classes) == len(claim.ratio) == len(claim.offset) == k > 0
        assert claim.features.tolist() == sorted(set(claim.features.tolist()))
    assert agree(made, compose(made, claims)[0], np.random.default_rng(0))
    return claims


def features(method: Pass, made: Net, layer: str = "h", level: str = "exact") -> list[int]:
    """The features of a layer that are claimed."""
    return [
        i for c in claims_of(method, made, level) if c.layer == layer for i in c.features.tolist()
    ]


def offsets(method: Pass, made: Net, layer: str = "h") -> list[Fraction]:
    """What is left of the claimed features of a layer."""
    return [o for c in claims_of(method, made) if c.layer == layer for o in c.offset]
