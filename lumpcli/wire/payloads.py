"""What stands outside of a message: parts of a file, or arrays; placeholders stand for them."""

from __future__ import annotations

import mmap
import os
import secrets
from contextlib import suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lumpcli.wire.copying import copy_part, write_all

Array = npt.NDArray[Any]
_NUMBER = 8  # bytes


class Mapped:
    """A file mapped into memory, to be read as long as this lives, even when it is replaced.

    It must not be written to. Raises OSError when it cannot be mapped.
    """

    def __init__(self, path: Path, file: FileIO) -> None:
        self.path = path
        self.bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._was = os.fstat(file.fileno())

    def write_to(self, target: FileIO, offset: int, length: int) -> None:
        """Append a part of the file to another one; by the system's own copy where it can."""
        done = 0
        with suppress(OSError), self.path.open("rb", buffering=0) as again:
            now = os.fstat(again.fileno())
            if _identity(now) == _identity(self._was):
                done = copy_part(again, offset, length, target)
        with memoryview(self.bytes) as view, view[offset + done : offset + length] as rest:
            write_all(target, rest)


def _identity(status: os.stat_result) -> tuple[int, ...]:
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


@dataclass(frozen=True)
class Stretch:
    """Bytes of a mapped file."""

    file: Mapped
    offset: int
    length: int

    def __len__(self) -> int:
        return self.length

    def numbers(self, dtype: np.dtype[Any]) -> Array:
        """The bytes as numbers, a view that cannot be written; ValueError for half a number."""
        if self.length % dtype.itemsize:
            raise ValueError(f"{self.length} bytes hold no whole number of {dtype}")
        count = self.length // dtype.itemsize
        return np.frombuffer(self.file.bytes, dtype, count, self.offset)

    def content(self) -> bytes:
        """The bytes themselves, a copy."""
        return self.file.bytes[self.offset : self.offset + self.length]

    def write_to(self, target: FileIO) -> None:
        """Append the bytes to a file."""
        self.file.write_to(target, self.offset, self.length)


@dataclass(frozen=True)
class Numbers:
    """Bytes of an array that lies in memory anyway, in whatever order."""

    array: Array

    def __len__(self) -> int:
        return self.array.nbytes

    def numbers(self, dtype: np.dtype[Any]) -> Array:
        """The bytes as numbers, in their order; ValueError for half a number."""
        return np.ascontiguousarray(self.array).reshape(-1).view(dtype)

    def content(self) -> bytes:
        """The bytes themselves, a copy."""
        return self.array.tobytes()

    def write_to(self, target: FileIO) -> None:
        """Append the bytes to a file."""
        write_all(target, np.ascontiguousarray(self.array).reshape(-1).view(np.uint8).data)


Payload = Stretch | Numbers


class Payloads:
    """The payloads of a message and their placeholders, which nothing else looks like.

    Placeholders of another message are none here: each has random bytes of its own. `least` is how
    many bytes a payload should have: fewer may as well stand in the message.
    """

    def __init__(self, least: int = 1) -> None:
        self.least = least
        self._token = secrets.token_bytes(16)
        self._held: list[Payload] = []

    @property
    def token(self) -> bytes:
        """How every placeholder begins."""
        return self._token

    def fork(self) -> Payloads:
        """The same payloads for a copy of the message, which may get others of its own."""
        other = Payloads(self.least)
        other._token, other._held = self._token, list(self._held)
        return other

    def add(self, payload: Payload) -> bytes:
        """Hold a payload; returns its placeholder."""
        self._held.append(payload)
        return self._token + (len(self._held) - 1).to_bytes(_NUMBER, "little")

    def find(self, content: bytes) -> Payload | None:
        """What some content stands for; None when it is no placeholder."""
        if len(content) != self.size or not content.startswith(self._token):
            return None
        return self._held[int.from_bytes(content[len(self._token) :], "little")]

    @property
    def size(self) -> int:
        """The length of a placeholder."""
        return len(self._token) + _NUMBER
