"""Split and Slice: ranges of features and of positions, and the sizes and limits that say so."""

from __future__ import annotations

import numpy as np
import pytest

from lumpcli.api import reduce
from lumpcli.loader import load
from tests.loader.checks import same_outputs, shrinks, stays, widths
from tests.loader.images import through
from tests.loader.ranges import BIAS, GEMM, ROWS, of_features, swapped
from tests.models import build, info, node, reader, weight

MOST = np.iinfo(np.int64).max


# --- Split


def _split(sizes, opset, outputs=("a", "c"), axis=1, tensor="p"):
    """A Split of these sizes, as an attribute before opset 13, else as an input."""
    if opset < 13:
        options = {} if sizes is None else {"split": sizes}
        return node("Split", [tensor], list(outputs), axis=axis, **options), {}
    options = {"num_outputs": len(outputs)} if opset >= 18 and sizes is None else {}
    given = [tensor] if sizes is None else [tensor, "sizes"]
    extra = {} if sizes is None else {"sizes": np.array(sizes)}
    return node("Split", given, list(outputs), axis=axis, **options), extra


@pytest.mark.parametrize("opset", [11, 13, 18])
@pytest.mark.parametrize(("sizes", "after"), [([2, 4], [1, 3]), ([4, 2], [2, 2]), ([5, 1], [3, 1])])
@pytest.mark.parametrize("axis", [1, -1])
def test_split_of_features(opset, sizes, after, axis):
    """Each part keeps what is left of it; the sizes say so."""
    layer, extra = _split(sizes, opset, axis=axis)
    model = of_features(layer, *swapped("a", "c"), extra=extra, opset=opset)
    reduced = shrinks(model, ("p", "h"))
    found = widths(load(reduced).net)
    assert [found["a"], found["c"]] == after
    if opset >= 13:
        assert weight(reduced, "sizes").tolist() == after


@pytest.mark.parametrize("opset", [11, 13, 18])
def test_split_into_equal_parts(opset):
    """The file states no sizes: as many features go from each part."""
    rows, bias = ROWS[[0, 0, 2, 4, 4, 5]], BIAS[[0, 0, 2, 4, 4, 5]]
    layer, _ = _split(None, opset)
    model = of_features(layer, *swapped("a", "c"), extra={"w": rows, "b": bias}, opset=opset)
    reduced = shrinks(model, ("p", "h"))
    assert widths(load(reduced).net)["a"] == 2
    uneven, _ = _split(None, opset)
    model = of_features(uneven, *swapped("a", "c"), opset=opset)  # 1 and 3 go: both in one part
    found = widths(load(reduce(model).model).net)
    assert found["a"] == found["c"]
    same_outputs(model, reduce(model).model)


def test_split_into_parts_of_unequal_size_is_declined():
    layer, _ = _split(None, 18, outputs=("a", "c", "d", "e"))
    tail = node("Concat", ["a", "c", "d", "e"], ["h"], axis=1)
    model = of_features(layer, tail, opset=18)
    assert "Split 'a' (its parts are not of one size)" in stays(model, runs=False)


def test_a_part_that_nobody_needs_keeps_one_feature():
    layer, extra = _split([2, 4], 13)
    model = of_features(layer, node("Identity", ["c"], ["h"]), extra=extra, columns=4)
    reduced = reduce(model).model
    assert weight(reduced, "sizes").tolist() == [1, 3]
    same_outputs(model, reduced)


def test_a_part_that_is_a_graph_output_stays():
    """Features 0 and 1 stay in part a; 3, of which 2 is a half, may go."""
    layer, extra = _split([2, 4], 13)
    model = of_features(layer, *swapped("a", "c"), extra=extra, outputs=["y", "a"])
    reduced = shrinks(model, ("p",), after=5)
    assert weight(reduced, "sizes").tolist() == [2, 3]


@pytest.mark.parametrize("opset", [11, 13])
def test_split_of_positions(opset):
    layer, extra = _split([1, 3], opset, axis=2)
    nodes = [layer, node("ReduceMax", ["c"], ["d"], axes=[2], keepdims=1)]
    nodes.append(node("Sub", ["a", "d"], ["h"]))
    model = through(*nodes, extra=extra, opset=opset)
    shrinks(model, ("p", "a", "c", "r"))


def test_equal_parts_of_positions_are_told_apart():
    layer, _ = _split(None, 13, axis=-1)
    model = through(layer, node("Sub", ["a", "c"], ["h"]), positions=(3, 4))
    shrinks(model, ("p", "r"))


def test_sizes_that_do_not_fit_are_declined():
    layer, extra = _split([2, 5], 13)
    model = of_features(layer, *swapped("a", "c"), extra=extra)
    assert "Split 'a' (its sizes do not fit)" in stays(model, runs=False)
    layer, _ = _split([2, 4], 13)
    inputs = {"x": ("N", 5), "sizes": (2,)}
    model = of_features(layer, *swapped("a", "c"), inputs=inputs)
    model.graph.input[1].type.tensor_type.elem_type = 7
    assert "Split 'a' (its sizes are not constant)" in stays(model, runs=False)


