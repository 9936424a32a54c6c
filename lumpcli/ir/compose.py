"""From claims to one joint cut: which indices each group keeps, and who carries whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np

from lumpcli.errors import InternalError
from lumpcli.ir.applying import apply
from lumpcli.ir.choosing import choose
from lumpcli.ir.exact import Array
from lumpcli.ir.folding import Rounding
from lumpcli.ir.groups import Group, groups
from lumpcli.ir.net import Layer, Net
from lumpcli.ir.quotient import Claim, LayerCut, Quotient
from lumpcli.ir.storable import Storage
from lumpcli.ir.table import Read, Table, keep_apart, table_of

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
    jobs: int = 1,
) -> tuple[Quotient, Net, Rounding]:
    """One joint cut that realises as many of the claims as groups and stored types allow.

    `strict`: nothing may be rounded. `needed`: per layer, the features (n,) whose values anybody
    needs; all when not given. `within`: a quotient of weaker claims; nothing is kept that it does
    not keep. Returned with the net after it: whether readers can store what is folded shows there.
    """
    by_layer: dict[str, list[Claim]] = {}
    for claim in claims:
        by_layer.setdefault(claim.layer, []).append(claim)
    fixed = {layer.name for layer in net.layers if layer.bias_fixed}
    limits = _Limits(strict, fixed, needed or {}, within or Quotient({}))
    while True:
        quotient = _compose(net, by_layer, limits)
        reduced, tally = apply(net, quotient, jobs)
        readers = tally.overflow | (set(tally.inexact) if strict else set())
        if not readers:
            found = {layer.name for layer in net.layers if layer.bias_fixed}
            more = frozenset(limits.fixed - found)
            quotient = replace(quotient, fixed=more, whole=frozenset(limits.whole))
            return quotient, reduced, tally
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
        if group.pinned:
            continue
        whole = [layer.name for layer in group.layers if layer.name in limits.whole]
        if whole:
            declined |= dict.fromkeys(whole, _WHOLE)
            continue
        read = [layer for layer in group.layers if any(True for _ in net.dense_readers(layer.name))]
        if not any(layer.name in claims for layer in group.layers) and _all_read(group, read):
            continue
        tables = [_table(net, layer, claims.get(layer.name, []), cuts, limits) for layer in read]
        storages = [Storage(net, layer, limits.strict) for layer in read]
        slots, carriers = _keep(net, group, limits.within, tables, storages)
        for layer, table in zip(read, tables, strict=True):
            if table.declined:
                declined[layer.name] = table.declined
        if slots.all() and not _constants_move(group, read, carriers, limits.needed):
            continue
        carried = {
            layer.name: (table, carrier)
            for layer, table, carrier in zip(read, tables, carriers, strict=True)
        }
        for layer in group.layers:
            keep = np.flatnonzero(slots[group.slots[layer.name]])
            if layer.name in carried:
                cuts[layer.name] = _cut(keep, *carried[layer.name])
            elif len(keep) < layer.width:
                cuts[layer.name] = _unread_cut(layer, keep)
        for layer in _emptied(group, read, tables, carriers):
            if layer.name in cuts:
                cuts[layer.name] = replace(cuts[layer.name], emptied=True)
    if all(len(cut.keep) == len(cut.carrier) for cut in cuts.values()):
        cuts = {}  # no feature goes: then all constants may stay where they are
    return Quotient(cuts, declined, limits.needed)


def _all_read(group: Group, read: Sequence[Layer]) -> bool:
    """Whether every slot has a feature that a matrix reads."""
    seen = np.zeros(group.count, bool)
    for layer in read:
        seen[group.slots[layer.name]] = True
    return bool(seen.all())


def _constants_move(
    group: Group, read: Sequence[Layer], carriers: Sequence[Array], needed: Mapping[str, Array]
) -> bool:
    """Whether readers rely on constants moving into their biases, though no feature goes."""
    return not group.forced.all() and any(
        bool(((carrier < 0) & ~needed[layer.name]).any())
        for layer, carrier in zip(read, carriers, strict=True)
        if layer.name in needed
    )


def _table(
    net: Net, layer: Layer, claims: Sequence[Claim], cuts: dict[str, LayerCut], limits: _Limits
) -> Table:
    fixed: list[Read] = []
    others: list[Read] = []
    blocks: set[int] = set()
    for reader, index in net.dense_readers(layer.name):
        term = reader.terms[index]
        takes_no_bias = reader.name in limits.fixed or term.padded
        used = _rows_used(reader, cuts, limits.needed)
        (fixed if takes_no_bias else others).append(Read(term.by_tap, used))
        blocks.add(term.blocks)
    table = table_of(layer, claims, fixed, others, blocks - {1})
    if any(reader.terms[index].frozen for reader, index in net.dense_readers(layer.name)):
        keep_apart(table)
    return table


def _rows_used(reader: Layer, cuts: dict[str, LayerCut], needed: Mapping[str, Array]) -> Array:
    """The rows of a reader that are kept and needed."""
    keep = Quotient(cuts).keep(reader)
    return keep[needed[reader.name][keep]] if reader.name in needed else keep


def _keep(
    net: Net, group: Group, within: Quotient, tables: Sequence[Table], storages: Sequence[Storage]
) -> tuple[Array, list[Array]]:
    """The slots (count,) bool a group keeps; per layer who carries each feature (-1: nobody)."""
    among = group.kept((layer, within.keep(layer)) for layer in group.layers)
    for table, storage in zip(tables, storages, strict=True):
        storage.take_apart(table)
    while True:
        preference = np.zeros(group.count)
        demands = []
        for table, storage in zip(tables, storages, strict=True):
            slots = group.slots[storage.layer.name]
            cost = storage.preference(table, alone=len(tables) == 1)
            preference += np.bincount(slots, cost, group.count)
            demands.append((slots, np.where(among[slots], table.label, -1)))
        kept = choose(net, group, demands, among, preference)
        carriers = [
            _carriers(t, s, np.flatnonzero(kept[group.slots[s.layer.name]]))
            for t, s in zip(tables, storages, strict=True)
        ]
        found = [carrier for carrier in carriers if carrier is not None]
        if len(found) == len(carriers):
            return kept, found


def _emptied(
    group: Group, read: Sequence[Layer], tables: Sequence[Table], carriers: Sequence[Array]
) -> list[Layer]:
    """The layers of which nothing is needed."""
    useful = group.forced.copy()
    for layer, table, carrier in zip(read, tables, carriers, strict=True):
        useful[group.slots[layer.name][carrier[(table.label >= 0) & (carrier >= 0)]]] = True
    return [layer for layer in group.layers if not useful[group.slots[layer.name]].any()]


def _carriers(table: Table, storage: Storage, keep: Array) -> Array | None:
    """Who carries each feature: kept ones themselves, the others the best kept one of their class.

    None, with the class split, when no kept member can carry what the readers must store.
    """
    carrier = np.where(table.label >= 0, np.arange(len(table.label)), -1)
    kept = set(keep.tolist())
    classes = table.classes()
    certain = not classes or not storage.may_fail(table)
    for members in classes:
        able = [i for i in members if i in kept]
        gone = [i for i in members if i not in kept]
        if not gone:
            continue
        chosen = able[0]
        if not certain or (len(able) > 1 and len({table.ratio[i] for i in able}) > 1):
            costs = [(storage.best_carrier(table, [*gone, i], [i])[1], i) for i in able]
            cost, chosen = min(costs)
            if cost == np.inf:
                storage.split(table, members)
                return None
        carrier[gone] = chosen
    return carrier


def _cut(keep: Array, table: Table, carrier: Array) -> LayerCut:
    ratio, offset = [Fraction(0)] * len(carrier), list(table.offset)
    for i, k in enumerate(carrier.tolist()):
        if k >= 0:
            ratio[i] = table.ratio[i] / table.ratio[k]
            offset[i] = table.offset[i] - ratio[i] * table.offset[k]
    # what is added to a multiple of an irrational carrier is irrational too
    near = table.irrational | set(np.flatnonzero(np.isin(carrier, [*table.irrational])).tolist())
    told = tuple(ratio), tuple(offset), tuple(table.kind)
    return LayerCut(keep, carrier, *told, irrational=near)


def _unread_cut(layer: Layer, keep: Array) -> LayerCut:
    """A layer of the group that only its group reads: cut like the others, nothing to carry."""
    n = layer.width
    none = (Fraction(0),) * n
    return LayerCut(keep, np.full(n, -1), none, none, ("tied",) * n)
