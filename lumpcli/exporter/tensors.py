"""Putting numbers into tensors and Constant nodes, keeping everything else they say."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from onnx import AttributeProto, NodeProto, TensorProto, helper, numpy_helper

from lumpcli.ir import Array

_DATA_FIELDS = (
    "raw_data",
    "float_data",
    "double_data",
    "int32_data",
    "int64_data",
    "uint64_data",
    "string_data",
)


def set_dims(tensor: TensorProto, shape: Sequence[int]) -> None:
    """Give a tensor another shape."""
    del tensor.dims[:]
    tensor.dims.extend(shape)


def fill_tensor(tensor: TensorProto, value: Array) -> None:
    """Give a tensor other numbers, of its own type; its name and doc string stay."""
    fresh = numpy_helper.from_array(np.ascontiguousarray(value))
    for name in _DATA_FIELDS:
        tensor.ClearField(name)
    tensor.ClearField("data_location")
    del tensor.external_data[:]
    set_dims(tensor, value.shape)
    tensor.raw_data = fresh.raw_data


def fill_constant(node: NodeProto, value: Array) -> None:
    """Give a Constant or ConstantOfShape node another value; its attribute keeps its kind."""
    attribute = next((a for a in node.attribute if a.name.startswith("value")), None)
    if attribute is None:
        node.attribute.append(helper.make_attribute("value", numpy_helper.from_array(value)))
    elif attribute.name == "value":
        fill_tensor(attribute.t, value)
    elif attribute.name == "value_floats" and value.ndim == 1:
        attribute.floats[:] = value.tolist()
    elif attribute.name == "value_ints" and value.ndim == 1:
        attribute.ints[:] = value.tolist()
    elif attribute.name == "value_float" and value.ndim == 0:
        attribute.f = float(value)
    else:
        fresh = helper.make_attribute("value", numpy_helper.from_array(np.ascontiguousarray(value)))
        attribute.CopyFrom(fresh)


def set_integers(node: NodeProto, name: str, value: Array) -> None:
    """Give an attribute of integers, one or a list, other values."""
    attribute = next(a for a in node.attribute if a.name == name)
    if attribute.type == AttributeProto.INT:
        attribute.i = int(value.reshape(-1)[0])
    else:
        attribute.ints[:] = value.tolist()
