"""Stored numbers: where a constant tensor comes from, as a view, and the way back to its root."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import NodeProto, TensorProto, helper, numpy_helper

from lumpcli.errors import InputError
from lumpcli.loader.graph import DEFAULT_DOMAINS, Graph

Array = npt.NDArray[Any]
FLOATS = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16)


@dataclass(frozen=True)
class Stored:
    """A constant tensor: its value, the tensor at its root, and the steps from the root to it.

    A step is the name of a node's operator with what undoes it: Transpose's permutation, the dtype
    before a Cast.
    """

    name: str
    array: Array
    root: str
    steps: tuple[tuple[str, Any], ...] = ()

    def at_root(self, value: Array) -> Array:
        """What the root must hold for the tensor to have this value (rounded to its type)."""
        for step, argument in reversed(self.steps):
            if step == "Transpose":
                value = value.transpose(np.argsort(argument))
            elif step == "Cast":
                value = value.astype(argument)
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
        for tensor in graph.proto.initializer:
            if tensor.data_location == TensorProto.EXTERNAL:
                external_file(tensor, graph.folder)

    def get(self, name: str) -> Stored | None:
        """The constant called `name`; None when it is none, or of a kind lumpcli does not read."""
        if name not in self._found:
            self._found[name] = self._read(name)
        return self._found[name]

    def _read(self, name: str) -> Stored | None:
        if name in self.overridable:
            return None
        tensor = self.tensors.get(name)
        if tensor is not None:
            array = tensor_array(tensor, self.graph.folder)
            return None if array is None else Stored(name, array, name)
        number = self.graph.producer.get(name)
        return None if number is None else self._of_node(name, self.graph.proto.node[number])

    def _of_node(self, name: str, node: NodeProto) -> Stored | None:
        if node.domain not in DEFAULT_DOMAINS:
            return None
        if node.op_type == "Constant":
            array = constant_array(node, self.graph.folder)
            return None if array is None else Stored(name, array, name)
        source = self.get(node.input[0]) if node.input else None
        if source is None:
            return None
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        if node.op_type == "ConstantOfShape":
            value = numpy_helper.to_array(attributes["value"]) if attributes else np.zeros(1, "f4")
            shape = tuple(int(d) for d in source.array.reshape(-1))
            return Stored(name, np.broadcast_to(value.reshape(-1)[0], shape), name)
        if node.op_type == "Identity":
            return Stored(name, source.array, source.root, source.steps)
        if node.op_type == "Transpose":
            axes: Any = tuple(attributes.get("perm") or reversed(range(source.array.ndim)))
            return Stored(
                name,
                source.array.transpose(axes),
                source.root,
                (*source.steps, ("Transpose", axes)),
            )
        if node.op_type == "Cast" and attributes["to"] in FLOATS and _is_float(source.array):
            dtype = helper.tensor_dtype_to_np_dtype(attributes["to"])
            if not widens(source.array.dtype, dtype):
                return None
            steps = (*source.steps, ("Cast", source.array.dtype))
            return Stored(name, source.array.astype(dtype), source.root, steps)
        return None


def _is_float(array: Array) -> bool:
    return helper.np_dtype_to_tensor_dtype(array.dtype) in FLOATS


def widens(narrow: np.dtype[Any] | None, wide: np.dtype[Any]) -> bool:
    """Whether every number of one float type is a number of another."""
    if narrow is None:
        return False
    return wide == narrow or wide == np.float64 or (wide == np.float32 and narrow.itemsize == 2)


def constant_array(node: NodeProto, folder: Path) -> Array | None:
    """The value of a Constant node; None for strings and sparse tensors."""
    for attribute in node.attribute:
        if attribute.name == "value":
            return tensor_array(attribute.t, folder)
        if attribute.name in ("value_float", "value_floats"):
            floats = attribute.floats if attribute.name.endswith("s") else attribute.f
            return np.array(floats, np.float32)
        if attribute.name in ("value_int", "value_ints"):
            ints = attribute.ints if attribute.name.endswith("s") else attribute.i
            return np.array(ints, np.int64)
    return None


def tensor_array(tensor: TensorProto, folder: Path) -> Array | None:
    """The numbers of a tensor, memory-mapped where they are external; None for strings."""
    if tensor.data_type in (TensorProto.STRING, TensorProto.UNDEFINED):
        return None
    if tensor.data_location == TensorProto.EXTERNAL:
        path, offset = external_file(tensor, folder)
        dtype = helper.tensor_dtype_to_np_dtype(tensor.data_type)
        shape = tuple(tensor.dims)
        if 0 in shape:
            return np.zeros(shape, dtype)
        return np.memmap(path, dtype, "r", offset, shape)
    try:
        return numpy_helper.to_array(tensor)
    except (ValueError, TypeError) as error:
        raise InputError(f"tensor {tensor.name!r} is broken: {error}") from None


def external_file(tensor: TensorProto, folder: Path) -> tuple[Path, int]:
    """File and offset of external data; InputError when missing, outside the folder, or short."""
    entries = {e.key: e.value for e in tensor.external_data}
    location = entries.get("location", "")
    label = f"tensor {tensor.name!r}"
    if not location or Path(location).is_absolute() or ".." in Path(location).parts:
        raise InputError(f"{label}: external data at {location!r} is not inside the model's folder")
    path = folder / location
    if not path.is_file():
        raise InputError(f"{label}: its external data file {path} does not exist")
    try:
        offset = int(entries.get("offset", "0"))
        wanted = int(entries.get("length", str(tensor_bytes(tensor))))
    except ValueError:
        raise InputError(f"{label}: offset or length of its external data is no number") from None
    size = path.stat().st_size
    if offset < 0 or wanted < tensor_bytes(tensor) or offset + wanted > size:
        raise InputError(
            f"{label}: needs {tensor_bytes(tensor)} bytes of {path} from byte {offset} on, "
            f"the file has {size}"
        )
    return path, offset


def tensor_bytes(tensor: TensorProto) -> int:
    """How many bytes the numbers of a tensor take."""
    count = int(np.prod(np.array(tensor.dims, np.int64), dtype=np.int64))
    try:
        size = helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
    except KeyError:
        return count
    packed = tensor.data_type in (TensorProto.INT4, TensorProto.UINT4, TensorProto.FLOAT4E2M1)
    return (count + 1) // 2 if packed else count * size
