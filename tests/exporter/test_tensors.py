"""Putting numbers into tensors and nodes."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from lumpcli.exporter.tensors import (
    fill_constant,
    fill_tensor,
    make_tensor,
    set_dims,
    set_integers,
    stored,
)
from lumpcli.wire import Payloads
from tests.models import node

TYPES = ("FLOAT", "DOUBLE", "FLOAT16", "BFLOAT16", "INT64", "INT32", "UINT64")


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize("name", TYPES)
def test_every_way_to_store_numbers(name, raw):
    """Typed fields are emptied: numbers stored twice would be ambiguous."""
    number = getattr(TensorProto, name)
    dtype = helper.tensor_dtype_to_np_dtype(number)
    if raw:
        tensor = numpy_helper.from_array(np.arange(6).astype(dtype).reshape(2, 3), "t")
    else:
        tensor = helper.make_tensor("t", number, [2, 3], range(6))
    tensor.doc_string = "about t"
    value = np.array([[7], [9]]).astype(dtype)
    fill_tensor(tensor, value)
    assert (tensor.name, tensor.doc_string, tensor.data_type) == ("t", "about t", number)
    np.testing.assert_array_equal(numpy_helper.to_array(tensor), value, strict=True)
    assert {f.name for f, _ in tensor.ListFields()} == {
        *("dims", "data_type", "name", "raw_data", "doc_string")
    }


def test_numbers_in_any_memory_layout():
    tensor = numpy_helper.from_array(np.zeros((2, 3), "f4"), "t")
    value = np.arange(6, dtype="f4").reshape(2, 3).T[::-1]
    fill_tensor(tensor, value)
    np.testing.assert_array_equal(numpy_helper.to_array(tensor), value)


def test_dims():
    tensor = TensorProto(dims=[1, 2, 3])
    set_dims(tensor, (4,))
    assert list(tensor.dims) == [4]
    set_dims(tensor, ())
    assert list(tensor.dims) == []


@pytest.mark.parametrize(
    ("attribute", "old", "new"),
    [
        ("value_floats", [1.0, 2.0, 3.0], np.array([4, 5], "f4")),
        ("value_ints", [1, 2, 3], np.array([4, 5])),
        ("value_float", 1.0, np.array(2, "f4")),
        ("value", numpy_helper.from_array(np.ones(3, "f4"), "inner"), np.array([4, 5], "f4")),
    ],
)
def test_a_constant_keeps_the_kind_of_its_attribute(attribute, old, new):
    constant = node("Constant", [], ["c"], name="here", doc_string="about c", **{attribute: old})
    fill_constant(constant, new)
    (kept,) = constant.attribute
    assert (kept.name, constant.name, constant.doc_string) == (attribute, "here", "about c")
    found = helper.get_attribute_value(kept)
    if attribute == "value":
        assert found.name == "inner"
        found = numpy_helper.to_array(found)
    np.testing.assert_array_equal(np.array(found), new)


@pytest.mark.parametrize(("attribute", "old"), [("value_float", 1.0), ("value_floats", [1.0])])
def test_a_value_the_attribute_cannot_hold_becomes_a_tensor(attribute, old):
    constant = node("Constant", [], ["c"], **{attribute: old})
    value = np.array([[4, 5]], "f4")
    fill_constant(constant, value)
    (kept,) = constant.attribute
    assert kept.name == "value"
    np.testing.assert_array_equal(numpy_helper.to_array(kept.t), value, strict=True)


def test_a_constant_of_shape_without_value_gets_one():
    constant = node("ConstantOfShape", ["s"], ["c"])
    fill_constant(constant, np.array([3], "f4"))
    assert numpy_helper.to_array(constant.attribute[0].t).tolist() == [3]


def test_attributes_of_integers():
    made = node("Conv", ["x", "w"], ["y"], group=6, pads=[1, 1, 0, 0], name="c")
    set_integers(made, "group", np.array([4]))
    set_integers(made, "pads", np.array([2, 3]))
    found = {a.name: helper.get_attribute_value(a) for a in made.attribute}
    assert found == {"group": 4, "pads": [2, 3]}
    assert made.name == "c"


@pytest.mark.parametrize("size", [4, 5])
def test_large_numbers_may_stand_outside(size):
    payloads = Payloads(least=20)
    value = np.arange(size, dtype="f4")
    tensor = make_tensor("t", value, payloads)
    assert (tensor.name, tensor.data_type, list(tensor.dims)) == ("t", 1, [size])
    found = payloads.find(tensor.raw_data)
    if size == 4:
        assert found is None
        np.testing.assert_array_equal(numpy_helper.to_array(tensor), value, strict=True)
    else:
        assert found is not None
        assert found.content() == value.tobytes()
    assert make_tensor("t", value) == numpy_helper.from_array(value, "t")


@pytest.mark.parametrize("name", ["INT4", "UINT4", "FLOAT4E2M1", "BFLOAT16", "INT8"])
def test_bytes_are_stored_as_onnx_does(name):
    dtype = helper.tensor_dtype_to_np_dtype(getattr(TensorProto, name))
    value = np.arange(6).astype(dtype).reshape(2, 3).T
    expected = numpy_helper.from_array(np.ascontiguousarray(value)).raw_data
    assert stored(value).content() == expected
    assert len(stored(value)) == len(expected)
