"""What two model files have in common, and must: all but the numbers the loader has read as sites.

Numbers at sites are those of the nets, which are compared elsewhere; sizes are compared here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from lumpcli.box import KEY, Box, to_text
from lumpcli.ir import Array, Net
from lumpcli.loader import (
    STEPS,
    Host,
    Removal,
    Site,
    Stored,
    all_tensors,
    removal,
    splice,
    tensor_array,
    why_stays,
)
from lumpcli.proofs import Refused

_AT_A_TIME = 1 << 20  # bytes
_MAKERS = (*STEPS, "Constant", "ConstantOfShape")
_SIZES = ("extent", "indices", "repeated")  # roles of numbers that the net has no place for


def hashes(host: Host) -> dict[str, Any]:
    """SHA-256 of a model's file and of its data files."""
    assert host.path is not None
    return {
        "model": _hash(host.path),
        "data": {name: _hash(path) for name, path in sorted(host.data_files.items())},
    }


def _hash(path: Path) -> str:
    found = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_AT_A_TIME):
            found.update(block)
    return found.hexdigest()


def compare(a: Host, b: Host, box: Box | None) -> None:
    """Refused unless B is A but for numbers at sites, and sizes there are those of B's net.

    B may state the box for which it was reduced as its domain. Layers that its net does not have
    have left the file.
    """
    for name, reason in why_stays(a).items():
        if not b.net.width(name):
            raise Refused(name, name, f"it cannot leave the file: {reason}")
    removed = removal(a, b.net)
    sites = [_moved(site, removed) for site in a.sites if site.node not in removed.nodes]
    free = _only_at_sites(a, a.sites) | _only_at_sites(b, sites)
    one, other = (_skeleton(host, sites, free, gone) for host, gone in ((a, removed), (b, None)))
    if box is not None and (KEY, to_text(box)) in [(e.key, e.value) for e in other.metadata_props]:
        for model in (one, other):
            kept = [entry for entry in model.metadata_props if entry.key != KEY]
            del model.metadata_props[:]
            model.metadata_props.extend(kept)
    for message, peer in ((one, other), (one.graph, other.graph)):
        for field in message.DESCRIPTOR.fields:
            left, right = getattr(message, field.name), getattr(peer, field.name)
            if field.name != "graph" and left != right:
                raise Refused("", field.name, "the models differ here")
    for site in sites:
        if site.stored is not None and not _as_it_must_be(site, site.stored, a.net, b):
            raise Refused(site.layer, site.stored.name, "it is not what the reduction makes it")


def _moved(site: Site, removed: Removal) -> Site:
    """A site of the original where it is once nodes have left."""
    return replace(site, node=site.node - sum(node < site.node for node in removed.nodes))


def _only_at_sites(host: Host, sites: Sequence[Site]) -> set[str]:
    """The constants that nothing reads but sites, directly or through a step."""
    nodes = host.graph.proto.node
    slots = {(site.node, site.slot) for site in sites if not site.attribute}
    made = [name for node in nodes if node.op_type in _MAKERS for name in node.output]
    free = {n for n in (*host.weights.tensors, *made) if host.weights.any(n) is not None}
    bound = {""}
    while bound:
        bound = {
            name
            for name in free
            for use in host.graph.uses.get(name, [])
            if (use.node, use.slot) not in slots
            and (use.node < 0 or use.slot or not free.issuperset(nodes[use.node].output))
        }
        free -= bound
    return free


def _skeleton(host: Host, sites: Sequence[Site], free: set[str], removed: Removal | None) -> Any:
    """A model without what is stored at sites; instead of other stored bytes, their hashes.

    Sites are those of the model after what is `removed` has left it.
    """
    model = type(host.model)()
    model.CopyFrom(host.model)
    if removed is not None and removed.nodes:
        splice(model, removed)
    slots = {(site.node, site.slot) for site in sites}
    told: dict[int, set[str]] = {}
    for site in sites:
        told.setdefault(site.node, set()).add(site.attribute)
    for number, node in enumerate(model.graph.node):
        if node.op_type in _MAKERS and free.issuperset(node.output):
            outputs = [*node.output]
            node.Clear()
            node.output.extend(outputs)
        names = ["" if (number, slot) in slots else name for slot, name in enumerate(node.input)]
        while names and not names[-1]:
            names.pop()
        node.input[:] = names
        _drop(node.attribute, told.get(number, set()))
    for named in (model.graph.initializer, model.graph.input):
        _drop(named, free)
    del model.graph.value_info[:]
    for tensor in all_tensors(model):
        if tensor.raw_data or tensor.external_data:
            array = tensor_array(tensor, host.graph.folders, host.graph.payloads)
            if array is not None:
                tensor.ClearField("external_data")
                tensor.ClearField("data_location")
                tensor.raw_data = _digest(array)
    return model


def _drop(entries: Any, names: set[str]) -> None:
    """Remove what is called so from a repeated field."""
    for place in reversed(range(len(entries))):
        if entries[place].name in names:
            del entries[place]


def _digest(array: Array) -> bytes:
    content = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    return hashlib.sha256(content.data).digest()


def _as_it_must_be(site: Site, stored: Stored, before: Net, b: Host) -> bool:
    """Whether what B has at a site is of the type it was and, of sizes, what B's net makes them."""
    node = b.graph.proto.node[site.node]
    if site.attribute:
        (told,) = (one for one in node.attribute if one.name == site.attribute)
        found = np.array([told.i] if told.type == told.INT else told.ints)
    else:
        its = b.weights.any(node.input[site.slot])
        if its is None or its.dtype != stored.dtype:
            return False
        found = its.array
    if site.role not in _SIZES:
        return True
    layers = {extent.layer for extent in site.extents} or {site.layer}
    layers |= {term.source for name in layers for term in before[name].terms}
    same = all(before.width(name) == b.net.width(name) for name in layers)
    value = stored.array if same else site.values(b.net)
    return value is not None and np.array_equal(found, value)
