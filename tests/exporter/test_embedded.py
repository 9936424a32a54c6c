"""Numbers left in the model file: the output is what it is when they are read, byte for byte."""

from __future__ import annotations

import tracemalloc

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from lumpcli.analysis import Grants
from lumpcli.api import reduce, stats
from lumpcli.errors import InputError
from lumpcli.exporter import export, write_model
from lumpcli.loader import load
from lumpcli.pipeline import plan
from lumpcli.wire import Numbers
from tests.exporter.disk import save, works
from tests.models import around, info, mlp, node, planted, weight
from tests.wire.models import lower, nested

ROWS, BIAS = planted()


def _constants():
    """Weights in Constant nodes, one of them beside a subgraph with numbers of its own."""
    body = helper.make_graph(
        [node("Constant", [], ["k"], value=numpy_helper.from_array(np.arange(9.0), "k"))],
        *("body", [], [info("k", None)], [numpy_helper.from_array(np.ones(30), "unused")]),
    )
    constants = {"w": ROWS, "b": BIAS}
    nodes = [
        node("Constant", [], [n], value=numpy_helper.from_array(a)) for n, a in constants.items()
    ]
    model = around([*nodes, node("Gemm", ["x", "w", "b"], ["h"], transB=1)], {})
    model.graph.node.append(node("If", ["flag"], ["z"], then_branch=body, else_branch=body))
    model.graph.output.append(info("z", None))
    model.graph.initializer.append(numpy_helper.from_array(np.array(True), "flag"))
    return model


def _without_bias():
    """A constant that has to be folded into a bias that is not there yet."""
    rows = ROWS.copy()
    rows[5] = 0
    first = [node("Gemm", ["x", "w", "b"], ["h"], transB=1)]
    return around(first, {"w": rows, "b": np.abs(BIAS)})


def _transposed():
    """What is written is no contiguous array."""
    first = [node("Transpose", ["t"], ["w"]), node("Gemm", ["x", "w", "b"], ["h"], transB=1)]
    return around(first, {"t": ROWS.T.copy(), "b": BIAS})


MODELS = {
    "mlp": mlp,
    "half": lambda: mlp(np.float16),
    "double": lambda: mlp(np.float64),
    "listed": lambda: mlp(listed=True, ir=3),
    "constants": _constants,
    "without bias": _without_bias,
    "transposed": _transposed,
    "nothing to cut": nested,
}


@pytest.fixture
def low(monkeypatch):
    """Let everything but single numbers stay in the file."""
    lower(monkeypatch)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("padding", [0, 1, 2, 3])
def test_the_output_is_the_same_byte_for_byte(tmp_path, monkeypatch, name, padding):
    model = MODELS[name]()
    model.doc_string = "." * padding
    onnx.save(model, tmp_path / "m.onnx")
    changed = reduce(tmp_path / "m.onnx", tmp_path / "whole.onnx", check=False).changed
    lower(monkeypatch)
    assert load(tmp_path / "m.onnx").graph.payloads is not None
    result = reduce(tmp_path / "m.onnx", tmp_path / "small.onnx", check=False)
    assert result.changed == changed == (name != "nothing to cut")
    expected = (tmp_path / "whole.onnx").read_bytes()
    assert (tmp_path / "small.onnx").read_bytes() == expected
    assert reduce(model).model.SerializeToString() == expected


def test_bfloat16(tmp_path, low):
    model = mlp(ml_dtypes.bfloat16)
    onnx.save(model, tmp_path / "m.onnx")
    reduce(tmp_path / "m.onnx", tmp_path / "small.onnx", check=False)
    assert weight(onnx.load(tmp_path / "small.onnx"), "w").shape == (4, 5)
    assert (tmp_path / "small.onnx").read_bytes() == reduce(model).model.SerializeToString()


def test_in_place(tmp_path, low):
    onnx.save(mlp(), tmp_path / "m.onnx")
    assert reduce(tmp_path / "m.onnx", tmp_path / "m.onnx", force=True).changed
    assert [p.name for p in tmp_path.iterdir()] == ["m.onnx"]
    works(tmp_path / "m.onnx")
    assert not reduce(tmp_path / "m.onnx", tmp_path / "m.onnx", force=True).changed
    works(tmp_path / "m.onnx")


def test_embedded_and_external_numbers_together(tmp_path, low):
    model = mlp()
    big = np.random.default_rng(1).standard_normal(3000).astype("f4")
    model.graph.initializer.append(numpy_helper.from_array(big, "big"))
    model.graph.node.append(node("Abs", ["big"], ["z"]))
    model.graph.output.append(info("z", None))
    source = save(tmp_path / "in" / "m.onnx", model, threshold=1000)
    host = load(source)
    kinds = {t.name: t.data_location for t in host.model.graph.initializer}
    assert kinds == {"w": 0, "b": 0, "v": 0, "big": 1}
    reduce(source, tmp_path / "small.onnx")
    works(tmp_path / "small.onnx", model)


def test_the_model_of_a_host_holds_no_numbers_and_that_of_a_result_holds_them(tmp_path, low):
    onnx.save(mlp(), tmp_path / "m.onnx")
    host = load(tmp_path / "m.onnx")
    payloads = host.graph.payloads
    assert all(payloads.find(t.raw_data) for t in host.model.graph.initializer)
    assert load(mlp()).graph.payloads is None
    result = reduce(mlp())
    np.testing.assert_array_equal(weight(result.model, "w"), weight(reduce(mlp()).model, "w"))
    before = host.model.SerializeToString()
    exported = [export(host, plan(host.net, Grants("exact")).reduced) for _ in range(2)]
    assert host.model.SerializeToString() == before
    for one in exported:
        assert isinstance(one.payloads.find(one.model.graph.initializer[0].raw_data), Numbers)
        write_model(host, one, tmp_path / "out.onnx", tmp_path)
        works(tmp_path / "out.onnx")


def test_a_model_cut_anywhere_is_no_model(tmp_path, low):
    content = mlp().SerializeToString()
    for length in range(1, len(content)):
        (tmp_path / "m.onnx").write_bytes(content[:length])
        with pytest.raises(InputError):
            load(tmp_path / "m.onnx")


@pytest.mark.parametrize("external", [False, True])
def test_weights_are_never_held(tmp_path, external):
    """16 MiB of them; what is changed is a small part."""
    width = 1024
    rng = np.random.default_rng(0)
    big = {f"w{k}": rng.standard_normal((width, width)).astype("f4") for k in range(4)}
    model = mlp()
    x = "x2"
    for name in big:
        model.graph.node.append(node("MatMul", [x, name], [f"h{name}"]))
        x = f"h{name}"
    model.graph.input.append(info("x2", ("N", width)))
    model.graph.output.append(info(x, ("N", width)))
    model.graph.initializer.extend(numpy_helper.from_array(a, n) for n, a in big.items())
    path = tmp_path / "in" / "m.onnx"
    path.parent.mkdir()
    if external:
        save(path, model)
    else:
        onnx.save(model, path)
    reduced = plan(load(mlp()).net, Grants("exact")).reduced  # only these layers change
    tracemalloc.start()
    try:
        host = load(path)
        merged = {layer.name: layer for layer in reduced.layers}
        layers = tuple(merged.get(layer.name, layer) for layer in host.net.layers)
        exported = export(host, type(host.net)(layers, host.net.outputs))
        assert exported.changed
        files = write_model(host, exported, tmp_path / "m.onnx", tmp_path)
        load(tmp_path / files[-1])
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()
    assert stats(tmp_path / "m.onnx").parameters == 4 * width**2 + 4 * 5 + 4 + 4 * 3
