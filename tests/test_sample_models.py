"""The committed sample models are what make.py builds, valid, small and described."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

import lumpcli
from sample_models.make import FOLDER, PLANTED, Form, exact_mlp, write

TRAINED = ("digits_plain", "digits_sparse")  # not imported: training needs scikit-learn
NAMES = (*PLANTED, *TRAINED)
README = (FOLDER / "README.md").read_text(encoding="utf-8")


def row_of(name: str) -> str:
    """The line of the README's first table about a model."""
    return next(line for line in README.splitlines() if line.startswith(f"| `{name}.onnx` |"))


def weight_shapes(model: onnx.ModelProto) -> list[tuple[int, ...]]:
    """Shapes of the stored matrices, in graph order."""
    return [tuple(t.dims) for t in model.graph.initializer if len(t.dims) == 2]


def run(model: onnx.ModelProto, x: np.ndarray) -> np.ndarray:
    """What onnxruntime computes with its optimisations off."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    (y,) = session.run(None, {"x": x.astype(np.float32)})
    return np.asarray(y)


def integers(rows: int, columns: int) -> np.ndarray:
    """Inputs for which the planted models compute without rounding."""
    return np.random.RandomState(1).randint(-8, 9, size=(rows, columns)).astype(np.float32)


@pytest.mark.parametrize("name", PLANTED)
def test_committed_file_is_what_make_builds(name: str) -> None:
    assert onnx.load(FOLDER / f"{name}.onnx") == PLANTED[name]()


@pytest.mark.parametrize("name", PLANTED)
def test_building_twice_gives_the_same_bytes(name: str, tmp_path: Path) -> None:
    write([(name, PLANTED[name]())], tmp_path)
    first = (tmp_path / f"{name}.onnx").read_bytes()
    write([(name, PLANTED[name]())], tmp_path)
    assert (tmp_path / f"{name}.onnx").read_bytes() == first


def test_every_file_has_a_builder() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.onnx")) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_model_is_valid_small_documented_and_runs(name: str) -> None:
    path = FOLDER / f"{name}.onnx"
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    assert path.stat().st_size < 300_000
    assert model.doc_string
    assert {entry.key: entry.value for entry in model.metadata_props}["model"] == name
    inputs = model.graph.input[0].type.tensor_type.shape.dim[1].dim_value
    assert np.isfinite(run(model, integers(5, inputs))).all()


@pytest.mark.parametrize("name", NAMES)
def test_readme_has_a_row_with_shape_and_parameters(name: str) -> None:
    model = onnx.load(FOLDER / f"{name}.onnx")
    parameters = sum(numpy_helper.to_array(tensor).size for tensor in model.graph.initializer)
    assert re.search(rf"\| {parameters:,} (to|\()", row_of(name))
    if name != "residual":  # its weights are stored for MatMul, (sources, features)
        shapes = weight_shapes(model)
        widths = [shapes[0][1], *(features for features, _ in shapes)]
        assert f"| {'-'.join(map(str, widths))}, Gemm |" in row_of(name)


@pytest.mark.parametrize("name", NAMES)
def test_model_reduces_to_what_the_readme_says(name: str, tmp_path: Path) -> None:
    source, target = FOLDER / f"{name}.onnx", tmp_path / "small.onnx"
    result = lumpcli.reduce(source, target)
    *_, shape, parameters, _ = row_of(name).split("|")
    if name == "digits_plain":
        assert target.read_bytes() == source.read_bytes()
    else:
        assert parameters.split() == [
            f"{result.parameters.before:,}",
            "to",
            f"{result.parameters.after:,}",
        ]
    before, after = onnx.load(source), onnx.load(target)
    if name == "residual":
        assert weight_shapes(after) == [(3, 3)] * 5 + [(3, 2)]
    else:
        shapes = weight_shapes(after)
        assert shape.strip() == "-".join(map(str, [shapes[0][1], *(n for n, _ in shapes)]))
    x = integers(200, weight_shapes(before)[0][0 if name == "residual" else 1]) / 16
    if name != "digits_plain":  # the others compute multiples of 1/16 without rounding
        assert np.array_equal(run(after, x), run(before, x))


def test_exact_mlp_computes_the_same_in_every_form() -> None:
    x = integers(64, 10)
    wanted = run(exact_mlp(), x)
    forms: tuple[Form, ...] = ("gemm", "matmul")
    for form in forms:
        for opset in (9, 13, 22):
            assert np.array_equal(run(exact_mlp(opset=opset, form=form), x), wanted)


def test_exact_mlp_has_one_constant_and_one_unread_neuron_per_hidden_layer() -> None:
    weights = {t.name: numpy_helper.to_array(t) for t in exact_mlp().graph.initializer}
    readers = {"fc1": "fc2", "fc2": "y"}
    for layer, reader in readers.items():
        assert np.sum(~weights[f"{layer}.weight"].any(axis=1)) == 1
        assert np.sum(~weights[f"{reader}.weight"].any(axis=0)) == 1


def test_definition6_is_minus_relu() -> None:
    x = np.linspace(-4.0, 4.0, 33, dtype=np.float32).reshape(-1, 1)
    assert np.array_equal(run(PLANTED["definition6"](), x), -np.maximum(x, 0.0))


def test_fig3_without_t_reads_v_with_the_sum() -> None:
    x = integers(32, 3)
    v = np.maximum(x @ np.array([1, 2, -1]) + 1, 0)
    other = np.maximum(x @ np.array([-1, 1, 2]), 0)
    assert np.array_equal(run(PLANTED["fig3"](), x)[:, 0], 1 * v + 2 * other - 1)


def test_residual_lumps_as_worked_out_by_hand() -> None:
    model = PLANTED["residual"]()
    for name in ("stream0", "stream1", "stream2", "relu1", "relu2", "branch1"):
        model.graph.output.append(onnx.helper.make_tensor_value_info(name, 1, ["N", 4]))
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    _, s0, s1, s2, a1, a2, b1 = session.run(None, {"x": integers(32, 3)})
    for values, offset in ((s0, 3), (b1, 1), (s1, 4), (s2, 4), (a1, 0), (a2, 0)):
        assert np.array_equal(values[:, 1], 2 * values[:, 0] + offset)
