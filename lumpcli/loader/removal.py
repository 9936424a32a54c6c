"""Layers that are folded away: which nodes leave the file, and what is read instead of them.

A layer may go where its nodes do nothing but multiply by a matrix, add a bias and apply a function,
so that what it reads has the same layout as what it makes, and where only the matrices of other
layers read it. All else in the file keeps its name and place.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from onnx import ModelProto, NodeProto

from lumpcli.ir import Layer, Net
from lumpcli.loader.graph import Use
from lumpcli.loader.host import Host
from lumpcli.loader.site import Site

_MATRICES = ("Gemm", "MatMul", "Conv", "ConvTranspose")


@dataclass
class Removal:
    """What changes in a file when layers leave it.

    `nodes` are numbers of nodes that go, and `tensors` what goes with them: what they make, and
    the constants that nothing else reads, of so many `bytes`. `inputs` says what is read instead
    at which place; `geometry`, which node's attributes another one takes over.
    """

    nodes: set[int] = field(default_factory=set)
    tensors: set[str] = field(default_factory=set)
    bytes: int = 0
    inputs: dict[Use, str] = field(default_factory=dict)
    geometry: dict[int, int] = field(default_factory=dict)


def why_stays(host: Host) -> dict[str, str]:
    """Why layers cannot leave the file, by name; those that can are left out."""
    sites = _matrices(host)
    stated = {extent.layer for site in host.sites for extent in site.extents}
    readers = {(site.node, _data_slot(host, site)): name for name, site in sites.items()}
    found = {}
    for layer in host.net.layers:
        if layer.is_dense:
            reason = _why_stays(host, layer, sites.get(layer.name), readers)
            if reason is None and layer.name in stated:
                reason = "its width is stated elsewhere"
            if reason is not None:
                found[layer.name] = reason
    return found


def _matrices(host: Host) -> dict[str, Site]:
    """Where the matrices of layers are read, by layer."""
    nodes = host.graph.proto.node
    sites = (site for site in host.sites if site.role == "weight" and host.net[site.layer].is_dense)
    return {site.layer: site for site in sites if nodes[site.node].op_type in _MATRICES}


def _data_slot(host: Host, site: Site) -> int:
    """Which input of the node that reads a matrix is not the matrix."""
    return 1 if site.slot == 0 and host.graph.proto.node[site.node].op_type == "MatMul" else 0


def _why_stays(
    host: Host, layer: Layer, site: Site | None, readers: dict[tuple[int, int], str]
) -> str | None:
    if site is None or len(layer.terms) != 1:
        return "its matrix is read in another way than by a node of its own"
    nodes = _nodes(host, layer, site)
    if tuple(node.op_type for node in nodes) != layer.operators:
        return "its nodes do more than multiply, add and apply a function"
    data = nodes[0].input[_data_slot(host, site)]
    axis = host.axes[layer.name][1]
    if data not in host.axes or host.axes[data] != (layer.terms[0].source, axis):
        return "what it reads lies along another axis"
    known = host.ranks.get(data, 0 if axis is None else -axis)
    others = (name for node in nodes[1:] for name in node.input)
    stored = (host.weights.get(name) for name in others)
    if any(s.array.ndim > known for s in stored if s is not None):
        return "its bias may make its output of higher rank than what it reads"
    uses = host.graph.uses.get(layer.name, ())
    if any((use.node, use.slot) not in readers for use in uses):
        return "other nodes than those of matrices read it"
    if not host.net[layer.terms[0].source].terms and _read_after(host, layer, site, readers):
        return "it is the first to tell along which axis the features lie that it reads"
    return None


def _read_after(host: Host, layer: Layer, site: Site, readers: dict[tuple[int, int], str]) -> bool:
    """Whether nodes behind a layer's read its source in another way than matrices do.

    A tensor that no layer makes has an axis of features from who reads it first.
    """
    source = layer.terms[0].source
    uses = [
        (use.node, use.slot)
        for name, (carried, _) in host.axes.items()
        if carried == source
        for use in host.graph.uses.get(name, ())
        if use.node > site.node
    ]
    alike = {use for use, name in readers.items() if host.net[name].terms[0].source == source}
    return any(use not in alike for use in uses)


def _nodes(host: Host, layer: Layer, site: Site) -> list[NodeProto]:
    """The nodes of a layer, from that of its matrix to the one that makes its output."""
    nodes = host.graph.proto.node
    return [nodes[number] for number in _chain(host, layer, site)]


def _chain(host: Host, layer: Layer, site: Site) -> Iterator[int]:
    """The numbers of those nodes; fewer where it is not one chain."""
    number = site.node
    while number >= 0:
        yield number
        node = host.graph.proto.node[number]
        if layer.name in node.output or not host.graph.sole_use(node.output[0]):
            return
        (use,) = host.graph.uses[node.output[0]]
        number = use.node


def removal(host: Host, reduced: Net) -> Removal:
    """What leaves the file with the layers that are not in a net any more."""
    found = Removal()
    gone = [layer for layer in host.net.layers if not reduced.width(layer.name)]
    if not gone:
        return found
    sites = _matrices(host)
    for layer in gone:
        found.nodes |= set(_chain(host, layer, sites[layer.name]))
    for name, site in sites.items():
        if site.node not in found.nodes:
            _bypass(host, name, sites, {layer.name for layer in gone}, found)
    _drop_unread(host, found)
    return found


def _bypass(host: Host, name: str, sites: dict[str, Site], gone: set[str], found: Removal) -> None:
    """Let a layer read what comes before those that go, and move positions as they did."""
    site, nodes = sites[name], host.graph.proto.node
    slot = _data_slot(host, site)
    data = nodes[site.node].input[slot]
    while data in gone:
        before = sites[data]
        if not host.net[data].terms[0].pointwise:
            found.geometry[site.node] = before.node
        data = nodes[before.node].input[_data_slot(host, before)]
        found.inputs[Use(site.node, slot)] = data


def _drop_unread(host: Host, found: Removal) -> None:
    """Constants that only nodes read that go, and the nodes that make them, go too."""
    nodes, graph = host.graph.proto.node, host.graph
    waiting = sorted(found.nodes)
    while waiting:
        node = nodes[waiting.pop()]
        found.tensors |= set(node.output)
        for name in filter(None, node.input):
            stored = host.weights.any(name)
            if stored is None or any(use.node not in found.nodes for use in graph.uses[name]):
                continue
            number = graph.producer.get(name)
            if stored.root == name and name not in found.tensors:
                made = number is not None and nodes[number].op_type == "ConstantOfShape"
                found.bytes += 0 if made else stored.array.nbytes
            found.tensors.add(name)
            if number is not None and number not in found.nodes:
                found.nodes.add(number)
                waiting.append(number)


def splice(model: ModelProto, removed: Removal) -> None:
    """Take out of a copy of the model what is removed, after all else was changed in it."""
    graph = model.graph
    for use, name in removed.inputs.items():
        graph.node[use.node].input[use.slot] = name
    for number, other in removed.geometry.items():
        del graph.node[number].attribute[:]
        graph.node[number].attribute.extend(graph.node[other].attribute)
    for number in sorted(removed.nodes, reverse=True):
        del graph.node[number]
    for listed in (graph.initializer, graph.input, graph.value_info):
        for place in reversed(range(len(listed))):
            if listed[place].name in removed.tensors:
                del listed[place]
    for place in reversed(range(len(graph.quantization_annotation))):
        if graph.quantization_annotation[place].tensor_name in removed.tensors:
            del graph.quantization_annotation[place]
