"""Random networks, boxes and samples: does onnxruntime ever leave the bounds? `make contain`.

Claims are those for float32, so nothing is tolerated. Counted are elements times samples.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator

import numpy as np
from onnx import ModelProto

from tests.bounds.containing import box_for, check
from tests.bounds.operators import FLATS, IMAGES, between_layers
from tests.models import build, node

_NAMES = [*FLATS, *IMAGES]
_FUNCTIONS = ("Relu", "Relu", "Relu", "LeakyRelu", "Abs", "Clip")


def random_model(rng: np.random.Generator) -> ModelProto:
    """One operator between layers of weights, or a residual network of dense layers."""
    if rng.random() < 0.5:
        return between_layers(_NAMES[rng.integers(len(_NAMES))], rng)
    width, depth = int(rng.integers(1, 40)), int(rng.integers(1, 6))
    inputs = int(rng.integers(1, 8))
    nodes, source, size = [], "x", inputs
    weights = {"low": np.float32(-rng.random()), "high": np.float32(rng.random())}
    for k in range(depth):
        scale = np.sqrt(2 / size) * np.exp(rng.normal() * 0.5)
        weights[f"w{k}"] = (rng.normal(size=(size, width)) * scale).astype(np.float32)
        weights[f"b{k}"] = (rng.normal(size=width) * rng.random()).astype(np.float32)
        kind = _FUNCTIONS[rng.integers(len(_FUNCTIONS))]
        limits = ["low", "high"] if kind == "Clip" else []
        nodes.append(node("Gemm", [source, f"w{k}", f"b{k}"], [f"z{k}"]))
        nodes.append(node(kind, [f"z{k}", *limits], [f"y{k}"]))
        if size == width and rng.random() < 0.5:
            nodes.append(node("Add", [f"y{k}", source], [f"s{k}"]))
        source, size = nodes[-1].output[0], width
    return build(nodes, weights, inputs={"x": ("N", inputs)}, outputs=[source])


def rounds(seed: int, samples: int) -> Iterator[tuple[int, int]]:
    """Numbers compared and numbers outside, model after model, endlessly."""
    number = 0
    while True:
        rng = np.random.default_rng([seed, number])
        model = random_model(rng)
        box = box_for(model, rng, float(10 ** rng.uniform(-4, 1.5)))
        found = check(model, box, samples=samples, seed=number, cells=100)
        yield found.count, found.outside
        number += 1


def main() -> int:
    """Run until so many numbers were compared; 1 if one of them was outside."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checks", type=float, default=1e8)
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    began, count, outside, models = time.monotonic(), 0, 0, 0
    for compared, wrong in rounds(options.seed, options.samples):
        count, outside, models = count + compared, outside + wrong, models + 1
        if wrong:
            print(f"model {models - 1}: {wrong} of {compared} outside", flush=True)
        if count >= options.checks:
            break
    seconds = time.monotonic() - began
    print(f"{count:,} numbers of {models:,} networks compared, {outside} outside, {seconds:.0f} s")
    return int(outside > 0)


if __name__ == "__main__":
    sys.exit(main())
