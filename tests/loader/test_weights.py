"""Stored numbers: where they come from, and external data on disk."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from lumpcli.errors import InputError
from lumpcli.loader import Weights, load
from lumpcli.loader.graph import index
from lumpcli.loader.weights import widens
from tests.loader.checks import stays
from tests.models import build, mlp, node, planted

ROWS, BIAS = planted()


def _constants(nodes, weights, **options):
    """The constants of a model whose nodes make y of x among others."""
    model = build([*nodes, node("Relu", ["x"], ["y"])], weights)
    return Weights(index(model, ()), **options)


def test_a_chain_of_steps_and_the_way_back():
    nodes = [
        node("Identity", ["w"], ["a"]),
        node("Transpose", ["a"], ["b"], perm=[2, 0, 1]),
        node("Cast", ["b"], ["c"], to=TensorProto.FLOAT),
    ]
    root = np.arange(24, dtype="f2").reshape(2, 3, 4)
    stored = _constants(nodes, {"w": root}).get("c")
    assert stored.root == "w"
    assert (stored.array.dtype, stored.dtype) == (np.float16, np.float32)
    np.testing.assert_array_equal(stored.array, root.transpose(2, 0, 1))
    back = stored.at_root(stored.array[:, :1])
    np.testing.assert_array_equal(back, root[:1], strict=True)


def test_what_is_no_constant():
    nodes = [node("Exp", ["w"], ["e"]), node("Identity", ["e"], ["i"])]
    weights = _constants(nodes, {"w": ROWS})
    assert [weights.get(name) for name in ("x", "e", "i", "nothing")] == [None] * 4


@pytest.mark.parametrize(
    ("attribute", "value", "dtype"),
    [
        ("value_float", 1.5, "f4"),
        ("value_floats", [1.5, 2.0], "f4"),
        ("value_int", 3, "i8"),
        ("value_ints", [3, 4], "i8"),
    ],
)
def test_constants_in_attributes(attribute, value, dtype):
    stored = _constants([node("Constant", [], ["c"], **{attribute: value})], {}).get("c")
    np.testing.assert_array_equal(stored.array, np.array(value, dtype), strict=True)


def test_strings_are_no_numbers():
    strings = helper.make_tensor("s", TensorProto.STRING, [1], [b"a"])
    nodes = [
        node("Constant", [], ["c"], value_string="a"),
        node("Constant", [], ["d"], value=strings),
    ]
    weights = _constants(nodes, {})
    assert weights.get("c") is None
    assert weights.get("d") is None


def test_a_constant_of_shape_takes_no_memory():
    nodes = [
        node("ConstantOfShape", ["s"], ["c"], value=numpy_helper.from_array(np.array([3], "f8")))
    ]
    stored = _constants(nodes, {"s": np.array([10**6, 10**6])}).get("c")
    assert stored.array.shape == (10**6, 10**6)
    assert (stored.array[5, 7], stored.array.dtype) == (3, np.float64)


def test_overridable_initializers():
    model = mlp(listed=True)
    assert Weights(index(model, ())).overridable == {"w", "b", "v"}
    assert Weights(index(model, ()), freeze_initializers=True).overridable == set()
    model.ir_version = 3
    assert Weights(index(model, ())).overridable == set()


@pytest.mark.parametrize(
    ("narrow", "wide", "answer"),
    [
        ("f2", "f4", True),
        ("f2", "f8", True),
        ("f4", "f8", True),
        ("f4", "f4", True),
        ("f4", "f2", False),
        ("f8", "f4", False),
        (None, "f4", False),
    ],
)
def test_widening(narrow, wide, answer):
    assert widens(None if narrow is None else np.dtype(narrow), np.dtype(wide)) is answer


def test_neither_half_type_widens_the_other():
    bfloat16 = helper.tensor_dtype_to_np_dtype(TensorProto.BFLOAT16)
    assert not widens(np.dtype("f2"), bfloat16)
    assert not widens(bfloat16, np.dtype("f2"))
    assert widens(bfloat16, np.dtype("f4"))


def test_a_broken_tensor_is_refused():
    model = mlp()
    model.graph.initializer[0].raw_data = b"abc"
    with pytest.raises(InputError, match="'w'"):
        load(model)


def test_weights_of_an_unknown_type_are_pinned():
    model = mlp()
    model.graph.initializer[0].data_type = 999
    stays(model, runs=False)


def test_sparse_weights_pass_through():
    values = numpy_helper.from_array(np.array([2, 3], "f4"), "w")
    where = numpy_helper.from_array(np.array([[0, 0], [4, 5]]))
    model = build([node("MatMul", ["x", "w"], ["y"])])
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, where, [5, 6]))
    assert any("'w' is computed, or stored in a way" in r for r in stays(model, runs=False))


def test_a_deep_network_is_no_deep_recursion():
    names = ["x", *(f"t{k}" for k in range(1500)), "h"]
    nodes = [node("Abs", [a], [b]) for a, b in pairwise(names)]
    model = build([*nodes, node("MatMul", ["h", "w"], ["y"])], {"w": ROWS.T.copy()})
    assert load(model).net["y"].width == 6
