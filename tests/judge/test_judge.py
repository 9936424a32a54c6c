from __future__ import annotations

import numpy as np
import onnx
import pytest

from lumpcli.judge import Settings, verify
from tests.judge import models
from tests.judge.models import mlp, node, rounded_by_a_third, save, scaled, tensor


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
def test_equal_and_near_miss_in_every_type(tmp_path, dtype):
    a = mlp(tmp_path / "a.onnx", dtype=dtype)
    same = mlp(tmp_path / "s.onnx", dtype=dtype, edit=rounded_by_a_third)
    for settings in (Settings(), Settings(referee=False), Settings(seed=5, optimize=True)):
        verdict = verify(a, same, settings)
        assert (verdict.status, verdict.reason) == ("equal", "")
    assert [row.dtype for row in verdict.outputs] == [np.dtype(dtype).name] * 2
    slip = {np.float32: 1 + 1e-4, np.float64: 1 + 1e-10, np.float16: 1.2}[dtype]
    other = mlp(tmp_path / "o.onnx", dtype=dtype, edit=scaled("v", slip))
    assert verify(a, other).status == "different"


def test_what_the_verdict_says(tmp_path):
    path = mlp(tmp_path / "a.onnx")
    verdict = verify(path, str(path), Settings(samples=20, seed=9))
    assert (verdict.samples, verdict.seed, verdict.referee) == (20, 9, "agrees")
    assert verdict.runtime.startswith("onnxruntime ")
    assert [(row.name, row.engine, row.equal) for row in verdict.outputs] == [
        ("y", "onnxruntime", True),
        ("y", "referee", True),
    ]
    first = verdict.outputs[0]
    assert (first.max_abs, first.relative, first.ulp, first.argmax_agreement) == (0, 0, 0, 1)
    assert first.tolerance == 1e-5
    assert verdict.outputs[1].tolerance == 1e-6
    assert 0 < first.noise < 1e-5 * first.scale


def test_same_seed_same_verdict(tmp_path):
    a, b = mlp(tmp_path / "a.onnx"), mlp(tmp_path / "b.onnx", edit=rounded_by_a_third)
    assert verify(a, b) == verify(a, b)
    assert verify(a, b).outputs != verify(a, b, Settings(seed=1)).outputs


def test_outputs_that_cancel_to_nothing_are_equal_within_noise(tmp_path):
    """2e-5 against 0: elementwise tolerances, and those of the output's scale, refuse this."""
    rng = np.random.default_rng(3)
    w = rng.standard_normal((64, 6)).astype(np.float32)
    nodes = [
        node("Gemm", ["x", "w"], ["h"], transB=1),
        node("Relu", ["h"], ["r"]),
        node("Gemm", ["r", "v"], ["y"], transB=1),
    ]
    v = rng.standard_normal((1, 64)).astype(np.float32)
    order = rng.permutation(64)
    twins = {"w": np.concatenate([w, w[order]]), "v": np.concatenate([v, -v[:, order]], axis=1)}
    nothing = {"w": w[:1], "v": np.zeros((1, 1), np.float32)}
    ports = [tensor("x", ("N", 6))], [tensor("y", ("N", 1))]
    a = save(tmp_path / "a.onnx", nodes, *ports, twins)
    b = save(tmp_path / "b.onnx", nodes, *ports, nothing)
    verdict = verify(a, b)
    assert verdict.outputs[0].max_abs > 0
    assert verdict.status == "equal"


def test_integer_outputs_must_be_equal(tmp_path):
    def classifier(path, edit=None):
        model = onnx.load(mlp(path, edit=edit))
        model.graph.node.append(node("ArgMax", ["y"], ["class"], axis=1))
        model.graph.output[0].CopyFrom(tensor("class", ("N", 1), np.int64))
        onnx.save(model, path)
        return path

    def swapped(weights):
        weights["v"][[0, 1]] = weights["v"][[1, 0]]

    a = classifier(tmp_path / "a.onnx")
    verdict = verify(a, a)
    assert (verdict.status, verdict.outputs[0].dtype, verdict.outputs[0].ulp) == (
        "equal",
        "int64",
        None,
    )
    verdict = verify(a, classifier(tmp_path / "b.onnx", swapped), Settings(tolerance=10.0))
    assert verdict.status == "different"
    assert "int64 values" in verdict.reason