def test_outputs_without_a_name():
    """onnxruntime does not run such a model; lumpcli lets it through."""
    layer, extra = _split([4, 1, 1], 13, outputs=("a", "", ""))
    tail = [node("Relu", ["a"], ["r"]), node("MatMul", ["r", "v"], ["y"])]
    weights = {"w": ROWS, "b": BIAS, "v": np.ones((4, 3), "f4"), **extra}
    model = build([GEMM, layer, *tail], weights)
    names = [layer.name for layer in load(model).net.layers]
    assert "a" in names
    assert len(set(names)) == len(names)


# --- Slice


def _slice(start, stop, opset=13, axis=1, step=None, tensor="p", to="h"):
    """A Slice by attributes before opset 10, else by inputs."""
    if opset < 10:
        return node("Slice", [tensor], [to], starts=[start], ends=[stop], axes=[axis]), {}
    names = [f"{to}_{n}" for n in ("start", "stop", "axis")]
    extra = {n: np.array([k]) for n, k in zip(names, (start, stop, axis), strict=True)}
    if step is not None:
        names.append(f"{to}_step")
        extra[names[-1]] = np.array([step])
    return node("Slice", [tensor, *names], [to]), extra


RANGES = [(0, 4), (2, 6), (1, 5), (-4, MOST), (-6, -2), (4, 5), (0, 1), (-1, MOST)]


@pytest.mark.parametrize("opset", [9, 10, 13])
@pytest.mark.parametrize(("start", "stop"), RANGES)
def test_slice_of_features(opset, start, stop):
    """The limits move to where the features are then; 0 stands for 1, and 2 for 3."""
    layer, extra = _slice(start, stop, opset)
    columns = len(range(6)[start:stop])
    model = of_features(
        layer,
        node("MatMul", ["p", "k"], ["z"]),
        extra={**extra, "k": reader()},
        columns=columns,
        opset=opset,
        outputs=["y", "z"],
    )
    reduced = shrinks(model, ("p",))
    kept = {i - (i in (1, 3)) for i in range(6)[start:stop]}
    assert widths(load(reduced).net)["r"] == len(kept)


def test_the_limits_of_a_slice_stay_when_nothing_goes():
    """Negative ones, and those beyond the end, are not written in another way."""
    for start, stop in ((-4, MOST), (-2, 6), (0, 100), (-100, 3)):
        layer, extra = _slice(start, stop)
        columns = len(range(6)[start:stop])
        model = of_features(layer, extra={**extra, "w": np.eye(6, 5, dtype="f4")}, columns=columns)
        model.graph.output.append(info("p", None))
        stays(model)


def test_slices_that_share_a_limit():
    """The end of one is the start of the other, in one constant; both move."""
    nodes = [
        node("Slice", ["p", "zero", "two", "one"], ["a"]),
        node("Slice", ["p", "two", "six", "one"], ["c"]),
        *swapped("a", "c"),
    ]
    extra = {n: np.array([k]) for n, k in (("zero", 0), ("one", 1), ("two", 2), ("six", 6))}
    reduced = shrinks(of_features(*nodes, extra=extra), ("p", "h"))
    assert weight(reduced, "one").tolist() == [1]


@pytest.mark.parametrize(("axis", "step"), [(2, None), (-1, 2), (3, -1)])
def test_slice_of_positions(axis, step):
    """Whatever the step."""
    start, stop = (3, -MOST) if step == -1 else (1, 4)
    layer, extra = _slice(start, stop, axis=axis, step=step)
    shrinks(through(layer, extra=extra), ("p", "r"))


def test_default_axes_of_a_slice():
    """Batch and features, when nothing else is said."""
    extra = {"start": np.array([0, 2]), "stop": np.array([2, 6])}
    model = of_features(node("Slice", ["p", "start", "stop"], ["h"]), extra=extra, columns=4)
    wanted = "Slice 'h' (it takes some of the features, and of the positions)"
    assert wanted in stays(model)


@pytest.mark.parametrize("step", [2, -1])
def test_every_other_feature_is_declined(step):
    start, stop = (0, 6) if step == 2 else (5, -MOST)
    layer, extra = _slice(start, stop, step=step)
    model = of_features(layer, extra=extra, columns=3 if step == 2 else 6)
    assert "Slice 'h' (it takes every other feature)" in stays(model)


def test_limits_that_are_computed_are_declined():
    layer, _ = _slice(0, 4)
    inputs = {"x": ("N", 5), "h_start": (1,), "h_stop": (1,), "h_axis": (1,)}
    model = of_features(layer, inputs=inputs, columns=4)
    for entry in model.graph.input[1:]:
        entry.type.tensor_type.elem_type = 7
    assert "Slice 'h' (its limits are not constant)" in stays(model, runs=False)
