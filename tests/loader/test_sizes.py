"""Tensors of sizes: which axis of which tensor an entry is, and what happens when that is cut."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from lumpcli.api import reduce
from lumpcli.loader import Stored, Weights, load
from lumpcli.loader.graph import index
from lumpcli.loader.sizes import Size, measured, sizes_of
from tests.evaluate import disagreements
from tests.loader.checks import same_outputs, shrinks, stays, widths
from tests.loader.images import BIAS, ROWS, through
from tests.models import build, info, integers, node, planted, reader, weight

SHAPES = {"x": ["N", 5, 4, 7], "z": ["M", 3]}


def _sizes(*nodes, weights=None):
    """What is known of s, given the shapes of x and z."""
    model = build(
        list(nodes), weights or {}, inputs={"x": (2, 5, 4, 7), "z": (2, 3)}, outputs=["s"]
    )
    graph = index(model, ())
    return measured(graph, Weights(graph), {k: list(v) for k, v in SHAPES.items()}).get("s")


def _values(entries):
    return None if entries is None else [entry.value for entry in entries]


def _axes(entries):
    return [sorted(entry.of) for entry in entries]


SHAPE = node("Shape", ["x"], ["a"])
INTS = {"one": np.array([1]), "two": np.array([2]), "scalar": np.array(1), "minus": np.array([-1])}


def test_a_constant_has_places():
    stored = Stored("s", np.array([[-1, 6]]), "s", np.dtype(np.int64))
    entries = sizes_of(stored, 3, 1)
    assert _values(entries) == [-1, 6]
    assert entries[1].place == (3, 1, stored, 1)
    assert not entries[1].follows
    floats = Stored("s", np.ones(2), "s", np.dtype(np.float64))
    assert sizes_of(floats, 3, 1) is None
    long = Stored("s", np.ones(65, np.int64), "s", np.dtype(np.int64))
    assert sizes_of(long, 3, 1) is None


def test_a_shape_has_an_entry_per_axis():
    entries = _sizes(node("Shape", ["x"], ["s"]))
    assert _values(entries) == ["N", 5, 4, 7]
    assert _axes(entries)[1] == [("x", -3)]
    assert entries[1].follows
    assert entries[1].place is None
    assert _values(_sizes(node("Shape", ["x"], ["s"], start=1, end=-1))) == [5, 4]


DERIVED = {
    "Gather": ([node("Gather", ["a", "two"], ["s"])], [4]),
    "a scalar": ([node("Gather", ["a", "scalar"], ["s"])], [5]),
    "from the end": ([node("Gather", ["a", "minus"], ["s"])], [7]),
    "Slice": ([node("Slice", ["a", "one", "minus"], ["s"])], [5, 4]),
    "Identity": ([node("Identity", ["a"], ["s"])], ["N", 5, 4, 7]),
    "Cast": ([node("Cast", ["a"], ["s"], to=TensorProto.INT32)], ["N", 5, 4, 7]),
    "to a float": ([node("Cast", ["a"], ["s"], to=TensorProto.FLOAT)], None),
    "Unsqueeze": (
        [node("Gather", ["a", "scalar"], ["g"]), node("Unsqueeze", ["g", "one"], ["s"])],
        [5],
    ),
    "Concat": ([node("Concat", ["minus", "a", "two"], ["s"], axis=0)], [-1, "N", 5, 4, 7, 2]),
    "Mul": ([node("Mul", ["a", "two"], ["s"])], [None, 10, 8, 14]),
    "Div": ([node("Div", ["a", "two"], ["s"])], [None, 2, 2, 3]),
    "Add": ([node("Add", ["a", "minus"], ["s"])], [None, 4, 3, 6]),
    "unknown": ([node("Abs", ["a"], ["s"])], None),
}


@pytest.mark.parametrize("name", DERIVED)
def test_what_exporters_do_with_shapes(name):
    nodes, wanted = DERIVED[name]
    assert _values(_sizes(SHAPE, *nodes, weights=INTS)) == wanted


def test_entries_that_depend_on_several_axes():
    """Their product changes in a way of its own when one of them is cut."""
    nodes = [
        SHAPE,
        node("Gather", ["a", "one"], ["c"]),
        node("Gather", ["a", "two"], ["h"]),
        node("Mul", ["c", "h"], ["s"]),
    ]
    (entry,) = _sizes(*nodes, weights=INTS)
    assert entry.value == 20
    assert not entry.follows
    assert sorted(entry.of) == [("x", -3), ("x", -2)]


def test_a_symbol_of_its_own():
    assert Size("N") == Size("N")
    assert Size("N") != Size("M")


# --- models that tell sizes


def _shape_of(read, *entries, to="t"):
    """A shape made of numbers, and of sizes of `read` (strings: their axis)."""
    nodes, weights, parts = [node("Shape", [read], [f"{to}_all"])], {}, []
    for place, entry in enumerate(entries):
        name = f"{to}{place}"
        parts.append(name)
        if isinstance(entry, int):
            weights[name] = np.array([entry])
        else:
            weights[f"{name}_axis"] = np.array([int(entry)])
            nodes.append(node("Gather", [f"{to}_all", f"{name}_axis"], [name]))
    nodes.append(node("Concat", parts, [to], axis=0))
    return nodes, weights


@pytest.mark.parametrize("entries", [("0", "1", -1), ("0", "1", 20), (0, "1", -1), (-1, "1", 20)])
def test_a_width_that_follows_by_itself(entries):
    nodes, extra = _shape_of("p", *entries)
    model = through(*nodes, node("Reshape", ["p", "t"], ["h"]), extra=extra, rank=1)
    shrinks(model, ("p", "r"))


def test_a_written_width_beside_sizes_that_are_computed():
    """(N, 6, 20) of which N is computed, 6 is a constant: that is rewritten."""
    nodes, extra = _shape_of("p", "0", 6, -1)
    model = through(*nodes, node("Reshape", ["p", "t"], ["h"]), extra=extra, rank=1)
    assert weight(shrinks(model, ("p", "r")), "t1").tolist() == [4]


def test_groups_of_a_width_that_is_computed():
    """(N, 2, C / 2, H, W): half of what is left is in each group."""
    twice = [0, 0, 2, 4, 4, 5]
    nodes, extra = _shape_of("p", "0", 2, "1", "2", "3")
    nodes[-1].input[2] = "half"
    nodes.insert(-1, node("Div", ["t2", "two"], ["half"]))
    nodes += [
        node("Reshape", ["p", "t"], ["g"]),
        node("Transpose", ["g"], ["o"], perm=[0, 2, 1, 3, 4]),
        node("Reshape", ["o", "back"], ["h"]),
    ]
    extra |= {"two": np.array([2]), "back": np.array([0, -1, 4, 5])}
    extra |= {"w": ROWS[twice].reshape(6, 5, 1, 1), "b": BIAS[twice]}
    shrinks(through(*nodes, extra=extra), ("p", "r"))


def test_a_product_of_sizes_is_declined():
    nodes, extra = _shape_of("p", "0", "1", "2", "3")
    nodes[-1] = node("Concat", ["t0", "all"], ["t"], axis=0)
    nodes[-1:-1] = [node("Mul", ["t1", "t2"], ["part"]), node("Mul", ["part", "t3"], ["all"])]
    nodes += [node("Reshape", ["p", "t"], ["q"]), node("Reshape", ["q", "same"], ["h"])]
    extra["same"] = np.array([0, 6, 4, 5])
    model = through(*nodes, extra=extra)
    reduced = reduce(model).model
    same_outputs(model, reduced)
    assert disagreements(load(model), integers(model)) == []


PINNING = {
    "a number": [
        node("Cast", ["width"], ["f"], to=1),
        node("Reshape", ["f", "minus"], ["f1"]),
        node("Div", ["r", "f1"], ["o"]),
    ],
    "a range": [
        node("Squeeze", ["width", "zero"], ["n"]),
        node("Range", ["nought", "n", "unit"], ["range"]),
        node("Cast", ["range"], ["rf"], to=1),
        node("ReduceSum", ["rf"], ["total"], keepdims=1),
        node("Add", ["r", "total"], ["o"]),
    ],
    "the limit of a slice": [
        node("Slice", ["z", "zero", "width", "one"], ["part"]),
        node("ReduceSum", ["part"], ["total"], keepdims=0),
        node("Add", ["r", "total"], ["o"]),
    ],
    "a graph output": [node("Identity", ["width"], ["told"]), node("Identity", ["r"], ["o"])],
    "a shape of something else": [
        node("Concat", ["width", "minus"], ["to"], axis=0),
        node("Reshape", ["z", "to"], ["part"]),
        node("ReduceMax", ["part"], ["m"], axes=[0], keepdims=1),
        node("ReduceSum", ["m"], ["total"], keepdims=1),
        node("Add", ["r", "total"], ["o"]),
    ],
    "an index": [
        node("Gather", ["z", "width"], ["part"], axis=1),
        node("Add", ["r", "part"], ["o"]),
    ],
    "a constant of that size": [
        node("ConstantOfShape", ["width"], ["k"], value=numpy_helper.from_array(np.ones(1, "f4"))),
        node("ReduceSum", ["k"], ["total"], keepdims=1),
        node("Add", ["r", "total"], ["o"]),
    ],
    "a comparison": [
        node("Greater", ["width", "five"], ["more"]),
        node("Cast", ["more"], ["mf"], to=1),
        node("Add", ["r", "mf"], ["o"]),
    ],
}


@pytest.mark.parametrize("way", PINNING)
def test_what_else_is_done_with_a_width_keeps_it(way):
    """The network computes with the number of features; it must stay six."""
    nodes = [
        node("Gemm", ["x", "w", "b"], ["p"], transB=1),
        node("Relu", ["p"], ["r"]),
        node("Shape", ["r"], ["all"]),
        node("Gather", ["all", "one"], ["width"]),
        *PINNING[way],
        node("MatMul", ["o", "v"], ["y"]),
    ]
    weights = {"w": ROWS, "b": BIAS, "v": reader(), "one": np.array([1]), "zero": np.array([0])}
    weights |= {"minus": np.array([-1]), "nought": np.array(0), "unit": np.array(1)}
    weights["five"] = np.array([5])
    shown = ["y", "told"] if way == "a graph output" else ["y"]
    model = build(nodes, weights, inputs={"x": ("N", 5), "z": (3, 12)}, outputs=shown)
    if way == "a graph output":
        model.graph.output[1].type.tensor_type.elem_type = 7
    reduced = reduce(model).model
    same_outputs(model, reduced)
    assert widths(load(reduced).net)["r"] == 6


def test_a_width_read_in_a_branch_keeps_it():
    body = helper.make_graph(
        [node("Cast", ["width"], ["inner"], to=1)], "b", [], [info("inner", None)]
    )
    nodes = [
        node("Gemm", ["x", "w", "b"], ["p"], transB=1),
        node("Relu", ["p"], ["r"]),
        node("Shape", ["r"], ["all"]),
        node("Gather", ["all", "one"], ["width"]),
        node("If", ["c"], ["f"], then_branch=body, else_branch=body),
        node("Add", ["r", "f"], ["o"]),
        node("MatMul", ["o", "v"], ["y"]),
    ]
    weights = {"w": ROWS, "b": BIAS, "v": reader(), "one": np.array([1]), "c": np.array(True)}
    model = build(nodes, weights)
    assert "read inside a subgraph" in stays(model)


def test_zeros_of_the_shape_of_a_layer():
    """They are as many as the layer's features by themselves."""
    nodes = [
        node("Shape", ["p"], ["s"]),
        node("ConstantOfShape", ["s"], ["zeros"]),
        node("Add", ["p", "zeros"], ["h"]),
    ]
    model = through(*nodes)
    reduced = reduce(model).model
    same_outputs(model, reduced)
    assert disagreements(load(reduced), integers(model)) == []


def test_the_width_of_another_layer_ties_both():
    """p is reshaped to the width of q: both are six, and have to stay as wide as one another."""
    rows, bias = planted(seed=7)
    nodes = [
        node("Gemm", ["x", "w", "b"], ["p"], transB=1),
        node("Gemm", ["x", "u", "c"], ["q"], transB=1),
        node("Shape", ["q"], ["s"]),
        node("Reshape", ["p", "s"], ["h"]),
        node("Relu", ["h"], ["r"]),
        node("Relu", ["q"], ["t"]),
        node("MatMul", ["r", "v"], ["y"]),
        node("MatMul", ["t", "v"], ["z"]),
    ]
    weights = {"w": ROWS, "b": BIAS, "u": rows, "c": bias, "v": reader()}
    model = build(nodes, weights, outputs=["y", "z"])
    reduced = reduce(model).model
    same_outputs(model, reduced)
    found = widths(load(reduced).net)
    assert found["r"] == found["t"]
    weights["u"] = np.eye(6, 5, dtype="f4")  # nothing may go of q
    model = build(nodes, weights, outputs=["y", "z"])
    assert widths(load(reduce(model).model).net)["r"] == 6
