"""Unread features: classes whose folded column is zero in every reader.

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
        _, classes, counts = np.unique(facts.class_of, return_inverse=True, return_counts=True)
        varies = np.array(
            [values.constant(layer.name, i) is None for i in range(layer.width)], bool
        )
        features = np.flatnonzero(~liveness.read[layer.name] & varies)
        ratio = tuple(facts.ratio[i] for i in features)
        # a feature that is alone in its class has columns of zeros, and nothing to leave behind
        several = counts[classes] > 1
        offset = tuple(facts.offset[i] if several[i] else Fraction(0) for i in features)
        proof = UnreadProof(layer.name, features, liveness, values)
        return Claim(layer.name, "unread", features, classes[features], ratio, offset, proof)
