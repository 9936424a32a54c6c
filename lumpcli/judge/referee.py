"""A second opinion in float64: it sees a slip of 1e-4 in a weight that float32 cannot."""

from __future__ import annotations

import math
import re
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

from lumpcli.judge.compare import Comparison
from lumpcli.judge.domain import guards
from lumpcli.judge.double import make_double
from lumpcli.judge.flatten import flatten
from lumpcli.judge.maxima import Maxima, is_float
from lumpcli.judge.protos import all_nodes
from lumpcli.judge.signature import Signature

MOST_PARAMETERS = 20_000_000  # stored numbers of one model: two double copies of it take 320 MB
SECONDS = 5.0
_SLOWER = 50  # times onnxruntime: what to expect of the reference evaluator before it ran
_SUMS = frozenset(("MatMul", "Gemm", "Conv", "ConvTranspose"))
_LONGEST_MESSAGE = 200

T = TypeVar("T")


class BatchNormalization(OpRun):  # type of the operator it stands in for, hence the name
    """Inference as every opset from 7 on defines it; onnx's own takes opset 9 for training."""

    op_domain = ""

    def _run(
        self,
        x: np.ndarray,
        scale: np.ndarray,
        bias: np.ndarray,
        mean: np.ndarray,
        variance: np.ndarray,
        epsilon: float = 1e-5,
        training_mode: int = 0,
        **_: Any,
    ) -> tuple[np.ndarray]:
        if training_mode:
            raise NotImplementedError("BatchNormalization in training mode")
        shape = (1, -1) + (1,) * (x.ndim - 2)
        factor = (scale / np.sqrt(variance + epsilon)).reshape(shape)
        return ((x - mean.reshape(shape)) * factor + bias.reshape(shape),)


class _Skip(Exception):
    """The referee cannot judge; the message says why."""


class _Evaluator(ReferenceEvaluator):
    """Stops between two operators once its deadline has passed."""

    deadline = math.inf
    limit = math.inf  # seconds, for the message

    def _log(self, level: int, pattern: str, *args: Any) -> None:
        # Called at each operator whatever the verbosity. Should onnx rename it, only this is lost.
        if time.monotonic() > self.deadline:
            raise _Skip(f"it takes more than {self.limit:g} s")


@dataclass
class _Pair:
    a: _Evaluator
    b: _Evaluator
    sums: frozenset[str]  # tensors of the original that are sums of products


