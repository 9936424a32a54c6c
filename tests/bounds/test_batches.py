"""A model that leaves the number of samples open, and mixes them, has no bounds there."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import ModelProto, NodeProto

from lumpcli.bounds import lower
from lumpcli.bounds.batches import MIXED
from lumpcli.loader import load
from tests.models import build, node

WEIGHTS = {
    "w": np.ones((5, 4), np.float32),
    "square": np.ones((2, 2), np.float32),
    "shape": np.array([1, -1]),
    "axis": np.array([0]),
}
MIXING: dict[str, list[NodeProto]] = {
    "sum over samples": [node("ReduceSum", ["h", "axis"], ["z"])],
    "mean over samples, subtracted": [
        node("ReduceMean", ["h"], ["m"], axes=[0]),
        node("Sub", ["h", "m"], ["z"]),
    ],
    "one row of all": [node("Reshape", ["h", "shape"], ["z"])],
    "a row of features, turned": [
        node("Transpose", ["h"], ["t"], perm=[1, 0]),
        node("Reshape", ["t", "back"], ["z"]),
    ],
}


def _model(nodes: list[NodeProto], batch: int | str) -> ModelProto:
    first = [node("MatMul", ["x", "w"], ["h"]), node("Relu", ["h"], ["other"])]
    weights = {**WEIGHTS, "back": np.array([-1, 4])}
    last = node("Relu", ["z"], ["y"])
    return build([*first, *nodes, last], weights, inputs={"x": (batch, 5)}, outputs=["y", "other"])


@pytest.mark.parametrize("name", MIXING)
def test_mixed_samples_are_seen_only_where_their_number_is_open(name: str) -> None:
    open_batch = lower(load(_model(MIXING[name], "N")))
    assert set(open_batch.targets) == {"h"}
    assert open_batch.unbounded["z"] == MIXED
    assert set(lower(load(_model(MIXING[name], 1))).targets) == {"h", "z"}


def test_samples_side_by_side_are_bounded() -> None:
    apart = [node("Softsign", ["h"], ["s"]), node("Sub", ["h", "s"], ["z"])]
    assert set(lower(load(_model(apart, "N"))).targets) == {"h", "z"}
    assert lower(load(_model(apart, "N"))).unbounded == {}
