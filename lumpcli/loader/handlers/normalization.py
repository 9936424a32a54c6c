"""BatchNormalization at inference: a scale and a shift per feature, by stored numbers."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from lumpcli.ir import Moments, Term
from lumpcli.loader.draft import View
from lumpcli.loader.handlers.pooling import channels
from lumpcli.loader.site import Role
from lumpcli.loader.trace import Trace, attributes_of


def batch_normalization(trace: Trace) -> str | None:
    """`scale * (x - mean) / sqrt(variance + epsilon) + bias`, each per feature along axis 1."""
    node = trace.node
    attributes = attributes_of(node)
    if attributes.get("training_mode", 0) or len([o for o in node.output if o]) > 1:
        return "it may be in training mode"
    if trace.opset < 7 and not attributes.get("is_test", 0):
        return "it may be in training mode"
    if not attributes.get("spatial", 1):
        return "it normalises every position by itself"
    view = channels(trace)
    if not isinstance(view, View):
        return view
    stored = [trace.numbers(name) for name in node.input[1:5]]
    for name, found in zip(node.input[1:5], stored, strict=True):
        if found is None:
            return trace.why_no_numbers(name)
        if found.array.shape != (view.layer.width,):
            return f"{name!r} has shape {list(found.array.shape)}"
    scale, bias, mean, variance = (s.array for s in stored if s is not None)
    epsilon = float(np.float32(attributes.get("epsilon", 1e-5)))
    if not math.isfinite(epsilon) or (variance.astype(np.float64) + epsilon <= 0).any():
        return "a variance is negative"
    moments = Moments(mean, variance, Fraction(epsilon))
    term = Term("", scale, diagonal=True, moments=moments)
    layer = trace.layer(view.layer.width, [(view.layer, term)], view.axis)
    layer.bias, layer.bias_fixed = bias, False
    roles: tuple[Role, ...] = ("weight", "bias", "mean", "variance")
    for slot, role in enumerate(roles, start=1):
        trace.site(layer, slot, role, stored[slot - 1])
    return None
