"""What a quotient does to each layer, and why: counts for reports."""

from __future__ import annotations

from collections.abc import Hashable

from lumpcli.analysis import Values
from lumpcli.ir import Layer, LayerCut, Net, Quotient, groups, pin_of
from lumpcli.results import Change, ConstantOutput, LayerChange


def layer_changes(net: Net, reduced: Net, quotient: Quotient) -> tuple[LayerChange, ...]:
    """One entry per layer of weights, in the net's order."""
    found = {}
    for group in groups(net):
        pin = pin_of(group)
        for layer in group:
            if layer.is_dense:
                found[layer.name] = _change(layer, group, pin, reduced, quotient)
    return tuple(found[layer.name] for layer in net.dense_layers)


def _change(
    layer: Layer,
    group: list[Layer],
    pin: tuple[Layer, str] | None,
    reduced: Net,
    quotient: Quotient,
) -> LayerChange:
    cuts = [quotient.cuts[member.name] for member in group if member.name in quotient.cuts]
    why = removed(layer, cuts)
    return LayerChange(
        name=layer.name,
        node=layer.nodes[0] if layer.nodes else "",
        features=Change(layer.width, reduced[layer.name].width),
        constant=list(why.values()).count("constant"),
        unread=list(why.values()).count("unread"),
        lumped=list(why.values()).count("lumped"),
        emptied=any(cut.emptied for cut in cuts),
        pinned=None if pin is None else _pin_reason(layer, *pin),
        declined=next(
            (quotient.declined[m.name] for m in group if m.name in quotient.declined), None
        ),
    )


def _pin_reason(layer: Layer, pinned: Layer, reason: str) -> str:
    return reason if pinned is layer else f"tied to {pinned.name}: {reason}"


def removed(layer: Layer, cuts: list[LayerCut]) -> dict[int, str]:
    """Why each removed feature of a group goes; "lumped" if it is that in any of its layers."""
    why: dict[int, str] = {}
    if not cuts:
        return why
    for feature in sorted(set(range(layer.width)) - set(cuts[0].keep.tolist())):
        kinds = {cut.kind[feature] for cut in cuts} - {"tied"}
        order = ("lumped", "constant", "unread")
        why[feature] = next((kind for kind in order if kind in kinds), "unread")
    return why


def count_duplicates(lumped: list[int], cuts: list[LayerCut]) -> int:
    """How many of the lumped features of a group equal another feature; the rest are multiples."""
    seen = {_relation(k, cuts) for k in (cuts[0].keep.tolist() if cuts else ())}
    duplicates = 0
    for feature in lumped:
        relation = _relation(feature, cuts)
        duplicates += relation in seen
        seen.add(relation)
    return duplicates


def _relation(feature: int, cuts: list[LayerCut]) -> tuple[Hashable, ...]:
    """How a feature follows from its carrier, in each layer of its group that has readers."""
    return tuple(
        (int(cut.carrier[feature]), cut.ratio[feature], cut.offset[feature])
        for cut in cuts
        if cut.carrier[feature] >= 0
    )


def constant_outputs(net: Net, values: Values) -> tuple[ConstantOutput, ...]:
    """The features of graph outputs that have the same value for every input."""
    found = []
    for output in net.outputs:
        for feature in range(net[output.layer].width):
            value = values.constant(output.layer, feature)
            if value is not None:
                found.append(ConstantOutput(output.tensor, feature, float(value)))
    return tuple(found)


def why_unchanged(net: Net, quotient: Quotient, notes: tuple[str, ...]) -> str:
    """One sentence on why nothing can go; `notes` are what the loader did not understand."""
    example = f"; not understood, for example: {notes[0]}" if notes else ""
    if not net.dense_layers:
        return f"there is no layer of weights that lumpcli understands{example}"
    for name, reason in quotient.declined.items():
        return f"features of {name} could be merged, but were not: {reason}"
    pins = [pin_of(group) for group in groups(net) if any(layer.is_dense for layer in group)]
    free = [pin for pin in pins if pin is None]
    if not free:
        others = [pin for pin in pins if pin is not None and pin[1] != "graph output"]
        if not others:
            return f"every layer understood is a graph output, and those are never cut{example}"
        layer, reason = others[0]
        return f"every layer is pinned; {layer.name}, for example: {reason}"
    return (
        "no feature that may go is constant, unread, or a multiple of another one, "
        "as is usual after ordinary training, and after a reduction"
    )
