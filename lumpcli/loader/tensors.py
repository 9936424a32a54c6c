"""The numbers of a tensor: in the message, in the model file around it, or in a data file."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import NodeProto, TensorProto, helper, numpy_helper

from lumpcli.errors import InputError
from lumpcli.wire import Payload, Payloads

Array = npt.NDArray[Any]
# numbers smaller than a byte are packed
_BITS = {
    getattr(TensorProto, name): bits
    for name, bits in {"INT4": 4, "UINT4": 4, "FLOAT4E2M1": 4, "INT2": 2, "UINT2": 2}.items()
    if hasattr(TensorProto, name)  # the last two are young
}
# of the types whose numbers take whole bytes
_WIDTHS = {
    TensorProto.DataType.Value(name): width
    for width, names in {
        1: ("INT8", "UINT8", "BOOL", "FLOAT8E4M3FN", "FLOAT8E4M3FNUZ", "FLOAT8E5M2"),
        2: ("INT16", "UINT16", "FLOAT16", "BFLOAT16"),
        4: ("INT32", "UINT32", "FLOAT"),
        8: ("INT64", "UINT64", "DOUBLE"),
    }.items()
    for name in names
}


def constant_array(
    node: NodeProto, folders: Sequence[Path], payloads: Payloads | None = None
) -> Array | None:
    """The value of a Constant node; None for strings and sparse tensors."""
    for attribute in node.attribute:
        if attribute.name == "value":
            return tensor_array(attribute.t, folders, payloads)
        if attribute.name in ("value_float", "value_floats"):
            floats = attribute.floats if attribute.name.endswith("s") else attribute.f
            return np.array(floats, np.float32)
        if attribute.name in ("value_int", "value_ints"):
            ints = attribute.ints if attribute.name.endswith("s") else attribute.i
            return np.array(ints, np.int64)
    return None


def tensor_array(
    tensor: TensorProto, folders: Sequence[Path], payloads: Payloads | None = None
) -> Array | None:
    """The numbers of a tensor, memory-mapped where they lie in a file; None for strings.

    Raises InputError where there are not as many as the tensor says.
    """
    if tensor.data_type in (TensorProto.STRING, TensorProto.UNDEFINED):
        return None
    if tensor.data_type not in TensorProto.DataType.values():
        return None  # of a later version of ONNX
    if tensor.data_location == TensorProto.EXTERNAL:
        path, offset = external_file(tensor, folders)
        dtype = helper.tensor_dtype_to_np_dtype(tensor.data_type)
        shape = tuple(tensor.dims)
        if 0 in shape:
            return np.zeros(shape, dtype)
        try:
            with path.open("rb") as file:
                if tensor.data_type in _BITS:
                    whole = TensorProto(data_type=tensor.data_type, dims=tensor.dims)
                    file.seek(offset)
                    whole.raw_data = file.read(tensor_bytes(tensor))
                    return numpy_helper.to_array(whole)
                return np.memmap(file, dtype, "r", offset, shape)
        except OSError as error:
            raise InputError(f"{path} cannot be read: {error.strerror}") from None
    try:
        held = None if payloads is None else payloads.find(tensor.raw_data)
        return numpy_helper.to_array(tensor) if held is None else _held_array(tensor, held)
    except (ValueError, TypeError) as error:
        raise InputError(f"tensor {tensor.name!r} is broken: {error}") from None


def _held_array(tensor: TensorProto, held: Payload) -> Array:
    """The numbers of a tensor whose raw data stands outside of it; ValueError as to_array."""
    width = _WIDTHS.get(tensor.data_type)
    if width is not None and sys.byteorder == "little" and not tensor.HasField("segment"):
        dtype = helper.tensor_dtype_to_np_dtype(tensor.data_type)
        if dtype.itemsize == width:  # old versions of onnx have float32 for what numpy lacks
            return held.numbers(dtype).reshape(tensor.dims)
    whole = TensorProto()
    whole.CopyFrom(tensor)
    whole.raw_data = held.content()
    return numpy_helper.to_array(whole)


def filler(tensor: TensorProto) -> Any:
    """The one number of a tensor; ValueError when it does not have just one."""
    if int(np.prod(tensor.dims)) != 1:
        raise ValueError("not one number")
    return numpy_helper.to_array(tensor).reshape(-1)[0]


def location_of(tensor: TensorProto) -> str:
    """Where the model says a tensor's external data lies, relative to its folder."""
    return next((e.value for e in tensor.external_data if e.key == "location"), "")


def external_file(tensor: TensorProto, folders: Sequence[Path]) -> tuple[Path, int]:
    """File and offset of external data; InputError when missing, outside the folder, or short."""
    path, offset, _ = external_range(tensor, folders)
    return path, offset


def external_range(tensor: TensorProto, folders: Sequence[Path]) -> tuple[Path, int, int]:
    """File, offset and length of external data; InputError as for `external_file`."""
    entries = {e.key: e.value for e in tensor.external_data}
    location = location_of(tensor)
    label = f"tensor {tensor.name!r}"
    if not location or Path(location).is_absolute() or ".." in Path(location).parts:
        raise InputError(f"{label}: external data at {location!r} is not inside the model's folder")
    try:
        path = next((f / location for f in folders if (f / location).is_file()), None)
    except OSError:  # a name too long
        path = None
    if path is None:
        raise InputError(f"{label}: its external data file {folders[0] / location} does not exist")
    if not any(path.resolve().is_relative_to(folder.resolve()) for folder in folders):
        raise InputError(f"{label}: its external data file {path} links out of the model's folder")
    needed = tensor_bytes(tensor)
    try:
        offset = int(entries.get("offset", "0"))
        length = int(entries.get("length", str(needed)))
    except ValueError:
        raise InputError(f"{label}: offset or length of its external data is no number") from None
    size = path.stat().st_size
    if offset < 0 or length < needed or offset + length > size:
        raise InputError(
            f"{label}: needs {needed} bytes of {path} from byte {offset} on, the file has {size}"
        )
    return path, offset, length


def tensor_bytes(tensor: TensorProto) -> int:
    """How many bytes the numbers of a tensor take."""
    count = int(np.prod(np.array(tensor.dims, np.int64), dtype=np.int64))
    try:
        size = helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
    except KeyError:
        return 0  # of a later version of ONNX: its length is what the model says
    if tensor.data_type in _BITS:
        return (count * _BITS[tensor.data_type] + 7) // 8
    return count * size
