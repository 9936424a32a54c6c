"""Checking a certificate: the whole reduction is derived again from the two files, by local rules.

Trusted besides: numpy, the ONNX parser, the loader's reading of a graph, and `ir`'s arithmetic.
Neither the search for facts nor that for cuts is known here. docs/certificates.md has the argument.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from lumpcli.certify.document import cut_of, read
from lumpcli.certify.facts import facts_of
from lumpcli.certify.models import compare, hashes
from lumpcli.errors import InputError, InternalError
from lumpcli.ir import Net, Quotient, Rounding, apply, apply_layer, difference
from lumpcli.loader import Host, load
from lumpcli.proofs import (
    Book,
    Refused,
    Taken,
    check_lost,
    check_numbers,
    reached,
    record,
    take,
    used,
)

Pathlike = str | os.PathLike[str]
_CONTRADICTIONS = (
    *(InternalError, ArithmeticError, LookupError, ValueError, TypeError),
    *(AssertionError, RecursionError, MemoryError),
)


@dataclass(frozen=True)
class Proved:
    """What was proved: B computes A, but for the rounding of `rounded` of `folded` weights."""

    level: str
    freeze_initializers: bool
    layers: int  # that were cut
    features: int  # that went
    facts: int  # that were derived from rows of weights
    folded: int
    rounded: int
    irrational: int  # features whose irrational offset is taken to float64


def check(a: Pathlike, b: Pathlike, certificate: Pathlike) -> Proved:
    """Derive the reduction of model A to model B that a certificate describes.

    Raises Refused when it does not follow, InputError when a file cannot be read.
    """
    said = read(Path(certificate))
    freeze = said["freeze_initializers"]
    original, reduced = _load(a, freeze), _load(b, freeze)
    for host, name in ((original, "original"), (reduced, "reduced")):
        if said[name] != hashes(host):
            raise Refused("", str(host.path), f"it is not the {name} model of the certificate")
    try:
        found = _check(original, reduced, said)
    except Refused:
        raise
    except _CONTRADICTIONS as error:
        raise Refused("", "", f"the certificate contradicts the models: {error}") from error
    return found


def _load(path: Pathlike, freeze: bool) -> Host:
    """A model, whoever made it: what the loader stumbles over cannot be read."""
    try:
        return load(path, freeze_initializers=freeze)
    except _CONTRADICTIONS as error:
        raise InputError(f"{os.fspath(path)} cannot be understood: {error}") from error


def _check(a: Host, b: Host, said: dict[str, Any]) -> Proved:
    net, taken, count = a.net, Taken(), 0
    for turn in said["rounds"]:
        book, facts = facts_of(net, _by_layer(net, turn["layers"]), "exact")
        count += facts
        sides: dict[str, int] = {}
        for merge in turn["merges"]:
            name, side = merge["product"], merge["side"]
            if sides.setdefault(name, side) != side:
                raise Refused(name, name, "both factors are merged at once")
            ratios = [Fraction(r) for r in merge["ratios"]]
            layer, rows = take(book, net, name, side, [merge["place"], *merge["others"]], ratios)
            record(taken, layer, rows, ratios)
        net = apply(a.net, Quotient({}, merges=taken))[0]
    claims = _by_layer(net, said["layers"])
    book, facts = facts_of(net, claims, said["level"])
    cuts = {n: cut_of(n, c["cut"], net[n].width) for n, c in claims.items() if "cut" in c}
    for name, cut in cuts.items():
        check_numbers(book, name, cut)
    fixed = {name for name, claim in claims.items() if claim.get("bias_fixed")}
    quotient = Quotient(cuts, merges=taken)
    tally, near = _replay(book, a.net, net, b.net, quotient, fixed)
    compare(a, b)
    if tally.overflow or tally.impossible:
        name = min(tally.overflow, default="")
        raise Refused(name, name, "a folded weight does not fit its type")
    if (said["folded"], said["rounded"]) != (tally.folded, tally.rounded):
        raise Refused("", "", f"{tally.rounded} of {tally.folded} folded weights are rounded")
    if said["level"] == "strict" and (tally.rounded or near):
        raise Refused("", "", "at level strict nothing may be rounded")
    gone = [net[name].width - len(cut.keep) for name, cut in cuts.items()]
    return Proved(
        said["level"],
        said["freeze_initializers"],
        sum(map(bool, gone)),
        sum(gone),
        count + facts,
        tally.folded,
        tally.rounded,
        len(near),
    )


def _by_layer(net: Net, said: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    found = {claim["layer"]: claim for claim in said}
    strange = found.keys() - {layer.name for layer in net.layers}
    if strange or len(found) < len(said):
        told = "it is claimed of twice, or there is no such layer"
        raise Refused("", min(strange, default=""), told)
    return found


def _replay(
    book: Book, stored: Net, net: Net, reduced: Net, quotient: Quotient, fixed: set[str]
) -> tuple[Rounding, set[tuple[str, int]]]:
    """Refused unless a net is the reduction of another by a quotient, and no output changes.

    `net` is the `stored` one after merges. Returns how many numbers were rounded, and the features
    whose irrational offsets were taken to float64.
    """
    needed = {layer.name: np.zeros(layer.width, bool) for layer in net.layers}
    tally, near = Rounding(), set[tuple[str, int]]()
    if net.outputs != reduced.outputs or [*needed] != [layer.name for layer in reduced.layers]:
        raise Refused("", "", "the models have other outputs or layers")
    whole = {output.layer for output in net.outputs}
    for layer in reversed(net.layers):
        name, live, keep = layer.name, needed[layer.name], quotient.keep(layer)
        live |= layer.pinned is not None or name in whole
        if not np.isin(np.flatnonzero(live), keep).all():
            raise Refused(name, name, "a feature is cut that is needed")
        origin = stored[name]
        origin = replace(origin, bias_fixed=origin.bias_fixed or name in fixed)
        smaller = apply_layer(replace(quotient, needed={name: live}), origin, tally)
        part = difference(smaller, reduced[name])
        if part is not None:
            raise Refused(name, name, f"it is not the reduced layer: {part}")
        rows = np.flatnonzero(live)
        for number, (term, new) in enumerate(zip(layer.terms, smaller.terms, strict=True)):
            cut, source = quotient.cuts.get(term.source), quotient.keep(net[term.source])
            if term.diagonal:
                if term.select is None and not np.array_equal(keep, source):
                    raise Refused(name, term.source, "features read one by one are cut apart")
                needed[term.source] |= reached(book, layer, number, live)
                continue
            if cut is not None:
                check_lost(book, layer, number, cut, rows, near)
            some = used(layer, number, new, cut, rows, np.searchsorted(keep, rows))
            needed[term.source][source[some]] = True
    return tally, near
