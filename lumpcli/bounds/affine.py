"""Affine operations on flat tensors: what they compute, its range, and their adjoint.

All arrays are (..., size). `linear` leaves the bias out; `signed(high, low)` is `P high + N low`,
with P the positive and N the negative part of the matrix; `adjoint(rows)` is `rows @ matrix`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from lumpcli.bounds.rounding import SMALL, Arithmetic, Array, Range, sized, widened


class Unbounded(Exception):
    """Why the bounds of a tensor are unknown; never leaves the room."""


def usable(numbers: Array) -> Array:
    """Constants as float64; Unbounded where they are not finite, or products may underflow."""
    exact = np.asarray(numbers, np.float64)
    if not np.isfinite(exact).all():
        raise Unbounded("a constant is not finite")
    if ((exact != 0) & (np.abs(exact) < SMALL)).any():
        raise Unbounded("a constant is too small to multiply by safely")
    return exact


@dataclass(frozen=True)
class Affine(ABC):
    """`matrix @ sources + bias`. `heft` is the magnitude of what the bias was computed from."""

    bias: Array | None = field(default=None, kw_only=True)  # (size,)
    heft: Array | None = field(default=None, kw_only=True)  # (size,)

    @property
    @abstractmethod
    def roundings(self) -> int:
        """How often an element is rounded, by us or by the network; 0: it is exact."""

    @property
    @abstractmethod
    def fan_out(self) -> int:
        """How many elements read one of a source: the length of sums in the adjoint."""

    @abstractmethod
    def linear(self, *sources: Array) -> Array:
        """The result without the bias."""

    @abstractmethod
    def signed(self, high: Sequence[Array], low: Sequence[Array]) -> Array:
        """The positive part on `high` plus the negative part on `low`."""

    @abstractmethod
    def adjoint(self, rows: Array) -> list[Array]:
        """Rows over the result become rows over each source."""

    def value(self, *sources: Array) -> Array:
        """The result."""
        result = self.linear(*sources)
        return result if self.bias is None else result + self.bias

    def bound(self, sources: Sequence[Range], arithmetic: Arithmetic) -> tuple[Range, Array]:
        """The range, and the sum (cells, size) of the magnitudes that an element is made of."""
        known = [r.finite for r in sources]
        if not all(k.all() for k in known):
            inside = [
                Range(np.where(k, r.lower, 0.0), np.where(k, r.upper, 0.0))
                for k, r in zip(known, sources, strict=True)
            ]
            found, spread = self.bound(inside, arithmetic)
            loose = [np.where(k, 0.0, 1.0) for k in known]
            touched = self.signed(loose, [-x for x in loose]) > 0
            return widened(found.lower, found.upper, np.where(touched, np.inf, 0.0)), spread
        high = [_four(r.lower, r.upper, 1.0) for r in sources]
        low = [_four(r.upper, r.lower, -1.0) for r in sources]
        lower, upper, below, above = self.signed(high, low)
        if self.bias is not None:
            heft = np.abs(self.bias) if self.heft is None else self.heft
            lower, upper = lower + self.bias, upper + self.bias
            below, above = below + heft, above + heft
        if not self.roundings:
            return Range(lower, upper), below + above
        share = arithmetic.charge(self.roundings, self.roundings)
        floor = arithmetic.floor(self.roundings)
        low_end = widened(lower, upper, share * below + floor).lower
        return Range(low_end, widened(lower, upper, share * above + floor).upper), below + above


def _four(first: Array, second: Array, sign: float) -> Array:
    """Both ends, and their sizes with a sign, along a new first axis."""
    return np.stack([first, second, sign * sized(first), sign * sized(second)])


@dataclass(frozen=True)
class Take(Affine):
    """Element j is element `index[j]` of the source; 0 where the index is -1."""

    index: Array  # (size,)
    source_size: int

    @cached_property
    def _groups(self) -> tuple[Array, Array, Array]:
        """The elements that are read, where each one's readers begin in `order`, and `order`."""
        order = np.argsort(self.index, kind="stable")
        order = order[np.searchsorted(self.index[order], 0) :]
        read, starts = np.unique(self.index[order], return_index=True)
        return read, starts, order

    @property
    def roundings(self) -> int:
        """Nothing is computed but where there is a bias."""
        return 0 if self.bias is None else 1

    @property
    def fan_out(self) -> int:
        """The most readers of one element."""
        read, _, order = self._groups
        return 1 if len(read) == len(order) else len(self.index)

    @cached_property
    def _absent(self) -> Array | None:
        return self.index < 0 if (self.index < 0).any() else None

    def linear(self, *sources: Array) -> Array:
        """The elements taken."""
        (source,) = sources
        taken: Array = np.take(source, self.index, axis=-1)
        if self._absent is not None:
            taken[..., self._absent] = 0.0
        return taken

    def signed(self, high: Sequence[Array], low: Sequence[Array]) -> Array:
        """There is no negative part."""
        return self.linear(*high)

    def adjoint(self, rows: Array) -> list[Array]:
        """Rows of all readers are added."""
        read, starts, order = self._groups
        result = np.zeros((*rows.shape[:-1], self.source_size))
        sorted_rows = rows[..., order]
        if len(read) < len(order):
            sorted_rows = np.add.reduceat(sorted_rows, starts, axis=-1)
        result[..., read] = sorted_rows
        return [result]


