"""What a reduction rests on, written down as a certificate: docs/certificates.md.

Nothing here is trusted: what is forgotten or wrong is refused by `certify`, which derives it all.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from onnx import ModelProto

from lumpcli.analysis import CONSTANT, LayerValues, Rows, Sweep, values_of
from lumpcli.api.boxed import Granted
from lumpcli.bounds import RUNGS
from lumpcli.box import Box
from lumpcli.errors import UsageError
from lumpcli.exporter import check_target
from lumpcli.ir import (
    EVERYTHING,
    Candidate,
    Layer,
    LayerCut,
    Net,
    apply_fold,
    apply_linear,
    value_range,
)
from lumpcli.pipeline import Plan
from lumpcli.proofs import between
from lumpcli.results import SCHEMA_VERSION, Level

_LONGEST = 4000  # digits of a rational, as the schema has it


def proof_target(
    source: str | os.PathLike[str] | ModelProto,
    output: str | os.PathLike[str] | None,
    certificate: str | os.PathLike[str] | None,
    force: bool,
) -> Path | None:
    """Where the certificate goes; UsageError where it would replace a model, or has none."""
    if certificate is None:
        return None
    if output is None or isinstance(source, ModelProto):
        raise UsageError("a certificate is about two files: it needs IN and OUT")
    path = check_target(certificate, force)
    if path in (Path(output).resolve(), Path(source).resolve()):
        raise UsageError("the certificate needs a file of its own")
    return path


def require_provable(granted: Granted) -> None:
    """UsageError for bounds that a checker could not compute again, or not rely on."""
    if granted.budget is not None:
        raise UsageError("bounds within a time budget cannot be certified: no --time-budget")
    if granted.milp:
        raise UsageError("what a solver says is no proof, and cannot be certified: no --milp")
    if granted.guard is not None:
        raise UsageError("a guard is no part of what a certificate proves: leave one of them out")


def certificate(
    plan: Plan,
    level: Level,
    freeze_initializers: bool,
    files: tuple[Any, Any],
    granted: Granted | None = None,
) -> dict[str, Any]:
    """The certificate of a plan; `files` are the hashes of the original and of the reduced model.

    `granted` has the box itself, not how it was told.

    UsageError when a ratio has too many digits to be stated.
    """
    *before, last = plan.stages
    return {
        "schema_version": SCHEMA_VERSION,
        "kind": "certificate",
        "generator": "lumpcli",
        "level": level,
        "freeze_initializers": freeze_initializers,
        "original": files[0],
        "reduced": files[1],
        "folded": plan.total.folded,
        "rounded": plan.total.rounded,
        **({} if granted is None else {"box": _box(granted)}),
        "before": [{**_stage(stage), **_steps(stage)} for stage in before],
        **_stage(last),
    }


def _box(granted: Granted) -> dict[str, Any]:
    assert isinstance(granted.box, Box)
    inputs = {
        name: {
            "shape": list(lower.shape),
            "lower": [repr(end) for end in lower.reshape(-1).tolist()],
            "upper": [repr(end) for end in upper.reshape(-1).tolist()],
        }
        for name, (lower, upper) in granted.box.ranges.items()
    }
    told = {"rungs": list(RUNGS), "seed": granted.seed, "semantics": granted.semantics}
    return {"inputs": inputs, **told}


def _stage(plan: Plan) -> dict[str, Any]:
    """The rounds of one stage, and its cut."""
    rounds = [
        {
            "layers": list(_facts(plan.net, facts).values()),
            "merges": [
                {
                    "product": t.product,
                    "side": t.side,
                    "place": t.place,
                    "others": list(t.others),
                    "ratios": _rationals(t.ratios),
                }
                for t in taken
            ],
        }
        for facts, taken in plan.rounds
    ]
    return {"rounds": rounds, "layers": _claims(plan)}


def _steps(plan: Plan) -> dict[str, list[dict[str, Any]]]:
    """The steps of a stage, each with what has to be known of the layers before its own."""
    net = plan.reduced
    found: dict[str, list[dict[str, Any]]] = {"folds": [], "steps": []}
    for fold in plan.folds:
        found["folds"].append(_before(net, fold.layer))
        net, _ = apply_fold(net, fold)
    for step in plan.linear:
        said = {
            **_before(net, step.layer),
            "way": step.way,
            "gone": _candidates(step.gone),
            "whole": _candidates(step.whole),
            "coefficients": [_rationals(row) for row in step.coefficients],
            "inputs": list(step.inputs),
            "units": [
                {"slots": list(unit.slots), "shift": str(unit.shift), "lift": str(unit.lift)}
                for unit in step.units
            ],
        }
        found["steps"].append(said)
        net, _ = apply_linear(net, step)
    return found


def _before(net: Net, name: str) -> dict[str, Any]:
    """A layer, and what is said of those that it reads, directly or not."""
    facts = _facts(net, values_of(net))
    told = [facts[before] for before in _ancestors(net, name) if before in facts]
    return {**_named(net[name]), "layers": told}


def _candidates(some: Sequence[Candidate]) -> dict[str, list[int]]:
    return {"features": [c.feature for c in some], "partners": [c.partner for c in some]}


def _ancestors(net: Net, name: str) -> list[str]:
    """The layers that a layer reads, directly or not, in order."""
    found = {name}
    for layer in reversed(net.layers):
        if layer.name in found:
            found |= {term.source for term in layer.terms}
    return [layer.name for layer in net.layers if layer.name in found - {name}]


def to_text(document: dict[str, Any]) -> str:
    """A certificate as JSON, a line per layer."""
    head = {k: v for k, v in document.items() if k != "layers"}
    lines = ",\n ".join(json.dumps(layer, separators=(",", ":")) for layer in document["layers"])
    return f'{json.dumps(head)[:-1]}, "layers": [\n {lines}]}}\n'


def _rationals(numbers: Any) -> list[str]:
    try:
        found = [str(number) for number in numbers]
    except ValueError:  # beyond what Python prints
        found = ["0" * (_LONGEST + 1)]
    if any(len(part) > _LONGEST for text in found for part in text.split("/")):
        raise UsageError("a ratio has too many digits for a certificate")
    return found


def _claims(plan: Plan) -> list[dict[str, Any]]:
    """What is said of the layers after the rounds."""
    facts = _facts(plan.net, plan.known)
    found = []
    for layer in plan.net.layers:
        said = facts.get(layer.name, _named(layer))
        cut = plan.quotient.cuts.get(layer.name)
        if layer.name in plan.fixed:
            said["bias_fixed"] = True
        if cut is not None:
            read = any(True for _ in plan.net.dense_readers(layer.name))
            said["cut"] = _cut(cut, read)
        if len(said) > 2:
            found.append(said)
    return found


def _cut(cut: LayerCut, read: bool) -> dict[str, Any]:
    """A cut; features that stand for themselves are left out. `read`: through a matrix."""
    kept = set(cut.keep.tolist())
    moved = [
        i
        for i, carrier in enumerate(cut.carrier.tolist())
        if (carrier != i or cut.offset[i] if read else i not in kept)
    ]
    carriers = [int(cut.carrier[i]) for i in moved]
    found: dict[str, Any] = {
        "keep": cut.keep.tolist(),
        "features": moved,
        "carriers": carriers,
        "kinds": [cut.kind[i] for i in moved],
        "irrational": sorted(cut.irrational & set(moved)),
    }
    if any(cut.ratio[i] != 1 for i, k in zip(moved, carriers, strict=True) if k >= 0):
        found["ratios"] = _rationals(cut.ratio[i] for i in moved)
    if any(cut.offset[i] for i in moved):
        found["offsets"] = _rationals(cut.offset[i] for i in moved)
    return found


def _facts(net: Net, facts: Sweep) -> dict[str, dict[str, Any]]:
    """What is claimed of layers with rows of weights, by layer; facts on others follow.

    Rows are named that are constant, hand on what they read, or share a class with others.
    """
    dense = [layer for layer in net.layers if layer.is_dense]
    members = Counter(label for d in dense for label in facts[d.name].class_of.tolist())
    found: dict[str, dict[str, Any]] = {}
    for layer in dense:
        rows, own = facts.searches[layer.name].rows, facts[layer.name]
        said: dict[str, Any] = {}
        stars = list(_stars(rows, own))
        loose = {i for star in stars for i in star}
        shared = np.array([members[label] > 1 for label in own.class_of.tolist()], bool)
        phase = np.zeros(layer.width, np.int8) if own.phase is None else own.phase
        told = {*np.flatnonzero(shared | (rows.entries == 0)).tolist(), *rows.single}
        told |= {i for i in range(layer.width) if _bounded(facts, layer, i)}
        for key, some in (
            ("rows", told - loose - {*np.flatnonzero(phase).tolist()}),
            ("active", np.flatnonzero(phase > 0).tolist()),
            ("inactive", np.flatnonzero(phase < 0).tolist()),
        ):
            if some:
                said[key] = sorted(some)
        if stars:
            said["within"] = [
                {"features": star, "ratios": _rationals(_ratios(rows, own, star))} for star in stars
            ]
        if said:
            found[layer.name] = {**_named(layer), **said}
    return found


def _bounded(facts: Sweep, layer: Layer, feature: int) -> bool:
    """Whether more is known of where a feature's class lies than its function says."""
    label = int(facts[layer.name].class_of[feature])
    any_ = value_range(layer.activation.key(feature), *between(layer, feature))
    return label != CONSTANT and facts.ranges.interval(label) not in (any_, EVERYTHING)


def _stars(rows: Rows, own: LayerValues) -> Iterator[list[int]]:
    """The classes of a layer whose rows are multiples only within rounding."""
    classes: dict[int, list[int]] = {}
    for i, label in enumerate(own.class_of.tolist()):
        if rows.entries[i]:
            classes.setdefault(label, []).append(i)
    yield from (some for some in classes.values() if len({int(rows.label[i]) for i in some}) > 1)


def _ratios(rows: Rows, own: LayerValues, star: list[int]) -> Iterator[Fraction]:
    """The ratios of rows to the first one; facts have those of values."""
    first = star[0]
    for i in star:
        same = rows.lead[i] * rows.lead[first] > 0
        yield abs(own.ratio[i] / own.ratio[first]) * (1 if same else -1)


def _named(layer: Layer) -> dict[str, Any]:
    return {"layer": layer.name, "nodes": list(layer.nodes)}
