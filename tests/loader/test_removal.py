"""Layers that leave a file: what computes stays equal to the bit, and all else as it was."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper

from lumpcli.api import reduce
from lumpcli.loader import load, why_stays
from tests.evaluate import run
from tests.models import build, info, integers, names, node, weight


def whole(*shape, seed=0, dtype="f4"):
    """Small integers, none zero."""
    rng = np.random.default_rng(seed + 7 * len(shape))
    return (rng.integers(1, 4, shape) * rng.choice([-1, 1], shape)).astype(dtype)


TAIL = [node("Relu", ["g"], ["r"]), node("MatMul", ["r", "v"], ["y"])]


def before(*first, weights, out=7, **options):
    """`first` make `g` (N, out) of x (N, 5); a ReLU and a MatMul come after that."""
    return build([*first, *TAIL], {**weights, "v": whole(out, 3)}, **options)


def reduced(model, **options):
    """The model after a reduction, which computes the same to the bit."""
    after = reduce(model, **options).model
    inputs = integers(model)
    expected, found = run(model, inputs), run(after, inputs)
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value)
    return after


def operators(model):
    return [n.op_type for n in model.graph.node]


W, B = whole(5, 9), whole(9, seed=1)
V, C = whole(9, 7, seed=2), whole(7, seed=3)
READ = node("Gemm", ["h", "c", "e"], ["g"])
DIALECTS = {
    "MatMul": ([node("MatMul", ["x", "w"], ["h"])], {"w": W}),
    "MatMul, Add": ([node("MatMul", ["x", "w"], ["m"]), node("Add", ["m", "b"], ["h"])], {}),
    "Add, MatMul": ([node("MatMul", ["x", "w"], ["m"]), node("Add", ["b", "m"], ["h"])], {}),
    "bias of two axes": (
        [node("MatMul", ["x", "w"], ["m"]), node("Add", ["m", "b"], ["h"])],
        {"b": B[None]},
    ),
    "Gemm": ([node("Gemm", ["x", "w", "b"], ["h"])], {}),
    "Gemm transposed": ([node("Gemm", ["x", "w", "b"], ["h"], transB=1)], {"w": W.T.copy()}),
    "Gemm without C": ([node("Gemm", ["x", "w"], ["h"])], {}),
    "Transpose of the weights": (
        [node("Transpose", ["w"], ["t"]), node("MatMul", ["x", "t"], ["h"])],
        {"w": W.T.copy()},
    ),
    "Constant": (
        [
            node("Constant", [], ["k"], value=onnx.numpy_helper.from_array(W)),
            node("MatMul", ["x", "k"], ["h"]),
        ],
        {},
    ),
}


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("listed", [False, True])
def test_every_way_to_write_a_layer(dialect, listed):
    nodes, weights = DIALECTS[dialect]
    needed = {name for n in nodes for name in n.input}
    own = {n: a for n, a in {"w": W, "b": B, **weights}.items() if n in needed}
    model = before(
        *nodes, READ, weights={**own, "c": V, "e": C}, listed=listed, ir=3 if listed else 8
    )
    after = reduced(model)
    assert operators(after) == ["Gemm", "Relu", "MatMul"]
    assert list(after.graph.node[0].input) == ["x", "c", "e"]
    assert names(after) == ["c", "e", "v"]
    assert weight(after, "c").shape == (5, 7)
    assert [i.name for i in after.graph.input] == (["x", "c", "e", "v"] if listed else ["x"])


@pytest.mark.parametrize("options", [{"alpha": 0.5}, {"beta": 2.0}, {"transA": 1}])
def test_scaled_products_stay(options):
    shape = (5, "N") if "transA" in options else ("N", 5)
    model = before(
        node("Gemm", ["x", "w", "b"], ["h"], **options),
        READ,
        weights={"w": W, "b": B, "c": V, "e": C},
        inputs={"x": shape},
    )
    assert operators(reduced(model, passes=["fold"])) == operators(model)


def test_several_layers_at_once():
    nodes = [
        node("MatMul", ["x", "w"], ["h"]),
        node("Gemm", ["h", "c", "e"], ["i"]),
        node("MatMul", ["i", "u"], ["g"]),
    ]
    model = before(*nodes, weights={"w": W, "c": V, "e": C * 0, "u": whole(7, 7, seed=5)})
    after = reduced(model)
    assert operators(after) == ["MatMul", "Relu", "MatMul"]
    assert list(after.graph.node[0].input) == ["x", "u"]


def test_two_readers():
    nodes = [
        node("MatMul", ["x", "w"], ["h"]),
        node("MatMul", ["h", "c"], ["p"]),
        node("Gemm", ["h", "u", "e"], ["q"]),
        node("Relu", ["p"], ["pr"]),
        node("Relu", ["q"], ["qr"]),
        node("Add", ["pr", "qr"], ["g"]),
    ]
    model = before(*nodes, weights={"w": W, "c": V, "u": whole(9, 7, seed=6), "e": C})
    after = reduced(model)
    assert operators(after) == operators(model)[1:]
    assert [n.input[0] for n in after.graph.node[:2]] == ["x", "x"]


def test_constants_that_others_read_stay():
    """`w` is read by the layer that goes, by one that stays, and as somebody's bias."""
    square = whole(5, 5, seed=7)
    nodes = [
        node("MatMul", ["x", "s"], ["h"]),
        node("Gemm", ["h", "s", "b"], ["i"]),
        node("Relu", ["i"], ["k"]),
        node("Gemm", ["k", "s", "b"], ["l"]),
        node("Relu", ["l"], ["k2"]),
        node("MatMul", ["k2", "c"], ["g"]),
    ]
    model = before(*nodes, weights={"s": square, "b": whole(5), "c": whole(5, 7, seed=8)})
    assert "h" not in why_stays(load(model))
    after = reduced(model, passes=["fold"])
    assert operators(after) == operators(model)  # a second matrix would make the file larger
    np.testing.assert_array_equal(weight(after, "s"), square)


