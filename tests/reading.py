"""The layers of a net evaluated in float64 as the net states them, one after the other.

Values have their features along the last axis; what is before are the positions, in the order of
the tensor in the file. What moves positions is done by the host's node itself, run alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
from onnx import NodeProto, numpy_helper

from lumpcli.ir import Array, Join, Layer, Term
from lumpcli.loader import Host
from tests import layouts
from tests.activations import activate, combine, knows
from tests.alone import Alone, Apply, broken_claims
from tests.layouts import ALONG, INDEX, SUMS, TABLE, UNSEEN, WHOLE, arrangement, laid, last, long
from tests.moving import FLATTEN, UNFOLD, convolved, flattened, leaves_constants, unfolded

Arrays = Mapping[str, Array]


class Unstated(Exception):
    """The net does not say how a layer's value comes about."""


class Reading:
    """Values of layers, from the tensors that onnxruntime computed.

    `local`: each layer is computed from the tensors it reads, not from what was computed before.
    `complaints` are what terms claim and is not so.
    """

    def __init__(self, host: Host, tensors: Arrays, *, local: bool = False) -> None:
        self.host, self.local = host, local
        initializers = {t.name: numpy_helper.to_array(t) for t in host.model.graph.initializer}
        self.tensors = initializers | dict(tensors)
        self.producer = {o: n for n in host.model.graph.node for o in n.output if o}
        self.known: dict[str, Array] = {}
        self.spread: dict[str, tuple[int, ...]] = {}  # tensors with features along several axes
        self.ways: dict[tuple[str, tuple[int, ...]], Apply] = {}
        self.complaints: list[str] = []
        self.generator = np.random.default_rng(1)

    def values(self) -> dict[str, tuple[Array, Array]]:
        """Layers that have terms and a tensor: their value, and what onnxruntime saw."""
        found = {}
        for layer in self.host.net.layers:
            value = self._value(layer) if layer.terms else self._source(layer)
            seen = self._seen(layer, value)
            if seen is not None and layer.terms:
                alike = long(value.shape[:-1]) == long(seen.shape[:-1])
                if value.size == seen.size and (alike or layer.name in self.spread):
                    value = value.reshape(seen.shape)
                found[layer.name] = value, seen
            self.known[layer.name] = seen if self.local and seen is not None else value
        return found

    # --- where features lie

    def _made_up(self, kind: re.Pattern[str], layer: str) -> re.Match[str] | None:
        """What the loader's name for a layer says, if there is no tensor of that name."""
        return None if layer in self.tensors else kind.match(layer)

    def _axes(self, tensor: str, layer: str) -> int | tuple[int, ...] | None:
        """The axes of a tensor along which the features of a layer lie."""
        name, axis = self.host.axes.get(tensor, ("", None))
        if name == layer:
            if axis is None and tensor not in self.spread and layer in self.known:
                self._find_spread(tensor, self.known[layer])  # the same under another name
            return self.spread.get(tensor) if axis is None else axis
        along = self._made_up(ALONG, layer)
        return int(along["axis"]) if along and along["tensor"] == tensor else None

    def _seen(self, layer: Layer, value: Array) -> Array | None:
        name = layer.name
        table = self._made_up(TABLE, name)
        if table:
            array = self.tensors[table["tensor"]]
            axis = int(table["axis"])
            return last(array.reshape((1,) * (-axis - array.ndim) + array.shape), axis)
        along = self._made_up(ALONG, name)
        if name in self.host.axes and self.host.axes[name][1] is None:
            self._find_spread(name, value)
        axes = self._axes(name if along is None else along["tensor"], name)
        if axes is not None:
            return last(self.tensors[name if along is None else along["tensor"]], axes)
        if not layer.terms or UNSEEN.search(name):
            return None
        raise Unstated(f"{name}: no tensor is known to hold it")

    def _find_spread(self, tensor: str, value: Array) -> None:
        """Along which axes the tensor holds the features: some arrangement is the value."""
        if tensor not in self.spread:
            axes = arrangement(np.asarray(self.tensors[tensor], np.float64), value)
            if axes is None:
                raise Unstated(f"{tensor}: no arrangement of its axes has the value")
            self.spread[tensor] = axes

    # --- layers

    def _source(self, layer: Layer) -> Array:
        name = layer.name
        index, whole, along = (p.match(name) for p in (INDEX, WHOLE, ALONG))
        if name in self.host.axes:
            axes = self._axes(name, name)
            assert isinstance(axes, int)
            return last(self.tensors[name], axes)
        if name.startswith(layouts.POSITIONS):
            return np.eye(layer.width)
        if index:
            return np.eye(layer.width)[np.asarray(self.tensors[index["tensor"]], np.int64)]
        if whole:
            return np.asarray(self.tensors[whole["tensor"]], np.float64)[..., None]
        if along:
            return last(self.tensors[along["tensor"]], int(along["axis"]))
        raise Unstated(f"{name}: a source of unknown kind")

    def _value(self, layer: Layer) -> Array:
        if layouts.PRODUCTS.search(layer.name):
            return np.zeros((1, layer.width))
        if isinstance(layer, Join) and not knows(layer.function):
            return self._run(layer, layer.terms)
        with np.errstate(all="ignore"):
            terms = [self._term(layer, term) for term in layer.terms]
            if isinstance(layer, Join):
                return combine(layer.function, terms)
            value = sum(terms[1:], terms[0])
            if layer.bias is not None:
                units = 1.0 if layer.bias_units is None else layer.bias_units.astype(np.float64)
                value = value + float(layer.bias_scale) * layer.bias.astype(np.float64) * units
            value = activate(layer.activation, value)
        if self._made_up(TABLE, layer.name):
            seen = self._seen(layer, value)
            assert seen is not None
            return value.reshape(seen.shape)
        return value

    def _term(self, layer: Layer, term: Term) -> Array:
        x = self.known[term.source]
        if not term.diagonal:
            assert term.weight is not None
            scale = float(term.scale)
            if term.row_scale is not None:
                scale = scale * term.row_scale.astype(np.float64)
            if term.via.startswith("Conv"):
                return scale * self._convolved(layer, term, x)
            return scale * (x @ term.flat.astype(np.float64).T)
        x = self._read(layer, term, x)
        if term.row_scale is not None:
            x = x * term.row_scale.astype(np.float64)
        if term.moments is not None:
            square = term.moments.variance.astype(np.float64) + float(term.moments.epsilon)
            x = (x - term.moments.mean.astype(np.float64)) / np.sqrt(square)
        if term.weight is None or (term.weight.ndim > 1 and term.via.startswith("Conv")):
            return float(term.scale) * x
        weight = term.weight.astype(np.float64).reshape(layer.width)
        return float(term.scale) * (x / weight if term.inverse else x * weight)

    def _read(self, layer: Layer, term: Term, x: Array) -> Array:
        """What a diagonal term reads, before its weight (but for that of a kernel)."""
        node = self.producer.get(layer.name)
        if UNFOLD.match(term.via):
            return self._unfolded(layer, term, x)
        if FLATTEN.match(term.via):
            return self._flattened(layer, term, x)
        if term.select is not None:
            assert term.select.ndim == 1
            x = np.where(term.select >= 0, x[..., term.select], 0.0)
        positions = self._positions(layer, x)
        if term.via.startswith("broadcast"):
            return x
        if term.via.startswith("reshape") or (node and node.op_type in ("Reshape", "Flatten")):
            return x.reshape(*positions, layer.width)
        if not term.via:
            if long(positions) != long(x.shape[:-1]):
                self.complaints.append(f"{layer.name}: reads {term.source} at other positions")
            return x
        if term.weight is not None and term.via.startswith("Conv"):
            return self._convolved(layer, term, x)
        return self._run(layer, [term])

    def _positions(self, layer: Layer, x: Array) -> tuple[int, ...]:
        """The sizes of the other axes of a layer's tensor; those of `x` where it has none."""
        name, sums = layer.name, SUMS.match(layer.name)
        if sums:  # of integers, on the way to the tensor they are rounded to
            final, axis = self.host.axes[sums["tensor"]]
            assert axis is not None
            return last(self.tensors[final], axis).shape[:-1]
        axes = self._axes(name, name)
        if axes is None and self.host.axes.get(name, ("", 0))[1] is None:
            count = np.asarray(self.tensors[name]).size // layer.width
            return (count,)
        return x.shape[:-1] if axes is None else last(self.tensors[name], axes).shape[:-1]

    # --- ways of moving positions

    def _convolved(self, layer: Layer, term: Term, x: Array) -> Array:
        roles = [s for s in self.host.sites if s.layer == layer.name and s.role == "weight"]
        node = self.host.model.graph.node[roles[0].node]
        if not leaves_constants(term, node, x, self._positions(layer, x)):
            self.complaints.append(f"{layer.name}: constants do not go through")
        return convolved(term, node, x, self._positions(layer, x))

    def _unfolded(self, layer: Layer, term: Term, x: Array) -> Array:
        along = self._made_up(ALONG, layer.name)
        assert along
        return unfolded(term, x, np.shape(self.tensors[along["tensor"]]))

    def _flattened(self, layer: Layer, term: Term, x: Array) -> Array:
        axis = self._axes(self.producer[layer.name].input[0], term.source)
        assert isinstance(axis, int)
        merged = flattened(term, laid(x, axis, ()), axis)
        return merged.reshape(*self._positions(layer, x), layer.width)

    def _run(self, layer: Layer, terms: Sequence[Term]) -> Array:
        """The layer's node itself on the features that it reads."""
        node = self.producer[layer.name]
        inputs = {name: self.tensors[name] for name in node.input if name}
        alone = Alone(self.host.model, node, inputs, layer.name)
        slots = self._slots(node, terms)

        def run(*values: Array) -> Array:
            feeds = {}
            for name, term, value in zip(slots, terms, values, strict=True):
                axes = self._axes(name, term.source)
                if axes is not None:
                    feeds[name] = laid(value, axes, np.shape(self.tensors[name]))
            return alone.run(feeds)

        result = self._axes(layer.name, layer.name)
        if result is None:
            result = self._spread_by(run, slots[0], self.known[terms[0].source])
            self.spread[layer.name] = result

        def apply_to(*values: Array) -> Array:
            assert result is not None
            return last(run(*values), result)

        if len(terms) == 1 and not isinstance(layer, Join):
            self._check(layer, terms[0], apply_to)
        return apply_to(*(self.known[t.source] for t in terms))

    def _spread_by(self, run: Apply, read: str, x: Array) -> tuple[int, ...]:
        """Along which axes of its result a node leaves features that lie along several of `read`.

        Where it keeps the rank they stay where they are; else it is tried with feature i being i.
        """
        numbers = np.broadcast_to(np.arange(x.shape[-1], dtype=np.float64), x.shape)
        found = run(numbers)
        if found.ndim == np.ndim(self.tensors[read]) and not np.isin(found, numbers).all():
            return self.spread[read]
        axes = arrangement(found, numbers[:1].reshape(-1, x.shape[-1])[:1])
        if axes is None:
            raise Unstated(f"{read}: its features are nowhere after the node that moves it")
        return axes

    def _slots(self, node: NodeProto, terms: Sequence[Term]) -> list[str]:
        """Which input of the node each term is."""
        left = [name for name in node.input if name]
        found = []
        for term in terms:
            holding = [n for n in left if self._axes(n, term.source) is not None]
            # a product may be of two tensors that hold one layer: what weighs is no operand
            name = next((n for n in holding if not term.via.endswith(f" with {n}")), "")
            if name:
                left.remove(name)
            found.append(name)
        return found

    def _check(self, layer: Layer, term: Term, apply: Apply) -> None:
        """That the node does what its term says, and what another one with that key did."""
        x = self.known[term.source]
        if apply(x).shape[-1] != x.shape[-1]:
            self.complaints.append(f"{layer.name}: it has other features than {term.source}")
            return
        broken = broken_claims(term, apply, x, self.generator)
        self.complaints += [f"{layer.name}: {complaint}" for complaint in broken]
        other = self.ways.setdefault((term.via, x.shape[:-1]), apply)
        if other is not apply and not broken:
            width = x.shape[-1]
            try:
                known = other(x)
            except Exception:  # made for another number of features
                return
            if known.shape[-1] == width and not np.allclose(known, apply(x), 1e-4, 1e-4):
                self.complaints.append(f"{layer.name}: another node with its key does otherwise")
