"""What a user may write for a box: `lo,hi`, `name=lo,hi`, an .npz of bounds, a VNN-LIB file."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lumpcli.box.box import Array, Box, Shapes
from lumpcli.box.decimals import lower_bound, upper_bound
from lumpcli.box.vnnlib import parse_vnnlib
from lumpcli.errors import UsageError

Ranges = dict[str, tuple[Array, Array]]


def read_box(entries: Sequence[str], inputs: Shapes) -> Box:
    """The box that entries describe, for a model with these inputs; later entries win.

    An entry is `lo,hi` (for all inputs), `name=lo,hi`, or the name of a file: .npz with the keys
    `NAME.lower` and `NAME.upper` (`lower` and `upper` where the model has one input; arrays of the
    input's shape, or of one number), or .vnnlib, whose X_i are the elements of all inputs in order.
    Raises UsageError for whatever does not fit.
    """
    ranges: Ranges = {}
    for entry in entries:
        if entry.endswith(".npz"):
            ranges |= _from_arrays(Path(entry), inputs)
        elif entry.endswith(".vnnlib"):
            ranges |= _from_vnnlib(Path(entry), inputs)
        else:
            ranges |= _from_pair(entry, inputs)
    box = Box(ranges)
    box.matches(inputs)
    return box


def _from_pair(entry: str, inputs: Shapes) -> Ranges:
    name, equals, pair = entry.rpartition("=")
    numbers = pair.split(",")
    if len(numbers) != 2:
        raise UsageError(
            f"box: {entry!r} is neither lo,hi nor name=lo,hi nor a file (.npz, .vnnlib)"
        )
    lower, upper = lower_bound(numbers[0].strip()), upper_bound(numbers[1].strip())
    wanted = {name: inputs.get(name, ())} if equals else inputs
    return {n: (np.full(s, lower), np.full(s, upper)) for n, s in wanted.items()}


def _from_arrays(path: Path, inputs: Shapes) -> Ranges:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in archive.files}
    except FileNotFoundError:
        raise UsageError(f"box: {path}: no such file") from None
    except (OSError, ValueError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        raise UsageError(f"box: {path} cannot be read as .npz: {error}") from None
    prefix = f"{next(iter(inputs))}." if len(inputs) == 1 else ""
    named = {prefix + k if k in ("lower", "upper") else k: a for k, a in arrays.items()}
    ranges: Ranges = {}
    for key in named:
        name, _, side = key.rpartition(".")
        if not name or side not in ("lower", "upper"):
            raise UsageError(f"box: {path}: {key!r} is not NAME.lower or NAME.upper")
        if name not in ranges:
            ranges[name] = (
                _array(path, named, f"{name}.lower", inputs.get(name)),
                _array(path, named, f"{name}.upper", inputs.get(name)),
            )
    return ranges


def _array(path: Path, arrays: dict[str, Array], key: str, shape: tuple[int, ...] | None) -> Array:
    if key not in arrays:
        raise UsageError(f"box: {path} has no {key!r}")
    array = arrays[key]
    if array.dtype.kind not in "fiu" or array.dtype.itemsize > 8:
        raise UsageError(f"box: {path}: {key!r} holds {array.dtype}, not float64 or smaller")
    exact = array.astype(np.float64)
    if array.dtype.kind in "iu" and (np.abs(exact) >= 2.0**53).any():
        raise UsageError(f"box: {path}: {key!r} holds integers that float64 cannot represent")
    return np.full(shape, exact) if exact.ndim == 0 and shape is not None else exact


def _from_vnnlib(path: Path, inputs: Shapes) -> Ranges:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UsageError(f"box: {path}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"box: {path} cannot be read: {error}") from None
    lower, upper = parse_vnnlib(text, str(path))
    wanted = sum(int(np.prod(shape)) for shape in inputs.values())
    if len(lower) != wanted:
        raise UsageError(
            f"box: {path} declares {len(lower)} inputs X_i, the model's inputs have {wanted} "
            "elements"
        )
    ranges, start = {}, 0
    for name, shape in inputs.items():
        stop = start + int(np.prod(shape))
        ranges[name] = (lower[start:stop].reshape(shape), upper[start:stop].reshape(shape))
        start = stop
    return ranges