class Referee:
    """float64(A) against float64(B), and float64(A) against what onnxruntime makes of A.

    `skipped` says why it does not judge; "" while it does. `samples` counts what it has seen.
    """

    def __init__(self, a: Signature, b: Signature, seconds: float = SECONDS) -> None:
        """`seconds`: for all batches together; a batch that would exceed them is not begun."""
        self.comparison = Comparison("referee", guards(a, b))
        self.noise: dict[str, Maxima] = {}  # per output of A: |a32 - a64|
        self._flips: dict[str, tuple[int, int]] = {}  # per integer output of A: a32 != a64, of all
        self.magnitude = 0.0
        self.samples = 0
        self.skipped = _unfit(a, b)
        self._files = (a, b)
        self._pair: _Pair | None = None
        self._seconds = seconds
        self._spent = 0.0
        self._stopped = False

    def observe(
        self,
        feeds: Mapping[str, np.ndarray],
        original: Mapping[str, np.ndarray],
        batch: int,
        samples: int,
        seconds: float,
    ) -> None:
        """Judge one batch. `original`: A's flattened outputs in onnxruntime, made in `seconds`."""
        if self.skipped or self._stopped or not self._affordable(samples, seconds):
            return
        started = time.monotonic()
        try:
            self._judge(feeds, original, batch)
        except _Skip as skip:
            if self.samples:  # what it saw before stays seen
                self._stopped = True
            else:
                self.skipped = str(skip)
            return
        self.samples += samples
        self._spent += time.monotonic() - started

    def flip_rate(self, name: str) -> float:
        """The fraction of A's integers of that output in which onnxruntime and float64 differ."""
        wrong, seen = self._flips.get(name, (0, 0))
        return wrong / seen if seen else 0.0

    def _affordable(self, samples: int, seconds: float) -> bool:
        known = bool(self.samples)
        one = self._spent / self.samples if known else 2 * _SLOWER * seconds / samples
        expected = one * samples
        if self._spent + expected <= self._seconds:
            return True
        if known:
            self._stopped = True
        else:
            self.skipped = f"it would take about {expected:.0f} s, the limit is {self._seconds:g} s"
        return False

    def _judge(
        self, feeds: Mapping[str, np.ndarray], original: Mapping[str, np.ndarray], batch: int
    ) -> None:
        if self._pair is None:
            first, second = self._files
            self._pair = _Pair(_load(first), _load(second), _sums(first))
        for evaluator in (self._pair.a, self._pair.b):
            evaluator.limit = self._seconds
            evaluator.deadline = time.monotonic() + self._seconds - self._spent
        wide = {n: x.astype(np.float64) if is_float(x) else x for n, x in feeds.items()}
        everything = _run(self._pair.a, wide)
        a = _quietly(flatten, {n: everything[n] for n in self._pair.a.output_names})
        changed = _run(self._pair.b, wide)
        b = _quietly(flatten, {n: changed[n] for n in self._pair.b.output_names})
        _check_shapes(a, original)
        self.comparison.add(a, b, batch, {n: x.dtype.name for n, x in original.items()})
        self._measure(a, original, batch)
        sums = (np.abs(everything[n]).max(initial=0) for n in self._pair.sums if n in everything)
        self.magnitude = max([self.magnitude, *(float(s) for s in sums if np.isfinite(s))])

    def _measure(
        self, exact: Mapping[str, np.ndarray], original: Mapping[str, np.ndarray], batch: int
    ) -> None:
        for name, a32 in original.items():
            if not is_float(a32):
                wrong, seen = self._flips.get(name, (0, 0))
                wrong += int(np.count_nonzero(a32 != exact[name]))
                self._flips[name] = (wrong, seen + a32.size)
                continue
            a64 = exact[name]
            finite = np.isfinite(a32) & np.isfinite(a64)
            with np.errstate(invalid="ignore", over="ignore"):
                noise = np.where(finite, np.abs(a32.astype(np.float64) - a64), 0.0)
            self.noise.setdefault(name, Maxima()).add(noise, batch)


def _check_shapes(a: Mapping[str, np.ndarray], original: Mapping[str, np.ndarray]) -> None:
    for name, array in original.items():
        if name not in a or a[name].shape != array.shape:
            raise _Skip(f"it gives output {name} another shape than onnxruntime does")


def _unfit(a: Signature, b: Signature) -> str:
    if a.random or b.random:
        return f"the model draws random numbers ({', '.join(a.random or b.random)})"
    largest = max(a.parameters, b.parameters)
    if largest > MOST_PARAMETERS:
        return f"the model has {largest:,} numbers, the limit is {MOST_PARAMETERS:,}"
    return ""


def _load(signature: Signature) -> _Evaluator:
    def build() -> _Evaluator:
        model = onnx.load(signature.path)
        make_double(model)
        return _Evaluator(model, new_ops=[BatchNormalization])

    return _quietly(build)


def _sums(signature: Signature) -> frozenset[str]:
    model = onnx.load(signature.path, load_external_data=False)
    return frozenset(o for n in all_nodes(model) if n.op_type in _SUMS for o in n.output)


def _run(evaluator: _Evaluator, feeds: dict[str, np.ndarray]) -> dict[str, Any]:
    def run() -> dict[str, Any]:
        results = evaluator.run(None, feeds, intermediate=True)
        return dict(results)

    return _quietly(run)


def _quietly(function: Callable[..., T], *arguments: Any) -> T:
    """Call without numpy's warnings; whatever it raises becomes a reason to skip."""
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return function(*arguments)
    except _Skip:
        raise
    except Exception as error:  # the reference operators raise anything, AssertionError included
        raise _Skip(_why(error)) from error


def _why(error: Exception) -> str:
    """What went wrong at the root, and in which operator."""
    operator = re.search(r"operator '(\w+)'", str(error))
    cause: BaseException = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    text = " ".join(str(cause).split())[:_LONGEST_MESSAGE]
    where = f"operator {operator.group(1)}: " if operator else ""
    return f"{where}{text or type(cause).__name__}"
