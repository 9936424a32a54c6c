"""One graph through everything: is it what was meant, and does its reduction keep the laws?

What is demanded ends where lumpcli's deliberate limits are; the generator plants within them.

- A grouped convolution loses no group in one run. With one channel left per group it is depthwise,
  and the next run may cut whole groups: graphs with grouped convolutions are reduced until nothing
  changes, and compared then.
- Readers without a bias, and padded ones, keep one carrier for all constants of a layer. Which
  constant that is, and so in which part of a Concat it lies, is lumpcli's choice: a tensor may be
  wider than needed if all layers with weights together have no more features than needed. Offset
  copies are not planted there; sums over all positions (ReduceSum) count as padded.
- Only the same places of every group go before a channel shuffle: blocks are planted alike there.
  Before other grouped readers (an equal Split without sizes, heads of values) any places go, as
  many in each block.
- Of what a depthwise convolution with a multiplier makes of each channel, as much has to stay:
  the outputs of one channel differ in a core, and go together.
- Embedding tables have no planted offsets, and no constants but 0.
- A vector that becomes an image gets no offsets, which would differ by position, and is read by a
  convolution before it meets numbers per channel, or anything makes it a vector again.
- Before Max, Min and the like ratios are positive, and the same in all operands.
- A Cast to a narrower type hands on no ratios.
- Dimensions of queries and keys are planted at the same places of both and of every head, and one
  of the two is 0 there; no other copies or constants, since nothing scales their products.
- Nothing is written whose rank onnx cannot infer: Concat has no negative axis before opset 11.
- A second run may find what rounding made equal: only exact graphs are reduced again.
- Linear features may be made up for in several ways: widths are those of the other passes.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import onnx

from lumpcli.api import reduce
from lumpcli.results import Result
from tests.graphs.exactness import BITS, bits_needed
from tests.graphs.families import draw, family_of, source_of
from tests.graphs.models import Arrays, feeds_for, run, write
from tests.graphs.planting import MATRICES, Plan, planted
from tests.graphs.spec import Graph

TOLERANCE = 1e-4
FACTS = ("unread", "constant", "lumping")  # what is narrower to the last feature
_PLANS = (Plan(), Plan(6, 0.2), Plan(2, 0.6), Plan(3, 0.0, 0.0), Plan(4, 0.3, 0.6))
_ONLY: dict[str, dict[str, Any]] = {
    "copies": {"kinds": (1.0, 0.0, 0.0), "shifting": 0.0},
    "shifted": {"kinds": (1.0, 0.0, 0.0)},
    "constants": {"kinds": (0.0, 1.0, 0.0)},
    "junk": {"kinds": (0.0, 0.0, 1.0)},
    "aligned": {"aligned": True},
}
PLANTS = (*_ONLY, "all")


@dataclass(frozen=True)
class Case:
    """A core graph, a larger one that computes the same, and their models."""

    seed: int
    family: str
    core: Graph
    graph: Graph
    small: onnx.ModelProto
    model: onnx.ModelProto
    feeds: Arrays


@dataclass
class Report:
    """What is wrong with a case, in words; and what was seen on the way."""

    seed: int
    family: str
    failures: list[str] = field(default_factory=list)
    exact: bool = False
    planted: int = 0  # numbers per sample that planting added, over all tensors
    left: int = 0  # of those, how many a reduction left
    seconds: float = 0.0  # in lumpcli

    def expect(self, holds: bool, failure: str) -> None:
        """Note a law that does not hold."""
        if not holds:
            self.failures.append(failure)


def build(seed: int, family: str | None = None, plant: str = "all") -> Case:
    """The case of a seed; `plant`: only channels of one kind."""
    family = family or family_of(seed)
    core = draw(seed, family)
    rng = source_of(seed, "plant")
    graph = core
    for _ in range(1 + int(rng.random() < 0.3)):
        plan = _PLANS[int(rng.integers(len(_PLANS)))]
        graph = planted(graph, rng, replace(plan, **_ONLY.get(plant, {})))
    small, model = (write(g, source_of(seed, "write")) for g in (core, graph))
    return Case(seed, family, core, graph, small, model, feeds_for(core, source_of(seed, "feed")))


def distance(before: Arrays, after: Arrays, scale: float) -> float:
    """The largest difference of outputs, relative to a scale."""
    worst = 0.0
    for name, a in before.items():
        b = after[name]
        if a.shape != b.shape or not np.isfinite(b).all():
            return float("inf")
        if a.size:
            worst = max(worst, float(np.abs(a.astype(np.float64) - b).max()))
    return worst / scale


def _compare(report: Report, before: Arrays, after: Arrays, scale: float, what: str) -> None:
    """The same shapes and numbers: bit by bit where nothing rounds, else up to the tolerance."""
    names = before.keys()
    report.expect(all(before[n].shape == after[n].shape for n in names), f"shapes: {what}")
    if report.exact:
        same = all(np.array_equal(before[n], after[n]) for n in names)
        report.expect(same, f"outputs: {what}: {distance(before, after, 1.0):.3g} apart, exact")
    else:
        apart = distance(before, after, scale)
        report.expect(apart <= TOLERANCE, f"outputs: {what}: {apart:.2e} of scale apart")


def _shapes(model: onnx.ModelProto, inside: Arrays) -> dict[str, tuple[int, ...]]:
    """The shape of every constant and of everything computed, by name."""
    found = {t.name: tuple(t.dims) for t in model.graph.initializer}
    found |= {name: values.shape for name, values in inside.items()}
    return found


def _size(inside: Arrays) -> int:
    return sum(v.size for v in inside.values())


def check(
    seed: int, family: str | None = None, plant: str = "all", *, only_generator: bool = False
) -> Report:
    """Build a case and check it; whatever is raised is a failure too."""
    report = Report(seed, family or family_of(seed))
    try:
        case = build(seed, family, plant)
        inside = run(case.model, case.feeds, inside=True)
        first = _check_planting(report, case, inside)
        if not only_generator:
            _check_reduction(report, case, inside, first)
    except Exception as error:  # everything that goes wrong with one graph is a failure of it
        report.failures.append(f"raised: {type(error).__name__}: {error}".split("\n")[0][:300])
    return report


def _check_planting(report: Report, case: Case, inside: Arrays) -> Arrays:
    """The two graphs compute the same, without lumpcli. Returns all that the core computes."""
    onnx.checker.check_model(case.model)
    report.exact = case.graph.exact and bits_needed(case.graph, {**inside, **case.feeds}) <= BITS
    first = run(case.small, case.feeds, inside=True)
    outputs = {name: first[name] for name in case.core.outputs}
    _compare(report, outputs, inside, scale_of(inside), "generator, planted and core")
    return first


def scale_of(inside: Arrays) -> float:
    """The largest number anywhere: what float32 rounds is relative to it."""
    numbers = [v for v in inside.values() if v.dtype.kind == "f" and v.size]
    return max(1.0, *(float(np.abs(v).max()) for v in numbers))


def _check_reduction(report: Report, case: Case, inside: Arrays, first: Arrays) -> None:
    """The laws of lumpcli."""
    started = time.perf_counter()
    small, result = (_reduced(m, case.graph) for m in (case.small, case.model))
    again = reduce(result.model, passes=FACTS)
    every = reduce(case.model)
    report.seconds = time.perf_counter() - started
    onnx.checker.check_model(result.model)
    after, least = (run(r.model, case.feeds, inside=True) for r in (result, small))
    outputs = {name: inside[name] for name in case.graph.outputs}
    scale = scale_of(inside)
    _compare(report, outputs, after, scale, "planted and reduced")
    core = {name: first[name] for name in case.core.outputs}
    _compare(report, core, least, scale, "core and reduced core")
    report.planted, report.left = _size(inside) - _size(first), _size(after) - _size(least)
    got, wanted = _shapes(result.model, after), _shapes(small.model, least)
    wider = [n for n in got.keys() & wanted.keys() if _wider(got[n], wanted[n])]
    wider.sort(key=lambda n: list(got).index(n))
    named = ", ".join(f"{n} {list(got[n])} > {list(wanted[n])}" for n in wider[:4])
    elsewhere = _features(case.core, after) <= _features(case.core, least)
    said = f"widths: {len(wider)} of {len(got)} wider than needed: {named}"
    report.expect(elsewhere or not wider, said)
    report.expect(not again.changed or not report.exact, f"again: a second run cuts {_cut(again)}")
    onnx.checker.check_model(every.model)
    if any(layer.linear for layer in every.layers):  # other numbers need other bits
        report.exact = False
    _compare(report, outputs, run(every.model, case.feeds), scale, "planted and reduced by all")


def _features(graph: Graph, inside: Arrays) -> int:
    """How many features all layers with weights have that make some."""
    total = 0
    for step in graph.steps:
        if step.kind in MATRICES or (step.kind == "depthwise" and step.settings["times"] > 1):
            axis = 1 if graph.tensors[step.output].layout == "first" else -1
            total += inside[step.output].shape[axis]
    return total


def _reduced(model: onnx.ModelProto, graph: Graph) -> Result:
    """A reduction; with grouped convolutions, the last of several that each cut something."""
    result = reduce(model, passes=FACTS)
    grouped = [s for s in graph.steps if s.kind in ("conv", "transposed")]
    if any(step.settings["groups"] > 1 for step in grouped):
        while result.changed and result.model is not None:
            result = reduce(result.model, passes=FACTS)
    return result


def _wider(got: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    return len(got) != len(wanted) or any(a > b for a, b in zip(got, wanted, strict=True))


def _cut(result: object) -> str:
    features = getattr(result, "features", None)
    return "" if features is None else f"{features.before} -> {features.after}"
