"""`lumpcli verify` on real files: equal, different, witness."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest

from lumpcli.box import Box
from lumpcli.exporter import state_domain
from tests.e2e.conftest import save
from tests.e2e.models import custom_end, two_layers, without_relu
from tests.models import mlp, weight


def test_equal(lump):
    save(mlp(), "a.onnx")
    ran = lump("verify", "a.onnx", "a.onnx")
    assert (ran.code, ran.err) == (0, "")
    assert "not a proof" in ran.out
    found = lump("verify", "a.onnx", "a.onnx", "--json", "--samples", "9", "--seed", "3").json
    assert (found["status"], found["samples"], found["seed"]) == ("equal", 9, 3)
    assert {o["max_abs"] for o in found["outputs"]} == {0.0}
    assert found["referee"] == "agrees"


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("options", [[], ["--optimize"], ["--samples", "4"]])
def test_every_relu_deleted(lump, seed, options):
    save(mlp(), "a.onnx")
    save(without_relu(), "b.onnx")
    ran = lump("verify", "a.onnx", "b.onnx", "--seed", seed, *options)
    assert ran.code == 1
    assert ran.out.startswith("different")
    assert ran.err.startswith("lumpcli: error: a.onnx and b.onnx differ: output y")


def test_every_relu_deleted_where_inputs_are_mostly_positive(lump):
    """Unseeded U[0, 1) inputs, which others draw, see no difference here: nothing is negative."""
    model, other = mlp(), without_relu()
    for m in (model, other):
        for tensor in m.graph.initializer:
            numbers = np.abs(weight(m, tensor.name)).astype(np.float32)
            tensor.raw_data = numbers.tobytes()
        save(m, "a.onnx" if m is model else "b.onnx")
    assert lump("verify", "a.onnx", "b.onnx").code == 1


def test_a_slip_that_float32_hides(lump):
    """One weight of many is 1e-4 off; only the referee is as strict as that."""
    model = mlp()
    numbers = weight(model, "v").astype(np.float32) * 10
    model.graph.initializer[2].raw_data = numbers.tobytes()
    save(model, "a.onnx")
    numbers[0, 0] *= np.float32(1 + 1e-4)
    model.graph.initializer[2].raw_data = numbers.tobytes()
    save(model, "b.onnx")
    assert lump("verify", "a.onnx", "b.onnx").code == 1
    assert lump("verify", "a.onnx", "a.onnx", "--tol", "0").code == 0


def test_boxes(lump, here):
    """Without its ReLUs the network is another one, but not where all of them are active."""
    for model, name in ((mlp(), "a.onnx"), (without_relu(), "b.onnx")):
        for tensor in model.graph.initializer:
            tensor.raw_data = np.abs(weight(model, tensor.name)).astype(np.float32).tobytes()
        save(model, name)
    state_domain(model, Box.everywhere(0.0, 0.5, {"x": (1, 5)}))
    save(model, "c.onnx")
    for name, bounds in (("l.npz", [0, 1]), ("m.npz", [-1, 1])):
        np.savez(here / name, lower=np.float64(bounds[0]), upper=np.float64(bounds[1]))
    for options, code in (
        (["b.onnx"], 1),
        (["b.onnx", "--box", "0,1"], 0),
        (["b.onnx", "--box", "l.npz"], 0),
        (["b.onnx", "--box", "m.npz"], 1),
        (["b.onnx", "--box", "m.npz", "--box", "x=0,2"], 0),
        (["b.onnx", "--box", "0,1,2"], 2),
        (["b.onnx", "--box", "x.npz"], 2),
        (["c.onnx"], 0),
        (["c.onnx", "--everywhere"], 1),
        (["c.onnx", "--box=-1,1"], 1),
        (["c.onnx", "--box=-1,1", "--everywhere"], 2),
    ):
        assert lump("verify", "a.onnx", *options).code == code, options
    found = lump("verify", "a.onnx", "c.onnx", "--json").json["domain"]
    (bounds,) = found["inputs"]
    assert found["origin"] == "stated by the second model"
    assert bounds == {"input": "x", "lower": 0.0, "upper": 0.5, "uniform": True}
    assert "domain           x in [0, 0.5]\n" in lump("stats", "c.onnx").out


@pytest.mark.parametrize("verb", [["stats"], ["verify", "a.onnx"]])
def test_a_domain_that_cannot_be_read(lump, verb):
    model = mlp()
    save(model, "a.onnx")
    model.metadata_props.add(key="lumpcli.domain", value="[0, 1]")
    save(model, "b.onnx")
    ran = lump(*verb, "b.onnx")
    assert ran.code == 3
    assert "b.onnx: the domain that the model states (lumpcli.domain) does not have" in ran.err


def test_witness(lump, here):
    """A file with an input on which the two models do differ; none when they are equal."""
    save(mlp(), "a.onnx")
    save(without_relu(), "b.onnx")
    assert lump("verify", "a.onnx", "a.onnx", "--witness", "w.npz").code == 0
    assert not (here / "w.npz").exists()
    ran = lump("verify", "a.onnx", "b.onnx", "--witness", "w.npz", "--json")
    assert (ran.code, ran.json["witness"]) == (1, "w.npz")
    with np.load("w.npz") as file:
        feeds = {name: file[name] for name in file.files}
    runs = [
        onnxruntime.InferenceSession(m, providers=["CPUExecutionProvider"]).run(None, feeds)[0]
        for m in ("a.onnx", "b.onnx")
    ]
    assert np.abs(runs[0] - runs[1]).max() > 1e-3
    again = lump("verify", "a.onnx", "b.onnx", "--input", "w.npz")
    assert again.code == 1


def test_the_witness_cannot_be_written(lump):
    save(mlp(), "a.onnx")
    save(without_relu(), "b.onnx")
    lump("verify", "a.onnx", "b.onnx", "--witness", "no/w.npz").fails(5, "no/w.npz")


def test_other_outputs(lump):
    save(mlp(), "a.onnx")
    model = mlp()
    model.graph.output[0].name = "r"
    save(model, "b.onnx")
    ran = lump("verify", "a.onnx", "b.onnx", "--json")
    assert (ran.code, ran.json["status"]) == (1, "different")
    assert "'r'" in ran.err or " r" in ran.err


def test_own_data(lump, here):
    save(mlp(), "a.onnx")
    save(without_relu(), "b.onnx")
    np.save(here / "zeros.npy", np.zeros((2, 5), np.float32))
    args = ("verify", "a.onnx", "b.onnx", "--input", "x=zeros.npy")
    assert lump(*args, "--json").json["samples"] == 2
    np.save(here / "wrong.npy", np.zeros((2, 4), np.float32))
    ran = lump("verify", "a.onnx", "b.onnx", "--input", "x=wrong.npy")
    assert (ran.code, ran.out) == (2, "")
    ran = lump("verify", "a.onnx", "b.onnx", "--input", "x=missing.npy")
    assert ran.code in (2, 3)
    assert "missing.npy" in ran.err


def test_cannot_be_run(lump):
    save(custom_end(), "a.onnx")
    ran = lump("verify", "a.onnx", "a.onnx")
    assert ran.code == 4
    assert ran.out.startswith("unverified")
    assert "my.domain:Foo" in ran.err


def test_reduce_takes_the_same_options(lump):
    save(two_layers(), "a.onnx")
    ran = lump("reduce", "a.onnx", "b.onnx", "--json", "--samples", "5", "--seed", "2")
    verdict = ran.json["verdict"]
    assert (verdict["samples"], verdict["seed"]) == (5, 2)
    ran = lump("reduce", "a.onnx", "c.onnx", "--dim", "M=3")
    assert ran.code == 2
    assert "no input has a dimension M" in ran.err