def test_one_matrix_for_a_layer_and_its_only_reader():
    nodes = [node("MatMul", ["x", "s"], ["h"]), node("MatMul", ["h", "s"], ["g"])]
    model = before(*nodes, weights={"s": whole(5, 5, seed=7)}, out=5)
    after = reduced(model)
    assert operators(after) == ["MatMul", "Relu", "MatMul"]
    np.testing.assert_array_equal(weight(after, "s"), weight(model, "s") @ weight(model, "s"))


def test_what_the_file_says_of_tensors_that_go():
    nodes = [node("MatMul", ["x", "w"], ["m"]), node("Add", ["m", "b"], ["h"]), READ]
    values = [info(n, ("N", k)) for n, k in (("m", 9), ("h", 9), ("g", 7), ("r", 7))]
    model = before(*nodes, weights={"w": W, "b": B, "c": V, "e": C}, values=values)
    model.graph.quantization_annotation.add(tensor_name="h")
    model.graph.quantization_annotation.add(tensor_name="g")
    after = reduced(model)
    assert [v.name for v in after.graph.value_info] == ["g", "r"]
    assert [q.tensor_name for q in after.graph.quantization_annotation] == ["g"]
    assert after.graph.output == model.graph.output


def image(*nodes, weights, shape=("N", 5, 6, 6), out=7, **options):
    """`nodes` make `g` of the image x; a ReLU and a Conv come after that."""
    tail = [node("Relu", ["g"], ["r"]), node("Conv", ["r", "v"], ["y"])]
    kernel = whole(3, out, 1, 1, seed=11)
    return build([*nodes, *tail], {**weights, "v": kernel}, inputs={"x": shape}, **options)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("pads", [0, 1])
def test_a_kernel_after_a_pointwise_convolution(bias, pads):
    """Behind padding only without a bias."""
    given = {"w": whole(9, 5, 1, 1), "c": whole(7, 9, 3, 3), "b": B}
    first = node("Conv", ["x", "w", "b"] if bias else ["x", "w"], ["h"])
    second = node("Conv", ["h", "c"], ["g"], pads=[pads] * 4, strides=[2, 1])
    model = image(first, second, weights=given if bias else {n: given[n] for n in "wc"})
    after = reduced(model, passes=["fold"])
    assert (operators(after) == operators(model)) == bool(bias and pads)
    if not (bias and pads):
        assert operators(after) == operators(model)[1:]
        assert weight(after, "c").shape == (7, 5, 3, 3)


@pytest.mark.parametrize("pads", [0, 1])
def test_a_pointwise_convolution_after_a_kernel(pads):
    """It takes over kernel, strides and padding; its name stays."""
    weights = {"w": whole(9, 5, 3, 2), "b": B, "c": whole(7, 9, 1, 1), "e": C}
    first = node("Conv", ["x", "w", "b"], ["h"], pads=[pads] * 4, strides=[1, 2], name="first")
    second = node("Conv", ["h", "c", "e"], ["g"], kernel_shape=[1, 1], name="second")
    after = reduced(image(first, second, weights=weights))
    conv = after.graph.node[0]
    assert (conv.name, list(conv.input)) == ("second", ["x", "c", "e"])
    assert list(conv.attribute) == list(first.attribute)
    assert weight(after, "c").shape == (7, 5, 3, 2)


def test_pointwise_convolutions_around_a_kernel():
    weights = {"w": whole(9, 5, 1, 1), "c": whole(9, 9, 2, 2), "u": whole(7, 9, 1, 1)}
    nodes = [
        node("Conv", ["x", "w"], ["h"]),
        node("Conv", ["h", "c"], ["i"], kernel_shape=[2, 2], dilations=[2, 2]),
        node("Conv", ["i", "u"], ["g"]),
    ]
    after = reduced(image(*nodes, weights=weights))
    assert operators(after) == ["Conv", "Relu", "Conv"]
    assert list(after.graph.node[0].attribute) == list(nodes[1].attribute)
    assert weight(after, "u").shape == (7, 5, 2, 2)


