"""Constant features: their value moves into the readers' biases."""

from __future__ import annotations

from fractions import Fraction
from typing import ClassVar

import numpy as np

from lumpcli.analysis import CONSTANT, Grants, Liveness, Values
from lumpcli.ir import Claim, Layer, Net
from lumpcli.passes.base import Pass


class Constant(Pass):
    """Cut what has the same value for every input."""

    name: ClassVar[str] = "constant"

    def claim(
        self, net: Net, layer: Layer, values: Values, liveness: Liveness, grants: Grants
    ) -> Claim | None:
        """The features with one value, and the value; irrational ones always cost a rounding."""
        rational = grants.level == "strict"
        fixed = np.flatnonzero(values[layer.name].class_of == CONSTANT).tolist()
        value = {i: values.constant(layer.name, i, rational) for i in fixed}
        found = {i: v for i, v in value.items() if v is not None}
        zero = (Fraction(0),) * len(found)
        none = np.full(len(found), -1)
        features = np.array(list(found), np.int64)
        offset = tuple(found.values())
        return Claim(
            layer.name,
            "constant",
            features,
            none,
            zero,
            offset,
            self.irrational(layer, values),
        )
