"""What is claimed of one layer, feature by feature: who may share a carrier, who needs none."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from lumpcli.ir.exact import Array, fold
from lumpcli.ir.net import Layer
from lumpcli.ir.quotient import Claim

_NO_BIAS = (
    "what constants add cannot go into a reader's bias (there is none, or it would overflow, or be "
    "rounded at level strict): one feature carries them"
)


@dataclass
class Table:
    """What is claimed of one layer: label (-1: needs no carrier), ratio, offset and kind, (n,)."""

    label: Array
    ratio: list[Fraction]
    offset: list[Fraction]
    kind: list[str]
    declined: str | None = None
    irrational: frozenset[int] = frozenset()

    def classes(self) -> list[list[int]]:
        """The members of every class that needs a carrier and has several, lowest first."""
        found: dict[int, list[int]] = {}
        _, inverse, counts = np.unique(self.label, return_inverse=True, return_counts=True)
        for i in np.flatnonzero((self.label >= 0) & (counts[inverse] > 1)).tolist():
            found.setdefault(int(self.label[i]), []).append(i)
        return list(found.values())

    def part(self, members: Sequence[int]) -> None:
        """Make some features a class of their own."""
        self.label[list(members)] = self.label.max() + 1


@dataclass(frozen=True)
class Read:
    """The rows of a reader that matter: `rows` of a weight (n, width, taps)."""

    weight: Array
    rows: Array

    def columns(self, members: Sequence[int]) -> Array:
        """The columns of some features (rows, members, taps)."""
        found: Array = self.weight[np.ix_(self.rows, np.asarray(members, np.int64))]
        return found


def table_of(
    layer: Layer,
    claims: Sequence[Claim],
    fixed: Sequence[Read],
    others: Sequence[Read] = (),
    blocks: Iterable[int] = (),
) -> Table:
    """The claims on a layer in one table.

    `fixed` are the weights of readers that cannot store another bias: where
    offsets would have to go there, features with them keep a carrier. `others` are those of the
    other readers. `blocks` are in how many blocks readers see the layer: each block needs carriers
    of its own.
    """
    n = layer.width
    blocks = sorted(set(blocks))
    table = Table(np.arange(n), [Fraction(1)] * n, [Fraction(0)] * n, ["kept"] * n)
    for claim in claims:
        table.irrational |= claim.irrational
        shifted = _shifted_classes(claim) if fixed else set()
        for k, i in enumerate(claim.features.tolist()):
            label = int(claim.classes[k])
            multiple = claim.kind == "lumped" and label >= 0
            carried = multiple or label in shifted
            table.label[i] = n + label if carried else -1
            table.ratio[i], table.offset[i] = claim.ratio[k], claim.offset[k]
            table.kind[i] = claim.kind
    if fixed and any(table.offset):
        _carry_offsets(table, fixed, others, blocks)
    for count in blocks:
        _unread_in_blocks(table, count, [*fixed, *others], bool(fixed))
        asked = table.label >= 0
        block = np.arange(n) // (n // count)
        table.label[asked] = table.label[asked] * count + block[asked]
    return table


def _unread_in_blocks(table: Table, count: int, readers: Sequence[Read], fixed: bool) -> None:
    """Find the parts of classes that cancel in one block, though they do not in another."""
    n = len(table.label) if readers else 0
    found: dict[tuple[int, int], list[int]] = {}
    for i, label in enumerate(table.label[:n].tolist()):
        if label >= 0:
            found.setdefault((label, i // (n // count)), []).append(i)
    for members in found.values():
        claimed = all(table.kind[i] not in ("kept", "constant") for i in members)
        if not claimed or (fixed and any(table.offset[i] for i in members)):
            continue
        if _cancels(members, [table.ratio[i] for i in members], readers):
            table.label[members] = -1


def keep_apart(table: Table) -> None:
    """Give every feature but zeros a carrier of its own, for readers whose columns are fixed."""
    for i in range(len(table.label)):
        zero = table.label[i] < 0 and not table.ratio[i] and not table.offset[i]
        if not zero:
            table.label[i], table.kind[i] = i, "kept"
            table.ratio[i], table.offset[i] = Fraction(1), Fraction(0)


def _shifted_classes(claim: Claim) -> set[int]:
    """Unread classes with offsets: where those cannot go into biases, the class has to stay."""
    if claim.kind != "unread":
        return set()
    return {int(c) for c, offset in zip(claim.classes, claim.offset, strict=True) if offset}


def _carry_offsets(
    table: Table, fixed: Sequence[Read], others: Sequence[Read], blocks: Sequence[int]
) -> None:
    """Give every offset that matters to the fixed readers a carrier.

    Each of the `blocks` needs carriers of its own. Members of a class share one where they have the
    same offset per value, and constants are multiples of one another. What cancels needs none: an
    unread class each of whose parts does, a part that does in all readers, constants that do.
    """
    n = len(table.label)
    constants = [i for i in range(n) if table.label[i] < 0 and table.offset[i]]
    parts: dict[int, dict[Fraction, list[int]]] = {}
    for i, label in enumerate(table.label.tolist()):
        if label >= 0:
            shift = table.offset[i] / table.ratio[i]
            parts.setdefault(label, {}).setdefault(shift, []).append(i)
    fresh = n
    for part in parts.values():
        unread = all(table.kind[i] == "unread" for members in part.values() for i in members)
        gone = unread and all(
            _cancels(members, [table.ratio[i] for i in members], fixed) for members in part.values()
        )
        if len(part) > 1 and not gone:
            table.declined = _NO_BIAS
        for members in part.values():
            claimed = all(table.kind[i] != "kept" for i in members)
            ratios = [table.ratio[i] for i in members]
            alone = not gone and claimed and _cancels(members, ratios, [*fixed, *others])
            table.label[members] = -1 if gone or alone else fresh
            fresh += 1
            for i in members:
                table.offset[i] = table.offset[i] if gone else Fraction(0)
    together: dict[tuple[int, ...], list[int]] = {}
    for i in constants:
        together.setdefault(tuple(i // (n // count) for count in blocks), []).append(i)
    for members in together.values():
        if _cancels(members, [table.offset[i] for i in members], fixed):
            continue
        table.declined = _NO_BIAS
        table.label[members] = fresh
        for i in members:
            table.ratio[i], table.offset[i] = table.offset[i], Fraction(0)


def _cancels(members: list[int], factors: list[Fraction], fixed: Sequence[Read]) -> bool:
    """Whether the members' columns, each times its factor, sum to zero at every tap."""
    return all(
        not fold(block, factors, np.zeros(1, np.int64)).mantissa.any()
        for read in fixed
        for block in np.moveaxis(read.columns(members), 2, 0)
    )
