"""Two models in onnxruntime, and whether lumpcli treated one well: what the corpora share."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import onnx
import onnxruntime
from onnx import ModelProto, TensorProto, numpy_helper

from lumpcli.api import reduce
from lumpcli.errors import InputError
from lumpcli.results import Result

RTOL, ATOL = 1e-3, 1e-5  # of an element; of the largest element, where that is above 1
Feeds = Mapping[str, Any]
Status = Literal["unchanged", "changed", "refused", "failed"]
_SILENT = 4
_SOURCE = re.compile(
    r"^\[ONNXRuntimeError\] : \d+ : \w+ : (/\S+:\d+ .*\) (?=[A-Z]))?"
)  # where in its code


@dataclass(frozen=True)
class Outcome:
    """What lumpcli made of one model. `ran`: the original and the reduced one were compared."""

    name: str
    status: Status
    reason: str = ""
    ran: bool = False
    result: Result | None = None


class Unrunnable(Exception):
    """onnxruntime does not run a model."""


def run(model: ModelProto, feeds: Feeds) -> list[Any]:
    """All outputs, on one thread without optimisations; Unrunnable when there are none."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _SILENT
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        outputs: list[Any] = session.run(None, dict(feeds))
    except Exception as error:  # onnxruntime has a dozen of its own, and raises Python's too
        raise Unrunnable(_SOURCE.sub("", str(error)).strip()) from error
    return outputs


def plain(value: Any) -> Any:
    """A value of onnx's test data as onnxruntime takes and gives it."""
    return numpy_helper.to_array(value) if isinstance(value, TensorProto) else value


def difference(
    expected: Any, got: Any, rtol: float = RTOL, atol: float = ATOL, where: str = "output"
) -> str:
    """What tells two outputs, or sequences of them, apart; empty when they are close."""
    if expected is None or got is None:
        return "" if expected is got else f"{where}: {type(got).__name__} for a value"
    if isinstance(expected, (list, tuple)):
        if not isinstance(got, (list, tuple)) or len(expected) != len(got):
            return f"{where}: not a sequence of {len(expected)}"
        pairs = enumerate(zip(expected, got, strict=True))
        found = (difference(a, b, rtol, atol, f"{where}[{k}]") for k, (a, b) in pairs)
        return next(filter(None, found), "")
    a, b = np.asarray(expected), np.asarray(got)
    if a.shape != b.shape:
        return f"{where}: shape {b.shape} instead of {a.shape}"
    if a.dtype.kind not in "fiubcV" or b.dtype.kind not in "fiubcV":  # V: ml_dtypes
        return "" if np.array_equal(a, b) else f"{where}: other text"
    a, b = (x if x.dtype.kind == "c" else x.astype(np.float64) for x in (a, b))
    size = abs(a[np.isfinite(a)])
    atol *= max(1.0, float(size.max(initial=0.0)))
    if np.allclose(b, a, rtol=rtol, atol=atol, equal_nan=True):
        return ""
    with np.errstate(invalid="ignore"):
        apart = float(np.nanmax(abs(a - b), initial=0.0))
    return f"{where}: apart by {apart:.3g}, its scale is {size.max(initial=0.0):.3g}"


def complaint(model: ModelProto) -> str:
    """What onnx.checker says against a model; empty when it has no objection."""
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        return " ".join(str(error).split())
    return ""


def reduce_safely(name: str, model: ModelProto) -> Outcome:
    """Reduce in memory; "failed" for what lumpcli must not do, whatever the model computes.

    It may refuse a model as InputError says, and nothing else may be raised; the model given stays
    as it was; one with nothing to cut comes back byte for byte; and what onnx.checker accepted it
    still accepts.
    """
    before = model.SerializeToString()
    try:
        result = reduce(model, check=False)
    except InputError as error:
        return Outcome(name, "refused", str(error))
    except Exception as error:  # whatever it is, the corpus goes on
        return Outcome(name, "failed", f"{type(error).__name__}: {error}")
    if model.SerializeToString() != before:
        return Outcome(name, "failed", "the caller's own model was changed")
    if not result.changed:
        if result.model.SerializeToString() != before:
            return Outcome(name, "failed", "nothing was cut, but the bytes are others")
        return Outcome(name, "unchanged", result=result)
    objection = complaint(result.model)
    if objection and not complaint(model):
        return Outcome(name, "failed", f"onnx.checker rejects the reduced model: {objection}")
    return Outcome(name, "changed", result=result)


def reduce_and_run(
    name: str, model: ModelProto, samples: Sequence[tuple[Feeds, list[Any] | None]]
) -> Outcome:
    """Reduce, and where something was cut, run both on samples: (feeds, outputs expected if known).

    The expected outputs count where the original itself gives them. A model onnxruntime does not
    run, or that differs from itself, is not compared.
    """
    outcome = reduce_safely(name, model)
    if outcome.status != "changed" or outcome.result is None:
        return outcome
    for feeds, expected in samples:
        try:
            original = run(model, feeds)
        except Unrunnable as error:
            return Outcome(name, "changed", f"not compared: {error}", result=outcome.result)
        if difference(original, run(model, feeds), 0, 0):
            return Outcome(name, "changed", "not compared: random", result=outcome.result)
        try:
            small = run(outcome.result.model, feeds)
        except Unrunnable as error:
            return Outcome(name, "failed", f"onnxruntime runs only the original: {error}")
        wrong = difference(original, small, where="reduced")
        if not wrong and expected is not None and not difference(expected, original):
            wrong = difference(expected, small, where="expected")
        if wrong:
            return Outcome(name, "failed", wrong)
    return Outcome(name, "changed", ran=bool(samples), result=outcome.result)
