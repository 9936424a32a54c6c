"""Pad, Resize, Upsample, Expand, Tile: other positions, the same features, sizes that follow."""

from __future__ import annotations

import numpy as np
import pytest

from lumpcli.analysis import values_of
from lumpcli.api import reduce
from lumpcli.loader import load
from tests.loader.checks import same_outputs, shrinks, stays
from tests.loader.images import through
from tests.models import node, weight

# --- Pad

MODES = [("constant", True), ("reflect", False), ("edge", False)]


@pytest.mark.parametrize(("mode", "padded"), MODES)
@pytest.mark.parametrize("opset", [10, 11, 13, 18])
def test_pads_as_an_attribute_or_an_input(mode, padded, opset):
    pads = [0, 0, 1, 2, 0, 0, 0, 1]
    extra, options = {}, {"mode": mode}
    if opset < 11:
        options["pads"] = pads
    else:
        extra["pads"] = np.array(pads)
    layer = node("Pad", ["p", *extra], ["h"], **options)
    model = through(layer, extra=extra, opset=opset)
    shrinks(model, ("p", "r"))
    assert load(model).net["h"].terms[0].padded == padded


def test_axes_of_pads():
    extra = {"pads": np.array([1, 2, 0, 1]), "axes": np.array([-1, 2])}
    layer = node("Pad", ["p", "pads", "", "axes"], ["h"])
    shrinks(through(layer, extra=extra, opset=18), ("p", "r"))
    extra["axes"] = np.array([-1, 1])
    model = through(layer, extra=extra, opset=18, columns=9)
    assert "Pad 'h' (it pads the features)" in stays(model)


def test_pads_that_crop():
    """Negative pads cut the image: also in mode edge a constant is not all there was."""
    extra = {"pads": np.array([0, 0, -1, 0, 0, 0, 0, -2])}
    shrinks(through(node("Pad", ["p", "pads"], ["h"]), extra=extra), ("p", "r"))


@pytest.mark.parametrize("value", [0, 2, -1])
def test_pads_with_a_number(value):
    """Twice x, padded with 2, is not twice what x is then; equal features stay equal."""
    extra = {"pads": np.array([0, 0, 1, 0, 0, 0, 0, 1]), "value": np.array(value, "f4")}
    layer = node("Pad", ["p", "pads", "value"], ["h"])
    shrinks(through(layer, extra=extra), ("p", "r"), after=5 if value else 4)


def test_pads_that_are_computed_or_of_the_features_are_declined():
    pads = np.array([0, 1, 0, 0, 0, 0, 0, 0])
    model = through(node("Pad", ["p", "pads"], ["h"]), extra={"pads": pads}, columns=7)
    assert "Pad 'h' (it pads the features)" in stays(model)
    layer = node("Pad", ["p", "pads", "value"], ["h"])
    inputs = {"x": ("N", 5, 4, 5), "pads": (8,), "value": ()}
    model = through(layer, inputs=inputs)
    model.graph.input[1].type.tensor_type.elem_type = 7
    assert "Pad 'h' (its pads are not constant)" in stays(model, runs=False)
    model = through(layer, inputs={"x": inputs["x"], "value": ()}, extra={"pads": 0 * pads})
    assert "Pad 'h' (its value is not constant)" in stays(model)


# --- Resize and Upsample


@pytest.mark.parametrize("mode", ["nearest", "linear"])
@pytest.mark.parametrize("opset", [7, 9, 10, 11, 13, 18, 19])
def test_scales_as_an_attribute_or_an_input(mode, opset):
    scales = [1.0, 1.0, 2.0, 2.0]
    extra, options = {}, {"mode": mode}
    operator = "Upsample" if opset < 10 else "Resize"
    given = ["p"]
    if opset < 9:
        options["scales"] = scales
    else:
        extra["scales"] = np.array(scales, "f4")
        given += ["scales"] if opset < 11 else ["roi", "scales"]  # which 13 made optional
        extra |= {} if opset < 11 else {"roi": np.zeros(0, "f4")}
    model = through(node(operator, given, ["h"], **options), extra=extra, opset=opset)
    shrinks(model, ("p", "r"), tolerance=1e-6)
    assert not load(model).net["h"].terms[0].padded


