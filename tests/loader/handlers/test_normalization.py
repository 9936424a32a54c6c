"""BatchNormalization at inference: scales and shifts by stored numbers, and a square root."""

from __future__ import annotations

import numpy as np
import pytest

from lumpcli.analysis import values_of
from lumpcli.api import reduce
from lumpcli.loader import load
from tests.evaluate import disagreements
from tests.loader.checks import same_outputs, shrinks, stays
from tests.loader.images import BIAS, ROWS, kernel, through
from tests.models import PLANTED, build, integers, node, planted, reader, weight

NAMES = ("scale", "shift", "mean", "variance")
# of features 0 and 1, and of 2 and 3 (which is twice 2), with the same deviation
SCALE, SHIFT = np.array([2, 2, 3, 3, -1, 4], "f4"), np.array([1, 1, 2, 4, 0, 3], "f4")
MEAN, VARIANCE = np.array([1, 1, 2, 4, 0, -1], "f4"), np.array([3, 3, 8, 8, 1, 2], "f4")
ROUNDED = {"tolerance": 1e-6, "apart": 1e-6}


def _normalised(data="p", to="h", numbers=None, **attributes):
    """The node, and its four constants."""
    given = dict(zip(NAMES, (SCALE, SHIFT, MEAN, VARIANCE), strict=True)) | (numbers or {})
    return node("BatchNormalization", [data, *NAMES], [to], **attributes), given


def _model(numbers=None, opset=13, **attributes):
    layer, extra = _normalised(numbers=numbers, **attributes)
    return through(layer, extra=extra, opset=opset)


@pytest.mark.parametrize("opset", [7, 9, 14, 15])
@pytest.mark.parametrize("epsilon", [None, 0.5, 1.0])
def test_equal_and_proportional_channels(opset, epsilon):
    options = {} if epsilon is None else {"epsilon": epsilon}
    reduced = shrinks(_model(opset=opset, **options), ("p", "r"), **ROUNDED)
    assert {weight(reduced, name).shape for name in NAMES} == {(4,)}


TOLD_APART = {
    "scale": SCALE + np.arange(6, dtype="f4"),
    "shift": SHIFT + np.arange(6, dtype="f4"),
    "mean": MEAN + np.arange(6, dtype="f4"),
    "variance": VARIANCE + np.arange(6, dtype="f4") / 8,
}


@pytest.mark.parametrize("name", NAMES)
def test_numbers_that_tell_channels_apart(name):
    """Feature 3 is twice feature 2 with any scale, if nothing is added to it."""
    numbers = {name: TOLD_APART[name]}
    if name in ("scale", "variance"):
        numbers |= {"shift": 0 * SHIFT, "mean": 0 * MEAN}
        model = _model(numbers)
        assert load(reduce(model).model).net["r"].width == (4 if name == "scale" else 6)
        same_outputs(model, reduce(model).model, apart=1e-6)
    else:
        stays(_model(numbers), tolerance=1e-6)


def test_a_perfect_square_is_no_rounding():
    """With variance and epsilon 4 all is rational: 3/2 (x - 1) + 1."""
    numbers = {"variance": np.full(6, 3.5, "f4"), "scale": np.full(6, 3, "f4")}
    numbers |= {"mean": np.full(6, 1, "f4"), "shift": np.full(6, 1, "f4")}
    layer, extra = _normalised(numbers=numbers, epsilon=0.5)
    model = through(layer, extra=extra, activation="Identity")
    host = load(model)
    values = values_of(host.net)
    before, after = values["p"], values["h"]
    assert after.class_of.tolist() == before.class_of.tolist()
    assert after.ratio == tuple(ratio * 3 / 2 for ratio in before.ratio)
    assert disagreements(host, integers(model), 1e-6) == []


def test_constants_and_their_roots():
    """Of a constant the normalised is constant, if irrational; equal ones are equal."""
    rows, bias = ROWS.copy(), BIAS.copy()
    rows[4:], bias[4:] = 0, 5
    layer, extra = _normalised(numbers={"scale": np.full(6, 2, "f4"), "shift": np.ones(6, "f4")})
    extra |= {"w": rows.reshape(6, 5, 1, 1), "b": bias}
    extra["variance"][4:], extra["mean"][4:] = 3, 1
    model = through(layer, extra={**extra, "variance": extra["variance"].copy()})
    facts = values_of(load(model).net)["r"]
    assert facts.class_of[4] == facts.class_of[5] == -1
    assert facts.offset[4] == facts.offset[5]
    reduced = reduce(model).model
    assert load(reduced).net["p"].width == 4 - 1  # 0 is 1; with other shifts 3 is not 2 any more
    same_outputs(model, reduced, apart=1e-6)


