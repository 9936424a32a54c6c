from __future__ import annotations

import re

import numpy as np
import onnx
import pytest

from lumpcli.errors import InputError, OutputError
from lumpcli.judge import Settings, load_inputs, verify
from tests.judge import models
from tests.judge.models import mlp, scaled


def test_models_with_external_data(tmp_path):
    a = mlp(tmp_path / "a.onnx")
    onnx.save(
        onnx.load(a),
        tmp_path / "e.onnx",
        save_as_external_data=True,
        location="d",
        size_threshold=0,
    )
    assert verify(a, tmp_path / "e.onnx").referee == "agrees"
    data = tmp_path / "d"
    size = data.stat().st_size
    data.write_bytes(data.read_bytes()[:-4])
    with pytest.raises(InputError, match=rf"needs {size} bytes of .*d, which has {size - 4}"):
        verify(a, tmp_path / "e.onnx")
    data.unlink()
    with pytest.raises(InputError, match="no such file"):
        verify(tmp_path / "e.onnx", a)


def test_interfaces_that_differ(tmp_path):
    a = mlp(tmp_path / "a.onnx")
    for arguments, sentence in (
        ({"output_name": "z"}, "outputs differ: y against z"),
        ({"input_name": "z"}, "inputs differ: x against z"),
        ({"inputs": 7}, r"input x differs: float32\[N,6\] against float32\[N,7\]"),
        ({"dtype": np.float64}, r"input x differs: float32\[N,6\] against float64\[N,6\]"),
    ):
        verdict = verify(a, mlp(tmp_path / "b.onnx", **arguments))
        assert verdict.status == "different"
        assert re.search(sentence, verdict.reason)
        assert verdict.outputs == ()
    assert verify(a, mlp(tmp_path / "b.onnx", batch="batch")).status == "equal"


@pytest.mark.parametrize("content", [None, b"", b"\0" * 40, b"hello, this is not a model"])
def test_files_that_cannot_be_read(tmp_path, content):
    good, bad = mlp(tmp_path / "a.onnx"), tmp_path / "bad.onnx"
    if content is not None:
        bad.write_bytes(content)
    for pair in ((good, bad), (bad, good)):
        with pytest.raises(InputError, match=r"bad\.onnx"):
            verify(*pair)
    with pytest.raises(InputError):
        verify(good, tmp_path)


@pytest.mark.parametrize("batch", ["N", 1])
def test_the_witness_reproduces_the_difference(tmp_path, batch):
    a = mlp(tmp_path / "a.onnx", batch)
    b = mlp(tmp_path / "b.onnx", batch, edit=scaled("v", 1 + 1e-4))
    witness = tmp_path / "w.npz"
    verdict = verify(a, b, Settings(witness=witness))
    assert (verdict.status, verdict.witness) == ("different", str(witness))
    again = verify(a, b, Settings(inputs=load_inputs([str(witness)])))
    assert again.status == "different"
    engine = [r.engine for r in verdict.outputs].index("referee")
    assert again.outputs[engine].max_abs == pytest.approx(verdict.outputs[engine].max_abs)


def test_a_crash_has_a_witness_too(tmp_path):
    def build(path, rows):
        return models.embedding(path, rows=rows)

    a, b = build(tmp_path / "a.onnx", 5), build(tmp_path / "b.onnx", 2)
    verdict = verify(a, b, Settings(witness=tmp_path / "w.npz"))
    assert verdict.status == "different"
    again = verify(a, b, Settings(inputs=load_inputs([str(tmp_path / "w.npz")])))
    assert again.reason == verdict.reason


def test_no_witness_when_equal_and_none_where_it_cannot_be_written(tmp_path):
    a, b = mlp(tmp_path / "a.onnx"), mlp(tmp_path / "b.onnx", edit=scaled("c", 2))
    witness = tmp_path / "w.npz"
    assert verify(a, a, Settings(witness=witness)).witness is None
    assert not witness.exists()
    with pytest.raises(OutputError, match="cannot be written"):
        verify(a, b, Settings(witness=tmp_path / "missing" / "w.npz"))