TRANSFORMED = [
    *({"coordinate_transformation_mode": "align_corners"}, {"mode": "cubic"}),
    *({"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"},),
    *({"mode": "linear", "coordinate_transformation_mode": "pytorch_half_pixel"},),
    *({"mode": "cubic", "exclude_outside": 1}, {"mode": "linear", "antialias": 1}),
]


@pytest.mark.parametrize("attributes", TRANSFORMED, ids=str)
def test_ways_of_resizing(attributes):
    extra = {"scales": np.array([1, 1, 0.5, 1.6], "f4")}
    layer = node("Resize", ["p", "", "scales"], ["h"], **attributes)
    model = through(layer, extra=extra, opset=18, positions=(6, 5))
    shrinks(model, ("p", "r"), tolerance=1e-5, apart=1e-5)


@pytest.mark.parametrize("sizes", [[3, 6, 8, 7], [3, 6, 2, 5]])
@pytest.mark.parametrize("scales", ["", "none"])
def test_sizes_are_rewritten(sizes, scales):
    extra = {"sizes": np.array(sizes), "none": np.zeros(0, "f4")}
    layer = node("Resize", ["p", "", scales, "sizes"], ["h"], mode="nearest")
    model = through(layer, extra=extra, inputs={"x": (3, 5, 4, 5)})
    assert weight(shrinks(model, ("p", "r")), "sizes").tolist() == [3, 4, *sizes[2:]]


def test_sizes_of_some_axes():
    extra = {"sizes": np.array([8, 7])}
    options = {"mode": "nearest", "axes": [2, 3]}
    layer = node("Resize", ["p", "", "", "sizes"], ["h"], **options)
    shrinks(through(layer, extra=extra, opset=18), ("p", "r"))


def _upsampled_like(read, *, first="p", rank=4):
    """Sizes as exporters compute them: batch and channels of p, positions of another tensor."""
    return [
        node("Shape", [first], ["all"]),
        node("Slice", ["all", "zero", "two", "zero"], ["front"]),
        node("Shape", [read], ["like"]),
        node("Slice", ["like", "two", "four", "zero"], ["back"]),
        node("Concat", ["front", "back"], ["sizes"], axis=0),
        node("Resize", ["p", "", "", "sizes"], ["h"], mode="nearest"),
    ]


LIMITS = {name: np.array([k]) for name, k in (("zero", 0), ("two", 2), ("four", 4))}


def test_sizes_computed_from_other_tensors():
    model = through(*_upsampled_like("z"), extra=LIMITS, inputs=TWO)
    shrinks(model, ("p", "r"))


TWO = {"x": ("N", 5, 4, 5), "z": ("N", 1, "H", "W")}


def test_sizes_computed_from_the_width_of_another_layer_are_declined():
    """Six as well, but not the width of what is resized."""
    nodes = [node("Conv", ["x", "u"], ["q"]), *_upsampled_like("z", first="q")]
    model = through(*nodes, extra={**LIMITS, "u": np.ones((6, 5, 1, 1), "f4")}, inputs=TWO)
    reduced = reduce(model).model
    same_outputs(model, reduced)
    assert load(reduced).net["p"].width == 6


def test_sizes_that_are_not_known_are_told_apart():
    """Both are computed, from tensors whose sizes are not the same."""
    nodes = []
    for number, read in enumerate(("z", "t")):
        nodes += [
            node("MaxPool", [read], [f"m{number}"], kernel_shape=[2, 2], strides=[2, 2]),
            node("Shape", [f"m{number}"], [f"s{number}"]),
            node("Slice", [f"s{number}", "two", "four", "zero"], [f"t{number}"]),
            node("Concat", ["front", f"t{number}"], [f"u{number}"], axis=0),
            node("Resize", ["p", "", "", f"u{number}"], [f"o{number}"], mode="nearest"),
            node("ReduceSum", [f"o{number}", "axes"], [f"q{number}"]),
        ]
    nodes.append(node("Sub", ["q0", "q1"], ["h"]))
    first = [
        node("Shape", ["p"], ["all"]),
        node("Slice", ["all", "zero", "two", "zero"], ["front"]),
    ]
    inputs = {"x": ("N", 5, 4, 5), "z": ("N", 1, "H", "W"), "t": ("N", 1, "I", "J")}
    extra = {**LIMITS, "axes": np.array([2, 3])}
    model = through(*first, *nodes, extra=extra, inputs=inputs)
    host = load(model)
    labels = [values_of(host.net)[name].class_of[0] for name in ("q0", "q1")]
    assert labels[0] != labels[1]


