"""Putting numbers into tensors and Constant nodes, keeping everything else they say."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np
from onnx import AttributeProto, NodeProto, TensorProto, helper, numpy_helper

from lumpcli.ir import Array
from lumpcli.wire import Numbers, Payloads

_DATA_FIELDS = (
    "raw_data",
    "float_data",
    "double_data",
    "int32_data",
    "int64_data",
    "uint64_data",
    "string_data",
)


_PACKED = {"int4", "uint4", "int2", "uint2", "float4_e2m1fn", "float6_e2m3fn", "float6_e3m2fn"}


def set_dims(tensor: TensorProto, shape: Sequence[int]) -> None:
    """Give a tensor another shape."""
    del tensor.dims[:]
    tensor.dims.extend(shape)


def stored(value: Array) -> Numbers:
    """The bytes of numbers as ONNX stores them: little-endian, those smaller than one packed."""
    if value.dtype.name in _PACKED or sys.byteorder == "big":
        packed = numpy_helper.from_array(np.ascontiguousarray(value)).raw_data
        return Numbers(np.frombuffer(packed, np.uint8))
    return Numbers(value)


def make_tensor(name: str, value: Array, payloads: Payloads | None = None) -> TensorProto:
    """A new tensor; with payloads, large numbers do not stand in it but there."""
    tensor = TensorProto(name=name)
    tensor.data_type = helper.np_dtype_to_tensor_dtype(value.dtype)
    fill_tensor(tensor, value, payloads)
    return tensor


def fill_tensor(tensor: TensorProto, value: Array, payloads: Payloads | None = None) -> None:
    """Give a tensor other numbers, of its own type; its name and doc string stay.

    With payloads, large numbers do not stand in it but there.
    """
    for name in _DATA_FIELDS:
        tensor.ClearField(name)
    tensor.ClearField("data_location")
    del tensor.external_data[:]
    set_dims(tensor, value.shape)
    if payloads is not None and value.nbytes >= payloads.least:
        tensor.raw_data = payloads.add(stored(value))
    else:
        tensor.raw_data = numpy_helper.from_array(np.ascontiguousarray(value)).raw_data


def fill_constant(node: NodeProto, value: Array, payloads: Payloads | None = None) -> None:
    """Give a Constant or ConstantOfShape node another value; its attribute keeps its kind."""
    attribute = next((a for a in node.attribute if a.name.startswith("value")), None)
    if attribute is None:
        node.attribute.append(helper.make_attribute("value", make_tensor("", value, payloads)))
    elif attribute.name == "value":
        fill_tensor(attribute.t, value, payloads)
    elif attribute.name == "value_floats" and value.ndim == 1:
        attribute.floats[:] = value.tolist()
    elif attribute.name == "value_ints" and value.ndim == 1:
        attribute.ints[:] = value.tolist()
    elif attribute.name == "value_float" and value.ndim == 0:
        attribute.f = float(value)
    else:
        attribute.CopyFrom(helper.make_attribute("value", make_tensor("", value, payloads)))


def set_integers(node: NodeProto, name: str, value: Array) -> None:
    """Give an attribute of integers, one or a list, other values."""
    attribute = next(a for a in node.attribute if a.name == name)
    if attribute.type == AttributeProto.INT:
        attribute.i = int(value.reshape(-1)[0])
    else:
        attribute.ints[:] = value.tolist()
