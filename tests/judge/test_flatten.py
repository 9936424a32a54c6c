from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper

from lumpcli.judge import verify
from lumpcli.judge.flatten import Unsupported, flatten
from tests.judge.models import node, save, tensor


def test_sequences_and_maps(tmp_path):
    def build(path, shift):
        nodes = [
            node("Add", ["x", "c"], ["s"]),
            node("SequenceConstruct", ["s", "x"], ["q"]),
            node("ZipMap", ["s"], ["z"], domain="ai.onnx.ml", classlabels_int64s=[3, 5]),
        ]
        of_tensor = helper.make_tensor_type_proto(TensorProto.FLOAT, None)
        sequence = helper.make_value_info("q", helper.make_sequence_type_proto(of_tensor))
        scalar = helper.make_tensor_type_proto(TensorProto.FLOAT, [])
        maps = helper.make_sequence_type_proto(helper.make_map_type_proto(7, scalar))
        outputs = [sequence, helper.make_value_info("z", maps)]
        weights = {"c": np.float32([shift, 0])}
        ml = ["ai.onnx.ml"]
        return save(path, nodes, [tensor("x", ("N", 2))], outputs, weights, domains=ml)

    a = build(tmp_path / "a.onnx", 0)
    verdict = verify(a, a)
    assert verdict.status == "equal"
    names = [row.name for row in verdict.outputs if row.engine == "onnxruntime"]
    assert names == ["q.length", "q[0]", "q[1]", "z.keys", "z"]
    verdict = verify(a, build(tmp_path / "b.onnx", 1))
    wrong = {row.name for row in verdict.outputs if not row.equal}
    assert (verdict.status, wrong) == ("different", {"q[0]", "z"})


def test_every_kind_of_value():
    flat = flatten(
        {
            "t": np.ones((2, 3)),
            "s": [np.ones(1), [np.zeros(2)]],
            "m": {"b": 2.0, "a": 1.0},
            "o": None,
            "e": [],
            "w": np.asarray(["x"]),
        }
    )
    assert list(flat) == [
        *("t", "s.length", "s[0]", "s[1].length", "s[1][0]", "m.keys", "m", "o.empty"),
        *("e.length", "w"),
    ]
    assert flat["m"].tolist() == [[1, 2]]
    assert flat["m.keys"].tolist() == ["a", "b"]
    assert flat["w"].dtype == object


def test_what_cannot_be_compared():
    for value in (object(), [{"a": 1}, {"b": 1}], b"bytes"):
        with pytest.raises(Unsupported, match="output y"):
            flatten({"y": value})
