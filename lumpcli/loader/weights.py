"""Stored numbers: where a constant tensor comes from, as a view, and the way back to its root."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import NodeProto, TensorProto, helper

from lumpcli.loader.graph import DEFAULT_DOMAINS, Graph, all_tensors
from lumpcli.loader.quantum import QONNX, Quantum, dequantized, rounded
from lumpcli.loader.tensors import constant_array, external_file, filler, tensor_array

Array = npt.NDArray[Any]
STEPS = (
    *("Identity", "Transpose", "Cast", "Unsqueeze", "Squeeze"),
    *("DequantizeLinear", "Quant"),
)
FLOATS = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16)


@dataclass(frozen=True)
class Stored:
    """A constant tensor: its value, the tensor at its root, and how the axes change on the way.

    `array` has the type the root is stored in, `dtype` is the tensor's own: a Cast may widen it.
    `steps` are transpositions ("Transpose", permutation), or ("Unsqueeze" or "Squeeze", axes).
    """

    name: str
    array: Array
    root: str
    dtype: np.dtype[Any]
    steps: tuple[tuple[str, tuple[int, ...]], ...] = ()
    quantum: Quantum | None = None  # of integers: `array` are those, the zero taken away

    def at_root(self, value: Array) -> Array:
        """What the root must hold for the tensor to have this value."""
        for step, axes in reversed(self.steps):
            if step == "Transpose":
                value = value.transpose(np.argsort(axes))
            elif step == "Unsqueeze":
                value = np.squeeze(value, axes)
            elif step == "Quantum" and self.quantum is not None:
                value = self.quantum.at_root(value)
            else:
                value = np.expand_dims(value, axes)
        return value


class Weights:
    """The constants of a graph, read when asked for and kept."""

    def __init__(self, graph: Graph, freeze_initializers: bool = False) -> None:
        """`freeze_initializers`: initializers that callers may override count as constants too."""
        self.graph = graph
        inputs = {i.name for i in graph.proto.input}
        overridable = graph.model.ir_version >= 4 and not freeze_initializers
        self.tensors: dict[str, TensorProto] = {t.name: t for t in graph.proto.initializer}
        self.overridable = {n for n in self.tensors if n in inputs} if overridable else set()
        self._found: dict[str, Stored | None] = {}
        for tensor in all_tensors(graph.model):
            if tensor.data_location == TensorProto.EXTERNAL:
                external_file(tensor, graph.folders)

    def get(self, name: str) -> Stored | None:
        """The constant called `name`; None when it is none, or of a kind lumpcli does not read."""
        found = self.any(name)
        return None if found is None or found.quantum is not None else found

    def any(self, name: str) -> Stored | None:
        """The constant called `name`, which may be integers that stand for numbers."""
        chain = [name]  # what it is made from, so that the last can be read first
        while chain[-1] not in self._found and chain[-1] in self.graph.producer:
            node = self.graph.proto.node[self.graph.producer[chain[-1]]]
            if node.op_type not in STEPS or not node.input:
                break
            chain.append(node.input[0])
        for link in reversed(chain):
            if link not in self._found:
                self._found[link] = self._read(link)
        return self._found[name]

    def _read(self, name: str) -> Stored | None:
        if name in self.overridable:
            return None
        tensor = self.tensors.get(name)
        if tensor is not None:
            array = tensor_array(tensor, self.graph.folders, self.graph.payloads)
            return None if array is None else Stored(name, array, name, array.dtype)
        number = self.graph.producer.get(name)
        if number is None:
            return None
        try:
            return self._of_node(name, self.graph.proto.node[number])
        except (KeyError, ValueError, IndexError):  # a permutation, a type or a shape that is none
            return None

    def _of_node(self, name: str, node: NodeProto) -> Stored | None:
        if node.domain not in DEFAULT_DOMAINS:
            quant = node.op_type == "Quant" and node.domain in QONNX
            return self._quantised(name, node) if quant else None
        if node.op_type == "DequantizeLinear":
            return self._quantised(name, node)
        if node.op_type == "Constant":
            array = constant_array(node, self.graph.folders, self.graph.payloads)
            return None if array is None else Stored(name, array, name, array.dtype)
        if node.op_type not in (*STEPS, "ConstantOfShape"):
            return None
        source = self.any(node.input[0])
        if source is None:
            return None
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        if node.op_type == "ConstantOfShape":
            value = filler(attributes["value"]) if attributes else np.float32(0)
            shape = tuple(int(d) for d in source.array.reshape(-1))
            filled = np.broadcast_to(value, shape)
            return Stored(name, filled, name, filled.dtype)
        if node.op_type == "Identity":
            return replace(source, name=name)
        if node.op_type == "Transpose":
            axes = tuple(attributes.get("perm") or reversed(range(source.array.ndim)))
            steps = (*source.steps, ("Transpose", axes))
            quantum = source.quantum
            if quantum is not None:
                quantum = replace(quantum, axis=axes.index(quantum.axis))
            turned = source.array.transpose(axes)
            return replace(source, name=name, array=turned, steps=steps, quantum=quantum)
        if source.quantum is not None:
            return None
        if node.op_type in ("Unsqueeze", "Squeeze"):
            return self._of_other_rank(name, node.op_type, source, self._axes(node, attributes))
        if node.op_type == "Cast" and attributes["to"] in FLOATS and _is_float(source.array):
            dtype = helper.tensor_dtype_to_np_dtype(attributes["to"])
            return replace(source, name=name, dtype=dtype) if widens(source.dtype, dtype) else None
        return None

    def _quantised(self, name: str, node: NodeProto) -> Stored | None:
        """Integers behind a DequantizeLinear, or a Quant of constants."""
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        told = [self.get(n) if n else None for n in node.input]
        if any(stored is None for stored, n in zip(told, node.input, strict=True) if n):
            return None
        arrays = [stored.array for stored in told if stored is not None]
        number = self.graph.producer[name]
        source = told[0]
        assert source is not None
        if node.op_type == "DequantizeLinear":
            zero = arrays[2] if len(arrays) > 2 else None
            axis = attributes.get("axis", 1)
            if attributes.get("block_size") or source.steps:
                return None
            found = dequantized(number, source.array, arrays[1], zero, axis)
        else:
            found = rounded(number, arrays, attributes)
        if found is None:
            return None
        steps = (*source.steps, ("Quantum", ()))
        return Stored(name, found[0], source.root, np.dtype(np.float32), steps, found[1])

    def _axes(self, node: NodeProto, attributes: dict[str, Any]) -> tuple[int, ...]:
        """The axes of a Squeeze or Unsqueeze, as an attribute (before opset 13) or an input."""
        if "axes" in attributes:
            return tuple(attributes["axes"])
        stored = self.get(node.input[1])
        if stored is None:
            raise ValueError("the axes are not constant")
        return tuple(int(axis) for axis in stored.array.reshape(-1))

    def _of_other_rank(
        self, name: str, step: str, source: Stored, axes: tuple[int, ...]
    ) -> Stored | None:
        change = np.expand_dims if step == "Unsqueeze" else np.squeeze
        array = change(source.array, axes)
        rank = max(array.ndim, source.array.ndim)
        steps = (*source.steps, (step, tuple(axis % rank for axis in axes)))
        return replace(source, name=name, array=array, steps=steps)


def _is_float(array: Array) -> bool:
    return helper.np_dtype_to_tensor_dtype(array.dtype) in FLOATS


def widens(narrow: np.dtype[Any] | None, wide: np.dtype[Any]) -> bool:
    """Whether every number of one float type is a number of another."""
    if narrow is None:
        return False
    return wide == narrow or wide == np.float64 or (wide == np.float32 and narrow.itemsize == 2)
