"""Dialects of operators that move elements: attributes of old operator sets, and odd numbers."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import NodeProto

from lumpcli.bounds import lower
from lumpcli.loader import load
from tests.bounds.containing import box_for, computed
from tests.models import build, node

CASES: dict[str, tuple[int, NodeProto]] = {
    "Slice by attributes": (
        9,
        node("Slice", ["x"], ["z"], starts=[1, -3], ends=[9, -1], axes=[1, 3]),
    ),
    "Slice without axes": (13, node("Slice", ["x", "zero4", "two4"], ["z"])),
    "Squeeze by attribute": (11, node("Squeeze", ["x"], ["z"], axes=[0])),
    "Squeeze of all": (13, node("Squeeze", ["x"], ["z"])),
    "Unsqueeze by attribute": (11, node("Unsqueeze", ["x"], ["z"], axes=[0, 5])),
    "Pad by attribute": (10, node("Pad", ["x"], ["z"], pads=[0, 0, 1, 0, 0, 1, 0, 2], value=0.5)),
    "Flatten from the end": (13, node("Flatten", ["x"], ["z"], axis=-1)),
    "Flatten from the front": (13, node("Flatten", ["x"], ["z"], axis=0)),
    "Transpose all": (13, node("Transpose", ["x"], ["z"])),
    "Gather one": (13, node("Gather", ["x", "minus"], ["z"], axis=2)),
    "Concat at the end": (13, node("Concat", ["x", "x"], ["z"], axis=-1)),
    "Expand to less": (13, node("Expand", ["x", "ones"], ["z"])),
    "Dropout told not to train": (13, node("Dropout", ["x", "", "no"], ["z"])),
}


@pytest.mark.parametrize("name", CASES)
def test_elements_are_where_onnxruntime_puts_them(name: str) -> None:
    opset, changed = CASES[name]
    weights = {
        "zero4": np.zeros(4, np.int64),
        "two4": np.full(4, 2),
        "minus": np.array(-1),
        "ones": np.array([3, 1, 1, 1, 1]),
        "no": np.array(False),
    }
    model = build(
        [changed, node("Relu", ["z"], ["y"])], weights, inputs={"x": (1, 2, 3, 4)}, opset=opset
    )
    program, box = lower(load(model)), box_for(model, np.random.default_rng(0))
    assert program.unbounded == {}
    points = box.sample(np.random.default_rng(1), 3)
    values = program.evaluate({"x": points["x"].astype(np.float32)})
    (wanted,) = computed(model, box, ["z"], 3, 1)
    target = program.targets["z"]
    assert (values[target.step].reshape(3, *target.shape) == wanted).all()


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        (node("Dropout", ["x", "", "yes"], ["z"]), "in training"),
        (node("Gather", ["x", "i"], ["z"]), "computed indices"),
        (node("Reshape", ["x", "shape"], ["z"], allowzero=1), "Reshape"),
        (node("Transpose", ["x"], ["z"], perm=[0, 0, 1, 2]), "do not fit"),
        (node("Concat", ["x", "c"], ["z"], axis=0), "'c' is not a number"),
    ],
)
def test_what_is_not_followed(changed: NodeProto, reason: str) -> None:
    weights = {"yes": np.array(True), "shape": np.array([1, 24]), "c": np.ones((1, 2, 3, 4), "f")}
    nodes = [
        node("Shape", ["x"], ["s"]),
        node("Cast", ["x"], ["i"], to=7),
        changed,
        node("Relu", ["z"], ["y"]),
    ]
    program = lower(load(build(nodes, weights, inputs={"x": (1, 2, 3, 4)})))
    assert reason in program.unbounded["z"]
    assert program.targets == {}