RESIZED = {
    "its scales are not constant": ({"s": np.zeros(0, "f4")}, ["p", "", "s"], {}),
    "it resizes the feature axis": ({"s": np.array([1, 2, 1, 1], "f4")}, ["p", "", "s"], {}),
    "it keeps the aspect ratio": (
        {"n": np.array([8, 8])},
        ["p", "", "", "n"],
        {"keep_aspect_ratio_policy": "not_larger", "axes": [2, 3]},
    ),
    "its mode is not supported": (
        {"roi": np.array([0, 0, 0, 0, 1, 1, 1, 1], "f4"), "s": np.array([1, 1, 2, 2], "f4")},
        ["p", "roi", "s"],
        {"coordinate_transformation_mode": "tf_crop_and_resize", "extrapolation_value": 3.0},
    ),
}


@pytest.mark.parametrize("reason", RESIZED)
def test_resizes_that_are_declined(reason):
    extra, given, attributes = RESIZED[reason]
    model = through(node("Resize", given, ["h"], **attributes), extra=extra, opset=18, columns=6)
    assert f"Resize 'h' ({reason})" in stays(model, runs=False)


def test_sizes_that_change_the_number_of_features_are_declined():
    layer = node("Resize", ["p", "", "", "n"], ["h"], mode="nearest")
    model = through(
        layer, extra={"n": np.array([3, 12, 4, 5])}, columns=12, inputs={"x": (3, 5, 4, 5)}
    )
    assert "Resize 'h' (it resizes the feature axis)" in stays(model, runs=False)


# --- Expand and Tile

EXPANDED = [
    *(([3, 6, 4, 5], True), ([1, 6, 4, 1], True), ([4, 5], False), ([1], False)),
    *(([1, 1, 4, 5], False), ([6, 1, 5], True)),
]


@pytest.mark.parametrize(("shape", "told"), EXPANDED)
@pytest.mark.parametrize("positions", [(4, 5), (1, 5)])
def test_expand(shape, told, positions):
    """A width in the shape is rewritten; elsewhere 1 keeps what is there."""
    model = through(
        node("Expand", ["p", "s"], ["h"]),
        extra={"s": np.array(shape)},
        positions=positions,
        inputs={"x": (3, 5, *positions)},
    )
    reduced = shrinks(model, ("p", "r"))
    assert weight(reduced, "s").tolist() == [4 if told and n == 6 else n for n in shape]


def test_expand_to_a_computed_shape():
    nodes = [node("Shape", ["p"], ["s"]), node("Expand", ["p", "s"], ["h"])]
    shrinks(through(*nodes), ("p", "r"))


def test_expand_of_one_feature_to_several_is_declined():
    nodes = [
        node("ReduceSum", ["p", "one"], ["q"]),
        node("Relu", ["q"], ["t"]),
        node("Conv", ["t", "k"], ["o"]),
        node("Expand", ["o", "s"], ["h"]),
    ]
    extra = {"one": np.array([1]), "s": np.array([1, 6, 1, 1]), "k": np.ones((1, 1, 1, 1), "f4")}
    model = through(*nodes, extra=extra)
    assert "Expand 'h' (it repeats its only feature)" in stays(model)


@pytest.mark.parametrize("repeats", [[1, 1, 2, 3], [2, 1, 1, 1]])
def test_tile(repeats):
    model = through(node("Tile", ["p", "n"], ["h"]), extra={"n": np.array(repeats)})
    shrinks(model, ("p", "r"))


def test_tile_of_features_or_by_computed_numbers_is_declined():
    layer = node("Tile", ["p", "n"], ["h"])
    model = through(layer, extra={"n": np.array([1, 2, 1, 1])}, columns=12)
    assert "Tile 'h' (it may repeat the features)" in stays(model)
    model = through(layer, inputs={"x": ("N", 5, 4, 5), "n": (4,)})
    model.graph.input[1].type.tensor_type.elem_type = 7
    assert "Tile 'h' (it may repeat the features)" in stays(model, runs=False)
