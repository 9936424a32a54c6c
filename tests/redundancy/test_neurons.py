"""Which layers' neurons may be replaced, by what, and where their elements are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lumpcli.bounds import Range, lower
from lumpcli.loader import load
from lumpcli.redundancy.neurons import Neurons, depths_of, neurons_of
from tests.models import build, node


def layers(*nodes: Any, width: int = 3, shape: tuple[int, ...] = (1, 2)) -> dict[str, Neurons]:
    weights = {
        "w": np.ones((2, width), "f4"),
        "b": np.ones(width, "f4"),
        "v": np.ones((width, 2), "f4"),
        "c": np.ones(2, "f4"),
        "k": np.ones((3, 2, 1, 1), "f4"),
        "m": np.ones((2, 3, 3, 3), "f4"),
    }
    host = load(build(nodes, weights, inputs={"x": shape}))
    return {own.layer: own for own in neurons_of(host, lower(host, outputs=True))}


FIRST = (node("Gemm", ["x", "w", "b"], ["z"]), node("Relu", ["z"], ["h"]))


def test_a_dense_layer_whose_reader_has_biases() -> None:
    own = layers(*FIRST, node("Gemm", ["h", "v", "c"], ["y"]))["h"]
    assert (own.width, own.declined, own.shifts) == (3, "", True)
    assert own.feature.tolist() == [0, 1, 2]


def test_lines_need_biases_in_the_readers() -> None:
    assert not layers(*FIRST, node("MatMul", ["h", "v"], ["y"]))["h"].shifts
    both = (node("Gemm", ["h", "v", "c"], ["s"]), node("MatMul", ["h", "v"], ["t"]))
    assert not layers(*FIRST, *both, node("Add", ["s", "t"], ["y"]))["h"].shifts


def test_outputs_and_layers_without_biases_decline() -> None:
    assert layers(FIRST[0], node("Relu", ["z"], ["y"]))["y"].declined
    plain = (node("MatMul", ["x", "w"], ["z"]), node("Relu", ["z"], ["h"]))
    own = layers(*plain, node("Gemm", ["h", "v", "c"], ["y"]))["h"]
    assert "biases" in own.declined


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_narrow_types_decline(dtype: str) -> None:
    """A shifted bias of 11 bits would be rounded by more than the bounds say."""
    weights = {"w": np.ones((2, 3), dtype), "b": np.ones(3, dtype)}
    weights |= {"v": np.ones((3, 2), dtype), "c": np.ones(2, dtype)}
    nodes = (*FIRST, node("Gemm", ["h", "v", "c"], ["y"]))
    host = load(build(nodes, weights, inputs={"x": (1, 2)}, dtype=np.dtype(dtype)))
    (own,) = neurons_of(host, lower(host, outputs=True))
    assert bool(own.declined) is (dtype == "f2")


@pytest.mark.parametrize(("pads", "shifts"), [([0, 0, 0, 0], True), ([1, 1, 1, 1], False)])
def test_channels(pads: list[int], shifts: bool) -> None:
    """A shift would be missing in the padding of a reader."""
    nodes = [
        node("Conv", ["x", "k", "b"], ["z"]),
        node("Relu", ["z"], ["h"]),
        node("Conv", ["h", "m", "c"], ["y"], pads=pads),
    ]
    own = layers(*nodes, shape=(1, 2, 3, 3))["h"]
    assert (own.width, own.declined, own.shifts) == (3, "", shifts)
    assert own.feature.reshape(3, 9).tolist() == [[i] * 9 for i in range(3)]
    low = np.arange(27.0).reshape(1, 27)
    ends = own.ends(Range(np.concatenate([low, low - 1]), np.concatenate([low, low + 2])))
    assert [e.tolist() for e in ends] == [[-1.0, 8.0, 17.0], [10.0, 19.0, 28.0]]


def test_depths_count_relus() -> None:
    nodes = (*FIRST, node("Gemm", ["h", "v", "c"], ["s"]), node("Add", ["s", "x"], ["t"]))
    weights = {"w": np.ones((2, 3), "f4"), "b": np.ones(3, "f4"), "v": np.ones((3, 2), "f4")}
    weights["c"] = np.ones(2, "f4")
    model = build([*nodes, node("Relu", ["t"], ["y"])], weights, inputs={"x": (1, 2)})
    program = lower(load(model), outputs=True)
    depths = depths_of(program)
    found = {name: depths[tensor.step] for name, tensor in program.tensors.items()}
    assert found == {"x": 0, "z": 0, "h": 1, "s": 1, "t": 1, "y": 2}
