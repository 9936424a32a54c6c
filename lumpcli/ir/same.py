"""Whether two layers are the same function of the same layers, number by number."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lumpcli.ir.blocks import equal
from lumpcli.ir.exact import Array
from lumpcli.ir.net import Join, Layer, Moments, Term


def difference(a: Layer, b: Layer) -> str | None:
    """The first part in which two layers differ, in words; None when they are the same."""
    if a.width != b.width:
        return f"width {a.width} became {b.width}"
    if not equal(_bias(a), _bias(b)) or (a.bias is not None and a.bias_scale != b.bias_scale):
        return "bias"
    if any(a.activation.key(i) != b.activation.key(i) for i in range(a.width)):
        return "activation"
    if isinstance(a, Join) != isinstance(b, Join) or getattr(a, "function", "") != getattr(
        b, "function", ""
    ):
        return "operator"
    if len(a.terms) != len(b.terms):
        return "number of terms"
    for index, (s, t) in enumerate(zip(a.terms, b.terms, strict=True)):
        if not _same_term(s, t, a.width):
            return f"term {index} (reads {s.source})"
    return None


def _bias(layer: Layer) -> Array:
    return layer.biases(np.arange(layer.width))


def _same_term(s: Term, t: Term, width: int) -> bool:
    s, t = _normal(s, width), _normal(t, width)
    if (s.source, s.diagonal, s.via, s.padded) != (t.source, t.diagonal, t.via, t.padded):
        return False
    if (s.symmetry, s.blocks, s.taps, s.frozen) != (t.symmetry, t.blocks, t.taps, t.frozen):
        return False
    if s.diagonal:
        if width > 1 and s.broadcast != t.broadcast:
            return False
        same_factors = s.inverse == t.inverse and _equal_or_none(s.weight, t.weight)
        same_factors = same_factors and _equal_or_none(s.row_scale, t.row_scale)
        return (
            (same_factors and s.scale == t.scale)
            or all(s.factor(i, k) == t.factor(i, k) for i in range(width) for k in range(s.taps))
        ) and (
            equal(s.selected(width), t.selected(width))
            and _equal_or_none(s.at, t.at)
            and _same_moments(s.moments, t.moments)
        )
    return (
        s.scale == t.scale
        and s.weight is not None
        and t.weight is not None
        and s.limits == t.limits
        and (s.limits is not None or s.weight.dtype == t.weight.dtype)
        and equal(s.weight, t.weight)
        and _equal_or_none(s.row_scale, t.row_scale)
    )


def _normal(term: Term, width: int) -> Term:
    """A convolution that reads one channel per group is depthwise."""
    weight = term.weight
    if term.diagonal and weight is not None:
        return replace(term, weight=weight.reshape(width, -1), blocks=1)
    if term.diagonal or weight is None or term.blocks != weight.shape[1]:
        return term
    select = np.arange(width) // (width // term.blocks)
    own = weight[np.arange(width), select].reshape(width, -1)
    return replace(term, weight=own, diagonal=True, select=select, blocks=1)


def _same_moments(s: Moments | None, t: Moments | None) -> bool:
    if s is None or t is None:
        return s is t
    same = equal(s.mean, t.mean) and equal(s.variance, t.variance)
    return same and s.epsilon == t.epsilon


def _equal_or_none(a: Array | None, b: Array | None) -> bool:
    return a is b if a is None or b is None else equal(a, b)
