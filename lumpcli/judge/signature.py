"""What a model file says about itself: inputs, outputs, arithmetic, operators."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError
from onnx import GraphProto, ModelProto, TensorProto, TypeProto, ValueInfoProto
from onnx.helper import tensor_dtype_to_np_dtype

from lumpcli.box import KEY
from lumpcli.errors import InputError
from lumpcli.judge.protos import all_nodes, all_tensors
from lumpcli.wire import read

COARSEST_FIRST = ("bfloat16", "float16", "float32", "float64")
_RANDOM = frozenset(
    (
        "RandomNormal",
        "RandomNormalLike",
        "RandomUniform",
        "RandomUniformLike",
        "Multinomial",
        "Bernoulli",
    )
)
# What may lie between an integer input and the Gather that looks it up, and keeps its values.
_KEEPS_VALUES = frozenset(
    (
        "Cast",
        "Identity",
        "Unsqueeze",
        "Squeeze",
        "Reshape",
        "Flatten",
        "Transpose",
        "Expand",
        "Slice",
    )
)
_SMALLEST_TABLE = 2  # rows assumed in a table whose size is not known


@dataclass(frozen=True)
class Port:
    """An input or an output; `dtype` is numpy's name, or "sequence(...)" and the like."""

    name: str
    dtype: str
    shape: tuple[int | str | None, ...] | None  # a symbol, or None where nothing is known
    tensor: bool = True

    def __str__(self) -> str:
        if self.shape is None:
            return self.dtype
        return f"{self.dtype}[{','.join('?' if d is None else str(d) for d in self.shape)}]"


@dataclass(frozen=True)
class Signature:
    """All the judge reads in a file before running it."""

    path: Path
    inputs: tuple[Port, ...]  # without initializers that are also listed as inputs
    outputs: tuple[Port, ...]
    arithmetic: str  # the coarsest float type of weights, inputs and outputs
    limits: Mapping[str, int]  # integer inputs that index a table: its number of rows
    random: tuple[str, ...]  # random operators in the model
    parameters: int  # stored numbers
    size: int  # bytes of the file, and of what it uses of data files
    stated: tuple[tuple[str, str], ...]  # metadata about its domain: keys and texts


def read_signature(path: str | os.PathLike[str]) -> Signature:
    """Read the header of an ONNX file, not its external data.

    Raise InputError when the file is missing or not ONNX, or external data is missing or short.
    """
    file = Path(path)
    model = read_model(file)
    tensors = list(all_tensors(model))
    external = sum(_check_external(file, tensor) for tensor in tensors)
    stored = {t.name for t in model.graph.initializer}
    stored |= {s.values.name for s in model.graph.sparse_initializer}
    inputs = tuple(_port(v) for v in model.graph.input if v.name not in stored)
    outputs = tuple(_port(v) for v in model.graph.output)
    limits = {p.name: _index_limit(model.graph, p.name) for p in inputs if "int" in p.dtype}
    return Signature(
        path=file,
        inputs=inputs,
        outputs=outputs,
        arithmetic=_arithmetic(tensors, (*inputs, *outputs)),
        limits={name: limit for name, limit in limits.items() if limit is not None},
        random=tuple(sorted({n.op_type for n in all_nodes(model)} & _RANDOM)),
        parameters=sum(_size(t.dims) for t in tensors),
        size=file.stat().st_size + external,
        stated=tuple((p.key, p.value) for p in model.metadata_props if p.key == KEY),
    )


