"""Operations of which backward bounds know the range only: products of tensors, and maxima."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lumpcli.bounds.rounding import UNIT, UNIT32, Arithmetic, Array, Range, sized, widened


class Opaque(ABC):
    """What reads tensors and has a range."""

    @abstractmethod
    def value(self, *sources: Array) -> Array:
        """The result (..., size)."""

    @abstractmethod
    def bound(self, sources: Sequence[Range], arithmetic: Arithmetic) -> Range:
        """Its range (cells, size)."""

    @abstractmethod
    def pull(self, rows: Array, *sources: Array) -> list[Array]:
        """Rows over the result become rows over each source, by its derivative there."""


@dataclass(frozen=True)
class Largest(Opaque):
    """Element j is the largest of the elements `index[j]` of the source; -1 stands for none."""

    index: Array  # (size, window)

    def _windows(self, source: Array) -> Array:
        return np.where(self.index < 0, -np.inf, source[..., self.index])

    def value(self, *sources: Array) -> Array:
        """The largest of each window."""
        largest: Array = self._windows(sources[0]).max(axis=-1)
        return largest

    def bound(self, sources: Sequence[Range], arithmetic: Arithmetic) -> Range:
        """The largest bounds; nothing is rounded."""
        return Range(self.value(sources[0].lower), self.value(sources[0].upper))

    def pull(self, rows: Array, *sources: Array) -> list[Array]:
        """All goes to the element that is largest."""
        chosen = self._windows(sources[0]).argmax(axis=-1)
        places = np.take_along_axis(
            np.broadcast_to(self.index, (*chosen.shape, self.index.shape[1])),
            chosen[..., None],
            axis=-1,
        )[..., 0]
        result = np.zeros((*rows.shape[:-1], sources[0].shape[-1]))
        for cell in range(len(rows)):
            np.add.at(result[cell].T, places[cell], rows[cell].T)
        return [result]


@dataclass(frozen=True)
class Product(Opaque):
    """Two tensors of one size, multiplied element by element."""

    def value(self, *sources: Array) -> Array:
        """The products."""
        result: Array = sources[0] * sources[1]
        return result

    def bound(self, sources: Sequence[Range], arithmetic: Arithmetic) -> Range:
        """The extreme products of bounds; 0 times an infinite bound is 0."""
        a, b = sources
        with np.errstate(invalid="ignore", over="ignore"):
            products = [x * y for x in (a.lower, a.upper) for y in (b.lower, b.upper)]
        products = [np.where(np.isnan(x), 0.0, x) for x in products]
        lower, upper = np.minimum.reduce(products), np.maximum.reduce(products)
        unit = 8 * UNIT + (2 * UNIT32 if arithmetic.float32 else 0.0)
        largest = np.where(
            np.isfinite(lower) & np.isfinite(upper), Range(lower, upper).magnitude, 0
        )
        return widened(lower, upper, unit * sized(largest) + arithmetic.floor(1))

    def pull(self, rows: Array, *sources: Array) -> list[Array]:
        """Each is the other's derivative."""
        return [rows * sources[1][:, None], rows * sources[0][:, None]]
