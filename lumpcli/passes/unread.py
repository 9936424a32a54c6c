"""Unread features: classes whose folded column is zero in every reader (THEORY section 3.1).

What is left of such a feature is its offset; all else cancels.
"""

from __future__ import annotations

from fractions import Fraction
from typing import ClassVar

import numpy as np

from lumpcli.analysis import Grants, Liveness, Values
from lumpcli.ir import Claim, Layer, Net
from lumpcli.passes.base import Pass
from lumpcli.proofs import Unread as UnreadProof


class Unread(Pass):
    """Cut what no reader uses, or only so that it cancels."""

    name: ClassVar[str] = "unread"

    def claim(
        self, net: Net, layer: Layer, values: Values, liveness: Liveness, grants: Grants
    ) -> Claim | None:
        """The features whose class nobody reads."""
        facts = values[layer.name]
        varies = np.array(
            [values.constant(layer.name, i) is None for i in range(layer.width)], bool
        )
        features = np.flatnonzero(~liveness.read[layer.name] & varies)
        zero = (Fraction(0),) * len(features)
        offset = tuple(facts.offset[i] for i in features)
        proof = UnreadProof(layer.name, features, liveness, values)
        none = np.full(len(features), -1)
        return Claim(layer.name, "unread", features, none, zero, offset, proof)
