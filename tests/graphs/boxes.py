"""One graph reduced in a random box of inputs: it computes the same there, and can be loaded."""

from __future__ import annotations

import time

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from lumpcli.api import Granted, reduce
from tests.graphs.families import family_of, source_of
from tests.graphs.laws import TOLERANCE, Case, Report, build, distance, scale_of
from tests.graphs.models import Arrays, run
from tests.graphs.spec import Rng

_HALF_WIDTHS = (1 / 16, 1 / 4, 1, 4)
_CORNERS = (0.0, 0.4, 1.0)  # which share of the numbers of a sample are ends of the box
_SECONDS = 4.0  # for bounds


def check_in_box(seed: int, family: str | None = None, plant: str = "all") -> Report:
    """Build a case and check it; whatever is raised is a failure too."""
    report = Report(seed, family or family_of(seed))
    try:
        case = build(seed, family, plant)
        ends = _ends(case, source_of(seed, "box"))
        if ends:
            _check(report, case, ends)
    except Exception as error:  # everything that goes wrong with one graph is a failure of it
        report.failures.append(f"raised: {type(error).__name__}: {error}".split("\n")[0][:300])
    return report


def _ends(case: Case, rng: Rng) -> dict[str, tuple[float, float]]:
    """A box: two ends for all elements of each input that is no list of words."""
    found = {}
    for name, values in case.feeds.items():
        if values.dtype.kind == "f":
            middle, half = float(rng.integers(-16, 17)) / 8, float(rng.choice(_HALF_WIDTHS))
            found[name] = middle - half, middle + half
    return found


def _check(report: Report, case: Case, ends: dict[str, tuple[float, float]]) -> None:
    rng = source_of(report.seed, "within")
    model = case.model if rng.random() < 0.5 else _with_other_weights(case.small, rng)
    box = [f"{name}={low!r},{high!r}" for name, (low, high) in ends.items()]
    started = time.perf_counter()
    result = reduce(model, granted=Granted(box, budget=_SECONDS))
    report.seconds = time.perf_counter() - started
    report.planted, report.left = result.features.before, result.features.after
    assert result.model is not None
    onnx.checker.check_model(result.model)
    for share in _CORNERS:
        feeds = {**case.feeds, **_samples(case, ends, share, rng)}
        inside = run(model, feeds, inside=True)
        outputs = {name: inside[name] for name in case.graph.outputs}
        worst = distance(outputs, run(result.model, feeds), scale_of(inside))
        report.expect(worst <= TOLERANCE, f"outputs: in the box: {worst:.2e} of scale apart")


def _with_other_weights(model: onnx.ModelProto, rng: Rng) -> onnx.ModelProto:
    """A model whose matrices have numbers of many digits, so that little stays exact."""
    found = onnx.ModelProto()
    found.CopyFrom(model)
    for tensor in found.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT and len(tensor.dims) >= 2:
            stored = numpy_helper.to_array(tensor)
            scaled = (stored * rng.uniform(0.3, 1.5, stored.shape)).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(scaled, tensor.name))
    return found


def _samples(case: Case, ends: dict[str, tuple[float, float]], share: float, rng: Rng) -> Arrays:
    """Numbers inside the box, of which a share are at an end; ends are float32 numbers."""
    found: Arrays = {}
    for name, (low, high) in ends.items():
        shape = case.feeds[name].shape
        inside = np.clip(rng.uniform(low, high, shape).astype(np.float32), low, high)
        at_end = np.where(rng.random(shape) < 0.5, low, high)
        found[name] = np.where(rng.random(shape) < share, at_end, inside).astype(np.float32)
    return found