def read_model(path: Path) -> ModelProto:
    """Parse an ONNX file and leave large numbers where they are, in it or outside.

    Raise InputError. Placeholders may stand for raw data, which a signature does not need.
    """
    try:
        model, _ = read(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    except DecodeError as error:
        raise InputError(f"{path}: is not an ONNX model: {error}") from error
    if not model.graph.output:  # any short file of zeros parses as an empty model
        raise InputError(f"{path}: is not an ONNX model: it has no graph outputs")
    return model


def difference(a: Signature, b: Signature, uncompared: Collection[str] = ()) -> str | None:
    """The first way in which inputs or outputs do not match, as a sentence; None when they do.

    `uncompared`: outputs that do not count.
    """
    outputs = [tuple(p for p in m.outputs if p.name not in uncompared) for m in (a, b)]
    inputs = _port_difference("input", a.inputs, b.inputs, shapes=True)
    return inputs or _port_difference("output", outputs[0], outputs[1], shapes=False)


def _port_difference(
    what: str, a: tuple[Port, ...], b: tuple[Port, ...], shapes: bool
) -> str | None:
    names_a, names_b = [p.name for p in a], [p.name for p in b]
    if names_a != names_b:
        order = " in this order" if sorted(names_a) == sorted(names_b) else ""
        return f"{what}s differ: {_listed(names_a)}{order} against {_listed(names_b)}"
    for p, q in zip(a, b, strict=True):
        if p.dtype != q.dtype or (shapes and not _shapes_agree(p, q)):
            return f"{what} {p.name} differs: {p} against {q}"
    return None


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"


def _shapes_agree(p: Port, q: Port) -> bool:
    """No two static sizes contradict each other; what is dynamic may be anything."""
    if p.shape is None or q.shape is None:
        return True
    if len(p.shape) != len(q.shape):
        return False
    pairs = zip(p.shape, q.shape, strict=True)
    return all(not isinstance(d, int) or not isinstance(e, int) or d == e for d, e in pairs)


def _port(value: ValueInfoProto) -> Port:
    kind = value.type.WhichOneof("value")
    if kind != "tensor_type":
        return Port(value.name, _type_name(value.type), None, tensor=False)
    tensor = value.type.tensor_type
    shape = None
    if tensor.HasField("shape"):
        shape = tuple(_dimension(d) for d in tensor.shape.dim)
    return Port(value.name, _dtype(tensor.elem_type), shape)


def _dimension(dim: onnx.TensorShapeProto.Dimension) -> int | str | None:
    if dim.HasField("dim_value"):
        # Exporters write 0 or -1 for "any size".
        return dim.dim_value if dim.dim_value > 0 else None
    return dim.dim_param or None


def _dtype(number: int) -> str:
    if number == TensorProto.STRING:
        return "string"
    try:
        return str(tensor_dtype_to_np_dtype(number).name)
    except KeyError:
        return f"type {number}"


def _type_name(type_: TypeProto) -> str:
    kind = type_.WhichOneof("value")
    if kind == "tensor_type":
        return _dtype(type_.tensor_type.elem_type)
    if kind == "sequence_type":
        return f"sequence({_type_name(type_.sequence_type.elem_type)})"
    if kind == "optional_type":
        return f"optional({_type_name(type_.optional_type.elem_type)})"
    if kind == "map_type":
        map_ = type_.map_type
        return f"map({_dtype(map_.key_type)},{_type_name(map_.value_type)})"
    return str(kind)


def _arithmetic(tensors: list[TensorProto], ports: tuple[Port, ...]) -> str:
    """Single numbers do not count: a float16 constant does not make a float16 model."""
    types = {_dtype(t.data_type) for t in tensors if _size(t.dims) > 1}
    types |= {p.dtype for p in ports}
    return next((name for name in COARSEST_FIRST if name in types), "float32")


def _index_limit(graph: GraphProto, name: str) -> int | None:
    """Rows of the smallest table this integer input looks up; None when it looks up none."""
    reached, limit = {name}, None
    rows = {t.name: list(t.dims) for t in graph.initializer}
    for node in graph.node:
        if not node.input:
            continue
        if node.op_type in _KEEPS_VALUES and node.input[0] in reached:
            reached.add(node.output[0])
        if node.op_type == "Gather" and node.input[1] in reached:
            axis = next((a.i for a in node.attribute if a.name == "axis"), 0)
            shape = rows.get(node.input[0])
            found = shape[axis] if shape else _SMALLEST_TABLE
            limit = found if limit is None else min(limit, found)
    return limit


def _size(dims: Iterable[int]) -> int:
    size = 1
    for d in dims:
        size *= d
    return size


def _check_external(path: Path, tensor: TensorProto) -> int:
    """The bytes a tensor has in a data file; raise InputError when that does not have them.

    Where the file may lie is onnxruntime's to judge; that it is there and long enough, ours.
    """
    if tensor.data_location != TensorProto.EXTERNAL:
        return 0
    entries = {e.key: e.value for e in tensor.external_data}
    folders = (path.parent, path.resolve().parent)  # a symlink into a cache has its data there
    files = [folder / entries.get("location", "") for folder in folders]
    try:
        file = next((f for f in files if f.is_file()), None)
    except OSError:  # a name too long
        file = None
    if file is None:
        raise InputError(
            f"{path}: tensor {tensor.name} needs the data file {files[0]}: no such file"
        )
    size = file.stat().st_size
    length = entries.get("length") or _stored_bytes(tensor)
    try:
        wanted = int(entries.get("offset") or 0) + int(length)
    except ValueError:
        raise InputError(
            f"{path}: tensor {tensor.name}: offset or length of its external data is no number"
        ) from None
    if size < wanted:
        raise InputError(
            f"{path}: tensor {tensor.name} needs {wanted} bytes of {file}, which has {size}"
        )
    return int(length)


def _stored_bytes(tensor: TensorProto) -> int:
    try:
        return int(_size(tensor.dims) * tensor_dtype_to_np_dtype(tensor.data_type).itemsize)
    except KeyError:
        return 0
