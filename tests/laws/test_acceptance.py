"""The issue's MLP 10-20-20-5 with planted neurons: 10-9-9-5 in every form, layout and opset."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from lumpcli.results import Level
from tests.laws.runtime import farthest, feeds_for, identical, reduced, run, widths
from tests.laws.spec import Layer, Matrix, Network
from tests.laws.writer import FORMS, LAYOUTS, STORES, Writer

DISTINCT = 9
OWNERS = (0, 0, 0, 1, 2, 3, 4, 5, 6)  # whose multiples the nine further features are


def _planted_rows(rng: np.random.Generator, weight: Matrix, ratios: Matrix) -> Matrix:
    """Nine rows, nine multiples of them, one row of zeros, and one that nobody will read."""
    multiples = ratios[:, None] * weight[list(OWNERS)]
    more = rng.integers(1, 4, (1, weight.shape[1]))
    return np.concatenate([weight, multiples, np.zeros((1, weight.shape[1])), more])


def planted_mlp(rng: np.random.Generator, ratios: Matrix, integers: bool) -> Network:
    """The network, with those ratios of the planted multiples; its last feature is unread."""

    def numbers(*shape: int) -> Matrix:
        if integers:
            return rng.choice([-3.0, -2.0, -1.0, 1.0, 2.0, 3.0], shape)
        return rng.standard_normal(shape).astype(np.float32).astype(np.float64)

    layers = [Layer("x", "input", 10)]
    reads, width = "x", 10
    for name in ("h", "g"):
        rows = _planted_rows(rng, numbers(DISTINCT, width), ratios)
        bias = numbers(DISTINCT)
        biases = np.concatenate([bias, ratios * bias[list(OWNERS)], numbers(2)])
        if reads != "x":
            rows[:, -1] = 0
        rows, biases = (v.astype(np.float32).astype(np.float64) for v in (rows, biases))
        layers.append(
            Layer(name, "dense", len(rows), (reads,), rows, biases, activation="relu"),
        )
        reads, width = name, len(rows)
    weight = numbers(5, width)
    weight[:, -1] = 0
    layers.append(Layer("y", "dense", 5, ("g",), weight, numbers(5)))
    return Network(tuple(layers), ("y",))


def _is_small(net: Network, model: onnx.ModelProto, level: Level) -> None:
    result = reduced(model, level)
    assert [result.parameters.before, result.parameters.after] == [745, 239]
    assert widths(net, result) == {"h": 9, "g": 9, "y": 5}
    feeds = feeds_for(model, np.random.default_rng(0))
    before, after = run(model, feeds), run(result.model, feeds)
    if level == "exact":
        assert identical(before, after)
    else:
        assert farthest(before, after) <= 1e-5


@pytest.mark.parametrize("opset", [9, 13, 22])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("double", [False, True])
def test_the_planted_mlp_in_every_form(form: str, opset: int, double: bool) -> None:
    rng = np.random.default_rng(opset)
    net = planted_mlp(rng, rng.choice([1.0, 1.0, 2.0, 0.5, 4.0], len(OWNERS)), integers=True)
    for store in STORES:
        _is_small(net, Writer(rng, double, opset, "batch", (form,), (store,)).model(net), "exact")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_planted_mlp_in_every_layout(layout: str) -> None:
    rng = np.random.default_rng(3)
    net = planted_mlp(rng, rng.choice([1.0, 1.0, 2.0, 0.5, 4.0], len(OWNERS)), integers=True)
    _is_small(net, Writer(rng, False, 13, layout).model(net), "exact")


@pytest.mark.parametrize("opset", [9, 13, 22])
@pytest.mark.parametrize("form", FORMS)
def test_ratio_seven_tenths_within_rounding(form: str, opset: int) -> None:
    rng = np.random.default_rng(opset)
    net = planted_mlp(rng, np.full(len(OWNERS), 0.7), integers=False)
    model = Writer(rng, False, opset, "batch", (form,)).model(net)
    assert reduced(model).parameters.after > 239
    _is_small(net, model, "rounding")
