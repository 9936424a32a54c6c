"""What a quotient does to each layer, and why: counts for reports."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Protocol

import numpy as np

from lumpcli.analysis import Values
from lumpcli.ir import Group, Layer, Net, Quotient, groups
from lumpcli.results import Change, ConstantOutput, LayerChange


class Stage(Protocol):
    """A cut of a net; the next stage is about what steps on linear features left of `reduced`."""

    @property
    def net(self) -> Net:
        """Before the cut."""

    @property
    def quotient(self) -> Quotient:
        """The cut."""

    @property
    def reduced(self) -> Net:
        """After the cut."""


def layer_changes(stages: Sequence[Stage]) -> tuple[LayerChange, ...]:
    """One entry per layer of weights, in the net's order."""
    net, quotient = stages[0].net, stages[0].quotient
    kinds: dict[str, list[str]] = {}
    for stage in stages:
        for group in groups(stage.net):
            for layer in group.layers:
                why = removed(layer, group, stage.quotient).values()
                kinds.setdefault(layer.name, []).extend(why)
    found = {}
    for group in groups(net):
        for layer in group.layers:
            if layer.is_dense and layer.listed:
                width = stages[-1].reduced.width(layer.name)
                found[layer.name] = _change(layer, group, width, kinds[layer.name], quotient)
    return tuple(found[layer.name] for layer in net.dense_layers)


def _change(
    layer: Layer, group: Group, width: int, kinds: list[str], quotient: Quotient
) -> LayerChange:
    cut = quotient.cuts.get(layer.name)
    pin = group.pin_of(layer)
    return LayerChange(
        name=layer.name,
        node=layer.nodes[0] if layer.nodes else "",
        features=Change(layer.width, width),
        constant=kinds.count("constant"),
        unread=kinds.count("unread"),
        lumped=kinds.count("lumped"),
        linear=layer.width - width - len(kinds),
        emptied=cut is not None and cut.emptied,
        pinned=None if pin is None else _pin_reason(layer, *pin),
        folded=not width,
        declined=next(
            (quotient.declined[m.name] for m in group.layers if m.name in quotient.declined), None
        ),
    )


def _pin_reason(layer: Layer, pinned: Layer, reason: str) -> str:
    return reason if pinned is layer else f"tied to {pinned.name}: {reason}"


def removed(layer: Layer, group: Group, quotient: Quotient) -> dict[int, str]:
    """Why each removed feature of a layer goes; "lumped" if it is that in any layer tied to it."""
    cut = quotient.cuts.get(layer.name)
    if cut is None:
        return {}
    own = group.slots[layer.name]
    gone = np.ones(layer.width, bool)
    gone[cut.keep] = False
    reasons = dict.fromkeys(own[gone].tolist(), "unread")
    for kind in ("unread", "constant", "lumped"):  # the last one stays
        for member in group.layers:
            other = quotient.cuts.get(member.name)
            if other is not None:
                found = np.array([k == kind for k in other.kind], bool)
                for slot in np.unique(group.slots[member.name][found]).tolist():
                    if slot in reasons:
                        reasons[slot] = kind
    return {i: reasons[int(own[i])] for i in np.flatnonzero(gone).tolist()}


def count_duplicates(lumped: list[int], layer: Layer, group: Group, quotient: Quotient) -> int:
    """How many of a layer's lumped features equal another feature; the rest are multiples."""
    relations: dict[int, list[Hashable]] = {}
    for member in group.layers:
        cut = quotient.cuts.get(member.name)
        if cut is None:
            continue
        slots = group.slots[member.name]
        for i in np.flatnonzero(cut.carrier >= 0).tolist():
            relation = (member.name, int(cut.carrier[i]), cut.ratio[i], cut.offset[i])
            relations.setdefault(int(slots[i]), []).append(relation)
    own = group.slots[layer.name]
    seen = {tuple(relations.get(slot, ())) for slot in own[quotient.cuts[layer.name].keep].tolist()}
    duplicates = 0
    for feature in lumped:
        story = tuple(relations.get(int(own[feature]), ()))
        duplicates += bool(story) and story in seen
        seen.add(story)
    return duplicates


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
    listed = [(group, layer) for group in groups(net) for layer in group.layers if layer.is_dense]
    pins = [group.pin_of(layer) for group, layer in listed if layer.listed]
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
