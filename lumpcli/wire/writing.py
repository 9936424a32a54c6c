"""Writing a model file: what placeholders stand for goes straight from its place to the new one."""

from __future__ import annotations

import errno
from bisect import bisect_left
from pathlib import Path

from onnx import ModelProto

from lumpcli.errors import InternalError
from lumpcli.wire.copying import write_all
from lumpcli.wire.payloads import Payloads
from lumpcli.wire.reading import LIMIT
from lumpcli.wire.walk import Content, Edit, Unfit, edits, growth, pieces


def write(model: ModelProto, payloads: Payloads | None, path: Path) -> None:
    """Write a model, with what its placeholders stand for in their place.

    Raises OSError, also for a file too large for protobuf to read; InternalError if a placeholder
    would stay in the file.
    """
    content = model.SerializeToString()
    changes = [] if payloads is None else _filled(content, payloads)
    if len(content) + growth(changes) > LIMIT:
        reason = "it would be larger than 2 GiB, which takes external data"
        raise OSError(errno.EFBIG, reason)
    with path.open("wb", buffering=0) as file:
        for piece in pieces(content, changes):
            if isinstance(piece, bytes):
                write_all(file, piece)
            else:
                piece.write_to(file)


def _filled(content: bytes, payloads: Payloads) -> list[Edit]:
    places = []
    place = content.find(payloads.token)
    while place >= 0:
        places.append(place)
        place = content.find(payloads.token, place + 1)
    found = 0

    def worth(start: int, stop: int) -> bool:
        return bisect_left(places, start) < bisect_left(places, stop)

    def fill(start: int, stop: int) -> Content | None:
        nonlocal found
        payload = payloads.find(content[start:stop])
        found += payload is not None
        return payload

    try:
        changes = edits(content, worth, fill)
    except Unfit:
        raise InternalError("the model to be written cannot be walked") from None
    if found != len(places):
        raise InternalError("a placeholder would stay in the written model")
    return changes
