"""Model files on disk: with their data files, written beside their place, moved there whole."""

from __future__ import annotations

import errno
import math
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from onnx import ModelProto, TensorProto

from lumpcli.errors import OutputError
from lumpcli.exporter.patch import Exported
from lumpcli.loader import Host, external_file, tensor_array

_LARGEST_ALIGNMENT = 1 << 16


def locations(model: ModelProto) -> list[str]:
    """The data files of a model, relative to its folder, in order of first mention."""
    found: dict[str, None] = {}
    for tensor in model.graph.initializer:
        if tensor.data_location == TensorProto.EXTERNAL:
            found.setdefault(_location(tensor))
    return list(found)


def _location(tensor: TensorProto) -> str:
    return next((e.value for e in tensor.external_data if e.key == "location"), "")


def check_target(path: Path, force: bool) -> None:
    """OutputError when the output exists and may not be replaced, or has no folder."""
    if path.is_dir():
        raise OutputError(f"{path} is a folder")
    if not path.parent.is_dir():
        raise OutputError(f"{path}: the folder {path.parent} does not exist")
    if os.path.lexists(path) and not force:
        raise OutputError(f"{path} exists; use --force to replace it")


@contextmanager
def staging(path: Path) -> Iterator[Path]:
    """A temporary folder beside a file, gone afterwards; OSErrors become OutputError."""
    try:
        with tempfile.TemporaryDirectory(prefix=".lumpcli-", dir=path.parent) as folder:
            yield Path(folder)
    except OSError as error:
        raise OutputError(_reason(path, error)) from None


def _reason(path: Path, error: OSError) -> str:
    if error.errno == errno.ENOSPC:
        return f"{path} cannot be written: no space left on the device"
    return f"{path} cannot be written: {error.strerror or error}"


def write_copy(host: Host, source: Path, path: Path, folder: Path) -> list[str]:
    """Copy a model into a folder, byte for byte; returns its files, the model last.

    Its data files come along only when the model goes to another folder.
    """
    shutil.copyfile(source, folder / path.name)
    if path.parent.resolve() == host.graph.folder.resolve():
        return [path.name]
    files = locations(host.model)
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(host.graph.folder / name, folder / name)
    return [*files, path.name]


def write_model(host: Host, exported: Exported, path: Path, folder: Path) -> list[str]:
    """Write a changed model into a folder under its future name; returns its files, the model last.

    Data files keep their names, except beside the original: there they are named after the output.
    """
    names = locations(host.model)
    renamed = {name: name for name in names}
    if path.parent.resolve() == host.graph.folder.resolve():
        several = len(names) > 1
        renamed = {
            name: f"{path.name}.{k}.data" if several else f"{path.name}.data"
            for k, name in enumerate(names)
        }
    for name in names:
        _write_data(host, exported, name, renamed[name], folder)
    (folder / path.name).write_bytes(exported.model.SerializeToString())
    return [*renamed.values(), path.name]


def _write_data(host: Host, exported: Exported, name: str, new_name: str, folder: Path) -> None:
    """Write one data file, tensors in their old order and alignment, and say where they are now."""
    tensors = [
        t
        for t in exported.model.graph.initializer
        if t.data_location == TensorProto.EXTERNAL and _location(t) == name
    ]
    offsets = {
        t.name: external_file(host.weights.tensors[t.name], host.graph.folder)[1] for t in tensors
    }
    alignment = min(math.gcd(*offsets.values()) or _LARGEST_ALIGNMENT, _LARGEST_ALIGNMENT)
    (folder / new_name).parent.mkdir(parents=True, exist_ok=True)
    with (folder / new_name).open("wb") as file:
        for tensor in sorted(tensors, key=lambda t: offsets[t.name]):
            numbers = exported.external.get(tensor.name)
            if numbers is None:
                numbers = tensor_array(host.weights.tensors[tensor.name], host.graph.folder)
            assert numbers is not None
            file.write(b"\0" * (-file.tell() % alignment))
            start = file.tell()
            file.write(np.ascontiguousarray(numbers).view(np.uint8).data)
            _say_where(tensor, new_name, start, file.tell() - start)


def _say_where(tensor: TensorProto, location: str, offset: int, length: int) -> None:
    del tensor.external_data[:]
    for key, value in (("location", location), ("offset", str(offset)), ("length", str(length))):
        tensor.external_data.add(key=key, value=value)


def publish(folder: Path, files: list[str], path: Path, force: bool) -> None:
    """Move finished files to their place, the model last; OutputError before anything is lost."""
    for name in files:
        target = path.parent / name
        if os.path.lexists(target) and not force:
            raise OutputError(f"{target} exists; use --force to replace it")
    for name in files:
        target = path.parent / name
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(folder / name, target)
