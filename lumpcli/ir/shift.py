"""Constants that stay exact: a rational, plus multiples of irrational constants known by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True)
class Shift:
    """`rational + sum of coefficient * K[class]`; `parts` are (class, coefficient), sorted.

    Two equal shifts are equal numbers; shifts that differ in `parts` are never taken for equal, so
    that no rounding of an irrational number decides anything.
    """

    rational: Fraction = Fraction(0)
    parts: tuple[tuple[int, Fraction], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.rational) or bool(self.parts)

    def __add__(self, other: Shift) -> Shift:
        if not other.parts:
            return Shift(self.rational + other.rational, self.parts)
        total = dict(self.parts)
        for label, coefficient in other.parts:
            total[label] = total.get(label, Fraction(0)) + coefficient
        return Shift(self.rational + other.rational, _sorted(total))

    def __mul__(self, factor: Fraction) -> Shift:
        if not factor:
            return ZERO
        return Shift(self.rational * factor, tuple((c, k * factor) for c, k in self.parts))

    def __sub__(self, other: Shift) -> Shift:
        return self + other * Fraction(-1)

    def near(self, known: Mapping[int, float]) -> Fraction:
        """The number, with the nearest float64 for every irrational constant."""
        return self.rational + sum(
            (k * Fraction(known[c]) for c, k in self.parts), start=Fraction(0)
        )

    @staticmethod
    def of(rational: Fraction, parts: Mapping[int, Fraction]) -> Shift:
        """A shift from its rational part and its multiples of constants, zeros allowed."""
        return Shift(rational, _sorted(parts)) if rational or parts else ZERO


def _sorted(parts: Mapping[int, Fraction]) -> tuple[tuple[int, Fraction], ...]:
    return tuple(sorted((c, k) for c, k in parts.items() if k))


ZERO = Shift()
