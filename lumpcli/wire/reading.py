"""Reading a model file: what is large stays in the file."""

from __future__ import annotations

import os
from io import FileIO
from pathlib import Path

from google.protobuf.message import DecodeError, Message
from onnx import ModelProto

from lumpcli.wire.payloads import Mapped, Payloads, Stretch
from lumpcli.wire.walk import Unfit, edits, pieces

LIMIT = (1 << 31) - 1  # bytes in a message: protobuf's
SMALLEST_FILE = 1 << 20  # bytes; smaller ones are not worth it
SMALLEST_PAYLOAD = 1 << 12  # bytes; more than one number, which stays in the message


def read(path: Path, whole: bool = False) -> tuple[ModelProto, Payloads | None]:
    """The model in a file, and what the placeholders in it stand for; None: there are none.

    `whole`: there are none in any case, as for who compares messages. Raises OSError, and
    protobuf's DecodeError for what is no message.
    """
    with path.open("rb", buffering=0) as file:
        found = None if whole else _skeleton(path, file)
        content, payloads = found or (file.readall(), None)
    model = ModelProto()
    model.ParseFromString(content)
    if not _is_text(model):
        raise DecodeError("a name in it is not UTF-8")
    return model, payloads


def _is_text(message: Message) -> bool:
    """Whether all names in a message are text: protobuf hands on any other bytes as they are."""
    for field, value in message.ListFields():
        if field.type not in (field.TYPE_STRING, field.TYPE_MESSAGE):
            continue
        entries = [value] if isinstance(value, (str, bytes, Message)) else value
        if field.type == field.TYPE_MESSAGE:
            if not all(map(_is_text, entries)):
                return False
        elif not all(isinstance(entry, str) for entry in entries):
            return False
    return True


def _skeleton(path: Path, file: FileIO) -> tuple[bytes, Payloads] | None:
    """The file with placeholders for large raw data; None when it is better read whole."""
    size = os.fstat(file.fileno()).st_size
    if size > LIMIT:
        raise DecodeError("a message cannot be longer than 2 GiB")
    if size < SMALLEST_FILE:
        return None
    try:
        mapped = Mapped(path, file)
    except (OSError, ValueError):  # not every file system can; an empty file never
        return None
    least = SMALLEST_PAYLOAD
    payloads = Payloads(least)

    def hold(start: int, stop: int) -> bytes:
        return payloads.add(Stretch(mapped, start, stop - start))

    try:
        changes = edits(mapped.bytes, lambda start, stop: stop - start >= least, hold)
    except Unfit:
        return None
    kept = pieces(mapped.bytes, changes)
    return b"".join(piece for piece in kept if isinstance(piece, bytes)), payloads
