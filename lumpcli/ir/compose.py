"""From claims to one joint cut: which indices each group keeps, and who carries whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from lumpcli.ir.exact import Array
from lumpcli.ir.folding import apply
from lumpcli.ir.groups import groups, pin_of
from lumpcli.ir.hitting import hitting_set
from lumpcli.ir.net import Layer, Net
from lumpcli.ir.quotient import Claim, LayerCut, Quotient
from lumpcli.ir.storable import Table, keep_unstorable, preference_of

_BIAS = "what the removed features add to a bias cannot be stored (level strict, or overflow)"


@dataclass
class _Limits:
    """What storing the result forbids, found while trying: layers whose offsets must stay."""

    strict: bool
    locked: set[str] = field(default_factory=set)


def compose(net: Net, claims: Sequence[Claim], strict: bool = False) -> Quotient:
    """One joint cut that realises as many of the claims as groups and stored types allow.

    `strict`: nothing may be rounded. Raises InternalError for claims that contradict the net.
    """
    limits = _Limits(strict, {layer.name for layer in net.layers if _offsets_locked(net, layer)})
    while True:
        quotient = _compose(net, claims, limits)
        tally = apply(net, quotient)[1]
        readers = tally.overflow | (tally.inexact_bias if strict else set())
        locked = {t.source for name in readers for t in net[name].terms if not t.diagonal}
        if locked <= limits.locked:
            return quotient
        limits.locked |= locked


def _offsets_locked(net: Net, layer: Layer) -> bool:
    """Whether some reader has no place for what a removed constant would add to it."""
    return any(r.bias_fixed or r.terms[t].padded for r, t in net.dense_readers(layer.name))


def _compose(net: Net, claims: Sequence[Claim], limits: _Limits) -> Quotient:
    cuts: dict[str, LayerCut] = {}
    for group in groups(net):
        if pin_of(group) is not None:
            continue
        read = [layer for layer in group if any(True for _ in net.dense_readers(layer.name))]
        tables = [_table(net, layer, claims, limits) for layer in read]
        preference = np.zeros(group[0].width)
        if len(read) == 1:
            preference = preference_of(net, read[0], tables[0], limits.strict)
        keep = hitting_set([t.label for t in tables], preference)
        if len(keep) == group[0].width:
            continue
        emptied = len(keep) == 0
        keep = np.zeros(1, np.int64) if emptied else keep
        for layer, table in zip(read, tables, strict=True):
            cuts[layer.name] = _cut(table, keep, emptied)
        for layer in group:
            if layer.name not in cuts:
                cuts[layer.name] = _unread_cut(layer, keep, emptied)
    return Quotient(cuts)


def _table(net: Net, layer: Layer, claims: Sequence[Claim], limits: _Limits) -> Table:
    n = layer.width
    table = Table(np.arange(n), [Fraction(1)] * n, [Fraction(0)] * n, ["kept"] * n)
    for claim in claims:
        if claim.layer != layer.name:
            continue
        for k, i in enumerate(claim.features.tolist()):
            label = int(claim.classes[k])
            table.label[i] = -1 if label < 0 else n + label
            table.ratio[i], table.offset[i] = claim.ratio[k], claim.offset[k]
            table.kind[i] = claim.kind
    if layer.name in limits.locked:
        _keep_offsets(table)
    keep_unstorable(net, layer, table, limits.strict)
    return table


def _keep_offsets(table: Table) -> None:
    """Where a bias cannot take them: equal offsets per value share a class, constants are one."""
    names: dict[tuple[int, Fraction], int] = {}
    constants = 2 * len(table.label) + 1  # a label of its own
    for i, label in enumerate(table.label.tolist()):
        offset = table.offset[i]
        if label < 0:
            if offset:
                table.label[i], table.ratio[i] = constants, offset
        else:
            key = (label, offset / table.ratio[i])
            table.label[i] = names.setdefault(key, constants + 1 + len(names))
        table.offset[i] = Fraction(0)
    if any(o for o in table.offset):
        table.declined = _BIAS


def _cut(table: Table, keep: Array, emptied: bool) -> LayerCut:
    carrier = np.full(len(table.label), -1)
    by_label: dict[int, int] = {}
    for i in keep.tolist():
        by_label.setdefault(int(table.label[i]), i)
    ratio, offset = [Fraction(0)] * len(carrier), list(table.offset)
    for i, label in enumerate(table.label.tolist()):
        if label < 0:
            continue
        k = by_label[label]
        carrier[i] = k
        ratio[i] = table.ratio[i] / table.ratio[k]
        offset[i] = table.offset[i] - ratio[i] * table.offset[k]
    return LayerCut(
        keep, carrier, tuple(ratio), tuple(offset), tuple(table.kind), emptied, table.declined
    )


def _unread_cut(layer: Layer, keep: Array, emptied: bool) -> LayerCut:
    """A layer of the group that only its group reads: cut like the others, nothing to carry."""
    n = layer.width
    none = (Fraction(0),) * n
    return LayerCut(keep, np.full(n, -1), none, none, ("tied",) * n, emptied)
