"""A model in which every floating-point number is float64, for the referee."""

from __future__ import annotations

import numpy as np
from onnx import (
    AttributeProto,
    ModelProto,
    NodeProto,
    TensorProto,
    TypeProto,
    ValueInfoProto,
    helper,
    numpy_helper,
)

from lumpcli.judge.protos import all_graphs, all_nodes, all_tensors, sort_nodes

_NARROW = frozenset((TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16))


def make_double(model: ModelProto) -> None:
    """Turn stored numbers, the targets of casts and declared types to float64, in place.

    What is stored converts exactly. External data must have been loaded. Nodes are put in
    topological order, which onnxruntime does not ask for and the evaluator does.
    """
    sort_nodes(model.graph)
    for tensor in all_tensors(model):
        _widen(tensor)
    for node in all_nodes(model):
        _widen_node(node)
    for graph in all_graphs(model):
        for values in (graph.input, graph.output, graph.value_info):
            _widen_values(values)
    for function in model.functions:
        _widen_values(function.value_info)


def _widen(tensor: TensorProto) -> None:
    if tensor.data_type in _NARROW:
        numbers = numpy_helper.to_array(tensor).astype(np.float64)
        tensor.CopyFrom(numpy_helper.from_array(numbers, tensor.name))


def _widen_node(node: NodeProto) -> None:
    if node.op_type == "Constant":
        for attribute in node.attribute:
            _widen_constant(attribute)
    if node.op_type == "ConstantOfShape" and not node.attribute:
        zero = numpy_helper.from_array(np.zeros(1), "value")  # the default is a float32 zero
        node.attribute.append(helper.make_attribute("value", zero))
    if node.op_type == "Cast":
        for attribute in node.attribute:
            if attribute.name == "to" and attribute.i in _NARROW:
                attribute.i = TensorProto.DOUBLE


def _widen_constant(attribute: AttributeProto) -> None:
    if attribute.name in ("value_float", "value_floats"):
        single = attribute.name == "value_float"
        numbers = np.asarray(attribute.f if single else attribute.floats, np.float64)
        attribute.CopyFrom(helper.make_attribute("value", numpy_helper.from_array(numbers)))


def _widen_values(values: list[ValueInfoProto]) -> None:
    for value in values:
        _widen_type(value.type)


def _widen_type(type_: TypeProto) -> None:
    kind = type_.WhichOneof("value")
    if kind == "tensor_type" and type_.tensor_type.elem_type in _NARROW:
        type_.tensor_type.elem_type = TensorProto.DOUBLE
    elif kind == "sequence_type":
        _widen_type(type_.sequence_type.elem_type)
    elif kind == "optional_type":
        _widen_type(type_.optional_type.elem_type)
    elif kind == "map_type":
        _widen_type(type_.map_type.value_type)
