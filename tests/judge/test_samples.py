from __future__ import annotations

import numpy as np
import pytest

from lumpcli.box import Box
from lumpcli.errors import UsageError
from lumpcli.judge import Settings
from lumpcli.judge.samples import Guess, Samples, guesses
from lumpcli.judge.signature import read_signature
from tests.judge import models
from tests.judge.models import node, save, tensor

GUESS = Guess(small=1, large=8, other=5)


def several(tmp_path, *ports):
    """A model of many inputs that only has to be read, not run."""
    nodes = [node("Identity", [ports[0].name], ["y"])]
    return read_signature(save(tmp_path / "s.onnx", nodes, ports, [tensor("y", (1,))]))


def draw(signature, guess=GUESS, **settings):
    return Samples(signature, Settings(**settings), guess)


def rows(samples, name):
    return np.concatenate([samples.feeds(k)[name] for k in range(len(samples))])


def test_same_seed_same_samples(tmp_path):
    signature = several(tmp_path, tensor("x", ("N", 6)), tensor("z", ("N", 3)))
    first, again, other = (draw(signature, seed=s) for s in (3, 3, 4))
    for name in ("x", "z"):
        assert np.array_equal(rows(first, name), rows(again, name))
        assert not np.array_equal(rows(first, name), rows(other, name))


def test_a_sample_is_the_same_in_every_batch(tmp_path):
    signature = several(tmp_path, tensor("x", ("N", 6)))
    single = draw(signature, Guess(1, 1, 5))
    assert np.array_equal(rows(draw(signature), "x"), rows(single, "x"))


def test_two_batch_sizes_and_as_many_samples_as_asked(tmp_path):
    samples = draw(several(tmp_path, tensor("x", ("N", 6))), samples=20)
    sizes = [samples.feeds(k)["x"].shape[0] for k in range(len(samples))]
    assert sizes == [1, 8, 8, 3]
    assert [samples.count(k) for k in range(len(samples))] == sizes
    assert samples.probes == 2


def test_a_fixed_batch_counts_as_one(tmp_path):
    samples = draw(several(tmp_path, tensor("x", (4, 6))), samples=20)
    assert (len(samples), samples.count(0), samples.probes) == (20, 1, 1)
    assert samples.feeds(0)["x"].shape == (4, 6)


def test_all_kinds_are_in_the_mix(tmp_path):
    x = rows(draw(several(tmp_path, tensor("x", ("N", 50)))), "x")
    assert x.dtype == np.float32
    normal, unit, large, symmetric, onehot, zeros = x[:6]
    assert normal.std() == pytest.approx(1, abs=0.4)
    assert 0 <= unit.min() < unit.max() < 1
    assert large.std() == pytest.approx(10, abs=4)
    assert -1 <= symmetric.min() < 0 < symmetric.max() < 1
    assert sorted(onehot)[-2:] == [0, 1]
    assert not zeros.any()
    assert np.count_nonzero(~x.any(axis=1)) == 1  # zeros tell nothing the second time
    assert (x < 0).any(axis=1).mean() > 0.5


def test_symbols_are_equal_and_can_be_given(tmp_path):
    ports = (tensor("x", ("N", "T")), tensor("z", ("T", 2, "N")), tensor("q", (3, None, 2)))
    signature = several(tmp_path, *ports)
    shapes = {n: a.shape for n, a in draw(signature, dims={"T": 9}).feeds(1).items()}
    assert shapes == {"x": (8, 9), "z": (9, 2, 8), "q": (3, 8, 2)}
    shapes = {n: a.shape for n, a in draw(signature, dims={"N": 2, "T": 9}).feeds(1).items()}
    assert shapes["x"] == (2, 9)
    shapes = {n: a.shape for n, a in draw(signature, input_shapes={"x": (2, 3)}).feeds(1).items()}
    assert (shapes["x"], shapes["z"]) == ((2, 3), (3, 2, 2))


def test_settings_that_do_not_fit(tmp_path):
    signature = several(tmp_path, tensor("x", ("N", 6)))
    for settings, message in (
        ({"dims": {"M": 2}}, "no input has a dimension M; dimensions: N"),
        ({"input_shapes": {"q": (2,)}}, "no input q; its inputs: x float32"),
        ({"input_shapes": {"x": (2, 7)}}, "does not fit"),
        ({"input_shapes": {"x": (2,)}}, "does not fit"),
    ):
        with pytest.raises(UsageError, match=message):
            draw(signature, **settings)


def test_integers_stay_in_the_table(tmp_path):
    signature = read_signature(models.embedding(tmp_path / "m.onnx", rows=3))
    ids = rows(draw(signature), "ids")
    assert ids.dtype == np.int64
    assert set(np.unique(ids)) == {0, 1, 2}


