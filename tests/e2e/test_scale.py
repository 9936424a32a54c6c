"""Models that are larger than a message, or than they should be."""

from __future__ import annotations

import shutil

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper

from tests.models import KEPT, info, mlp, node, weight

HUGE = 5 << 29  # bytes: 2.5 GiB


def test_more_than_two_gigabytes_of_external_data(lump, here):
    """Most are zeros in a hole of the file: they take no place on the disk, nor does their copy."""
    if shutil.disk_usage(here).free < 4 * HUGE:  # should the file system have no holes
        pytest.skip("little space on the disk")
    model = mlp()
    model.graph.initializer.append(TensorProto(name="table", dims=[HUGE >> 10, 1 << 10]))
    model.graph.initializer[-1].data_type = TensorProto.UINT8
    offset = 0
    with open("w.bin", "wb") as file:
        file.truncate(HUGE)
        for tensor in reversed(model.graph.initializer):
            length = HUGE if tensor.name == "table" else len(tensor.raw_data)
            file.seek(offset)
            file.write(tensor.raw_data)
            tensor.ClearField("raw_data")
            tensor.data_location = TensorProto.EXTERNAL
            entries = {"location": "w.bin", "offset": str(offset), "length": str(length)}
            for key, value in entries.items():
                tensor.external_data.add(key=key, value=value)
            offset += length
    model.graph.node.append(node("Gather", ["table", "place"], ["row"]))
    model.graph.input.append(info("place", (1,), np.int64))
    model.graph.output.append(info("row", None, np.uint8))
    onnx.save(model, "in.onnx")
    (here / "new").mkdir()
    found = lump("reduce", "in.onnx", "new/out.onnx", "--json").json
    assert found["verdict"]["status"] == "equal"
    assert (here / "new" / "w.bin").stat().st_size > HUGE
    assert lump("verify", "in.onnx", "new/out.onnx").code == 0
    assert lump("stats", "new/out.onnx", "--json").json["models"][0]["reducible"] == 0
    small = onnx.load("new/out.onnx", load_external_data=False)
    tensors = {t.name: t for t in small.graph.initializer}
    del small.graph.initializer[:]
    small.graph.initializer.extend(t for n, t in tensors.items() if n != "table")
    onnx.load_external_data_for_model(small, str(here / "new"))
    assert weight(small, "w").shape == (KEPT, 5)


@pytest.mark.parametrize("command", [("stats",), ("reduce", "out.onnx"), ("verify", "big.onnx")])
def test_a_model_file_beyond_two_gigabytes(lump, command):
    with open("big.onnx", "wb") as file:
        file.truncate(HUGE)
    lump(command[0], "big.onnx", *command[1:]).fails(3, "big.onnx", "not an ONNX model")


def test_an_embedded_model_of_some_size(lump, here):
    """Large enough to be left in its file, changed in part, and replaced by itself."""
    model = mlp()
    table = np.random.default_rng(0).integers(0, 9, (400_000, 5))
    model.graph.initializer.append(numpy_helper.from_array(table, "table"))
    model.graph.node.append(node("Gather", ["table", "place"], ["row"]))
    model.graph.input.append(info("place", (1,), np.int64))
    model.graph.output.append(info("row", None, np.int64))
    onnx.save(model, "in.onnx")
    assert lump("reduce", "in.onnx", "out.onnx").code == 0
    assert lump("reduce", "in.onnx", "in.onnx", "--force").code == 0
    assert (here / "in.onnx").read_bytes() == (here / "out.onnx").read_bytes()
    np.testing.assert_array_equal(weight(onnx.load("in.onnx"), "table"), table)
    assert weight(onnx.load("in.onnx"), "w").shape == (KEPT, 5)
