"""What a reduction rests on, written down as a certificate: docs/certificates.md.

Nothing here is trusted: what is forgotten or wrong is refused by `certify`, which derives it all.
"""

from __future__ import annotations

import json
from collections.abc import Hashable
from typing import Any

from lumpcli.analysis import CONSTANT, Sweep
from lumpcli.errors import UsageError
from lumpcli.ir import Layer, LayerCut, Net
from lumpcli.pipeline import Plan
from lumpcli.results import SCHEMA_VERSION, Level

_LONGEST = 4000  # digits of a rational, as the schema has it


def certificate(
    plan: Plan, level: Level, freeze_initializers: bool, files: tuple[Any, Any]
) -> dict[str, Any]:
    """The certificate of a plan; `files` are the hashes of the original and of the reduced model.

    UsageError when a ratio has too many digits to be stated.
    """
    net = plan.net
    rounds = [
        {
            "layers": list(_facts(net, facts).values()),
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
    return {
        "schema_version": SCHEMA_VERSION,
        "kind": "certificate",
        "generator": "lumpcli",
        "level": level,
        "freeze_initializers": freeze_initializers,
        "original": files[0],
        "reduced": files[1],
        "folded": plan.rounding.folded,
        "rounded": plan.rounding.rounded,
        "rounds": rounds,
        "layers": _claims(plan),
    }


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
    """The facts on layers with rows of weights, by layer; those on others follow from them.

    A row that starts a class stands for itself; the others are said to be like it.
    """
    first: dict[Hashable, tuple[str, int]] = {}
    found: dict[str, dict[str, Any]] = {}
    for layer in net.layers:
        if not layer.is_dense:
            continue
        rows, own = facts.searches[layer.name].rows, facts[layer.name]
        plain = all(t.taps == 1 and not t.padded and not t.via for t in layer.terms)
        constant: list[int] = []
        handed: list[int] = []
        groups: dict[str, list[tuple[int, int]]] = {}
        way = _way_of_reading(layer)
        for i, label in enumerate(own.class_of.tolist()):
            if rows.entries[i] == 0:
                (constant if label == CONSTANT else handed).append(i)
            elif plain and i in rows.single:
                handed.append(i)
            else:
                of, like = first.setdefault((way, label), (layer.name, i))
                if (of, like) != (layer.name, i):
                    groups.setdefault(of, []).append((i, like))
        said: dict[str, Any] = {}
        if constant:
            values = _rationals(facts.offset(layer.name, i) for i in constant)
            said["constant"] = {"features": constant, "values": values}
        if handed:
            said["handed_on"] = handed
        if groups:
            said["multiples"] = [_multiples(facts, layer, *group) for group in groups.items()]
        if said:
            found[layer.name] = {**_named(layer), **said}
    return found


def _named(layer: Layer) -> dict[str, Any]:
    return {"layer": layer.name, "nodes": list(layer.nodes)}


def _way_of_reading(layer: Layer) -> Hashable:
    """Layers of which one row may be a multiple of the other's have this in common."""
    kernels = {
        (t.weight.shape[2:], t.padded, t.via, t.image if t.padded else "")
        for t in layer.terms
        if t.weight is not None
    }
    return layer.activation.name, *sorted(kernels), layer.name if len(kernels) > 1 else ""


def _multiples(facts: Sweep, layer: Layer, of: str, pairs: list[tuple[int, int]]) -> dict[str, Any]:
    own, other = facts[layer.name], facts[of]
    ratios = [own.ratio[i] / other.ratio[j] for i, j in pairs]
    offsets = [
        facts.offset(layer.name, i) - ratio * facts.offset(of, j)
        for (i, j), ratio in zip(pairs, ratios, strict=True)
    ]
    found: dict[str, Any] = {
        "of": of,
        "features": [i for i, _ in pairs],
        "like": [j for _, j in pairs],
    }
    labels = facts.searches[layer.name].rows.label
    if of == layer.name and (loose := [i for i, j in pairs if labels[i] != labels[j]]):
        found["within"] = loose
    if any(ratio != 1 for ratio in ratios):
        found["ratios"] = _rationals(ratios)
    if any(offsets):
        found["offsets"] = _rationals(offsets)
    return found
