"""Planting redundancy: transformations that make a network larger and keep what it computes.

`decorate` adds features that are constant or unread; `split` gives features copies and multiples
and divides the columns between them at random. What is planted in a group of layers is planted in
all of them at the same indices.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from tests.laws.core import Rng
from tests.laws.facts import ONE, Facts
from tests.laws.spec import Layer, Matrix, Network

LARGEST = 40  # features of a layer
_POSITIVE = (1.0, 1.0, 1.0, 2.0, 0.5, 4.0, 3.0)


@dataclass(frozen=True)
class Copies:
    """The new features of a group, each a multiple of an old one, (new width,) each.

    `origin` is the old feature; rows are multiplied by `ratio`, values by `value`. `shift` is
    added to the first dense layer of a linear group, and to what follows from it.
    """

    origin: npt.NDArray[np.int64]
    ratio: Matrix
    value: Matrix
    shift: Matrix


def allowed(group: list[Layer]) -> tuple[float, ...]:
    """The ratios that rows may have in every layer of a group at once."""
    kinds = {layer.function.ratio for layer in group}
    alone = len(group) == 1
    if any(layer.kind == "product" for layer in group) or kinds & {"one", "point"}:
        return (1.0,)
    if kinds & {"sign", "even"}:
        return ((-1.0, 1.0, 2.0) if kinds == {"sign"} else (-1.0, 1.0)) if alone else (1.0,)
    if "odd" in kinds:
        return (1.0,) if kinds & {"positive", "absolute"} else (1.0, -1.0)
    if "positive" in kinds or ("absolute" in kinds and not alone):
        return _POSITIVE
    return (*_POSITIVE, -1.0, -2.0)


def value_ratio(group: list[Layer], ratio: Matrix) -> Matrix:
    """The ratio of values that goes with ratios of rows, the same in every layer of a group."""
    kind = group[0].function.ratio
    if len(group) > 1 or kind in ("linear", "positive", "odd", "one", "point"):
        return ratio
    return {"absolute": abs(ratio), "sign": np.sign(ratio), "even": np.ones_like(ratio)}[kind]


def linear(network: Network, group: list[Layer]) -> bool:
    """Whether offsets may be planted in a group: it is linear and all its readers take them."""
    members = {layer.name for layer in group}
    readers = [r for r in network.dense if r.sources[0] in members]
    return (
        all(x.kind != "product" and x.activation == "identity" for x in group)
        and _root(group).bias is not None
        and all(r.bias is not None for r in readers)
    )


def _root(group: list[Layer]) -> Layer:
    return next(layer for layer in group if layer.kind == "dense")


# --- constant and unread features


def decorate(network: Network, rng: Rng, most: int = 2) -> Network:
    """Add features nobody reads, and features that do not vary, to the groups that may be cut."""
    unread: dict[str, int] = {}  # where a layer's unread rows begin
    for group in reversed(network.groups):
        if network.fixed(group) or group[0].width > LARGEST - 2 * most:
            continue
        count = {"constant": int(rng.integers(0, most + 1)), "unread": int(rng.integers(0, most))}
        if not any(count.values()):
            continue
        names = {layer.name for layer in group}
        network = network.with_layers(
            {x.name: _grown(x, rng, **count) for x in network.layers if x.name in names}
        )
        for name in names:
            unread[name] = network[name].width - count["unread"]
        changed = {}
        for reader in network.dense:
            if reader.sources[0] in names:
                shape = (reader.width, count["constant"] + count["unread"])
                columns = rng.choice([0.0, 0.0, 1.0, -1.0, 2.0], shape)
                columns[: unread.get(reader.name, reader.width), count["constant"] :] = 0
                changed[reader.name] = replace(
                    reader, weight=np.concatenate([reader.matrix, columns], axis=1)
                )
        network = network.with_layers(changed)
    return network


def _grown(layer: Layer, rng: Rng, constant: int, unread: int) -> Layer:
    """A layer with more features: the constant ones, then the unread ones."""
    extra = constant + unread

    def more(old: Matrix | None, new: Matrix) -> Matrix | None:
        return None if old is None else np.concatenate([old, new])

    weight = layer.weight
    if layer.kind == "dense":
        rows = rng.choice([0.0, 1.0, -1.0], (extra, layer.matrix.shape[1]))
        rows[:constant] = 0
        weight = more(weight, rows)
    elif layer.kind == "scale":
        weight = more(weight, rng.choice([1.0, 2.0], extra))
    return replace(
        layer,
        width=layer.width + extra,
        weight=weight,
        bias=more(layer.bias, rng.integers(-2, 3, extra).astype(np.float64)),
        slopes=more(layer.slopes, rng.choice([0.5, 0.0], extra)),
    )


# --- copies


def copies(network: Network, group: list[Layer], rng: Rng, most: int) -> Copies:
    """Random copies for a group, at most `most` more features than it has."""
    width = group[0].width
    extra = int(rng.integers(0, max(0, min(most, LARGEST - width)) + 1))
    origin = np.concatenate([np.arange(width), rng.integers(0, width, extra)])
    ratio = np.concatenate([np.ones(width), rng.choice(allowed(group), extra)])
    shift = np.zeros(width + extra)
    if linear(network, group) and rng.random() < 0.5:
        shift[width:] = rng.integers(-2, 3, extra)
    order = rng.permutation(width + extra)
    origin, ratio, shift = origin[order], ratio[order], shift[order]
    return Copies(origin, ratio, value_ratio(group, ratio), shift)


def unchanged(width: int) -> Copies:
    """Every feature as it is."""
    return Copies(np.arange(width), np.ones(width), np.ones(width), np.zeros(width))


def planted(network: Network, rng: Rng, most: int = 8, mixing: float = 0.3) -> Network:
    """Give the groups that may be cut random copies; `mixing`: how often columns are divided."""
    plan = {}
    for group in network.groups:
        fixed = network.fixed(group)
        chosen = unchanged(group[0].width) if fixed else copies(network, group, rng, most)
        plan.update({layer.name: chosen for layer in group})
    return split(network, plan, rng, mixing)


def split(network: Network, plan: Mapping[str, Copies], rng: Rng, mixing: float) -> Network:
    """The network with copies instead of features; layers of a group have one `Copies`."""
    facts = Facts(network)
    roots = {_root(group).name for group in network.groups if not _is_input(group)}
    shifts: dict[str, Matrix] = {}
    layers: list[Layer] = []
    for layer in network.layers:
        name, plant = layer.name, plan[layer.name]
        new = replace(layer, width=len(plant.origin))
        if layer.slopes is not None:
            new = replace(new, slopes=layer.slopes[plant.origin])
        shift = np.zeros(new.width)
        if layer.kind == "dense":
            (source,) = layer.sources
            constants = _constants(facts, source)
            new = _split_dense(new, plant, plan[source], shifts[source], constants, rng, mixing)
            if name in roots and plant.shift.any():
                shift = plant.shift
                new = replace(new, bias=new.biases + shift)
        elif layer.kind == "scale":
            factors = layer.matrix[plant.origin]
            new, shift = replace(new, weight=factors), factors * shifts[layer.sources[0]]
        elif layer.kind == "sum":
            shift = sum(
                (s * shifts[x] for s, x in zip(layer.signs, layer.sources, strict=True)), shift
            )
        shifts[name] = shift
        layers.append(new)
    return replace(network, layers=tuple(layers))


def _is_input(group: list[Layer]) -> bool:
    return all(layer.kind != "dense" for layer in group)


def _constants(facts: Facts, name: str) -> dict[int, float]:
    """The features of a layer that have one rational value, dyadic and not 0."""
    found = {}
    for i, value in enumerate(facts.values[name]):
        if set(value) == {ONE} and value[ONE].denominator.bit_count() == 1:
            found[i] = float(value[ONE])
    return found


def _split_dense(
    layer: Layer,
    rows: Copies,
    columns: Copies,
    shift: Matrix,
    constants: Mapping[int, float],
    rng: Rng,
    mixing: float,
) -> Layer:
    """The weights between copies: for every row the weighted sum over the copies of a feature is
    what the feature's weight was, times the row's ratio."""
    target = rows.ratio[:, None] * layer.matrix[rows.origin]
    bias = None if layer.bias is None else rows.ratio * layer.bias[rows.origin]
    weight = np.zeros((len(rows.origin), len(columns.origin)))
    anchors = _anchors(columns, shift)
    for k, j in anchors.items():
        weight[:, j] = target[:, k] / columns.value[j]
    for j, k in enumerate(columns.origin.tolist()):
        if anchors[k] != j:
            chosen = rng.random(len(weight)) < mixing
            part = np.where(chosen, rng.choice([1.0, -1.0, 2.0, 0.5], len(weight)), 0.0)
            weight[:, j] += part
            weight[:, anchors[k]] -= columns.value[j] / columns.value[anchors[k]] * part
        if k in constants and bias is not None:
            part = rng.choice([0.0, 1.0, -1.0], len(weight))
            weight[:, j] += part
            bias -= columns.value[j] * constants[k] * part
    if bias is not None:
        bias -= weight @ shift
    return replace(layer, weight=weight, bias=bias)


def _anchors(columns: Copies, shift: Matrix) -> dict[int, int]:
    """One copy of each feature that takes what the others leave: if possible the plain one."""
    found: dict[int, int] = {}
    plain = (columns.ratio == 1) & (shift == 0)
    for j in np.argsort(~plain, kind="stable").tolist():
        found.setdefault(int(columns.origin[j]), j)
    return found


def reshaped(network: Network, rng: Rng) -> Network:
    """The network with the features of every group permuted, and rescaled by powers of two.

    Layers that share their numbers get their own.
    """
    plan = {}
    for group in network.groups:
        width = group[0].width
        chosen = unchanged(width)
        if not network.fixed(group):
            powers = [r for r in allowed(group) if r != 3.0]
            ratio = rng.choice(powers, width)
            order = rng.permutation(width)
            chosen = Copies(order, ratio, value_ratio(group, ratio), np.zeros(width))
        plan.update({layer.name: chosen for layer in group})
    alone = {layer.name: replace(layer, share=None) for layer in network.layers}
    return split(network.with_layers(alone), plan, rng, 0.0)
