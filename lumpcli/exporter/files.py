"""Model files on disk: with their data files, written beside their place, moved there whole."""

from __future__ import annotations

import errno
import math
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain, count
from pathlib import Path

from onnx import TensorProto

from lumpcli.errors import InputError, OutputError
from lumpcli.exporter.patch import Exported
from lumpcli.exporter.tensors import stored
from lumpcli.loader import Host, all_tensors, external_range, location_of, read_model
from lumpcli.progress import Stage, stage
from lumpcli.wire import copy_file, write, write_all

_LARGEST_ALIGNMENT = 1 << 16


def check_target(output: str | os.PathLike[str], force: bool) -> Path:
    """Where the output goes, links followed.

    OutputError when it exists and may not be replaced, is no regular file, or has no folder.
    """
    name = os.fspath(output)
    if not name:
        raise OutputError("the name of the output is empty")
    try:
        if os.path.lexists(name) and not force:
            raise OutputError(f"{name} exists; use --force to replace it")
        path = Path(name).resolve()
        if path.is_dir():
            raise OutputError(f"{name} is a folder")
        if os.path.lexists(path) and not path.is_file():
            raise OutputError(f"{name} is not a regular file")
        if not path.parent.is_dir():
            what = "is not a folder" if path.parent.exists() else "does not exist"
            raise OutputError(f"{name} cannot be written: {path.parent} {what}")
    except (OSError, RuntimeError) as error:  # a name too long, a loop of links
        raise OutputError(f"{name} cannot be written: {error}") from None
    return path


def check_data_place(host: Host, output: str | os.PathLike[str], path: Path) -> None:
    """OutputError when an output with data files is a link into another folder.

    Whoever opens the link looks for the data beside it, and finds none, or another model's.
    """
    if host.data_files and Path(output).parent.resolve() != path.parent:
        raise OutputError(
            f"{os.fspath(output)} is a link to {path}, and the model's data files would lie there; "
            "name a file that is no link"
        )


@contextmanager
def staging(path: Path, label: str = "") -> Iterator[Path]:
    """A temporary folder beside a file, gone afterwards; OSErrors become OutputError.

    `label` is what messages call the file, if not by its path.
    """
    try:
        with tempfile.TemporaryDirectory(prefix=".lumpcli-", dir=path.parent) as folder:
            yield Path(folder)
    except OSError as error:
        raise OutputError(_reason(label or str(path), error)) from None


def _reason(label: str, error: OSError) -> str:
    if error.errno == errno.ENOSPC:
        return f"{label} cannot be written: no space left on the device"
    return f"{label} cannot be written: {error.strerror or error}"


def write_copy(host: Host, source: Path, path: Path, folder: Path) -> list[str]:
    """Copy a model into a folder, byte for byte; returns its files, the model last.

    Its data files come along only when the model goes to another folder; OutputError when one
    would replace a file that is not the old output's.
    """
    files = [source] if _beside(host, path) else [source, *host.data_files.values()]
    step = stage("copying", sum(file.stat().st_size for file in files))
    _copy(source, folder / path.name, step)
    if len(files) == 1:
        return [path.name]
    own = _owned(host, path)
    for name, data in host.data_files.items():
        if not _free(path.parent / name, own):
            raise OutputError(f"{path.parent / name} exists, and the model's data must go there")
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        _copy(data, folder / name, step)
    return [*host.data_files, path.name]


def _copy(source: Path, target: Path, step: Stage) -> None:
    with target.open("wb", buffering=0) as file:
        copy_file(source, file)
        step.advance(file.tell())


def write_model(host: Host, exported: Exported, path: Path, folder: Path) -> list[str]:
    """Write a changed model into a folder under its future name; returns its files, the model last.

    Data files keep their names where that replaces nothing but the old output's; else they are
    named after the output, as they are beside the original.
    """
    external = (t for t in all_tensors(exported.model) if t.data_location == TensorProto.EXTERNAL)
    read = {location_of(tensor) for tensor in external}
    names = {old: new for old, new in _data_names(host, path).items() if old in read}
    for name, new_name in names.items():
        _write_data(host, exported, name, new_name, folder)
    write(exported.model, exported.payloads, folder / path.name)
    return [*names.values(), path.name]


