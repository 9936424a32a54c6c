"""Gather: features, positions, and rows of a constant table."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import numpy_helper

from lumpcli.api import reduce
from lumpcli.loader import load
from tests.evaluate import disagreements
from tests.loader.checks import misread, same_outputs, shrinks, stays, widths
from tests.loader.images import through
from tests.loader.ranges import BIAS, GEMM, ROWS, of_features
from tests.models import around, build, info, node, weight

MOST = np.iinfo(np.int64).max


@pytest.mark.parametrize("axis", [1, -1])
def test_gather_of_features(axis):
    """In another order, and some twice: places are given anew."""
    layer = node("Gather", ["p", "places"], ["h"], axis=axis)
    extra = {"places": np.array([5, 0, 1, 4, 3, 2])}
    reduced = shrinks(of_features(layer, extra=extra), ("p", "h"))
    assert weight(reduced, "places").tolist() == [3, 0, 2, 1]
    extra = {"places": np.array([0, 0, 3, 3, -1, -2])}
    model = of_features(layer, extra=extra)
    reduced = reduce(model).model
    same_outputs(model, reduced)
    assert widths(load(reduced).net)["p"] == 4


def test_indices_stay_when_nothing_goes():
    layer = node("Gather", ["p", "places"], ["h"], axis=1)
    extra = {"places": np.array([0, -1, 3]), "w": np.eye(6, 5, dtype="f4")}
    model = of_features(layer, extra=extra, columns=3)
    model.graph.output.append(info("p", None))
    stays(model)


@pytest.mark.parametrize(
    ("axis", "places"), [(2, [3, 0, 0]), (3, 2), (-1, [[0, 1], [4, 3]]), (2, 0), (0, [0])]
)
def test_gather_of_positions(axis, places):
    """Whatever the rank is then; a Reshape puts all positions behind the features."""
    layer = node("Gather", ["p", "places"], ["q"], axis=axis)
    flat = node("Reshape", ["q", "to"], ["h"])
    extra = {"places": np.array(places), "to": np.array([0, 6, -1, 1])}
    model = through(layer, flat, extra=extra)
    assert not any(t.steered for other in load(model).net.layers for t in other.terms)
    shrinks(through(layer, flat, extra=extra), ("p", "q", "r"))


def test_gathers_of_other_positions_are_told_apart():
    nodes = [
        node("Gather", ["p", "i"], ["q"], axis=2),
        node("Gather", ["p", "j"], ["s"], axis=2),
        node("Sub", ["q", "s"], ["h"]),
    ]
    extra = {"i": np.array([0, 1]), "j": np.array([1, 0])}
    shrinks(through(*nodes, extra=extra), ("p", "r"))


def test_indices_that_are_computed():
    """Of positions they may be; of features not."""
    nodes = [node("Cast", ["z"], ["i"], to=7), node("Gather", ["p", "i"], ["h"], axis=2)]
    inputs = {"x": ("N", 5, 4, 5), "z": (2,)}
    model = through(*nodes, inputs=inputs)
    assert load(reduce(model).model).net["r"].width == 4
    assert [t.steered for t in load(model).net["h"].terms] == [True]
    nodes[1] = node("Gather", ["p", "i"], ["h"], axis=1)
    model = through(*nodes, inputs=inputs, columns=2)
    wanted = "Gather 'h' (it takes features by indices that are not constant)"
    assert wanted in stays(model, runs=False)


@pytest.mark.parametrize("places", [2, [[0, 1, 2], [3, 4, 5]], [0, 6]])
def test_features_taken_in_another_shape_are_declined(places):
    layer = node("Gather", ["p", "places"], ["h"], axis=1)
    columns = {0: 6, 1: 2, 2: 3}[np.ndim(places)]
    model = of_features(layer, extra={"places": np.array(places)}, columns=columns)
    runs = np.ndim(places) == 2
    assert any(r.startswith("Gather 'h' (it takes") for r in stays(model, runs=runs))


# --- tables


def _embedded(*nodes, table, width=6, **options):
    """Rows of a table, taken by integer inputs, and a reader of h."""
    first = node("Gather", ["table", "i"], ["e"])
    model = around([first, *nodes], {"table": table}, inputs={"i": ("N", 4)}, **options)
    model.graph.input[0].type.tensor_type.elem_type = 7
    return model


def _rows_of_a_table():
    table = np.arange(1, 61, dtype="f4").reshape(10, 6)
    table[:, 1], table[:, 3] = table[:, 0], 2 * table[:, 2]
    return table


def _places(model):
    return {"i": np.array([[0, 9, 3, 3], [1, 2, -1, 5]])}


def test_rows_of_a_table():
    """Columns of an embedding are features: proportional ones go."""
    model = _embedded(node("Identity", ["e"], ["h"]), table=_rows_of_a_table())
    host = load(model)
    assert misread(host) == []
    assert disagreements(host, _places(model)) == []
    reduced = reduce(model).model
    assert weight(reduced, "table").shape == (10, 4)
    assert disagreements(load(reduced), _places(model)) == []


def test_a_table_and_its_transpose_as_weights():
    """Tied embeddings: the table is read as a matrix as well, and cut for both."""
    nodes = [
        node("MatMul", ["e", "k"], ["q"]),
        node("Relu", ["q"], ["h"]),
        node("Transpose", ["table"], ["back"]),
        node("MatMul", ["e", "back"], ["z"]),
    ]
    model = _embedded(*nodes, table=_rows_of_a_table(), outputs=["y", "z"])
    square = np.arange(36, dtype="f4").reshape(6, 6) % 5 - 2
    model.graph.initializer.append(numpy_helper.from_array(square, "k"))
    host = load(model)
    assert disagreements(host, _places(model)) == []
    reduced = reduce(model).model
    assert disagreements(load(reduced), _places(model)) == []


def test_two_tables_by_the_same_indices():
    """Positions beside tokens: equal columns of both are equal features."""
    nodes = [node("Gather", ["other", "i"], ["f"]), node("Sub", ["e", "f"], ["h"])]
    model = _embedded(*nodes, table=_rows_of_a_table())
    model.graph.initializer.append(numpy_helper.from_array(np.ones((10, 6), "f4"), "other"))
    host = load(model)
    assert disagreements(host, _places(model)) == []
    assert load(reduce(model).model).net["r"].width < 6


def test_indices_that_are_computed_are_needed_whole():
    """Their features tell which rows of a table are taken: each of them matters."""
    weights = {
        "w": ROWS,
        "b": BIAS,
        "low": np.array(0, "f4"),
        "high": np.array(3, "f4"),
        "table": np.arange(8, dtype="f4").reshape(4, 2),
    }
    nodes = [
        GEMM,
        node("Clip", ["p", "low", "high"], ["c"]),
        node("Cast", ["c"], ["i"], to=7),
        node("Gather", ["table", "i"], ["y"]),
    ]
    made = build(nodes, weights)
    assert not reduce(made).changed
    assert any("used as indices" in (layer.pinned or "") for layer in load(made).net.layers)
