"""Bounds against what onnxruntime computes: every element of every target, at samples of the box.

Claims for float32 hold in onnxruntime without any tolerance. Functions that float32 does not
compute to half a unit are compared in claims about real numbers, with what float32 may be wrong by.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnxruntime
from onnx import ModelProto, helper

from lumpcli.bounds import Phases, Semantics, input_shapes, ladder
from lumpcli.box import Box
from lumpcli.loader import load

Array = np.ndarray


@dataclass(frozen=True)
class Checked:
    """How many numbers were compared with their bounds, how many were outside, and the bounds."""

    count: int
    outside: int
    phases: Phases


def box_for(model: ModelProto, rng: np.random.Generator, radius: float = 1.0) -> Box:
    """A random box whose bounds are float32 numbers; some inputs are fixed."""
    ranges = {}
    for name, shape in input_shapes(load(model).graph).items():
        ends = np.sort(rng.uniform(-radius, radius, (2, *shape)).astype(np.float32), axis=0)
        ends[1] = np.where(rng.random(shape) < 0.1, ends[0], ends[1])
        ranges[name] = (ends[0].astype(np.float64), ends[1].astype(np.float64))
    return Box(ranges)


def computed(model: ModelProto, box: Box, names: list[str], samples: int, seed: int) -> list[Array]:
    """What onnxruntime makes of samples of the box, one after the other: (samples, *shape) each."""
    told = ModelProto()
    told.CopyFrom(model)
    del told.graph.output[:]
    told.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in names)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(told.SerializeToString(), options)
    points = box.sample(np.random.default_rng(seed), samples)
    open_batch = all(
        isinstance(i.shape[0], str) if i.shape else False for i in session.get_inputs()
    )
    if open_batch:
        feeds = {n: p.astype(np.float32).reshape(-1, *p.shape[2:]) for n, p in points.items()}
        return [np.expand_dims(y, 1) for y in session.run(names, feeds)]
    single = [
        session.run(names, {n: p[k].astype(np.float32) for n, p in points.items()})
        for k in range(samples)
    ]
    return [np.stack(column) for column in zip(*single, strict=True)]


def check(
    model: ModelProto,
    box: Box,
    *,
    semantics: Semantics = "float32",
    samples: int = 64,
    seed: int = 0,
    cells: int = 200,
    tolerance: float = 0.0,
) -> Checked:
    """Bounds of all rungs on the box, and how many samples lie outside of them."""
    phases = ladder(load(model), box, semantics=semantics, seed=seed, samples=256, cells=cells)
    names = list(phases.tensors)
    values = computed(model, box, names, samples, seed) if names else []
    count = outside = 0
    for name, value in zip(names, values, strict=True):
        bounds = phases.tensors[name]
        slack = tolerance * np.maximum(1.0, np.abs(value))
        wrong = ~((bounds.lower - slack <= value) & (value <= bounds.upper + slack))
        wrong |= (bounds.phase > 0) & (value < -slack)
        wrong |= (bounds.phase < 0) & (value > slack)
        count, outside = count + value.size, outside + int(wrong.sum())
    return Checked(count, outside, phases)