def test_strict_does_not_store_roots():
    rows, bias = 0 * ROWS, np.full(6, 5, "f4")
    layer, extra = _normalised()
    model = through(layer, extra={**extra, "w": rows.reshape(6, 5, 1, 1), "b": bias})
    assert reduce(model, level="strict").rounded == 0
    same_outputs(model, reduce(model, level="strict").model, apart=1e-6)


def test_the_reader_of_a_normalisation_has_a_bias():
    """A normalised constant goes into the bias of a convolution, but not behind padding."""
    layer, extra = _normalised(to="q")
    extra["scale"] = np.array([2, 2, 3, 3, -1, 0], "f4")  # feature 5 is the constant 3
    extra |= {"k": kernel(planted(6, seed=4)[0], 3, 3), "c": BIAS}
    for pads, after in (([0] * 4, 3), ([1] * 4, 4)):
        conv = node("Conv", ["q", "k", "c"], ["h"], pads=pads)
        model = through(layer, conv, extra=extra, opset=13)
        reduced = reduce(model).model
        assert load(reduced).net["q"].width == after
        same_outputs(model, reduced, apart=1e-5)


def test_after_a_dense_layer():
    """(N, 6): features along axis 1, which is the last one."""
    layer, extra = _normalised()
    nodes = [
        node("Gemm", ["x", "w", "b"], ["p"], transB=1),
        layer,
        node("Relu", ["h"], ["r"]),
        node("Gemm", ["r", "v", "last"], ["y"]),
    ]
    weights = {"w": ROWS, "b": BIAS, "v": reader(), "last": np.ones(3, "f4"), **extra}
    shrinks(build(nodes, weights), ("p", "r"), **ROUNDED)


def test_features_along_another_axis_are_declined():
    """(N, 3, 6): axis 1 has positions."""
    extra = dict(zip(NAMES, np.ones((4, 3), "f4"), strict=True))
    layer, _ = _normalised()
    nodes = [node("MatMul", ["x", "w"], ["p"]), layer, node("MatMul", ["h", "v"], ["y"])]
    weights = {"w": ROWS.T.copy(), "v": reader(), **extra}
    model = build(nodes, weights, inputs={"x": ("N", 3, 5)})
    wanted = "BatchNormalization 'h' (it acts along another axis than the features')"
    assert wanted in stays(model, tolerance=1e-5)


@pytest.mark.parametrize(
    ("opset", "attributes"), [(15, {"training_mode": 1}), (6, {}), (6, {"is_test": 0})]
)
def test_training_mode_is_declined(opset, attributes):
    model = _model(opset=opset, **attributes)
    wanted = "BatchNormalization 'h' (it may be in training mode)"
    assert wanted in stays(model, runs=False)


def test_before_opset_7_in_test_mode():
    layer, extra = _normalised(is_test=1)
    assert load(through(layer, extra=extra, opset=6)).net["r"].terms[0].moments is not None
    layer, extra = _normalised(spatial=0)
    wanted = "BatchNormalization 'h' (it normalises every position by itself)"
    assert wanted in stays(through(layer, extra=extra, opset=8), runs=False)


def test_running_statistics_are_declined():
    layer, extra = _normalised()
    layer.output.extend(["m", "v2"])
    model = through(layer, extra=extra, opset=13)
    assert any("training mode" in r for r in stays(model, runs=False))


DECLINED = {
    "'mean' has NaN or infinite entries": {"mean": np.full(6, np.nan, "f4")},
    "'scale' has shape [5]": {"scale": np.ones(5, "f4")},
    "a variance is negative": {"variance": np.full(6, -1, "f4")},
}


@pytest.mark.parametrize("reason", DECLINED)
def test_numbers_that_are_none(reason):
    model = _model(DECLINED[reason])
    assert f"BatchNormalization 'h' ({reason})" in stays(model, runs=False)


def test_computed_numbers_are_declined():
    layer, extra = _normalised()
    mean = node("Exp", ["logarithm"], ["mean"])
    extra["logarithm"] = extra.pop("mean")
    model = through(mean, layer, extra=extra)
    assert any("'mean' is computed" in r for r in stays(model, runs=False))


def test_one_channel():
    layer, extra = _normalised(
        data="q", numbers=dict(zip(NAMES, np.ones((4, 1), "f4"), strict=True))
    )
    nodes = [node("Relu", ["p"], ["t"]), node("Conv", ["t", "k"], ["q"]), layer]
    extra["k"] = np.ones((1, PLANTED, 1, 1), "f4")
    shrinks(through(*nodes, extra=extra, columns=1), ("t",), **ROUNDED)
