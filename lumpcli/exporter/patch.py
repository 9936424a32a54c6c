"""Writing a reduced net back: each changed number to the site it was read from, nothing else.

A constant that others share is changed in place only when all its users want the same new value;
otherwise those who want another one get a new constant of their own.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto

from lumpcli.exporter.tensors import (
    fill_constant,
    fill_tensor,
    make_tensor,
    set_dims,
    set_integers,
)
from lumpcli.ir import Array, Net, same_bits
from lumpcli.loader import STEPS, Host, Site, Use, removal, splice
from lumpcli.wire import Payloads


@dataclass
class Exported:
    """A model written back. `external` has the new numbers of tensors whose data lies outside it.

    `grown` are the layers because of which constants take more bytes than before, if they do: as
    few as explain it. `payloads` are what placeholders in the model stand for.
    """

    model: ModelProto
    changed: bool = False
    external: dict[str, Array] = field(default_factory=dict)
    grown: set[str] = field(default_factory=set)
    payloads: Payloads | None = None


@dataclass
class _Wish:
    """What one user of a constant wants it to be: at its own input, and at the constant's root."""

    use: Use
    value: Array
    at_root: Array
    layer: str
    quantised: bool


class _Patch:
    def __init__(self, host: Host, reduced: Net) -> None:
        self.host = host
        self.reduced = reduced
        self.model = ModelProto()
        self.model.CopyFrom(host.model)
        held = host.graph.payloads
        self.payloads = None if held is None else held.fork()
        self.result = Exported(self.model, payloads=self.payloads)
        self.names = host.graph.names()
        self.tensors = {t.name: t for t in self.model.graph.initializer}
        self.shapes: dict[str, tuple[int, ...]] = {}  # of constants that changed
        self.removed = removal(host, reduced)
        self.bytes = -self.removed.bytes  # more than before, over all constants

    def run(self) -> Exported:
        wishes: dict[str, list[_Wish]] = {}
        for site in self.host.sites:
            if site.node in self.removed.nodes or self._as_before(site):
                continue
            value = site.values(self.reduced)
            if site.stored is None:
                if value is not None:
                    self._add_input(site, value)
                continue
            if value is None or same_bits(value, site.stored.array):
                continue
            if site.attribute:
                self.result.changed = True
                set_integers(self.model.graph.node[site.node], site.attribute, value)
                continue
            root = site.stored.root
            at_root = site.stored.at_root(value)
            use = Use(site.node, site.slot)
            # what the user of a widened constant reads
            wide = value.astype(site.stored.dtype, copy=False)
            quantised = site.stored.quantum is not None
            wish = _Wish(use, wide, at_root, site.layer, quantised)
            wishes.setdefault(root, []).append(wish)
        blame: list[tuple[int, set[str]]] = []
        for root, wanted in wishes.items():
            before = self.bytes
            self._change(root, wanted)
            blame.append((self.bytes - before, {w.layer for w in wanted}))
        for growth, layers in sorted(blame, key=lambda b: -b[0]):
            if self.bytes > 0:
                self.result.grown |= layers
                self.bytes -= growth
        self._fix_types()
        if self.removed.nodes:
            self.result.changed = True
            splice(self.model, self.removed)
        return self.result

    def _as_before(self, site: Site) -> bool:
        """Whether sizes or indices are still right, in whatever way they are written."""
        if site.role not in ("extent", "indices"):
            return False
        names = {extent.layer for extent in site.extents} or {site.layer}
        names |= {term.source for name in names for term in self.host.net[name].terms}
        return all(self.reduced.width(name) == self.host.net[name].width for name in names)

    # --- constants

    def _change(self, root: str, wishes: list[_Wish]) -> None:
        self.result.changed = True
        kinds: list[list[_Wish]] = []
        for wish in wishes:
            for kind in kinds:
                if same_bits(kind[0].at_root, wish.at_root):
                    kind.append(wish)
                    break
            else:
                kinds.append([wish])
        asked = {w.use for w in wishes}
        if all(use in asked for use in self._users(root)) and self._write(root, kinds[0]):
            kinds = kinds[1:]
        for kind in kinds:
            if kind[0].quantised:  # its numbers are made on the way: nothing can take their place
                self.result.grown |= {wish.layer for wish in kind}
                continue
            name = self._add_initializer(root, kind[0].value)
            for wish in kind:
                self.model.graph.node[wish.use.node].input[wish.use.slot] = name

    def _users(self, tensor: str) -> list[Use]:
        """Everything that reads a constant, directly or through Identity, Transpose or Cast."""
        found = []
        for use in self.host.graph.uses.get(tensor, []):
            if use.node >= 0:
                node = self.host.graph.proto.node[use.node]
                if (
                    node.op_type in STEPS
                    and use.slot == 0
                    and self.host.weights.any(node.output[0]) is not None
                ):
                    found += self._users(node.output[0])
                    continue
            if use.node not in self.removed.nodes:
                found.append(use)
        return found

    def _write(self, root: str, wishes: list[_Wish]) -> bool:
        """Give a constant another value where it is; False when its kind cannot hold it."""
        value = wishes[0].at_root
        old = self.host.weights.get(root)
        assert old is not None
        if root in self.tensors:
            tensor = self.tensors[root]
            self._fill(tensor, value)
            self.bytes += value.nbytes - old.array.nbytes
        else:
            node = self.model.graph.node[self.host.graph.producer[root]]
            if node.op_type == "ConstantOfShape":
                if not (value == value.reshape(-1)[:1]).all():
                    return False
                self._reshape_constant(node, np.array(value.shape, np.int64))
                fill_constant(node, value.reshape(-1)[:1])
            else:
                fill_constant(node, value, self.payloads)
                self.bytes += value.nbytes - old.array.nbytes
        for wish in wishes:
            self._note_shapes(wish)
        self.shapes[root] = value.shape
        return True

    def _fill(self, tensor: TensorProto, value: Array) -> None:
        """Give an initializer other numbers, where the old ones are: in the model or outside."""
        if tensor.data_location == TensorProto.EXTERNAL:
            self.result.external[tensor.name] = value
            set_dims(tensor, value.shape)
        else:
            fill_tensor(tensor, value, self.payloads)

    def _reshape_constant(self, node: NodeProto, shape: Array) -> None:
        """Tell a ConstantOfShape its new shape, in place unless others read it."""
        name = node.input[0]
        tensor = self.tensors.get(name)
        if tensor is not None and self.host.graph.sole_use(name):
            self._fill(tensor, shape)
            return
        before = self.bytes
        node.input[0] = self._add_initializer(f"{node.output[0]}_shape", shape)
        self.bytes = before  # a few bytes of shape are not weights

    def _note_shapes(self, wish: _Wish) -> None:
        """The constants between a root and its user have another shape now, too."""
        name = self.host.graph.proto.node[wish.use.node].input[wish.use.slot]
        while name not in self.shapes:
            self.shapes[name] = ()
            stored = self.host.weights.any(name)
            if stored is None or stored.root == name:
                break
            name = self.host.graph.proto.node[self.host.graph.producer[name]].input[0]

    def _add_initializer(self, stem: str, value: Array) -> str:
        name, count = stem, 0
        while name in self.names:
            count += 1
            name = f"{stem}_{count}"
        self.names.add(name)
        self.model.graph.initializer.append(make_tensor(name, value, self.payloads))
        self.bytes += value.nbytes
        return name

    def _add_input(self, site: Site, value: Array) -> None:
        self.result.changed = True
        node = self.model.graph.node[site.node]
        name = self._add_initializer(f"{site.layer}_bias", value)
        if len(node.input) > site.slot:
            node.input[site.slot] = name
        else:
            node.input.append(name)

    # --- what the file says about types

    def _fix_types(self) -> None:
        """Graph inputs of changed initializers, and value_info that is no longer true."""
        for info in self.model.graph.input:
            if info.name in self.tensors and info.name in self.shapes:
                shape = info.type.tensor_type.shape
                del shape.dim[:]
                for size in self.tensors[info.name].dims:
                    shape.dim.add().dim_value = size
        stale = []
        for place, info in enumerate(self.model.graph.value_info):
            name, axis = self.host.axes.get(info.name, ("", None))
            before = self.host.net[name].width if name else 0
            after = self.reduced.width(name)
            if info.name in self.shapes:
                stale.append(place)
            elif after != before:
                dims = info.type.tensor_type.shape.dim
                known = axis is not None and len(dims) >= -axis and dims[axis].HasField("dim_value")
                if known and dims[axis].dim_value == before:
                    dims[axis].dim_value = after
                else:
                    stale.append(place)
        for place in reversed(stale):
            del self.model.graph.value_info[place]


def export(host: Host, reduced: Net) -> Exported:
    """The host's model with the numbers of a reduced net; the host itself stays as it is."""
    return _Patch(host, reduced).run()


def embed(exported: Exported) -> None:
    """Put changed numbers into the model whose old ones lie outside: for a model without a file."""
    for tensor in exported.model.graph.initializer:
        if tensor.name in exported.external:
            fill_tensor(tensor, exported.external.pop(tensor.name))
