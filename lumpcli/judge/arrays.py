"""The user's own input arrays: read, fitted to the inputs of a model, and written as a witness."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from onnx import TensorProto
from onnx.helper import tensor_dtype_to_np_dtype

from lumpcli.errors import OutputError, UsageError
from lumpcli.judge.signature import Port


def load_inputs(specs: Sequence[str]) -> dict[str, np.ndarray]:
    """Read "name=file.npy" (one array) and "file.npz" (an array per input) into name -> array.

    Raise UsageError for another form, a file that cannot be read, and a name given twice.
    """
    arrays: dict[str, np.ndarray] = {}
    for spec in specs:
        for name, array in _read(spec).items():
            if name in arrays:
                raise UsageError(f"input {name} is given twice, the second time by {spec}")
            arrays[name] = array
    return arrays


def _read(spec: str) -> dict[str, np.ndarray]:
    if spec.endswith(".npz") and ("=" not in spec or Path(spec).exists()):
        return _read_archive(Path(spec))
    name, equals, file = spec.partition("=")
    if not (name and equals and file.endswith(".npy")):
        raise UsageError(f"input {spec}: write name=file.npy, or file.npz")
    return {name: _read_array(Path(file))}


def _read_array(path: Path) -> np.ndarray:
    try:
        with path.open("rb") as stream:
            return np.lib.format.read_array(stream, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise UsageError(f"input file {path}: {_why(error)}") from error


def _read_archive(path: Path) -> dict[str, np.ndarray]:
    try:
        with zipfile.ZipFile(path) as archive:
            names = [n for n in archive.namelist() if n.endswith(".npy")]
            return {n.removesuffix(".npy"): _member(archive, n) for n in names}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise UsageError(f"input file {path}: {_why(error)}") from error


def _member(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    with archive.open(name) as stream:
        return np.lib.format.read_array(stream, allow_pickle=False)


def _why(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or "empty file"


def write_witness(path: Path, feeds: Mapping[str, np.ndarray]) -> None:
    """Write arrays to an .npz that `load_inputs` reads back. Raise OutputError.

    Not `np.savez`: it cannot store an input called "file". bfloat16 becomes float32, exactly.
    """
    try:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, array in feeds.items():
                plain = array.astype(np.float32) if array.dtype.name == "bfloat16" else array
                with archive.open(f"{name}.npy", "w", force_zip64=True) as stream:
                    np.lib.format.write_array(stream, plain, allow_pickle=False)
    except OSError as error:
        raise OutputError(f"witness {path}: cannot be written: {error.strerror}") from error


def fit_inputs(
    ports: Sequence[Port], given: Mapping[str, np.ndarray] | None
) -> dict[str, np.ndarray]:
    """The given arrays in the types of the inputs they are for.

    Raise UsageError for a name that is no input, another rank, a static size the array does not
    have (the first may be a multiple, when all inputs are given), and numbers the type cannot hold.
    """
    given = given or {}
    several = all(p.name in given for p in ports)  # else one array would meet many drawn ones
    return {
        name: _fit(known(name, ports), np.asarray(array), several) for name, array in given.items()
    }


def known(name: str, ports: Sequence[Port]) -> Port:
    """The input of that name; raise UsageError that lists the inputs when there is none."""
    by_name = {p.name: p for p in ports}
    if name not in by_name:
        listed = ", ".join(f"{p.name} {p}" for p in by_name.values()) or "none"
        raise UsageError(f"the model has no input {name}; its inputs: {listed}")
    return by_name[name]


def fits(port: Port, shape: tuple[int, ...], several: bool = False) -> bool:
    """Whether a shape is one the input takes; `several`: the first size may be a multiple."""
    if port.shape is None:
        return True
    if len(shape) != len(port.shape):
        return False
    for axis, (size, wanted) in enumerate(zip(shape, port.shape, strict=True)):
        if isinstance(wanted, int) and size != wanted:
            multiple = several and axis == 0 and size > 0 and size % wanted == 0
            if not multiple:
                return False
    return True


def _fit(port: Port, array: np.ndarray, several: bool) -> np.ndarray:
    if not port.tensor:
        raise UsageError(f"input {port.name} is a {port.dtype}; only arrays can be given")
    if not fits(port, array.shape, several):
        raise UsageError(f"input {port.name} is {port}; the array given has shape {array.shape}")
    if port.dtype == "string":
        return array.astype(object)
    return _convert(port, array)


def _convert(port: Port, array: np.ndarray) -> np.ndarray:
    wanted = numpy_type(port)
    numbers = array.dtype.kind in "biuf" or array.dtype == wanted
    floats = wanted.kind not in "biu"
    with np.errstate(all="ignore"):  # what overflows is told from the numbers, below
        converted = array.astype(wanted) if numbers else None
    if converted is None or not (floats or np.array_equal(converted, array)):
        raise UsageError(f"input {port.name} is {port}; the {array.dtype} array given does not fit")
    return converted


def numpy_type(port: Port) -> np.dtype:
    """The numpy type of a tensor's elements; raise UsageError when there is none."""
    for number in TensorProto.DataType.values():
        if number not in (TensorProto.UNDEFINED, TensorProto.STRING):
            found = tensor_dtype_to_np_dtype(number)
            if found.name == port.dtype:
                return found
    raise UsageError(f"input {port.name} has a type that cannot be drawn: {port.dtype}")
