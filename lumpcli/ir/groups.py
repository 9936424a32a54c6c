"""Layers tied by diagonal terms, which must be cut at the same indices."""

from __future__ import annotations

from lumpcli.ir.net import Layer, Net


def groups(net: Net) -> list[list[Layer]]:
    """The layers of the net, tied ones together, groups and members in topological order."""
    parent = {layer.name: layer.name for layer in net.layers}

    def root(name: str) -> str:
        while parent[name] != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    for layer in net.layers:
        for term in layer.terms:
            if term.diagonal:
                parent[root(layer.name)] = root(term.source)
    found: dict[str, list[Layer]] = {}
    for layer in net.layers:
        found.setdefault(root(layer.name), []).append(layer)
    return list(found.values())


def pin_of(group: list[Layer]) -> tuple[Layer, str] | None:
    """The first pinned layer of a group, with the reason; None when the group may be cut."""
    for layer in group:
        if layer.pinned is not None:
            return layer, layer.pinned
    return None
