"""Copying between files without holding what is copied."""

from __future__ import annotations

import errno
import os
from io import FileIO
from pathlib import Path

_AT_A_TIME = 1 << 22  # bytes that are held, or written at once
_BY_THE_SYSTEM = 1 << 26  # bytes it copies between two chances to interrupt it


def write_all(target: FileIO, content: bytes | memoryview) -> None:
    """Append bytes to an unbuffered file. Raises OSError."""
    with memoryview(content) as view:
        place = 0
        while place < len(view):
            place += target.write(view[place : place + _AT_A_TIME])


def copy_part(source: FileIO, offset: int, length: int, target: FileIO) -> int:
    """Let the system append a part of one file to another; returns how many bytes it did copy.

    It may share their blocks, where the file system can. What it does not copy, for whatever
    reason, is left to the caller.
    """
    if not hasattr(os, "copy_file_range"):
        return 0
    done = 0
    try:
        while done < length:
            count = min(length - done, _BY_THE_SYSTEM)
            copied = os.copy_file_range(source.fileno(), target.fileno(), count, offset + done)
            if not copied:
                break
            done += copied
    except OSError:  # writing the rest works, or says why not
        pass
    return done


def copy_file(source: Path, target: FileIO, offset: int = 0, length: int | None = None) -> None:
    """Append a file, or a part of it, to another one; holes stay holes.

    Raises OSError; also where the file is too short.
    """
    with source.open("rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        stop = size if length is None else offset + length
        if stop > size:
            raise OSError(f"{source} became shorter while it was copied")
        while offset < stop:
            start, end = _next_data(file, offset, stop)
            if start > offset:
                target.truncate(target.tell() + start - offset)
                target.seek(0, os.SEEK_END)
            _copy(file, start, end, target)
            offset = end


def _next_data(file: FileIO, place: int, stop: int) -> tuple[int, int]:
    """Where between two places a file next has data; both are `stop` when it has only a hole."""
    if not hasattr(os, "SEEK_DATA"):
        return place, stop
    try:
        start = min(file.seek(place, os.SEEK_DATA), stop)
        return start, min(file.seek(start, os.SEEK_HOLE), stop) if start < stop else stop
    except OSError as error:
        return (stop, stop) if error.errno == errno.ENXIO else (place, stop)


def _copy(source: FileIO, start: int, stop: int, target: FileIO) -> None:
    start += copy_part(source, start, stop - start, target)
    source.seek(start)
    while start < stop:
        block = source.read(min(stop - start, _AT_A_TIME))
        if not block:
            raise OSError(f"{source.name} became shorter while it was copied")
        write_all(target, block)
        start += len(block)