def test_a_transposed_convolution_reads_what_comes_before():
    weights = {"w": whole(9, 5, 1, 1), "c": whole(9, 7, 2, 2)}
    nodes = [node("Conv", ["x", "w"], ["h"]), node("ConvTranspose", ["h", "c"], ["g"])]
    after = reduced(image(*nodes, weights=weights))
    assert operators(after) == ["ConvTranspose", "Relu", "Conv"]
    assert weight(after, "c").shape == (5, 7, 2, 2)


def test_weights_on_the_left():
    """Features along the last axis but one."""
    weights = {"w": W.T.copy(), "c": V.T.copy(), "v": whole(3, 7)}
    nodes = [
        node("MatMul", ["w", "x"], ["h"]),
        node("MatMul", ["c", "h"], ["g"]),
        node("Relu", ["g"], ["r"]),
        node("MatMul", ["v", "r"], ["y"]),
    ]
    after = reduced(build(nodes, weights, inputs={"x": ("N", 5, 4)}))
    assert list(after.graph.node[0].input) == ["c", "x"]


def stays(*nodes, weights, **options):
    return why_stays(load(before(*nodes, weights=weights, **options))).get("h")


FIRST = node("MatMul", ["x", "w"], ["h"])


@pytest.mark.parametrize("operator", ["Identity", "Transpose", "Softmax", "Relu"])
def test_what_other_nodes_read_stays(operator):
    other = [node(operator, ["h"], ["s"]), node("Neg", ["s"], ["z"])]
    model = before(FIRST, READ, *other, weights={"w": W, "c": V, "e": C}, outputs=("y", "z"))
    assert why_stays(load(model))["h"] == "other nodes than those of matrices read it"
    assert operators(reduced(model, passes=["fold"])) == operators(model)


def test_a_graph_output_stays():
    model = before(FIRST, READ, weights={"w": W, "c": V, "e": C}, outputs=("y", "h"))
    assert operators(reduced(model)) == operators(model)


def test_a_subgraph_that_reads_it():
    inner = helper.make_graph([node("Neg", ["h"], ["n"])], "then", [], [info("n", None)])
    other = helper.make_graph([node("Abs", ["h"], ["n"])], "else", [], [info("n", None)])
    branch = node("If", ["t"], ["z"], then_branch=inner, else_branch=other)
    weights = {"w": W, "c": V, "e": C, "t": np.array(True)}
    model = before(FIRST, READ, branch, weights=weights, outputs=("y", "z"))
    assert operators(reduced(model)) == operators(model)


def test_who_reads_an_input_first_tells_along_which_axis_its_features_lie():
    """Without the convolution nothing says of the Transpose whether channels or pixels move."""
    weights = {"k": whole(4, 1, 2, 3), "w": whole(3, 4, 1, 1), "m": whole(1, 4)}
    first, moved = (
        node("Conv", ["x", "k"], ["h"]),
        node("Transpose", ["x"], ["t"], perm=[0, 2, 3, 1]),
    )
    rest = [node("MatMul", ["t", "m"], ["z"]), node("Conv", ["h", "w"], ["y"])]
    for nodes, leaves in (([first, moved], False), ([moved, first], True)):
        shapes = {"inputs": {"x": (2, 1, 4, 4)}, "outputs": ("y", "z")}
        model = build([*nodes, *rest], weights, **shapes)
        assert ("h" not in why_stays(load(model))) == leaves
        assert operators(reduced(model)).count("Conv") == 2 - leaves


def test_a_bias_that_adds_an_axis():
    """(5,) @ (5, 9) + (1, 9) has two axes."""
    nodes = [node("MatMul", ["x", "w"], ["m"]), node("Add", ["m", "b"], ["h"])]
    read = node("MatMul", ["h", "c"], ["g"])
    weights = {"w": W, "b": B[None], "c": V}
    model = before(*nodes, read, weights=weights, inputs={"x": (5,)})
    assert "rank" in why_stays(load(model))["h"]
    assert operators(reduced(model, passes=["fold"])) == operators(model)
    weights["b"] = B
    assert stays(*nodes, read, weights=weights, inputs={"x": (5,)}) is None


def test_what_lies_along_another_axis():
    """A Reshape in between: nobody but a matrix may read the layer."""
    weights = {"w": W, "c": V, "e": C, "to": np.array([-1, 9])}
    nodes = [FIRST, node("Reshape", ["h", "to"], ["h2"]), node("Gemm", ["h2", "c", "e"], ["g"])]
    assert "other nodes" in stays(*nodes, weights=weights)
    assert operators(reduced(before(*nodes, weights=weights), passes=["fold"]))[:2] == [
        "MatMul",
        "Reshape",
    ]
