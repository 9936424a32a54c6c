"""Checking a certificate: the whole reduction is derived again from the two files, by local rules.

Trusted besides: numpy, the ONNX parser, the loader's reading of a graph, `ir`'s arithmetic, and, on
a box of inputs, `bounds`.
Neither the search for facts nor that for cuts is known here. docs/certificates.md has the argument.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from lumpcli.certify.boxed import in_box
from lumpcli.certify.document import cut_of, read, step_of
from lumpcli.certify.facts import facts_of
from lumpcli.certify.models import compare, hashes
from lumpcli.errors import InputError, InternalError
from lumpcli.ir import (
    Layer,
    Net,
    Quotient,
    Rounding,
    apply,
    apply_fold,
    apply_layer,
    apply_linear,
    difference,
    ungranted,
)
from lumpcli.loader import Host, load
from lumpcli.proofs import (
    Book,
    Refused,
    Taken,
    check_fold,
    check_linear,
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
    box: bool  # only for the inputs of a box
    steps: int  # networks made one from another


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


@dataclass
class _Tally:
    """What is counted over all stages."""

    facts: int = 0
    rounding: Rounding = field(default_factory=Rounding)
    near: set[tuple[str, int]] = field(default_factory=set)  # irrational offsets, to float64


def _check(a: Host, b: Host, said: dict[str, Any]) -> Proved:
    (net, box), level, tally = in_box(a, said), said["level"], _Tally()
    for stage in said["before"]:
        layers = tuple(_reduced(net, stage, level, tally))
        net = ungranted(replace(net, layers=layers[::-1]), tally.rounding.inexact)
        for step in (*stage["folds"], *stage["steps"]):
            net = _after_step(net, step, tally)
        level = "exact" if level == "rounding" else level  # of the numbers there are now
    # in any order: without a layer that was folded away, another one may read an input first
    names = [{layer.name for layer in some.layers} for some in (net, b.net)]
    if net.outputs != b.net.outputs or names[0] != names[1]:
        raise Refused("", "", "the models have other outputs or layers")
    for layer in _reduced(net, said, level, tally):
        part = difference(layer, b.net[layer.name])
        if part is not None:
            raise Refused(layer.name, layer.name, f"it is not the reduced layer: {part}")
    compare(a, b, box)
    made = tally.rounding
    if made.overflow or made.impossible:
        name = min(made.overflow, default="")
        raise Refused(name, name, "a folded weight does not fit its type")
    if (said["folded"], said["rounded"]) != (made.folded, made.rounded):
        raise Refused("", "", f"{made.rounded} of {made.folded} folded weights are rounded")
    if said["level"] == "strict" and (made.rounded or tally.near):
        raise Refused("", "", "at level strict nothing may be rounded")
    gone = [layer.width - b.net.width(layer.name) for layer in a.net.layers]
    return Proved(
        said["level"],
        said["freeze_initializers"],
        sum(map(bool, gone)),
        sum(gone),
        tally.facts,
        made.folded,
        made.rounded,
        len(tally.near),
        box is not None,
        sum(map(_steps, (*said["before"], said))),
    )


def _steps(stage: dict[str, Any]) -> int:
    """How many networks a stage makes one from another: by its cut, if it has one, and by steps."""
    cut = bool(stage["rounds"]) or any("cut" in said for said in stage["layers"])
    return cut + len(stage.get("folds", ())) + len(stage.get("steps", ()))


def _reduced(stored: Net, said: dict[str, Any], level: str, tally: _Tally) -> Iterator[Layer]:
    """The layers of a net, the last one first, after the rounds and cuts that are said of it.

    Refused unless no output changes.
    """
    net, taken = stored, Taken()
    for turn in said["rounds"]:
        book = _facts(net, turn["layers"], "exact", tally)
        sides: dict[str, int] = {}
        for merge in turn["merges"]:
            name, side = merge["product"], merge["side"]
            if sides.setdefault(name, side) != side:
                raise Refused(name, name, "both factors are merged at once")
            ratios = [Fraction(r) for r in merge["ratios"]]
            layer, rows = take(book, net, name, side, [merge["place"], *merge["others"]], ratios)
            record(taken, layer, rows, ratios)
        net = apply(stored, Quotient({}, merges=taken))[0]
    claims = _by_layer(net, said["layers"])
    book = _facts(net, said["layers"], level, tally)
    cuts = {n: cut_of(n, c["cut"], net[n].width) for n, c in claims.items() if "cut" in c}
    for name, cut in cuts.items():
        check_numbers(book, name, cut)
    fixed = {name for name, claim in claims.items() if claim.get("bias_fixed")}
    return _replay(book, stored, net, Quotient(cuts, merges=taken), fixed, tally)


def _facts(net: Net, said: Sequence[dict[str, Any]], level: str, tally: _Tally) -> Book:
    book, count = facts_of(net, _by_layer(net, said), level)
    tally.facts += count
    return book


def _after_step(net: Net, said: dict[str, Any], tally: _Tally) -> Net:
    """The net after a step by which linear features go, or a layer as a whole."""
    places = [layer.name for layer in net.layers]
    before = replace(net, layers=net.layers[: places.index(said["layer"])])
    book = _facts(before, said["layers"], "exact", tally)
    if "way" in said:
        after, rounding = apply_linear(net, check_linear(book, net, step_of(said)))
    else:
        after, rounding = apply_fold(net, check_fold(book, net, said["layer"]))
    tally.rounding.include(rounding)
    return after


def _by_layer(net: Net, said: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    found = {claim["layer"]: claim for claim in said}
    strange = found.keys() - {layer.name for layer in net.layers}
    if strange or len(found) < len(said):
        told = "it is claimed of twice, or there is no such layer"
        raise Refused("", min(strange, default=""), told)
    return found


def _replay(
    book: Book, stored: Net, net: Net, quotient: Quotient, fixed: set[str], tally: _Tally
) -> Iterator[Layer]:
    """The layers after a cut, the last one first; Refused unless no output changes.

    `net` is the `stored` one after merges.
    """
    needed = {layer.name: np.zeros(layer.width, bool) for layer in net.layers}
    whole = {output.layer for output in net.outputs}
    for layer in reversed(net.layers):
        name, live, keep = layer.name, needed[layer.name], quotient.keep(layer)
        live |= layer.pinned is not None or name in whole
        if not np.isin(np.flatnonzero(live), keep).all():
            raise Refused(name, name, "a feature is cut that is needed")
        origin = stored[name]
        fixed_ = replace(origin, bias_fixed=origin.bias_fixed or name in fixed)
        smaller = apply_layer(replace(quotient, needed={name: live}), fixed_, tally.rounding)
        yield replace(smaller, bias_fixed=origin.bias_fixed)
        rows = np.flatnonzero(live)
        for number, (term, new) in enumerate(zip(layer.terms, smaller.terms, strict=True)):
            cut, source = quotient.cuts.get(term.source), quotient.keep(net[term.source])
            if term.diagonal:
                if term.select is None and not np.array_equal(keep, source):
                    raise Refused(name, term.source, "features read one by one are cut apart")
                needed[term.source] |= reached(book, layer, number, live)
                continue
            if cut is not None:
                check_lost(book, layer, number, cut, rows, tally.near)
            some = used(layer, number, new, cut, rows, np.searchsorted(keep, rows))
            needed[term.source][source[some]] = True
