"""What two model files have in common, and must: all but the numbers the loader has read as sites.

Numbers at sites are compared with what the reduced net says; so nothing is left out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np

from lumpcli.ir import Array, Net
from lumpcli.loader import STEPS, Host, Site, tensor_array
from lumpcli.proofs import Refused

_AT_A_TIME = 1 << 20  # bytes
_WEIGHTS = {"initializer", "node", "input", "value_info"}  # compared part by part


def hashes(host: Host) -> dict[str, Any]:
    """SHA-256 of a model's file and of its data files."""
    assert host.path is not None
    return {
        "model": _hash(host.path),
        "data": {name: _hash(path) for name, path in sorted(host.data_files.items())},
    }


def _hash(path: Any) -> str:
    found = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(_AT_A_TIME):
            found.update(block)
    return found.hexdigest()


def _require(holds: bool, tensor: str, reason: str) -> None:
    if not holds:
        raise Refused("", tensor, reason)


def compare(a: Host, b: Host, reduced: Net) -> None:
    """Refused unless B is A but for numbers at sites, and those are the ones of the reduced net."""
    left, right = a.graph.proto, b.graph.proto
    _fields_equal(a.model, b.model, {"graph"})
    _fields_equal(left, right, _WEIGHTS)
    _require(len(left.node) == len(right.node), "", "the models have other nodes")
    slots = {(s.node, s.slot) for s in a.sites if not s.attribute}
    blanks: dict[int, set[int]] = {}
    for node, slot in slots:
        blanks.setdefault(node, set()).add(slot)
    free = _only_at_sites(a, slots) | _only_at_sites(b, slots)
    attributes: dict[int, set[str]] = {}
    for site in a.sites:
        if site.attribute:
            attributes.setdefault(site.node, set()).add(site.attribute)
    for number, (one, other) in enumerate(zip(left.node, right.node, strict=True)):
        if one.op_type in (*STEPS, "Constant", "ConstantOfShape") and set(one.output) <= free:
            _require(list(one.output) == list(other.output), one.name, "a node differs")
            continue
        blank = blanks.get(number, set())
        same = _node(one, blank, attributes.get(number, ())) == _node(
            other, blank, attributes.get(number, ())
        )
        _require(same, other.output[0] if other.output else other.name, "a node differs")
    _initializers_equal(a, b, free)
    inputs = [[i for i in p.input if i.name not in free] for p in (left, right)]
    _require(inputs[0] == inputs[1], "", "the models have other inputs")
    for site in a.sites:
        _site_equal(site, a, b, reduced)


def _fields_equal(one: Any, other: Any, but: Iterable[str]) -> None:
    """Protobuf messages are compared field by field: a whole model may be too large to print."""
    for message, peer in ((one, other), (other, one)):
        for field, value in message.ListFields():
            if field.name not in but:
                _require(value == getattr(peer, field.name), field.name, "the models differ here")


def _only_at_sites(host: Host, slots: set[tuple[int, int]]) -> set[str]:
    """The constants that nothing reads but sites, directly or through a step."""
    found: dict[str, bool] = {}

    def free(name: str) -> bool:
        if name not in found:
            found[name] = False
            found[name] = host.weights.any(name) is not None and all(
                (use.node, use.slot) in slots
                or (
                    use.node >= 0
                    and use.slot == 0
                    and host.graph.proto.node[use.node].op_type in (*STEPS, "ConstantOfShape")
                    and all(map(free, host.graph.proto.node[use.node].output))
                )
                for use in host.graph.uses.get(name, [])
            )
        return found[name]

    made = [o for node in host.graph.proto.node for o in node.output if node.op_type in _MAKERS]
    return {name for name in (*host.weights.tensors, *made) if free(name)}


_MAKERS = (*STEPS, "Constant", "ConstantOfShape")


def _node(node: Any, blank: set[int], attributes: Iterable[str]) -> Any:
    """A node without what is stored at sites."""
    copy = type(node)()
    copy.CopyFrom(node)
    names = ["" if slot in blank else name for slot, name in enumerate(node.input)]
    while names and not names[-1]:
        names.pop()
    copy.input[:] = names
    kept = [attribute for attribute in node.attribute if attribute.name not in attributes]
    del copy.attribute[:]
    copy.attribute.extend(kept)
    return copy


def _initializers_equal(a: Host, b: Host, free: set[str]) -> None:
    names = [{name for name in host.weights.tensors if name not in free} for host in (a, b)]
    differ = names[0] ^ names[1]
    _require(not differ, min(differ, default=""), "one model alone has this initializer")
    for name in sorted(names[0]):
        one, other = a.weights.tensors[name], b.weights.tensors[name]
        if one == other and not one.external_data:
            continue
        same = (one.data_type, one.dims) == (other.data_type, other.dims)
        if same:
            arrays = [tensor_array(t, h.graph.folders) for t, h in ((one, a), (other, b))]
            same = all(x is not None for x in arrays) and _bits(arrays[0]) == _bits(arrays[1])
        _require(same, name, "an initializer differs")


def _bits(array: Any) -> bytes:
    return np.ascontiguousarray(array).tobytes()


def _site_equal(site: Site, a: Host, b: Host, reduced: Net) -> None:
    """Refused unless B holds at a site of A what the reduced net has there."""
    old, new = a.graph.proto.node[site.node], b.graph.proto.node[site.node]
    names = [n.input[site.slot] if len(n.input) > site.slot else "" for n in (old, new)]
    label = names[1] or site.layer
    layers = {extent.layer for extent in site.extents} or {site.layer}
    layers |= {term.source for name in layers for term in a.net[name].terms}
    sized = site.role in ("extent", "indices")
    as_before = sized and all(a.net[n].width == reduced[n].width for n in layers)
    value: Array | None = None
    if not as_before:
        value = site.values(reduced)
    elif site.stored is not None:
        value = site.stored.array
    if site.attribute:
        told = next((t for t in new.attribute if t.name == site.attribute), None)
        given = [] if told is None else [told.i] if told.type == 2 else list(told.ints)
        same = value is not None and value.reshape(-1).tolist() == given
        _require(same, label, f"attribute {site.attribute!r} is not what the reduction makes it")
        return
    if value is None or (site.stored is None and not names[1]):
        _require(not names[1] and value is None, label, "a bias that the reduction does not have")
        return
    stored = b.weights.any(names[1])
    wanted = value.dtype if site.stored is None else site.stored.dtype
    quantum = None if site.stored is None else site.stored.quantum
    if stored is None or stored.dtype != wanted:
        raise Refused(site.layer, label, "it is no constant of the type it was")
    found, wide = stored.array, value
    if quantum is not None and stored.quantum is None:  # the node itself takes a zero away
        root = b.weights.any(stored.root)
        assert root is not None
        assert site.stored is not None
        found, wide = root.array, site.stored.at_root(value)
    elif quantum is None:
        found, wide = found.astype(wanted), value.astype(wanted)
    same = found.shape == wide.shape and bool((found == wide).all())
    if not same:
        raise Refused(site.layer, label, "its numbers are not those of the reduced layer")
