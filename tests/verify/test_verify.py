from __future__ import annotations

import re
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from lumpcli.errors import InputError, OutputError, UsageError
from lumpcli.verify import Settings, load_inputs, verify
from lumpcli.verify import trial as trial_module
from tests.verify import models
from tests.verify.models import mlp, node, save, tensor


def scaled(name, factor):
    """An edit that multiplies the largest number of one weight."""

    def edit(weights):
        flat = weights[name].reshape(-1)
        flat[np.argmax(np.abs(flat))] *= factor

    return edit


def rounded_by_a_third(weights):
    """Hidden features times 3, their readers by a third: the same function, rounded elsewhere."""
    for name, factor in (("w", 3), ("b", 3), ("v", 1 / 3)):
        weights[name] = (weights[name].astype(np.float64) * factor).astype(weights[name].dtype)


# --- the same function


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


# --- sizes


@pytest.mark.parametrize("batch", ["N", 1, 5])
def test_dynamic_and_fixed_batches(tmp_path, batch):
    a = mlp(tmp_path / "a.onnx", batch)
    assert verify(a, a).samples == 64
    assert verify(a, mlp(tmp_path / "b.onnx", batch, edit=scaled("c", 1.1))).status == "different"


def test_a_batch_baked_into_the_changed_model_is_found(tmp_path):
    def build(path, shape):
        nodes = [node("Reshape", ["x", "shape"], ["y"])]
        weights = {"shape": np.asarray(shape)}
        return save(path, nodes, [tensor("x", ("N", 6))], [tensor("y", ("N", 3, 2))], weights)

    verdict = verify(build(tmp_path / "a.onnx", [-1, 3, 2]), build(tmp_path / "b.onnx", [1, 3, 2]))
    assert verdict.status == "different"
    assert "b.onnx does not run" in verdict.reason


def test_sizes_are_guessed_or_the_reason_says_how_to_give_them(tmp_path):
    def build(path, width):
        nodes = [node("MatMul", ["x", "w"], ["y"])]
        weights = {"w": np.ones((width, 2), np.float32)}
        return save(path, nodes, [tensor("x", ("N", "M"))], [tensor("y", ("N", 2))], weights)

    path = build(tmp_path / "a.onnx", 32)
    assert verify(path, path).status == "equal"
    path = build(tmp_path / "b.onnx", 13)
    verdict = verify(path, path)
    assert verdict.status == "unverified"
    assert "--dim" in verdict.reason
    assert "--input-shape" in verdict.reason
    assert verify(path, path, Settings(dims={"M": 13})).status == "equal"
    assert verify(path, path, Settings(input_shapes={"x": (2, 13)})).status == "equal"


def test_integers_that_look_up_a_table(tmp_path):
    a = models.embedding(tmp_path / "a.onnx", rows=2)
    assert verify(a, a).status == "equal"
    a = models.embedding(tmp_path / "a.onnx", rows=3, dtype=np.int32)
    model = onnx.load(a)
    table = numpy_helper.to_array(model.graph.initializer[0]).copy()
    table[2] += 0.1
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(table, "table"))
    onnx.save(model, tmp_path / "b.onnx")
    assert verify(a, tmp_path / "b.onnx").status == "different"


# --- another function


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


# --- no answer


def test_custom_operators_are_unverified_with_the_reason(tmp_path, capfd):
    path = models.custom(tmp_path / "c.onnx")
    verdict = verify(path, path)
    assert verdict.status == "unverified"
    assert f"onnxruntime cannot load {path}: " in verdict.reason
    assert "nowhere" in verdict.reason
    assert capfd.readouterr() == ("", "")


def test_random_models_equal_themselves(tmp_path):
    path = models.random_normal(tmp_path / "a.onnx")
    assert verify(path, path).status == "equal"


def test_random_operators_numbered_anew_are_unverified(tmp_path):
    a = models.random_normal(tmp_path / "a.onnx")
    b = models.random_normal(tmp_path / "b.onnx", identity=True)
    verdict = verify(a, b)
    assert verdict.status == "unverified"
    assert verdict.reason.startswith("nondeterministic: ")
    assert "RandomNormalLike" in verdict.reason


def test_an_error_beside_random_operators_is_found(tmp_path):
    a = models.random_normal(tmp_path / "a.onnx")
    verdict = verify(a, models.random_normal(tmp_path / "b.onnx", scale=1.1, identity=True))
    assert verdict.status == "different"


def test_a_model_that_differs_from_itself(tmp_path, monkeypatch):
    class Drifting(trial_module.Session):
        made = 0

        def run(self, feeds, deadline=float("inf")):
            Drifting.made += 1
            return {n: v + 1e-7 * Drifting.made for n, v in super().run(feeds, deadline).items()}

    monkeypatch.setattr(trial_module, "Session", Drifting)
    path = mlp(tmp_path / "a.onnx")
    verdict = verify(path, path)
    assert verdict.status == "unverified"
    assert verdict.reason.startswith("nondeterministic: two runs of ")


def test_nothing_but_nan_says_nothing(tmp_path):
    nodes = [node("Mul", ["x", "nan"], ["y"])]
    weights = {"nan": np.float32([np.nan])}
    path = tmp_path / "a.onnx"
    save(path, nodes, [tensor("x", ("N", 3))], [tensor("y", ("N", 3))], weights)
    verdict = verify(path, path)
    assert verdict.status == "unverified"
    assert "NaN or infinite on every sample" in verdict.reason


def test_time_runs_out_before_the_first_sample(tmp_path):
    path = models.slow(tmp_path / "a.onnx")
    verdict = verify(path, path, Settings(timeout=0.1))
    assert (verdict.status, verdict.samples) == ("unverified", 0)
    assert verdict.reason == "no sample was done within 0.1 s"


def test_time_runs_out_later(tmp_path, monkeypatch):
    clock = SimpleNamespace(now=0.0)

    def tick():
        clock.now += 1
        return clock.now

    path = mlp(tmp_path / "a.onnx", batch=1)
    monkeypatch.setattr(trial_module.time, "monotonic", tick)
    for settings in (Settings(timeout=150.0), Settings()):
        clock.now = 0.0
        verdict = verify(path, path, settings)
        assert verdict.status == "equal"
        assert 0 < verdict.samples < 64
        assert ", stopped after " in verdict.runtime


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


def test_settings_out_of_range(tmp_path):
    path = mlp(tmp_path / "a.onnx")
    for settings in (
        Settings(samples=0),
        Settings(seed=-1),
        Settings(tolerance=float("nan")),
        Settings(tolerance=-1.0),
        Settings(timeout=0.0),
        Settings(dims={"N": 0}),
        Settings(input_shapes={"x": (0, 6)}),
        Settings(inputs={"q": np.ones(1)}),
        Settings(dims={"Q": 1}),
    ):
        with pytest.raises(UsageError):
            verify(path, path, settings)


# --- the witness


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
