"""Reductions that are false, but for which everything else is as it should be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
from onnx import ModelProto

from benchmarks.changes import Proven
from lumpcli.analysis import Grants
from lumpcli.api.certifying import certificate
from lumpcli.api.planning import plan_export
from lumpcli.exporter import export
from lumpcli.ir import Fold, LayerCut, Linear, Quotient, apply, apply_fold, apply_linear
from lumpcli.loader import load
from lumpcli.passes import PASSES
from lumpcli.pipeline import Plan

Said = dict[str, Any]


def forged(
    model: ModelProto,
    cuts: dict[str, LayerCut | None] | None = None,
    facts: Callable[[dict[str, Said]], None] = lambda layers: None,
    level: Any = "exact",
    plan: Callable[[Plan], Plan] = lambda plan: plan,
) -> Proven:
    """A reduction with other cuts (None: none), and other things said of the layers.

    The reduced model is what those cuts make of the original, and the certificate says so.
    """
    host = load(model)
    done, _ = plan_export(host, host.net, Grants(level), tuple(PASSES))
    done = plan(done)
    if cuts is not None:
        every = {n: c for n, c in {**done.quotient.cuts, **cuts}.items() if c is not None}
        quotient = Quotient(every, merges=done.quotient.merges)
        reduced, rounding = apply(host.net, quotient)
        done = replace(done, quotient=quotient, reduced=reduced, rounding=rounding)
    document = certificate(done, level, False, ({}, {}))
    layers = {said["layer"]: said for said in document["layers"]}
    facts(layers)
    document["layers"] = list(layers.values())
    return _signed(model, export(host, done.reduced).model, document)


def stepped(model: ModelProto, step: Linear | Fold) -> Proven:
    """A reduction by one step, whatever it is."""
    host, grants = load(model), Grants("exact")
    nothing = plan_export(host, host.net, grants, ())[0]
    if isinstance(step, Linear):
        (after, rounding), nothing = apply_linear(host.net, step), replace(nothing, linear=(step,))
    else:
        (after, rounding), nothing = apply_fold(host.net, step), replace(nothing, folds=(step,))
    last = plan_export(host, after, grants, ())[0]
    done = replace(nothing, after=last, rounding=rounding)
    document = certificate(done, "exact", False, ({}, {}))
    return _signed(model, export(host, after).model, document)


def _signed(model: ModelProto, small: ModelProto, document: Said) -> Proven:
    found = Proven("forged", model, small, document)
    found.sign()
    return found


def cut(
    keep: Sequence[int],
    carrier: Sequence[int],
    ratio: Sequence[Any] | None = None,
    offset: Sequence[Any] | None = None,
) -> LayerCut:
    """A cut, in plain numbers."""
    n = len(carrier)
    kinds = tuple("kept" if i in keep else "lumped" for i in range(n))
    ratios = tuple(Fraction(r) for r in (ratio or [int(c >= 0) for c in carrier]))
    offsets = tuple(Fraction(o) for o in (offset or [0] * n))
    return LayerCut(np.array(keep), np.array(carrier), ratios, offsets, kinds)