def test_a_batch_baked_into_the_changed_model_is_found(tmp_path):
    def build(path, shape):
        nodes = [node("Reshape", ["x", "shape"], ["y"])]
        weights = {"shape": np.asarray(shape)}
        return save(path, nodes, [tensor("x", ("N", 6))], [tensor("y", ("N", 3, 2))], weights)

    verdict = verify(build(tmp_path / "a.onnx", [-1, 3, 2]), build(tmp_path / "b.onnx", [1, 3, 2]))
    assert verdict.status == "different"
    assert "b.onnx does not run" in verdict.reason


def test_deleted_relus_are_found(tmp_path):
    """With these weights, samples from U[0, 1) alone would pass the network without ReLUs."""

    def positive(weights):
        weights.update({n: np.abs(w) for n, w in weights.items()})

    a = mlp(tmp_path / "a.onnx", edit=positive)
    b = mlp(tmp_path / "b.onnx", edit=positive, activation="Identity")
    unit = {"x": np.random.default_rng(0).random((50, 6))}
    assert verify(a, b, Settings(inputs=unit)).status == "equal"
    for settings in (Settings(), Settings(referee=False)):
        verdict = verify(a, b, settings)
        assert verdict.status == "different"
        assert "output y differs by" in verdict.reason
    assert verdict.outputs[0].relative > 0.1
    assert verdict.outputs[0].argmax_agreement < 1


@pytest.mark.parametrize(("weight", "slip"), [("w", 1e-4), ("b", 1e-4), ("v", 1e-4), ("c", 1e-3)])
def test_a_slip_in_one_weight_is_found(tmp_path, weight, slip):
    a = mlp(tmp_path / "a.onnx")
    verdict = verify(a, mlp(tmp_path / "b.onnx", edit=scaled(weight, 1 + slip)))
    assert verdict.status == "different"
    assert not verdict.outputs[1].equal  # the referee's


def test_nan_in_other_places(tmp_path):
    root = models.unary(tmp_path / "a.onnx", "Sqrt")
    assert verify(root, root).status == "equal"
    verdict = verify(root, models.unary(tmp_path / "b.onnx", "Abs"))
    assert verdict.status == "different"
    assert "NaN or infinite in other places" in verdict.reason


def test_a_changed_model_that_does_not_run(tmp_path):
    def build(path, operator, domain=""):
        nodes = [node(operator, ["x"], ["y"], domain=domain)]
        domains = [domain] if domain else []
        shape = (1, 3)
        return save(path, nodes, [tensor("x", shape)], [tensor("y", shape)], domains=domains)

    a, b = build(tmp_path / "a.onnx", "Neg"), build(tmp_path / "b.onnx", "Mystery", "nowhere")
    verdict = verify(a, b)
    assert verdict.status == "different"
    assert "b.onnx does not run: " in verdict.reason
    assert verify(b, a).status == "unverified"


def test_nothing_but_nan_says_nothing(tmp_path):
    nodes = [node("Mul", ["x", "nan"], ["y"])]
    weights = {"nan": np.float32([np.nan])}
    path = tmp_path / "a.onnx"
    save(path, nodes, [tensor("x", ("N", 3))], [tensor("y", ("N", 3))], weights)
    verdict = verify(path, path)
    assert verdict.status == "unverified"
    assert "NaN or infinite on every sample" in verdict.reason


def test_want_of_memory_is_no_difference(tmp_path):
    def build(path, operator, shape):
        nodes = [
            node("Expand", ["one", "shape"], ["big"]),
            node(operator, ["big", "axes"], ["little"], keepdims=0),
            node("Add", ["x", "little"], ["y"]),
        ]
        weights = {"one": np.float32([0]), "shape": np.asarray(shape), "axes": np.asarray([0])}
        return save(path, nodes, [tensor("x", (1, 3))], [tensor("y", (1, 3))], weights, opset=18)

    a, b = (
        build(tmp_path / f"{n}.onnx", "ReduceMax", [size]) for n, size in (("a", 4), ("b", 2**45))
    )
    verdict = verify(a, b)
    assert verdict.status == "unverified"
    assert "b.onnx cannot be run: " in verdict.reason
    verdict = verify(b, a)
    assert verdict.status == "unverified"