def _data_names(host: Host, path: Path) -> dict[str, str]:
    """What the data files are called in the output, by what they are called in the original."""
    own = _owned(host, path)
    in_place = host.path is not None and host.path.resolve() == path.resolve()
    keep = in_place or not _beside(host, path)
    names: dict[str, str] = {}
    for name in host.data_files:
        numbered = (f"{path.name}.{k}.data" for k in count(1))
        candidates = chain((name,) if keep else (), (f"{path.name}.data",), numbered)
        names[name] = next(
            c for c in candidates if c not in names.values() and _free(path.parent / c, own)
        )
    return names


def _beside(host: Host, path: Path) -> bool:
    """Whether a file lies where the model's external data is looked for."""
    return path.parent.resolve() in [folder.resolve() for folder in host.graph.folders]


def _owned(host: Host, path: Path) -> set[Path]:
    """The data files of the output about to be replaced, but for those other models read."""
    try:
        old, _ = read_model(path)
    except InputError:
        return set()
    external = [t for t in all_tensors(old) if t.data_location == TensorProto.EXTERNAL]
    found = {(path.parent / location_of(t)).resolve() for t in external}
    if found:
        found -= _read_by_others(path)
    if host.path is not None and host.path.resolve() == path.resolve():
        return found
    return found - {file.resolve() for file in host.data_files.values()}


def _read_by_others(path: Path) -> set[Path]:
    """The data files that other models beside the output read."""
    found = set()
    for other in path.parent.glob("*.onnx"):
        if other.resolve() == path.resolve():
            continue
        try:
            model, _ = read_model(other)
        except InputError:
            continue
        for tensor in all_tensors(model):
            if tensor.data_location == TensorProto.EXTERNAL:
                found.add((other.parent / location_of(tensor)).resolve())
    return found


def _free(path: Path, own: set[Path]) -> bool:
    """Whether a data file may be written here: there is none, or it is the old output's."""
    return not os.path.lexists(path) or (path.is_file() and path.resolve() in own)


def _write_data(host: Host, exported: Exported, name: str, new_name: str, folder: Path) -> None:
    """Write one data file, tensors in their old order and alignment, and say where they are now.

    Tensors that did not change are copied as the bytes they are.
    """
    tensors = []
    top_level = len(exported.model.graph.initializer)  # they come first
    for number, tensor in enumerate(all_tensors(exported.model)):
        if tensor.data_location == TensorProto.EXTERNAL and location_of(tensor) == name:
            changed = exported.external.get(tensor.name) if number < top_level else None
            old = host.weights.tensors[tensor.name] if changed is not None else tensor
            tensors.append((external_range(old, host.graph.folders), tensor, changed))
    tensors.sort(key=lambda entry: entry[0][1])
    offsets = [offset for (_, offset, _), _, _ in tensors]
    alignment = min(math.gcd(*offsets) or _LARGEST_ALIGNMENT, _LARGEST_ALIGNMENT)
    (folder / new_name).parent.mkdir(parents=True, exist_ok=True)
    step = stage("writing", sum(r[2] if c is None else c.nbytes for r, _, c in tensors))
    with (folder / new_name).open("wb", buffering=0) as file:
        copied: dict[tuple[int, int], int] = {}  # tensors may share bytes
        for (path, offset, length), tensor, changed in tensors:
            if changed is None and (offset, length) in copied:
                _say_where(tensor, new_name, copied[offset, length], length)
                continue
            write_all(file, b"\0" * (-file.tell() % alignment))
            start = file.tell()
            if changed is None:
                copy_file(path, file, offset, length)
                copied[offset, length] = start
            else:
                stored(changed).write_to(file)
            _say_where(tensor, new_name, start, file.tell() - start)
            step.advance(file.tell() - start)


def _say_where(tensor: TensorProto, location: str, offset: int, length: int) -> None:
    del tensor.external_data[:]
    for key, value in (("location", location), ("offset", str(offset)), ("length", str(length))):
        tensor.external_data.add(key=key, value=value)


def publish(folder: Path, files: list[str], path: Path) -> None:
    """Move finished files to their place, the model last; when that fails, all is as it was."""
    replaced: list[tuple[Path, Path | None]] = []
    try:
        for number, name in enumerate(files):
            target = path.parent / name
            target.parent.mkdir(parents=True, exist_ok=True)
            old = folder / f"replaced-{number}" if target.exists() else None
            if old is not None and len(files) > 1:
                shutil.copy2(target, old)
            if target.exists():
                shutil.copymode(target, folder / name)
            replaced.append((target, old))
            os.replace(folder / name, target)
    except BaseException:
        if len(files) > 1:
            for target, old in reversed(replaced):
                if old is not None:
                    os.replace(old, target)
                else:
                    target.unlink(missing_ok=True)
        raise
