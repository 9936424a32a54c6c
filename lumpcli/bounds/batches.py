"""Whether what holds for one sample holds for every sample of a batch.

A model whose inputs leave the number of samples open is lowered for two of them as well. The second
is no number: wherever it arrives, even multiplied by zero, the tensor is none either. So a tensor
whose first half is as it was for one sample does not depend on the second.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from lumpcli.bounds.program import Program

MIXED = "it may mix the samples of a batch, whose size the model leaves open"


def one_by_one(program: Program, for_two: Callable[[], Program]) -> Program:
    """The program without targets that are not computed sample by sample.

    `for_two` lowers the same model for a batch of two.
    """
    double = for_two()
    rng = np.random.default_rng(0)
    points = {name: rng.random((1, *tensor.shape)) for name, tensor in program.inputs.items()}
    pairs = {}
    for name, tensor in double.inputs.items():
        pair = np.full((1, *tensor.shape), np.nan)
        pair[:, :1] = points[name]
        if pair.shape == points[name].shape:  # an input without samples, shared by both
            pair = points[name]
        pairs[name] = pair
    with np.errstate(invalid="ignore", over="ignore"):
        once, twice = program.evaluate(points), double.evaluate(pairs)
    kept, reasons = {}, dict(program.unbounded)
    for name, tensor in program.targets.items():
        other = double.targets.get(name)
        single = once[tensor.step][0]
        if other is not None and other.shape == (2 * tensor.shape[0], *tensor.shape[1:]):
            first = twice[other.step][0][: single.size]
            if (np.abs(first - single) <= 1e-9 * (1 + np.abs(single))).all():
                kept[name] = tensor
                continue
        reasons[name] = MIXED
    return replace(program, targets=kept, unbounded=reasons)
