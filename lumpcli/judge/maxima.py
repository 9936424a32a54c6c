"""The arithmetic of comparing arrays: channels, differences, units in the last place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np


class Maxima:
    """The largest magnitude per channel over all batches, and the batch it was in.

    Channels are on axis 1; a tensor of rank 0 or 1 is one channel. When batches differ in their
    number of channels (axis 1 is dynamic), all are taken as one.
    """

    def __init__(self) -> None:
        self.values = np.zeros(0)
        self.batches = np.zeros(0, np.int64)
        self.seen = 0  # numbers per channel
        self._empty = True

    def add(self, magnitudes: np.ndarray, batch: int) -> None:
        """Take in a tensor of magnitudes, of any rank."""
        found = _per_channel(magnitudes)
        self.seen += magnitudes.size // max(found.size, 1)
        if self._empty:
            self._empty = False
            self.values, self.batches = found, np.full(found.shape, batch)
            return
        if found.shape != self.values.shape:
            self._collapse()
            found = found.max(initial=0, keepdims=True)
        larger = found > self.values
        self.values = np.where(larger, found, self.values)
        self.batches = np.where(larger, batch, self.batches)

    @property
    def largest(self) -> float:
        """Over all channels; 0 when there is none."""
        return float(self.values.max(initial=0))

    def _collapse(self) -> None:
        worst = int(np.argmax(self.values)) if self.values.size else None
        self.batches = np.asarray([0 if worst is None else self.batches[worst]])
        self.values = np.asarray([self.largest])


def _per_channel(magnitudes: np.ndarray) -> np.ndarray:
    if magnitudes.ndim <= 1:
        return np.asarray([magnitudes.max(initial=0)], np.float64)
    others = tuple(i for i in range(magnitudes.ndim) if i != 1)
    return np.asarray(magnitudes.max(axis=others, initial=0), np.float64)


@dataclass(frozen=True)
class Gap:
    """How two arrays of one shape differ."""

    delta: np.ndarray  # |b - a| where both are finite, else 0
    scale: np.ndarray  # |a| where finite, else 0
    identical: bool
    finite: bool  # a holds a finite number, or nothing that could be one
    exact: bool  # integers, booleans, strings: no tolerance applies
    sentence: str  # what no tolerance covers; empty when nothing


def is_float(array: np.ndarray) -> bool:
    """Whether elements are real floating-point numbers, also of the types numpy does not have."""
    return array.dtype.kind == "f" or "float" in array.dtype.name


def gap(a: np.ndarray, b: np.ndarray) -> Gap:
    """Compare two arrays of the same shape; types may differ (then they are not equal)."""
    if a.dtype != b.dtype or not is_float(a):
        return _exact_gap(a, b)
    wide_a, wide_b = a.astype(np.float64, copy=False), b.astype(np.float64, copy=False)
    finite = np.isfinite(wide_a)
    both = finite & np.isfinite(wide_b)
    same = (wide_a == wide_b) | (np.isnan(wide_a) & np.isnan(wide_b))
    with np.errstate(invalid="ignore", over="ignore"):
        delta = np.where(both, np.abs(wide_b - wide_a), 0.0)
    elsewhere = bool(np.any(~both & ~same))
    return Gap(
        delta=delta,
        scale=np.where(finite, np.abs(wide_a), 0.0),
        identical=bool(np.all(same)),
        finite=bool(finite.any()) or a.size == 0,
        exact=False,
        sentence="is NaN or infinite in other places" if elsewhere else "",
    )


def _exact_gap(a: np.ndarray, b: np.ndarray) -> Gap:
    if a.dtype != b.dtype:
        sentence = f"is {a.dtype.name} against {b.dtype.name}"
        return Gap(np.zeros(a.shape), np.zeros(a.shape), False, True, True, sentence)
    same = np.asarray(a == b)
    numbers = a.dtype.kind in "biu"
    wide_a = a.astype(np.float64) if numbers else np.zeros(a.shape)
    wide_b = b.astype(np.float64) if numbers else np.zeros(a.shape)
    wrong = int(same.size - np.count_nonzero(same))
    return Gap(
        delta=np.where(same, 0.0, np.maximum(np.abs(wide_b - wide_a), 1.0)),
        scale=np.abs(wide_a),
        identical=wrong == 0,
        finite=True,
        exact=True,
        sentence=f"differs in {wrong} of {same.size} {a.dtype.name} values" if wrong else "",
    )


def argmax_agreement(a: np.ndarray, b: np.ndarray) -> tuple[float, int] | None:
    """The fraction of positions with the same argmax on axis 1, and how many there are."""
    if a.ndim < 2 or a.shape[1] < 2 or a.size == 0:
        return None
    same = np.argmax(a, axis=1) == np.argmax(b, axis=1)
    return float(np.mean(same)), int(same.size)


_INTEGER: Mapping[str, type[np.signedinteger[Any]]] = {
    "float16": np.int16,
    "float32": np.int32,
    "float64": np.int64,
}


def ulps(a: np.ndarray, b: np.ndarray, dtype: str) -> float:
    """The largest number of floating-point numbers of `dtype` between a and b, where finite."""
    narrow = dtype if dtype in _INTEGER else "float32"
    with np.errstate(over="ignore"):
        wide = [np.ravel(x).astype(narrow) for x in (a, b)]
    finite = np.isfinite(wide[0]) & np.isfinite(wide[1])
    steps = [_steps(x[finite], narrow) for x in wide]
    # As float64: the distance of two far float64 numbers does not fit an int64.
    distance = np.abs(steps[1].astype(np.float64) - steps[0].astype(np.float64))
    close = np.abs(distance) < 2.0**52
    exact = np.abs(steps[1] - steps[0]).astype(np.float64)
    largest = float(np.where(close, exact, distance).max(initial=0))
    return largest / 2.0**16 if dtype == "bfloat16" else largest


def _steps(x: np.ndarray, narrow: str) -> np.ndarray:
    """Numbers to integers that count floating-point numbers from 0: neighbours differ by 1."""
    bits = x.view(_INTEGER[narrow]).astype(np.int64)
    sign_bit = np.int64(np.iinfo(_INTEGER[narrow]).min)
    return np.where(bits < 0, sign_bit - bits, bits)
