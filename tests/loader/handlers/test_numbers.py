"""Constants along the feature axis, however they are stored."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from lumpcli.api import reduce
from tests.evaluate import run
from tests.loader.checks import shrinks, stays
from tests.models import (
    PLANTED,
    around,
    build,
    integers,
    node,
    planted,
    reader,
    unflattened,
    weight,
)

ROWS, BIAS = planted()
GEMM = node("Gemm", ["x", "w", "b"], ["h"], transB=1)


def _constant(name, array, **options):
    return node("Constant", [], [name], value=numpy_helper.from_array(array), **options)


def test_weights_from_constant_nodes():
    reduced = shrinks(around([_constant("w", ROWS), _constant("b", BIAS), GEMM], {}))
    shapes = [list(n.attribute[0].t.dims) for n in reduced.graph.node[:2]]
    assert shapes == [[4, 5], [4]]


def test_a_bias_from_value_floats_stays_value_floats():
    constant = node("Constant", [], ["b"], value_floats=BIAS.tolist())
    reduced = shrinks(around([constant, GEMM], {"w": ROWS}))
    assert reduced.graph.node[0].attribute[0].name == "value_floats"
    assert list(reduced.graph.node[0].attribute[0].floats) == BIAS[[0, 2, 4, 5]].tolist()


def test_a_bias_from_value_float():
    constant = node("Constant", [], ["b"], value_float=2.0)
    reduced = shrinks(around([constant, GEMM], {"w": ROWS}), after=5)
    assert reduced.graph.node[0].attribute[0].f == 2.0


def test_a_constant_in_a_typed_field():
    tensor = helper.make_tensor("w", TensorProto.FLOAT, ROWS.shape, ROWS.reshape(-1).tolist())
    assert tensor.float_data
    reduced = shrinks(around([node("Constant", [], ["w"], value=tensor), GEMM], {"b": BIAS}))
    changed = reduced.graph.node[0].attribute[0].t
    assert (changed.name, list(changed.dims), list(changed.float_data)) == ("w", [4, 5], [])


def test_weights_behind_identities():
    nodes = [
        node("Identity", ["w0"], ["w1"]),
        node("Identity", ["w1"], ["w"]),
        node("Identity", ["b0"], ["b"]),
        GEMM,
    ]
    reduced = shrinks(around(nodes, {"w0": ROWS, "b0": BIAS}))
    assert (weight(reduced, "w0").shape, weight(reduced, "b0").shape) == ((4, 5), (4,))


@pytest.mark.parametrize("perm", [{}, {"perm": [1, 0]}])
def test_weights_behind_a_transpose(perm):
    nodes = [node("Transpose", ["w0"], ["w"], **perm), node("MatMul", ["x", "w"], ["h"])]
    assert weight(shrinks(around(nodes, {"w0": ROWS})), "w0").shape == (4, 5)


def test_weights_behind_two_transposes_and_a_useless_one():
    nodes = [
        node("Transpose", ["w0"], ["w1"], perm=[0, 1]),
        node("Transpose", ["w1"], ["w2"]),
        node("Transpose", ["w2"], ["w"]),
        GEMM,
    ]
    assert weight(shrinks(around(nodes, {"w0": ROWS, "b": BIAS})), "w0").shape == (4, 5)


def test_weights_cast_from_float16():
    nodes = [node("Cast", ["w0"], ["w"], to=TensorProto.FLOAT), GEMM]
    reduced = shrinks(around(nodes, {"w0": ROWS.astype("f2"), "b": BIAS}))
    assert weight(reduced, "w0").dtype == np.float16


def test_weights_cast_from_bfloat16():
    tensor = helper.make_tensor("w0", TensorProto.BFLOAT16, ROWS.shape, ROWS.reshape(-1).tolist())
    model = around([node("Cast", ["w0"], ["w"], to=TensorProto.FLOAT), GEMM], {"b": BIAS})
    model.graph.initializer.append(tensor)
    reduced = shrinks(model)
    changed = reduced.graph.initializer[-1]
    assert (changed.data_type, list(changed.dims)) == (TensorProto.BFLOAT16, [4, 5])
    assert len(changed.raw_data) == 40


def test_sums_of_weights_cast_from_float16_are_rounded_to_float16():
    """1 + 2^-12 is no float16: what the file can hold is what the reduced net must have."""
    columns = np.ones((PLANTED, 3), "f2")
    columns[1] = 2.0**-12
    model = around([GEMM], {"w": ROWS, "b": BIAS})
    model.graph.initializer[2].CopyFrom(numpy_helper.from_array(columns, "v0"))
    model.graph.node.insert(0, node("Cast", ["v0"], ["v"], to=TensorProto.FLOAT))
    result = reduce(model)
    assert result.changed
    assert weight(result.model, "v0").dtype == np.float16
    inputs = integers(model)
    np.testing.assert_allclose(run(model, inputs)["y"], run(result.model, inputs)["y"], rtol=1e-3)


def test_narrowed_weights_are_declined():
    nodes = [node("Cast", ["w0"], ["w"], to=TensorProto.FLOAT), GEMM]
    reasons = stays(around(nodes, {"w0": ROWS.astype("f8"), "b": BIAS}))
    assert any("'w' is computed, or stored in a way lumpcli does not read" in r for r in reasons)


def test_a_bias_of_one_repeated_value_from_constant_of_shape():
    value = numpy_helper.from_array(np.array([2], "f4"))
    nodes = [node("ConstantOfShape", ["s"], ["b"], value=value), GEMM]
    reduced = shrinks(around(nodes, {"w": ROWS, "s": np.array([6])}), after=5)
    assert weight(reduced, "s").tolist() == [5]
    assert reduced.graph.node[0].op_type == "ConstantOfShape"


@pytest.mark.parametrize("stored", ["initializer", "Constant"])
def test_a_constant_of_shape_stays_one(stored):
    value = numpy_helper.from_array(np.array([2], "f4"), "two")
    shape = numpy_helper.from_array(np.array([6]), "n")
    nodes = [
        node("Constant", [], ["n"], value=shape),
        node("ConstantOfShape", ["n"], ["b"], value=value),
        GEMM,
        node("Relu", ["h"], ["r"]),
        node("MatMul", ["r", "v"], ["y"]),
    ]
    weights = {"w": ROWS, "v": reader()}
    if stored == "initializer":
        nodes, weights = nodes[1:], weights | {"n": np.array([6])}
    reduced = shrinks(build(nodes, weights), after=5)
    filler = next(n for n in reduced.graph.node if n.op_type == "ConstantOfShape")
    assert numpy_helper.to_array(filler.attribute[0].t).tolist() == [2]
    assert filler.attribute[0].t.name == "two"


def test_a_shape_shared_by_two_constants_is_not_changed_for_both():
    nodes = [
        node("ConstantOfShape", ["n"], ["b"]),
        node("ConstantOfShape", ["n"], ["zeros"]),
        GEMM,
        node("Relu", ["h"], ["r"]),
        node("MatMul", ["r", "v"], ["y"]),
        node("Abs", ["zeros"], ["z"]),
    ]
    weights = {"w": ROWS, "v": reader(), "n": np.array([6])}
    reduced = shrinks(build(nodes, weights, outputs=["y", "z"]))
    assert weight(reduced, "n").tolist() == [6]
    assert weight(reduced, reduced.graph.node[0].input[0]).tolist() == [4]


def test_constant_of_shape_is_zero_by_default():
    nodes = [node("ConstantOfShape", ["s"], ["b"]), GEMM]
    shrinks(around(nodes, {"w": ROWS, "s": np.array([6])}))


def test_a_matrix_of_zeros_from_constant_of_shape():
    """All features are constant; what is left of the matrix is a ConstantOfShape still."""
    nodes = [node("ConstantOfShape", ["s"], ["w"]), GEMM]
    tail = around(nodes, {"s": np.array([6, 5]), "b": BIAS})
    tail.graph.node[-1].CopyFrom(node("Gemm", ["r", "v"], ["y"]))
    reduced = shrinks(tail, after=1)
    assert weight(reduced, "s").tolist() == [1, 5]


def test_shared_weights():
    """Two layers of equal rows: cut alike, the matrix stays one."""
    nodes = [
        GEMM,
        node("Relu", ["h"], ["r"]),
        node("Gemm", ["x", "w", "b"], ["g"], transB=1),
        node("Relu", ["g"], ["s"]),
        node("MatMul", ["r", "v"], ["p"]),
        node("MatMul", ["s", "v"], ["q"]),
        node("Add", ["p", "q"], ["y"]),
    ]
    model = around([], {"w": ROWS, "b": BIAS})
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    reduced = shrinks(model, ("r", "s"))
    assert [t.name for t in reduced.graph.initializer] == ["w", "b", "v"]


def test_a_bias_shared_by_two_layers():
    nodes = [
        node("MatMul", ["x", "w"], ["m"]),
        node("Add", ["m", "b"], ["h0"]),
        node("Relu", ["h0"], ["r0"]),
        node("MatMul", ["r0", "u"], ["n"]),
        node("Add", ["b", "n"], ["h"]),
    ]
    weights = {"w": ROWS.T.copy(), "b": BIAS, "u": planted(PLANTED)[0].T.copy()}
    shrinks(around(nodes, weights), ("r0", "r"))


def _overridable(ir, **options):
    return around([GEMM], {"w": ROWS, "b": BIAS}, ir=ir, listed=True, **options)


def test_initializers_that_are_inputs_are_constants_before_ir_4():
    reduced = shrinks(_overridable(3))
    shapes = {
        i.name: [d.dim_value for d in i.type.tensor_type.shape.dim] for i in reduced.graph.input
    }
    assert (shapes["w"], shapes["b"], shapes["v"]) == ([4, 5], [4], [4, 3])


@pytest.mark.parametrize("ir", [4, 8])
def test_initializers_that_are_inputs_may_be_overridden_from_ir_4_on(ir):
    reasons = stays(_overridable(ir))
    wanted = "Gemm 'h' ('w' may be overridden by the caller (see --freeze-initializers))"
    assert wanted in reasons


def test_an_overridable_bias_of_an_add_says_so():
    nodes = [node("MatMul", ["x", "w"], ["m"]), node("Add", ["m", "b"], ["h"])]
    model = around(nodes, {"w": ROWS.T.copy(), "b": BIAS})
    model.graph.input.add().CopyFrom(_overridable(8).graph.input[2])
    assert any("'b' may be overridden" in reason for reason in stays(model))


def test_frozen_initializers_are_constants():
    shrinks(_overridable(8), freeze_initializers=True)


def test_a_constant_for_another_number_of_features_is_declined():
    """One feature plus six numbers are six features, which are not followed."""
    nodes = [node("MatMul", ["x", "w"], ["m"]), node("Add", ["m", "b"], ["h"])]
    model = around(nodes, {"w": np.ones((1, 1), "f4"), "b": BIAS}, inputs={"x": ("N", 1)})
    reasons = stays(model)
    assert any(r.startswith("Add 'h' (it is combined with") for r in reasons)


@pytest.mark.parametrize("operator", ["Add", "Mul", "PRelu"])
def test_numbers_per_channel_of_which_one_is_left(operator):
    """That looks like one number for all positions, and is still one per channel."""
    model = unflattened(
        node(operator, ["t", "c0"], ["r"]), extra={"c0": np.full((PLANTED, 1), 0.5, "f4")}
    )
    tensors = {t.name: t for t in model.graph.initializer}
    rows = numpy_helper.to_array(tensors["w"]).reshape(PLANTED, 2, -1)
    bias = numpy_helper.to_array(tensors["b"]).reshape(PLANTED, 2)
    for name, numbers in (("w", rows), ("b", bias)):
        equal = np.repeat(numbers[:1], PLANTED, axis=0).reshape(2 * PLANTED, -1)
        equal = equal if name == "w" else equal.reshape(-1)
        tensors[name].CopyFrom(numpy_helper.from_array(equal, name))
    reduced = shrinks(model, after=1)
    assert weight(reduced, "c0").shape == (1, 1)