@dataclass(frozen=True)
class Matrix(Affine):
    """`source (groups, positions, inputs) @ weight (groups, inputs, outputs)`."""

    weight: Array
    positions: int

    @cached_property
    def _parts(self) -> tuple[Array, Array]:
        return np.maximum(self.weight, 0.0), np.minimum(self.weight, 0.0)

    @cached_property
    def _transposed(self) -> Array:
        return np.ascontiguousarray(self.weight.transpose(0, 2, 1))

    @property
    def roundings(self) -> int:
        """As many products, their sum, and the bias."""
        return int(self.weight.shape[1]) + 1

    @property
    def fan_out(self) -> int:
        """The outputs."""
        return int(self.weight.shape[2])

    def _times(self, source: Array, weight: Array) -> Array:
        lead = source.shape[:-1]
        groups, inputs, outputs = weight.shape
        if groups == 1:
            flat: Array = source.reshape(-1, inputs) @ weight[0]
            return flat.reshape(*lead, self.positions * outputs)
        shaped = source.reshape(*lead, groups, self.positions, inputs)
        product: Array = shaped @ weight
        return product.reshape(*lead, groups * self.positions * outputs)

    def linear(self, *sources: Array) -> Array:
        """The product."""
        (source,) = sources
        return self._times(source, self.weight)

    def signed(self, high: Sequence[Array], low: Sequence[Array]) -> Array:
        """The products with either part."""
        positive, negative = self._parts
        return self._times(high[0], positive) + self._times(low[0], negative)

    def adjoint(self, rows: Array) -> list[Array]:
        """The product with the transposed weight."""
        return [self._times(rows, self._transposed)]


@dataclass(frozen=True)
class Scale(Affine):
    """Each element times its own `weight` (size,), itself computed with `slack` roundings."""

    weight: Array
    slack: int = 0

    @property
    def roundings(self) -> int:
        """A product, the bias, and what the numbers were computed with."""
        return 2 + self.slack

    @property
    def fan_out(self) -> int:
        """One to one."""
        return 1

    def linear(self, *sources: Array) -> Array:
        """The products."""
        (source,) = sources
        result: Array = source * self.weight
        return result

    def signed(self, high: Sequence[Array], low: Sequence[Array]) -> Array:
        """Each element has one of both parts."""
        result: Array = np.where(self.weight >= 0, high[0], low[0]) * self.weight
        return result

    def adjoint(self, rows: Array) -> list[Array]:
        """The products."""
        return [rows * self.weight]


@dataclass(frozen=True)
class Sum(Affine):
    """The sum of tensors of one size, each with a sign."""

    signs: tuple[int, ...]

    @property
    def roundings(self) -> int:
        """One per tensor."""
        return len(self.signs)

    @property
    def fan_out(self) -> int:
        """One to one."""
        return 1

    def linear(self, *sources: Array) -> Array:
        """The sum."""
        total = np.zeros_like(sources[0])
        for sign, source in zip(self.signs, sources, strict=True):
            total = total + source if sign > 0 else total - source
        return total

    def signed(self, high: Sequence[Array], low: Sequence[Array]) -> Array:
        """Those that are subtracted are the negative part."""
        pairs = zip(self.signs, high, low, strict=True)
        return self.linear(*[h if sign > 0 else lo for sign, h, lo in pairs])

    def adjoint(self, rows: Array) -> list[Array]:
        """The rows, with signs."""
        return [rows if sign > 0 else -rows for sign in self.signs]
