"""Conv and ConvTranspose: plain, grouped, depthwise; what pads, and what is declined."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import numpy_helper

from lumpcli.api import reduce
from lumpcli.loader import load
from tests.evaluate import disagreements
from tests.loader.checks import FACTS, misread, same_outputs, shrinks, stays
from tests.loader.images import BIAS, ROWS, kernel, through
from tests.models import build, integers, node, planted, weight

TAPS = {1: (3,), 2: (3, 2), 3: (2, 1, 3)}
OTHER, SHIFT = planted(6, seed=4)


def _conv(rows=OTHER, bias=SHIFT, operator="Conv", sizes=(3, 3), images=(6, 5), **attributes):
    """A convolution of the six channels of p, which makes h."""
    weights = {"k": kernel(rows, *sizes)}
    given = ["p", "k"]
    if operator == "ConvTranspose":
        weights["k"] = np.ascontiguousarray(weights["k"].swapaxes(0, 1))
    if bias is not None:
        weights["c"] = bias
        given.append("c")
    layer = node(operator, given, ["h"], **attributes)
    return through(layer, extra=weights, positions=images)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("biased", [True, False])
def test_kernels_of_any_rank(rank, biased):
    sizes = TAPS[rank]
    model = _conv(sizes=sizes, images=(5, 4, 3)[:rank], bias=SHIFT if biased else None)
    reduced = shrinks(model, ("p", "r"))
    assert weight(reduced, "k").shape == (4, 4, *sizes)


GEOMETRIES = [
    *({"strides": [2, 1]}, {"dilations": [2, 2]}, {"pads": [1, 1, 1, 1]}, {"pads": [0, 1, 2, 0]}),
    *({"auto_pad": "SAME_UPPER"}, {"auto_pad": "SAME_LOWER"}, {"auto_pad": "VALID"}),
    *({"auto_pad": "SAME_UPPER", "strides": [2, 2]}, {"auto_pad": "SAME_LOWER", "strides": [3, 2]}),
    *({"auto_pad": "NOTSET", "pads": [2, 0, 1, 1], "strides": [2, 2], "dilations": [2, 1]},),
    {"kernel_shape": [3, 3], "group": 1},
]


@pytest.mark.parametrize("attributes", GEOMETRIES, ids=str)
def test_ways_of_reading_positions(attributes):
    shrinks(_conv(**attributes, images=(7, 6)), ("p", "r"))


@pytest.mark.parametrize("attributes", [{}, {"strides": [2, 2]}, {"auto_pad": "SAME_UPPER"}])
def test_a_kernel_of_one_tap(attributes):
    shrinks(_conv(sizes=(1, 1), **attributes), ("p", "r"))
    moved = load(_conv(sizes=(1, 1), **attributes)).net["r"].terms[0].via
    assert (moved == "") == ("strides" not in attributes)


@pytest.mark.parametrize("operator", ["Conv", "ConvTranspose"])
def test_one_place_of_the_kernel_counts(operator):
    """Rows that are multiples at all taps but one."""
    model = _conv(operator=operator)
    stored = next(t for t in model.graph.initializer if t.name == "k")
    values = numpy_helper.to_array(stored).copy()
    rows = values.swapaxes(0, 1) if operator == "ConvTranspose" else values
    rows[1, 2, 2, 1] += 1
    stored.CopyFrom(numpy_helper.from_array(values, "k"))
    reduced = reduce(model).model
    assert load(reduced).net["r"].width == 5
    same_outputs(model, reduced)


TRANSPOSED = [
    *({}, {"strides": [2, 2]}, {"pads": [1, 1, 1, 0]}, {"dilations": [1, 2]}),
    *({"strides": [2, 2], "output_padding": [1, 0]}, {"strides": [3, 2], "output_shape": [15, 9]}),
    *({"auto_pad": "SAME_UPPER", "strides": [2, 2]}, {"auto_pad": "SAME_LOWER", "strides": [2, 2]}),
    {"auto_pad": "VALID", "strides": [2, 2]},
]


@pytest.mark.parametrize("attributes", TRANSPOSED, ids=str)
def test_transposed_convolutions(attributes):
    reduced = shrinks(_conv(operator="ConvTranspose", **attributes), ("p", "r"))
    assert weight(reduced, "k").shape == (4, 4, 3, 3)


def test_a_transposed_kernel_of_other_numbers_of_channels():
    """Stored as (inputs, outputs): easily mixed up where both are six."""
    kernel_ = kernel(np.arange(1, 13, dtype="f4").reshape(6, 2), 2, 2)
    model = through(
        node("ConvTranspose", ["p", "k"], ["h"]), extra={"k": kernel_}, columns=2, rank=2
    )
    reduced = shrinks(model, ("p",))
    assert weight(reduced, "k").shape == (4, 2, 2, 2)


@pytest.mark.parametrize("biased", [True, False])
@pytest.mark.parametrize("attributes", [{}, {"pads": [1, 1, 1, 1]}, {"strides": [2, 2]}], ids=str)
def test_depthwise_convolutions(attributes, biased):
    """A kernel per channel: cut with the channels, and as many groups are left."""
    kernels = np.arange(1, 55, dtype="f4").reshape(6, 1, 3, 3)
    kernels[1], kernels[3] = kernels[0], kernels[2]
    extra, given = {"d": kernels}, ["p", "d"]
    if biased:
        extra["e"] = np.array([2, 2, 1, 2, -3, 4], "f4")
        given.append("e")
    layer = node("Conv", given, ["h"], group=6, **attributes)
    reduced = shrinks(through(layer, extra=extra), ("p", "r"))
    assert weight(reduced, "d").shape == (4, 1, 3, 3)
    (group,) = [a.i for n in reduced.graph.node for a in n.attribute if a.name == "group"]
    assert group == 4


def test_depthwise_kernels_keep_equal_channels_apart():
    kernels = np.arange(1, 55, dtype="f4").reshape(6, 1, 3, 3)
    layer = node("Conv", ["p", "d"], ["h"], group=6)
    stays(through(layer, extra={"d": kernels}))


def test_depthwise_behind_padding():
    """Constants are none behind padding, but images of one another; a ReLU leaves no negative."""
    kernels = np.ones((6, 1, 3, 3), "f4")
    layer = node("Conv", ["p", "d"], ["h"], group=6, pads=[1, 1, 1, 1])
    extra = {"d": kernels, "w": np.zeros((6, 5, 1, 1), "f4")}  # BIAS is 2, 2, -2, -4, -2, 1
    shrinks(through(layer, extra=extra), ("p", "r"), after=1)


def test_depthwise_down_to_one_channel():
    rows, bias = np.repeat(ROWS[:1], 6, axis=0), np.repeat(BIAS[:1], 6)
    kernels = np.repeat(np.arange(1, 10, dtype="f4").reshape(1, 1, 3, 3), 6, axis=0)
    layer = node("Conv", ["p", "d", "e"], ["h"], group=6)
    extra = {"d": kernels, "e": bias, "w": rows.reshape(6, 5, 1, 1), "b": bias}
    reduced = shrinks(through(layer, extra=extra), ("p", "r"), after=1)
    assert weight(reduced, "d").shape == (1, 1, 3, 3)


@pytest.mark.parametrize("operator", ["Conv", "ConvTranspose"])
def test_transposed_depthwise(operator):
    kernels = np.arange(1, 25, dtype="f4").reshape(6, 1, 2, 2)
    kernels[1], kernels[3] = kernels[0], kernels[2]
    layer = node(operator, ["p", "d"], ["h"], group=6)
    reduced = shrinks(through(layer, extra={"d": kernels}), ("p", "r"))
    assert weight(reduced, "d").shape == (4, 1, 2, 2)


def _grouped(operator, rows, groups=2, extra=None, **attributes):
    """Groups of three inputs and three outputs; rows (6, 3)."""
    taps = kernel(rows, 2, 2)
    if operator == "ConvTranspose":
        parts = [part.swapaxes(0, 1) for part in np.split(taps, groups)]
        taps = np.ascontiguousarray(np.concatenate(parts))
    layer = node(operator, ["p", "k"], ["h"], group=groups, **attributes)
    return through(layer, extra={"k": taps, **(extra or {})})


@pytest.mark.parametrize("operator", ["Conv", "ConvTranspose"])
def test_groups_lose_as_many_channels_each(operator):
    """One of every group of inputs, one of every group of outputs."""
    first, bias = ROWS[[0, 0, 2, 4, 4, 5]], BIAS[[0, 0, 2, 4, 4, 5]]
    rows = planted(3, seed=8)[0][[0, 0, 2, 4, 4, 5]]
    extra = {"w": first.reshape(6, 5, 1, 1), "b": bias}
    reduced = shrinks(_grouped(operator, rows, extra=extra), ("p", "r"))
    assert weight(reduced, "k").shape == ((4, 2, 2, 2))
    (group,) = [a.i for n in reduced.graph.node for a in n.attribute if a.name == "group"]
    assert group == 2


@pytest.mark.parametrize("operator", ["Conv", "ConvTranspose"])
def test_groups_that_lose_nothing_in_one_of_them_stay(operator):
    """Features 0 and 1, and 2 and 3: of the second group of inputs only 3 could go."""
    rows = planted(3, seed=8)[0][[0, 2, 4, 5, 5, 0]]
    model = _grouped(operator, rows)
    assert misread(load(model)) == []
    reduced = reduce(model).model
    assert load(reduced).net["p"].width == 6
    same_outputs(model, reduced)


@pytest.mark.parametrize("operator", ["Conv", "ConvTranspose"])
def test_equal_channels_of_different_groups_are_read_apart(operator):
    """Inputs 0 and 3 are equal, but no output reads both: neither can carry the other."""
    first, bias = ROWS[[0, 2, 4, 0, 5, 4]], BIAS[[0, 2, 4, 0, 5, 4]]
    rows = np.arange(1, 19, dtype="f4").reshape(6, 3)
    extra = {"w": first.reshape(6, 5, 1, 1), "b": bias}
    stays(_grouped(operator, rows, extra=extra))


def test_several_outputs_per_channel():
    """A depthwise convolution with two outputs per channel, which is a grouped one."""
    taps = kernel(np.arange(1, 13, dtype="f4").reshape(12, 1), 2, 2)
    taps[0:12:2] = taps[1:12:2]  # both outputs of a channel are equal
    layer = node("Conv", ["p", "k"], ["h"], group=6)
    model = through(layer, extra={"k": taps}, columns=12)
    reduced = reduce(model).model
    assert load(reduced).net["p"].width in (4, 6)  # 4 where whole groups may go
    same_outputs(model, reduced)
    for one in (model, reduced):
        assert misread(load(one)) == []
        assert disagreements(load(one), integers(model)) == []


def test_constant_channels_behind_padding_are_carried():
    """Ones behind padding are zeros outside: the padded reader keeps a channel of them."""
    rows, bias = ROWS.copy(), BIAS.copy()
    rows[:2], bias[:2] = 0, [3, 6]
    extra = {"w": rows.reshape(6, 5, 1, 1), "b": bias}
    extra["k"] = kernel(np.arange(1, 37, dtype="f4").reshape(6, 6), 3, 3)
    padded = through(
        node("Relu", ["p"], ["q"]), node("Conv", ["q", "k"], ["h"], pads=[1] * 4), extra=extra
    )
    reduced = reduce(padded, passes=FACTS).model
    assert load(reduced).net["q"].width == 4  # 0 and 1 share a carrier, 2 and 3 too
    same_outputs(padded, reduced)
    plain = through(node("Relu", ["p"], ["q"]), node("Conv", ["q", "k"], ["h"]), extra=extra)
    reduced = reduce(plain, passes=FACTS).model
    assert load(reduced).net["q"].width == 3
    same_outputs(plain, reduced)


def test_a_scale_after_a_convolution_has_two_axes_behind_the_channels():
    scale = np.array([2, 2, 3, 3, 1, 4], "f4").reshape(6, 1, 1)
    layers = [node("Conv", ["p", "k"], ["c"]), node("Mul", ["c", "s"], ["h"])]
    model = through(*layers, extra={"k": kernel(OTHER, 2, 2), "s": scale})
    assert weight(shrinks(model, ("p", "r")), "s").shape == (4, 1, 1)


FOUR = "its weights have shape [6, 2, 2, 2], for 4 groups"
DECLINED = {
    "'k' is computed, or stored in a way lumpcli does not read": (None, {}),
    "'k' has NaN or infinite entries": (np.full((6, 6, 2, 2), np.inf, "f4"), {}),
    "its weights have shape [6, 6]": (np.ones((6, 6), "f4"), {}),
    "its weights have shape [6, 2, 2, 2], for 4 groups": (
        np.ones((6, 2, 2, 2), "f4"),
        {"group": 4},
    ),
}


@pytest.mark.parametrize("reason", DECLINED)
def test_weights_that_are_none(reason):
    stored, attributes = DECLINED[reason]
    nodes = [node("Conv", ["p", "k"], ["h"], **attributes)]
    extra = {"k": stored}
    if stored is None:
        nodes.insert(0, node("Exp", ["e"], ["k"]))
        extra = {"e": np.zeros((6, 6, 2, 2), "f4")}
    assert f"Conv 'h' ({reason})" in stays(through(*nodes, extra=extra), runs=False)


def test_a_bias_that_is_none():
    layer = node("Conv", ["p", "k", "c"], ["h"])
    computed = [node("Exp", ["e"], ["c"]), layer]
    extra = {"k": kernel(OTHER, 2, 2), "e": np.zeros(6, "f4")}
    assert any("'c' is computed" in r for r in stays(through(*computed, extra=extra)))
    extra = {"k": kernel(OTHER, 2, 2), "c": np.zeros((6, 1), "f4")}
    wanted = "Conv 'h' (its bias has shape [6, 1])"
    assert wanted in stays(through(layer, extra=extra), runs=False)


def test_an_overridable_kernel_is_declined():
    model = _conv()
    model.graph.input.add(name="k").type.tensor_type.elem_type = 1
    assert any("'k' may be overridden" in r for r in stays(model, runs=False))
    shrinks(_conv(), ("p", "r"), freeze_initializers=True)


def test_channels_read_along_another_axis_stay():
    """A convolution over the last axis of a MatMul: its features are positions there."""
    nodes = [
        node("MatMul", ["x", "w"], ["p"]),
        node("Conv", ["p", "k"], ["y"]),
    ]
    weights = {"w": ROWS.T.copy(), "k": np.ones((2, 3, 2), "f4")}
    model = build(nodes, weights, inputs={"x": ("N", 3, 5)})
    assert "Conv 'y' reads it along another axis" in stays(model)


@pytest.mark.parametrize("dtype", ["f8", "f2"])
def test_other_types_of_numbers(dtype):
    """onnxruntime has no convolution of these; what lumpcli makes of them can be read."""
    model = _conv()
    for tensor in model.graph.initializer:
        tensor.CopyFrom(
            numpy_helper.from_array(numpy_helper.to_array(tensor).astype(dtype), tensor.name)
        )
    kind = 11 if dtype == "f8" else 10
    for info in (*model.graph.input, *model.graph.output):
        info.type.tensor_type.elem_type = kind
    reduced = reduce(model).model
    assert weight(reduced, "k").shape == (4, 4, 3, 3)
    assert weight(reduced, "k").dtype == dtype
