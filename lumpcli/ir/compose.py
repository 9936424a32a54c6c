"""From claims to one joint cut: which indices each group keeps, and who carries whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from lumpcli.errors import InternalError
from lumpcli.ir.exact import Array
from lumpcli.ir.folding import apply
from lumpcli.ir.groups import groups, pin_of
from lumpcli.ir.hitting import hitting_set
from lumpcli.ir.net import Layer, Net
from lumpcli.ir.quotient import Claim, LayerCut, Quotient
from lumpcli.ir.storable import Storage
from lumpcli.ir.table import Table, table_of

_WHOLE = "what its readers would have to store would overflow, or be rounded at level strict"


@dataclass
class _Limits:
    """What storing the result forbids, found by trying.

    `fixed` layers cannot store another bias; `whole` ones cannot be cut.
    """

    strict: bool
    fixed: set[str]
    needed: Mapping[str, Array]
    within: Quotient
    whole: set[str] = field(default_factory=set)


def compose(
    net: Net,
    claims: Sequence[Claim],
    strict: bool = False,
    needed: Mapping[str, Array] | None = None,
    within: Quotient | None = None,
) -> Quotient:
    """One joint cut that realises as many of the claims as groups and stored types allow.

    `strict`: nothing may be rounded. `needed`: per layer, the features (n,) whose values anybody
    needs; all of them when not given. `within`: a quotient of weaker claims;
    nothing is kept that it does not keep.
    """
    by_layer: dict[str, list[Claim]] = {}
    for claim in claims:
        by_layer.setdefault(claim.layer, []).append(claim)
    fixed = {layer.name for layer in net.layers if layer.bias_fixed}
    limits = _Limits(strict, fixed, needed or {}, within or Quotient({}))
    while True:
        quotient = _compose(net, by_layer, limits)
        tally = apply(net, quotient)[1]
        readers = tally.overflow | (tally.inexact if strict else set())
        if not readers:
            return quotient
        sources = {t.source for name in readers for t in net[name].terms if not t.diagonal}
        if not readers <= limits.fixed:
            limits.fixed |= readers
        elif not sources <= limits.whole:
            limits.whole |= sources
        else:
            raise InternalError(f"{min(readers)}: cannot be stored although nothing is cut")


def _compose(net: Net, claims: dict[str, list[Claim]], limits: _Limits) -> Quotient:
    cuts: dict[str, LayerCut] = {}
    declined: dict[str, str] = {}
    for group in reversed(groups(net)):  # readers first: only their kept rows matter
        if pin_of(group) is not None:
            continue
        whole = [layer.name for layer in group if layer.name in limits.whole]
        if whole:
            declined |= dict.fromkeys(whole, _WHOLE)
            continue
        read = [layer for layer in group if any(True for _ in net.dense_readers(layer.name))]
        tables = []
        for layer in read:
            fixed: list[Array] = []
            others: list[Array] = []
            for reader, index in net.dense_readers(layer.name):
                term = reader.terms[index]
                takes_no_bias = reader.name in limits.fixed or term.padded
                used = _rows_used(reader, cuts, limits.needed)
                (fixed if takes_no_bias else others).append(term.by_tap[used])
            tables.append(table_of(layer, claims.get(layer.name, []), fixed, others))
        storages = [Storage(net, layer, limits.strict) for layer in read]
        keep, carriers = _keep(limits.within.keep(group[0]), tables, storages)
        for layer, table in zip(read, tables, strict=True):
            if table.declined:
                declined[layer.name] = table.declined
        emptied = len(keep) == 0
        keep = np.zeros(1, np.int64) if emptied else keep
        if len(keep) == group[0].width:
            continue
        for layer, table, carrier in zip(read, tables, carriers, strict=True):
            cuts[layer.name] = _cut(table, keep, carrier, emptied)
        for layer in group:
            if layer.name not in cuts:
                cuts[layer.name] = _unread_cut(layer, keep, emptied)
    return Quotient(cuts, declined, limits.needed)


def _rows_used(reader: Layer, cuts: dict[str, LayerCut], needed: Mapping[str, Array]) -> Array:
    """The rows of a reader that are kept and needed."""
    keep = Quotient(cuts).keep(reader)
    return keep[needed[reader.name][keep]] if reader.name in needed else keep


def _keep(
    among: Array, tables: Sequence[Table], storages: Sequence[Storage]
) -> tuple[Array, list[Array]]:
    """The indices a group keeps of some, and per layer who carries each feature (-1: nobody)."""
    for table, storage in zip(tables, storages, strict=True):
        storage.take_apart(table)
    while tables:
        preference = np.zeros(len(tables[0].label))
        for table, storage in zip(tables, storages, strict=True):
            preference += storage.preference(table, alone=len(tables) == 1)
        labels = [np.full(len(table.label), -1) for table in tables]
        for label, table in zip(labels, tables, strict=True):
            label[among] = table.label[among]
        keep = hitting_set(labels, preference)
        carriers = [_carriers(t, s, keep) for t, s in zip(tables, storages, strict=True)]
        found = [carrier for carrier in carriers if carrier is not None]
        if len(found) == len(carriers):
            return keep, found
    return np.zeros(0, np.int64), []


def _carriers(table: Table, storage: Storage, keep: Array) -> Array | None:
    """Who carries each feature: kept ones themselves, the others the best kept one of their class.

    None, with the class split, when no kept member can carry what the readers must store.
    """
    carrier = np.where(table.label >= 0, np.arange(len(table.label)), -1)
    kept = set(keep.tolist())
    certain = not storage.may_fail(table)
    for members in table.classes():
        able = [i for i in members if i in kept]
        gone = [i for i in members if i not in kept]
        if not gone:
            continue
        chosen = able[0]
        if not certain or len({table.ratio[i] for i in able}) > 1:
            costs = [(storage.best_carrier(table, [*gone, i], [i])[1], i) for i in able]
            cost, chosen = min(costs)
            if cost == np.inf:
                storage.split(table, members)
                return None
        carrier[gone] = chosen
    return carrier


def _cut(table: Table, keep: Array, carrier: Array, emptied: bool) -> LayerCut:
    ratio, offset = [Fraction(0)] * len(carrier), list(table.offset)
    for i, k in enumerate(carrier.tolist()):
        if k >= 0:
            ratio[i] = table.ratio[i] / table.ratio[k]
            offset[i] = table.offset[i] - ratio[i] * table.offset[k]
    return LayerCut(
        keep,
        carrier,
        tuple(ratio),
        tuple(offset),
        tuple(table.kind),
        emptied,
        table.irrational,
    )


def _unread_cut(layer: Layer, keep: Array, emptied: bool) -> LayerCut:
    """A layer of the group that only its group reads: cut like the others, nothing to carry."""
    n = layer.width
    none = (Fraction(0),) * n
    return LayerCut(keep, np.full(n, -1), none, none, ("tied",) * n, emptied)