def test_other_types(tmp_path):
    ports = [tensor(n, ("N", 40), t) for n, t in (("b", bool), ("i", np.int32), ("u", np.uint8))]
    samples = draw(several(tmp_path, *ports))
    assert set(np.unique(rows(samples, "b"))) == {False, True}
    assert set(np.unique(rows(samples, "i"))) == set(range(8))
    assert rows(samples, "u").max() > 200
    assert samples.unsupported() is None


def test_strings_are_not_drawn(tmp_path):
    text = np.asarray(["a"], object)
    port = models.helper.make_tensor_value_info("t", models.TensorProto.STRING, [1])
    signature = several(tmp_path, port)
    assert "input t is a string" in draw(signature).unsupported()
    assert draw(signature, inputs={"t": text}).unsupported() is None


def test_initializers_are_not_inputs(tmp_path):
    path = tmp_path / "m.onnx"
    ports = [tensor("x", (1,)), tensor("w", (1,))]
    nodes = [node("Add", ["x", "w"], ["y"])]
    save(path, nodes, ports, [tensor("y", (1,))], {"w": np.ones(1, np.float32)})
    assert set(draw(read_signature(path)).feeds(0)) == {"x"}


def test_given_arrays_replace_drawn_ones(tmp_path):
    signature = several(tmp_path, tensor("x", ("N", 6)), tensor("z", ("N", 3)))
    x = np.arange(12.0).reshape(2, 6)
    samples = draw(signature, inputs={"x": x}, samples=3)
    assert len(samples) == 3
    for k in range(3):
        feeds = samples.feeds(k)
        assert np.array_equal(feeds["x"], x.astype(np.float32))
        assert feeds["z"].shape == (2, 3)


def test_given_for_all_inputs_are_the_samples(tmp_path):
    x = np.arange(24.0).reshape(4, 6)
    one = draw(several(tmp_path, tensor("x", ("N", 6))), inputs={"x": x})
    assert (len(one), one.count(0)) == (1, 4)
    many = draw(several(tmp_path, tensor("x", (2, 6))), inputs={"x": x})
    assert (len(many), many.count(1)) == (2, 1)
    assert np.array_equal(many.feeds(1)["x"], x[2:])


def test_guesses_end_and_fixed_shapes_need_none(tmp_path):
    dynamic = list(guesses(several(tmp_path, tensor("x", ("N", 6))).inputs))
    assert dynamic[0] == Guess(1, 8, 8, 8)
    assert Guess(1, 1, 1, 8) in dynamic
    assert len(list(guesses(several(tmp_path, tensor("x", (1, 6))).inputs))) == 1


def test_many_samples_go_in_larger_batches(tmp_path):
    signature = several(tmp_path, tensor("x", ("N", 6)))
    many, few = draw(signature, samples=10_000), draw(signature, samples=100)
    assert [many.count(k) for k in range(len(many))][:18] == [1, *[8] * 16, 78]
    assert len(many) < 150
    assert sum(many.count(k) for k in range(len(many))) == many.total == 10_000
    assert np.array_equal(rows(many, "x")[:100], rows(few, "x"))
    single = draw(signature, Guess(1, 1, 5), samples=300)
    assert [single.count(k) for k in range(len(single))] == [1] * 300


def test_inputs_with_bounds_and_without(tmp_path):
    ports = (tensor("x", ("N", 6)), tensor("z", ("N", 3)), tensor("q", (3, None, 2)))
    signature = several(tmp_path, *ports)
    box = Box.everywhere(0.25, 0.5, {"x": (1, 6), "q": (3, 1, 2)})
    samples = Samples(signature, Settings(), GUESS, box)
    feeds = samples.feeds(1)
    assert {n: a.shape for n, a in feeds.items()} == {"x": (8, 6), "z": (8, 3), "q": (3, 8, 2)}
    for name in ("x", "q"):
        assert feeds[name].dtype == np.float32
        assert 0.25 <= feeds[name].min() < feeds[name].max() <= 0.5
    assert np.array_equal(feeds["z"], draw(signature).feeds(1)["z"])
    single = Samples(signature, Settings(), Guess(1, 1, 5), box)
    assert np.array_equal(rows(samples, "x"), rows(single, "x"))
    corners = np.isin(rows(samples, "x"), (0.25, 0.5)).all(axis=1)
    assert 0.2 < corners.mean() < 0.5


def test_a_box_of_a_fixed_batch(tmp_path):
    signature = several(tmp_path, tensor("x", (4, 6)))
    upper = np.arange(1.0, 25.0).reshape(4, 6)
    samples = Samples(signature, Settings(), GUESS, Box({"x": (upper - 1, upper)}))
    x = samples.feeds(3)["x"]
    assert ((upper - 1 <= x) & (x <= upper)).all()
    shaped = several(tmp_path, tensor("x", ("N", 6)))
    box = Box.everywhere(0.0, 1.0, {"x": (1, 6)})
    fixed = Samples(shaped, Settings(input_shapes={"x": (4, 6)}), GUESS, box)
    assert len(np.unique(fixed.feeds(0)["x"], axis=0)) == 4
