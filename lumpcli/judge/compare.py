"""How far the outputs of two models are apart, and how far they may be."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from lumpcli.judge.maxima import Maxima, argmax_agreement, gap, ulps
from lumpcli.results import OutputComparison


@dataclass(frozen=True)
class Arithmetic:
    """What to expect of a floating-point type: numbers without a unit are fractions of a scale."""

    tolerance: float  # in onnxruntime; argued by measurement: README, "Verify"
    referee: float  # in float64, where only the rounding of folded weights is left
    unit: float  # unit roundoff
    noise: float  # assumed when it was not measured: 16 roundings (float16, bfloat16: 2)


# float64 in onnxruntime and in the referee differ by the order of sums alone, so what is assumed
# is 16 of its own roundings, 2e-15: 1e-6, right for float32, would hide a million times more.
ARITHMETIC = {
    "float64": Arithmetic(1e-12, 1e-12, 2.0**-53, 2e-15),
    "float32": Arithmetic(1e-5, 1e-6, 2.0**-24, 1e-6),
    "float16": Arithmetic(5e-3, 5e-3, 2.0**-11, 1e-3),
    "bfloat16": Arithmetic(4e-2, 4e-2, 2.0**-8, 8e-3),
}

# How many times the noise counts. In onnxruntime both models make it, in sums of another order. In
# float64 only the rounding of folded weights is left, which is less: over 17 public networks whose
# hidden features were permuted and rescaled, the referee needed 0.45 of the noise at most.
_NOISE_FACTOR = {"onnxruntime": 4, "referee": 1}
_FEW = 8  # a maximum of fewer numbers says nothing about the noise of a channel
_MOST_TOLERANCES = 10  # what noise may add, in tolerances of the whole output
_MOST_ROUNDINGS = 256  # the same, in roundings of the largest sum inside the network
_GROSS_TOLERANCES = 100  # beyond this, a difference is no rounding


@dataclass(frozen=True)
class Noise:
    """What the stored arithmetic does to one output of the original: |a32 - a64| per channel."""

    measured: Maxima
    magnitude: float  # largest sum (MatMul, Gemm, Conv) inside the original

    def largest_believable(self, rule: Arithmetic, scale: float) -> float:
        """The most that noise, however often it counts, may add to a tolerance.

        Noise must not hide an error. One that comes to more than 10 tolerances of the output is
        taken for something else (a threshold that flips, a referee that defines an operator
        differently) and cut off there. Except where the output is what is left of larger sums
        that cancel: there it is measured against these sums, as the roundings are.
        """
        return max(_MOST_TOLERANCES * rule.tolerance * scale, self._roundings(rule))

    def is_gross(self, rule: Arithmetic, scale: float) -> bool:
        """Whether the referee and onnxruntime cannot have computed the same function."""
        limit = max(_GROSS_TOLERANCES * rule.tolerance * scale, self._roundings(rule))
        return self.measured.largest > limit

    def _roundings(self, rule: Arithmetic) -> float:
        return _MOST_ROUNDINGS * rule.unit * self.magnitude


@dataclass(frozen=True)
class Row:
    """A comparison, and where to look when it is not equal."""

    comparison: OutputComparison
    sentence: str  # what is wrong; empty when equal
    batch: int  # in which the difference is worst


class Tally:
    """One output of two models in one engine, batch after batch; constant memory."""

    def __init__(self, name: str, engine: Literal["onnxruntime", "referee"], dtype: str) -> None:
        self.name, self.engine, self.dtype = name, engine, dtype
        self.delta = Maxima()
        self.scale = Maxima()
        self.ulp: float | None = None
        self.agreement: list[tuple[float, int]] = []  # fraction of the same argmax, out of how many
        self.mismatch: tuple[str, int] | None = None  # what no tolerance covers, and its batch
        self.identical = True
        self._unbounded = False  # whether they differ by more than a number can say
        self.finite = False  # whether a finite number was ever seen in a

    def add(self, a: np.ndarray, b: np.ndarray, batch: int) -> None:
        """Take in the output of both models on one batch; arrays of any equal shape."""
        if a.shape != b.shape:
            self._refuse(f"has shape {a.shape} against {b.shape}", batch, unbounded=True)
            return
        difference = gap(a, b)
        self.identical &= difference.identical
        self.finite |= difference.finite
        self.delta.add(difference.delta, batch)
        self.scale.add(difference.scale, batch)
        if difference.sentence:
            counted = difference.exact and bool(difference.delta.any())
            self._refuse(difference.sentence, batch, unbounded=not counted)
        if difference.exact:
            return
        self.ulp = max(self.ulp or 0.0, ulps(a, b, self.dtype))
        agreement = argmax_agreement(a, b)
        if agreement is not None:
            self.agreement.append(agreement)

    def _refuse(self, sentence: str, batch: int, unbounded: bool) -> None:
        self.identical = False
        self._unbounded |= unbounded
        if self.mismatch is None:
            self.mismatch = (sentence, batch)

    def row(self, rule: Arithmetic, tolerance: float, noise: Noise | None) -> Row:
        """The verdict: `max|b - a| <= tolerance * max|a| + 4 * noise` in every channel."""
        levels = self._noise(rule, noise)
        allowed = tolerance * self.scale.values + _NOISE_FACTOR[self.engine] * levels
        excess = self.delta.values - allowed
        worst = int(np.argmax(excess)) if excess.size else 0
        equal = self.mismatch is None and not bool(np.any(excess > 0))
        comparison = self._comparison(tolerance, float(levels.max(initial=0)), equal)
        if equal:
            return Row(comparison, "", 0)
        if self.mismatch is not None:
            return Row(comparison, self._says(self.mismatch[0]), self.mismatch[1])
        found = f"differs by {self.delta.values[worst]:.3g} where {allowed[worst]:.3g} is allowed"
        return Row(comparison, self._says(found), int(self.delta.batches[worst]))

    def _says(self, what: str) -> str:
        where = "in float64" if self.engine == "referee" else "in onnxruntime"
        return f"output {self.name} {what} ({where})"

    def _noise(self, rule: Arithmetic, noise: Noise | None) -> np.ndarray:
        scale = self.scale.largest
        values = self.delta.values
        if noise is None:
            return np.full(values.shape, rule.noise * scale)
        measured = noise.measured
        pooled = measured.seen < _FEW or measured.values.shape != values.shape
        levels = np.full(values.shape, measured.largest) if pooled else measured.values
        # A reduced network rounds even where the original happens not to: one rounding of its
        # largest output. Not in float64, where a channel is judged by its own scale alone.
        floor = rule.unit * scale if self.engine == "onnxruntime" else 0.0
        most = noise.largest_believable(rule, scale) / _NOISE_FACTOR[self.engine]
        return np.maximum(np.minimum(levels, most), floor)

    def _comparison(self, tolerance: float, noise: float, equal: bool) -> OutputComparison:
        total = sum(n for _, n in self.agreement)
        agree = sum(fraction * n for fraction, n in self.agreement)
        return OutputComparison(
            name=self.name,
            engine=self.engine,
            dtype=self.dtype,
            max_abs=float("inf") if self._unbounded else self.delta.largest,
            scale=self.scale.largest,
            relative=_relative(self.delta.values, self.scale.values),
            ulp=self.ulp,
            argmax_agreement=agree / total if total else None,
            tolerance=tolerance,
            noise=noise,
            equal=equal,
        )


def _relative(delta: np.ndarray, scale: np.ndarray) -> float:
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return float(np.where(delta == 0, 0.0, delta / scale).max(initial=0))


class Comparison:
    """All outputs of two models in one engine, but for those that are not to be compared."""

    def __init__(
        self, engine: Literal["onnxruntime", "referee"], uncompared: Collection[str] = ()
    ) -> None:
        self.engine = engine
        self.uncompared = uncompared
        self.tallies: dict[str, Tally] = {}
        self.mismatch: tuple[str, int] | None = None

    def add(
        self,
        a: Mapping[str, np.ndarray],
        b: Mapping[str, np.ndarray],
        batch: int,
        dtypes: Mapping[str, str] | None = None,
    ) -> None:
        """Take in all (flattened) outputs on one batch; `dtypes`: in whose ulps to count."""
        a, b = ({n: x for n, x in m.items() if n not in self.uncompared} for m in (a, b))
        if a.keys() != b.keys():
            both = f"{', '.join(a)} against {', '.join(b)}"
            self.mismatch = self.mismatch or (f"outputs differ in structure: {both}", batch)
            return
        for name, array in a.items():
            dtype = (dtypes or {}).get(name, array.dtype.name)
            tally = self.tallies.setdefault(name, Tally(name, self.engine, dtype))
            tally.add(array, b[name], batch)

    @property
    def identical(self) -> bool:
        """Whether all outputs were equal to the bit (NaN equals NaN)."""
        return self.mismatch is None and all(t.identical for t in self.tallies.values())
