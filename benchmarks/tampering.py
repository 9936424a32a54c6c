"""Hostile certificates: `python benchmarks/tampering.py [--count 5000]`.

Reductions of small models get a certificate; then one thing is changed: in the certificate, in
either model (with the hash made right again, as a hostile author would), or between files. Each
time the checker has to refuse, or what it proves has to be true: both models are evaluated in
float64. Exits 1 when a false claim is proved, anything but a refusal is raised, or a check takes
longer than 10 seconds.
"""

from __future__ import annotations

import argparse
import copy
import json
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import onnx
from onnx import ModelProto
from onnx.helper import make_node
from onnx.reference import ReferenceEvaluator

from benchmarks.changes import CHANGES, Proven, spoilt_text
from lumpcli.api import Granted, reduce
from lumpcli.certify import check
from lumpcli.errors import InputError
from lumpcli.judge.double import make_double
from lumpcli.proofs import Refused
from tests.e2e.attention import attention
from tests.graphs.laws import build
from tests.laws.generator import random_case
from tests.models import build as build_model

TWICE = {1: (2.0, 0), 7: (2.0, 4)}  # row -> (factor, row it is a multiple of)
THRICE = {3: (3.0, 1), 4: (3.0, 6)}
LONGEST = 10.0  # seconds
NEAR = 1e-11  # of scale: float64 noise, far below an ulp of float32
_SAMPLES = 48


@dataclass(frozen=True)
class Answer:
    """What came of a change: "refused", "unreadable", "harmless", "false" or "crashed"."""

    outcome: str
    detail: str
    seconds: float


def prove(name: str, model: ModelProto, folder: Path, **options: Any) -> Proven:
    """The reduction of a model, with its certificate."""
    files = [folder / f"{name}.{end}" for end in ("onnx", "small.onnx", "json")]
    files[0].write_bytes(model.SerializeToString())
    reduce(files[0], files[1], certificate=files[2], check=False, force=True, **options)
    small = onnx.load(files[1])
    return Proven(name, model, small, json.loads(files[2].read_text("utf-8")))


# --- what comes of them


def answer(case: Proven, folder: Path, text: bytes | None = None) -> Answer:
    """Check a changed case."""
    a, b, c = folder / "a.onnx", folder / "b.onnx", folder / "c.json"
    a.write_bytes(case.original.SerializeToString())
    b.write_bytes(case.reduced.SerializeToString())
    c.write_bytes(json.dumps(case.certificate).encode() if text is None else text)
    start = time.perf_counter()
    try:
        proved = check(a, b, c)
        outcome, detail = "harmless", ""
    except Refused as error:
        outcome, detail = "refused", f"{error.layer}: {error.reason}"
    except InputError as error:
        outcome, detail = "unreadable", str(error)
    except Exception as error:
        outcome, detail = "crashed", f"{type(error).__name__}: {error}"
    seconds = time.perf_counter() - start
    if outcome == "harmless" and (proved.rounded or proved.level == "rounding"):
        return Answer(outcome, "not evaluated", seconds)
    box = case.certificate.get("box") if isinstance(case.certificate, dict) else None
    if outcome == "harmless" and not equal(case.original, case.reduced, box):
        outcome, detail = "false", "the models differ"
    return Answer(outcome, detail, seconds)


def equal(a: ModelProto, b: ModelProto, box: dict[str, Any] | None = None) -> bool:
    """Whether two models agree in float64, on samples; in a box, as a certificate has it."""
    rng = np.random.default_rng(0)
    runners = []
    for model in (a, b):
        double = copy.deepcopy(model)
        make_double(double)
        runners.append(ReferenceEvaluator(double))
    feeds = {}
    for info in a.graph.input:
        dims = [d.dim_value or _SAMPLES for d in info.type.tensor_type.shape.dim]
        feeds[info.name] = rng.normal(size=dims) * 3
        if box is not None:
            said = box["inputs"][info.name]
            ends = [np.array(said[end], float).reshape(said["shape"]) for end in ("lower", "upper")]
            feeds[info.name] = np.clip(feeds[info.name], *ends)
    made = []
    for runner in runners:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                made.append(runner.run(None, feeds))
            except Exception:  # not every model can be run by the evaluator
                made.append([])
    return bool(made[0]) and all(map(_near, *made))


