"""Other people's models: onnx's own operator tests and its light networks go through unharmed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from benchmarks import compare, folder
from benchmarks.light import light_models, measure
from benchmarks.operators import Tally, as_they_are, between_layers, operator_tests
from lumpcli.errors import InputError, InternalError
from tests.models import mlp

EVERY = 12  # of the operator tests, when they are put between layers in a dozen ways
LIGHT = ("squeezenet", "shufflenet", "resnet50")  # the small ones: Concat, groups, residual sums


@pytest.fixture(scope="module")
def cases() -> Sequence[Any]:
    """onnx's operator tests."""
    return operator_tests()


def clean(tally: Tally) -> bool:
    """Whether nothing failed and nothing was refused; says what did."""
    assert "\n".join(f"{o.name}: {o.reason}" for o in (*tally.refused, *tally.failures)) == ""
    return True


def test_operators_as_they_are(cases):
    tally = as_they_are(cases)
    assert clean(tally)
    assert tally.counts["models"] == len(cases) > 1500


def test_operators_between_layers(cases):
    tally = between_layers(cases[::EVERY])
    assert clean(tally)
    assert tally.counts["compared"] >= 5


@pytest.mark.parametrize("name", LIGHT)
def test_light_networks(name):
    (light,) = light_models([name])
    measured = measure(light)
    assert measured.outcome.reason == ""
    assert measured.outcome.status in ("changed", "unchanged")
    assert measured.apart < 1e-4


def spoilt(monkeypatch, spoil):
    """An outcome when lumpcli, as the corpora see it, does something wrong to its result."""
    original = compare.reduce

    def reduce(model, **options):
        result = original(model, **options)
        spoil(model, result.model)
        return result

    monkeypatch.setattr(compare, "reduce", reduce)
    model = mlp()
    x = np.arange(10, dtype=np.float32).reshape(2, 5)
    return compare.reduce_and_run("mlp", model, [({"x": x}, None)])


def halve(_, model):
    """Other numbers in the last matrix."""
    tensor = model.graph.initializer[-1]
    tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) / 2, tensor.name))


def cut_off(_, model):
    """A matrix that fits nothing."""
    tensor = model.graph.initializer[-1]
    tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor)[1:], tensor.name))


def add(_, model):
    """One more output."""
    model.graph.output.add(name="r")


def touch(model, _):
    """Write into what the caller owns."""
    model.doc_string = "seen"


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (halve, "reduced[0]: apart by"),
        (cut_off, "onnxruntime runs only the original"),
        (add, "reduced: not a sequence of 1"),
        (touch, "the caller's own model was changed"),
    ],
)
def test_what_goes_wrong_is_seen(monkeypatch, spoil, reason):
    outcome = spoilt(monkeypatch, spoil)
    assert outcome.status == "failed"
    assert reason in outcome.reason


@pytest.mark.parametrize(
    ("error", "status"), [(InputError, "refused"), (InternalError, "failed"), (KeyError, "failed")]
)
def test_only_documented_errors_are_refusals(monkeypatch, error, status):
    def reduce(*_, **__):
        raise error("because")

    monkeypatch.setattr(compare, "reduce", reduce)
    outcome = compare.reduce_and_run("mlp", mlp(), [])
    assert (outcome.status, "because" in outcome.reason) == (status, True)


def test_a_sound_reduction_is_compared():
    feeds = {"x": np.ones((2, 5), np.float32)}
    outcome = compare.reduce_and_run("mlp", mlp(), [(feeds, None)])
    assert (outcome.status, outcome.reason, outcome.ran) == ("changed", "", True)


@pytest.mark.parametrize(
    ("a", "b", "equal"),
    [
        (np.float32([1, np.nan]), np.float32([1, np.nan]), True),
        (np.float32([1, np.inf]), np.float32([1, -np.inf]), False),
        (np.float32([1e6, 1]), np.float32([1e6, 2]), True),
        (np.float32([1, 0]), np.float32([1, 0.01]), False),
        (np.array(["a"]), np.array(["b"]), False),
        (np.array([True]), np.array([False]), False),
        ([np.ones(2)], [np.ones(3)], False),
        ([np.ones(2)], [], False),
        (None, None, True),
    ],
    ids=str,
)
def test_difference(a, b, equal):
    assert (compare.difference(a, b) == "") == equal


def test_reasons_are_counted_without_names():
    pins = [
        [3, "tied to a:0: its output is read by Foo 'x'"],
        [4, 'tied to b: its output is read by Foo "it\'s"'],
        [5, "graph output"],
    ]
    (tied, output) = folder.census([{"pins": pins}, {"verdict": "InputError: broken"}])
    assert tied == {
        "reason": "tied to ...: its output is read by Foo '...'",
        "layers": 2,
        "features": 7,
        "models": 1,
    }
    assert (output["reason"], output["features"]) == ("graph output", 5)


def test_one_model_of_a_folder(tmp_path):
    path = tmp_path / "mlp.onnx"
    onnx.save(mlp(), path)
    record = folder.examine(path)
    assert (record["features"], record["cuttable"], record["pinned"]) == ([6, 4], 6, 0)
    assert (record["verdict"], record["failed"]) == ("equal", False)
    assert folder.missed(record, (6, 3)) == 1
    path.write_text("hello")
    assert folder.examine(path)["failed"] is False
