"""Layers that leave the file, from the command line: reports, data files, what keeps them."""

from __future__ import annotations

import json
import os

import numpy as np
import onnx
import pytest

from tests.e2e.conftest import save
from tests.models import build, node


def whole(*shape):
    """Small integers, none zero."""
    rng = np.random.default_rng(sum(shape))
    return (rng.integers(1, 4, shape) * rng.choice([-1, 1], shape)).astype("f4")


def linear():
    """x (N, 5) -> Gemm to 9, `h` -> Gemm to 7 -> ReLU, `r` -> MatMul, y (N, 3)."""
    nodes = [
        node("Gemm", ["x", "w", "b"], ["h"], name="first"),
        node("Gemm", ["h", "c"], ["g"]),
        node("Relu", ["g"], ["r"]),
        node("MatMul", ["r", "v"], ["y"]),
    ]
    return build(nodes, {"w": whole(5, 9), "b": whole(9), "c": whole(9, 7), "v": whole(7, 3)})


def operators(path):
    return [n.op_type for n in onnx.load(path).graph.node]


def layers(document):
    return {layer["name"]: layer for layer in document["layers"]}


def test_reports(lump):
    save(linear(), "in.onnx")
    lines = lump("reduce", "in.onnx", "--dry-run").out.splitlines()
    (row,) = [line.split() for line in lines if line.startswith("h ")]
    assert row == [
        "h",
        *["9", "->", "0", "0", "0", "0", "9"],
        *["folded", "into", "what", "reads", "it"],
    ]
    found = lump("reduce", "in.onnx", "out.onnx", "--json").json
    h, r = layers(found)["h"], layers(found)["r"]
    assert (h["features"], h["linear"], h["folded"]) == ({"before": 9, "after": 0}, 9, True)
    assert (r["features"], r["folded"]) == ({"before": 7, "after": 7}, False)
    assert found["parameters"] == {"before": 45 + 9 + 63 + 21, "after": 35 + 7 + 21}
    assert found["verdict"]["status"] == "equal"
    assert operators("out.onnx") == ["Gemm", "Relu", "MatMul"]


def test_stats_say_what_could_be_folded(lump):
    save(linear(), "in.onnx")
    (found,) = lump("stats", "in.onnx", "--json").json["models"]
    assert [layer["reducible"] for layer in found["layers"]] == [9, 0, 0]
    assert found["reducible"] == 9
    assert lump("reduce", "in.onnx", "out.onnx").code == 0
    (found,) = lump("stats", "out.onnx", "--json").json["models"]
    assert found["reducible"] == 0


@pytest.mark.parametrize(
    "options",
    [
        ["--only", "r"],
        ["--only", "*"],
        ["--exclude", "r"],
        ["--passes", "unread,constant,lumping"],
    ],
)
def test_what_keeps_layers(lump, options):
    """Patterns are about features of layers, which are there before and after."""
    save(linear(), "in.onnx")
    assert lump("reduce", "in.onnx", "out.onnx", *options).code == 0
    assert len(operators("out.onnx")) == 4


def test_layers_that_go_are_certified(lump):
    save(linear(), "in.onnx")
    assert lump("reduce", "in.onnx", "out.onnx", "--certificate", "proof.json").code == 0
    assert len(operators("out.onnx")) == 3
    proved = lump("verify", "in.onnx", "out.onnx", "--certificate", "proof.json", "--json")
    assert json.loads(proved.out)["status"] == "proved"


def test_the_pass_alone(lump):
    save(linear(), "in.onnx")
    assert lump("reduce", "in.onnx", "out.onnx", "--passes", "fold").code == 0
    assert len(operators("out.onnx")) == 3


def test_nothing_is_left_of_it_in_data_files(lump, here):
    save(linear(), "in.onnx", data="weights.bin")
    os.mkdir("new")
    assert lump("reduce", "in.onnx", "new/out.onnx").code == 0
    size = (here / "new" / "weights.bin").stat().st_size
    assert 4 * (35 + 21) <= size < 4 * (35 + 21 + 4)  # and what aligns them
    assert lump("verify", "in.onnx", "new/out.onnx").code == 0
    assert lump("reduce", "in.onnx", "in.onnx", "--force").code == 0
    assert lump("verify", "in.onnx", "new/out.onnx").code == 0


def test_a_data_file_that_nothing_is_left_of(lump, here):
    """Each tensor in a file of its own: those of the layer that goes are not written."""
    model = linear()
    for tensor in model.graph.initializer:
        (here / f"{tensor.name}.bin").write_bytes(tensor.raw_data)
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=f"{tensor.name}.bin")
    save(model, "in.onnx")
    os.mkdir("new")
    assert lump("reduce", "in.onnx", "new/out.onnx").code == 0
    assert sorted(os.listdir("new")) == ["c.bin", "out.onnx", "v.bin"]
    assert lump("verify", "in.onnx", "new/out.onnx").code == 0


def test_in_a_box(lump):
    """Where no ReLU is ever negative all is one matrix; outside of the box it is not the same."""
    nodes = [
        node("Gemm", ["x", "w", "b"], ["h"]),
        node("Relu", ["h"], ["r"]),
        node("Gemm", ["r", "v", "c"], ["y"]),
    ]
    weights = {"w": whole(5, 9), "b": np.full(9, 20, "f4"), "v": whole(9, 3), "c": whole(3)}
    save(build(nodes, weights), "in.onnx")
    found = lump("reduce", "in.onnx", "out.onnx", "--box", "0,1", "--json").json
    assert found["verdict"]["status"] == "equal"
    assert layers(found)["r"]["folded"]
    assert operators("out.onnx") == ["Gemm"]
    assert found["lower_bound"] is None
    assert lump("verify", "in.onnx", "out.onnx", "--box", "-30,30").code == 1