def _near(x: Any, y: Any) -> bool:
    if x.shape != y.shape:
        return False
    finite = np.isfinite(x) & np.isfinite(y)
    scale = 1 + np.abs(x[finite]).max(initial=0)
    alike = (x == y) | (np.isnan(x) & np.isnan(y)) | (finite & (np.abs(x - y) <= NEAR * scale))
    return bool(alike.all())


def linear_model(seed: int) -> ModelProto:
    """Pairs of opposite rows, or rows of positive numbers, behind a function that has an end."""
    rng = np.random.default_rng(seed)
    n, k, out = (int(v) for v in rng.integers([2, 5, 1], [5, 9, 4]))
    act, before = str(rng.choice(["Relu", "Gelu", "LeakyRelu"])), str(rng.choice(["Relu", "Abs"]))
    rows, bias = rng.integers(1, 5, (k, n)) * rng.choice([-1, 1], (k, n)), rng.integers(1, 5, k)
    shapes = {"p": (n, 3), "q": n, "v": (out, 2 * k), "c": out}
    numbers = {name: rng.integers(1, 5, shape) for name, shape in shapes.items()}
    numbers |= {"w": np.concatenate([rows, -rows]), "b": np.concatenate([bias, -bias])}
    layers = (("x", "p", "q", "g"), ("s", "w", "b", "h"), ("r", "v", "c", "y"))
    nodes = [make_node("Gemm", told, [made], transB=1) for *told, made in layers]
    nodes.insert(1, make_node(before, ["g"], ["s"]))
    nodes.insert(3, make_node(act, ["h"], ["r"]))
    weights = {name: value.astype(np.float32) for name, value in numbers.items()}
    return build_model(nodes, weights, inputs={"x": ("N", 3)}, opset=20)


def cases(folder: Path, count: int = 12) -> list[Proven]:
    """Reductions without rounding: dense, residual, convolutions, attention; linear, in boxes."""
    samples = Path(__file__).resolve().parents[1] / "sample_models"
    models = {name: onnx.load(samples / f"{name}.onnx") for name in ("exact_mlp", "residual")}
    models["attention"] = attention(q=TWICE, k=THRICE)
    for seed in range(count):
        models[f"net{seed}"] = random_case(seed).model
        models[f"conv{seed}"] = build(seed).model
        models[f"linear{seed}"] = linear_model(seed)
    found = [prove(name, model, folder) for name, model in models.items()]
    for seed in range(count // 4):
        granted = Granted((f"0,{seed + 1}",))
        found.append(prove(f"box{seed}", linear_model(seed), folder, granted=granted))
    exact = [c for c in found if not c.certificate["rounded"] and c.claims]
    return [c for c in exact if equal(c.original, c.reduced, c.certificate.get("box"))]


def tampered(found: Sequence[Proven], seed: int, folder: Path) -> tuple[str, Answer]:
    """What was changed in one of the cases, and what came of it."""
    rng = np.random.default_rng(seed)
    case = found[rng.integers(len(found))].copy()
    if rng.random() < 0.08:
        text = spoilt_text(json.dumps(case.certificate), rng)
        return f"{case.name}: the text", answer(case, folder, text)
    change = CHANGES[rng.integers(len(CHANGES))]
    change(case, rng)
    return f"{case.name}: {change.__name__}", answer(case, folder)


def main() -> int:
    """Change many things, count what comes of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--first", type=int, default=0)
    options = parser.parse_args()
    tally: Counter[str] = Counter()
    longest = 0.0
    with tempfile.TemporaryDirectory() as name:
        found = cases(Path(name))
        for seed in range(options.first, options.first + options.count):
            what, came = tampered(found, seed, Path(name))
            tally[came.outcome] += 1
            longest = max(longest, came.seconds)
            if came.outcome in ("false", "crashed") or came.seconds > LONGEST:
                tally["wrong"] += 1
                print(f"{seed}: {what}: {came.outcome} {came.detail}", flush=True)
    told = ", ".join(f"{count} {outcome}" for outcome, count in sorted(tally.items()))
    print(f"{options.count} changes of {len(found)} reductions: {told}; longest {longest:.2f} s")
    return int(tally["wrong"] > 0)


if __name__ == "__main__":
    sys.exit(main())
