"""Lumping: features that are multiples of one another, up to an offset, share one carrier.

[R22, Definitions 6 and 7] with the corrected condition: docs/theory.md section 1.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from lumpcli.analysis import CONSTANT, Grants, Liveness, Values
from lumpcli.ir import Claim, Layer, Net
from lumpcli.passes.base import Pass


class Lumping(Pass):
    """Merge features of one class: duplicates, and multiples."""

    name: ClassVar[str] = "lumping"

    def claim(
        self, net: Net, layer: Layer, values: Values, liveness: Liveness, grants: Grants
    ) -> Claim | None:
        """The features that are not alone in their class, labelled within the layer."""
        facts = values[layer.name]
        _, inverse, counts = np.unique(facts.class_of, return_inverse=True, return_counts=True)
        wanted = (counts[inverse] > 1) & (facts.class_of != CONSTANT)
        if grants.level == "strict":  # an irrational offset cannot be stored unrounded
            wanted &= [values.is_rational(layer.name, i) for i in range(layer.width)]
        features = np.flatnonzero(wanted)
        ratio = tuple(facts.ratio[i] for i in features)
        offset = tuple(values.offset(layer.name, i) for i in features.tolist())
        labels = inverse[features]
        return Claim(
            layer.name,
            "lumped",
            features,
            labels,
            ratio,
            offset,
            self.irrational(layer, values),
        )
