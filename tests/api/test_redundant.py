from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx.helper import make_node

from lumpcli.api import Granted, Request, reduce, verify
from lumpcli.errors import UsageError
from tests.graphs.models import run
from tests.models import build


@pytest.fixture
def model():
    """On [0, 1]: the third ReLU is at most 1/64 above 0, so that 0 may replace it."""
    rows = np.array([[1, 2], [-1, 1], [1 / 64, -1], [2, -3]], "f4")
    nodes = [
        make_node("Gemm", ["x", "w", "b"], ["z"], transB=1),
        make_node("Relu", ["z"], ["h"]),
        make_node("Gemm", ["h", "v", "c"], ["y"], transB=1),
    ]
    weights = {"w": rows, "b": np.zeros(4, "f4"), "v": np.array([[1, 2, 3, 4]], "f4")}
    weights["c"] = np.ones(1, "f4")
    return build(nodes, weights, inputs={"x": ("N", 2)})


def granted(*kinds, eps=0.0):
    return Granted(("0,1",), redundancy=Request(kinds, eps))


def test_a_certified_reduction(tmp_path, model):
    source, target = tmp_path / "in.onnx", tmp_path / "out.onnx"
    onnx.save(model, source)
    result = reduce(source, target, granted=granted("forward", eps=0.05))
    assert (result.promise, result.source) == ("certified", str(source))
    assert result.redundancy is not None
    (bound,) = result.redundancy.bounds
    assert 3 / 64 <= bound.absolute <= 0.05
    assert result.verdict is not None
    assert result.verdict.status == "equal"
    x = np.random.default_rng(0).random((5000, 2), "f4")
    before, after = (run(onnx.load(f), {"x": x})["y"] for f in (source, target))
    apart = np.abs(before - after).max()
    assert 0.03 < apart <= bound.absolute
    assert verify(source, target).status == "different"


def test_just_too_little_is_declined(model):
    exact = reduce(model, granted=Granted(("0,1",)))
    result = reduce(model, granted=granted("forward", eps=0.046))
    assert result.features.after == exact.features.after
    assert result.redundancy is not None
    assert result.redundancy.bounds[0].absolute == 0


def test_other_promises_exclude_it(tmp_path, model):
    source = tmp_path / "in.onnx"
    onnx.save(model, source)
    options = {"granted": granted("forward", eps=1.0)}
    with pytest.raises(UsageError, match="promises something else"):
        reduce(source, tmp_path / "o.onnx", certificate=tmp_path / "c.json", **options)
    with pytest.raises(UsageError, match="level rounding"):
        reduce(model, level="rounding", **options)
    with pytest.raises(UsageError, match="kinds are"):
        reduce(model, granted=granted("nonsense"))
