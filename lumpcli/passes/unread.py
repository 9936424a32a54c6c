"""Unread features: classes whose folded column is zero in every reader.

What is left of such a feature is its offset; all else cancels.
"""

from __future__ import annotations

from fractions import Fraction
from typing import ClassVar

import numpy as np

from lumpcli.analysis import CONSTANT, Grants, Liveness, Values
from lumpcli.ir import Array, Claim, Layer, Net
from lumpcli.passes.base import Pass


class Unread(Pass):
    """Cut what no reader uses, or only so that it cancels."""

    name: ClassVar[str] = "unread"

    def claim(
        self, net: Net, layer: Layer, values: Values, liveness: Liveness, grants: Grants
    ) -> Claim | None:
        """The features whose class nobody reads."""
        facts = values[layer.name]
        _, classes, counts = np.unique(facts.class_of, return_inverse=True, return_counts=True)
        wanted = ~liveness.read[layer.name] & (facts.class_of != CONSTANT)
        if grants.level == "strict":
            wanted &= ~_irrational_classes(layer, values)
        features = np.flatnonzero(wanted)
        ratio = tuple(facts.ratio[i] for i in features)
        # a feature that is alone in its class has columns of zeros, and nothing to leave behind
        several = counts[classes] > 1
        offset = tuple(
            values.offset(layer.name, i) if several[i] else Fraction(0) for i in features.tolist()
        )
        return Claim(
            layer.name,
            "unread",
            features,
            classes[features],
            ratio,
            offset,
            self.irrational(layer, values),
        )


def _irrational_classes(layer: Layer, values: Values) -> Array:
    """The features (n,) of classes with an irrational offset, which no bias takes unrounded."""
    labels = values[layer.name].class_of
    rational = [values.is_rational(layer.name, i) for i in range(layer.width)]
    return np.isin(labels, labels[~np.array(rational, bool)])
