"""A walk over serialised protobuf, down the paths that lead to the raw data of tensors.

Only those fields are looked at, and only where something may have to be replaced; all else is
stepped over by its length. What is odd, though protobuf allows it, is left to protobuf's own
parser: groups, numbers written longer than they need be, parts of one message in several places.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from io import FileIO
from typing import Any, Protocol, overload

import onnx

_RAW_DATA = "raw_data"
_DEEPEST = 100  # nested messages: protobuf's own limit
_MOST_FIELDS = 1 << 22  # looked at in one walk: seconds, whatever the file
_LONGEST_KEY, _LONGEST_NUMBER = 5, 10  # bytes
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5  # wire types; groups are 3 and 4


class Unfit(Exception):
    """The bytes are no message, or one of a kind that is not walked."""


class Bytes(Protocol):
    """What is walked: bytes, or a file mapped into memory."""

    def __len__(self) -> int: ...

    @overload
    def __getitem__(self, place: int, /) -> int: ...

    @overload
    def __getitem__(self, place: slice, /) -> bytes: ...


class Content(Protocol):
    """Bytes that stand somewhere else."""

    def __len__(self) -> int: ...

    def write_to(self, target: FileIO, /) -> None:
        """Append the bytes to a file."""


@dataclass(frozen=True)
class Kind:
    """A type of message: its fields on the way to raw data, by number; None is raw data itself.

    A field that is not `repeated` may come only once: protobuf would merge the two.
    """

    name: str
    fields: dict[int, tuple[Kind | None, bool]]


@dataclass(frozen=True)
class Edit:
    """Bytes `start` to `stop` are replaced."""

    start: int
    stop: int
    new: bytes | Content


@cache
def model_kind() -> Kind:
    """The messages of ONNX, as the installed onnx describes them."""
    kinds: dict[str, Kind] = {}
    model = _kind(onnx.ModelProto.DESCRIPTOR, kinds)
    leading: set[str] = set()  # to raw data
    while True:
        more = {
            name
            for name, kind in kinds.items()
            if any(child is None or child.name in leading for child, _ in kind.fields.values())
        }
        if more == leading:
            break
        leading = more
    for kind in kinds.values():
        for number, (child, _) in list(kind.fields.items()):
            if child is not None and child.name not in leading:
                del kind.fields[number]
    return model


def _kind(descriptor: Any, kinds: dict[str, Kind]) -> Kind:
    name = descriptor.full_name
    if name not in kinds:
        kinds[name] = kind = Kind(name, {})
        tensor = descriptor is onnx.TensorProto.DESCRIPTOR
        for field in descriptor.fields:
            if field.message_type is not None:
                repeated = field.default_value is not None
                kind.fields[field.number] = (_kind(field.message_type, kinds), repeated)
            elif tensor and field.name == _RAW_DATA:
                kind.fields[field.number] = (None, False)
    return kinds[name]


def edits(
    data: Bytes,
    worth: Callable[[int, int], bool],
    swap: Callable[[int, int], bytes | Content | None],
) -> list[Edit]:
    """How a serialised model changes when raw data is swapped, the lengths around it too.

    `worth` says whether something between two places may be swapped, `swap` what stands there
    then, None for what does already. Raises Unfit.
    """
    walk = _Walk(data, worth, swap)
    walk.message(model_kind(), 0, len(data), 1)
    return [edit for edit in walk.edits if edit is not None]


def growth(changes: Iterable[Edit]) -> int:
    """By how many bytes edits make the whole longer."""
    return sum(len(edit.new) - (edit.stop - edit.start) for edit in changes)


def pieces(data: Bytes, changes: Sequence[Edit]) -> Iterator[bytes | Content]:
    """What is left of the data and what is new, in order; nothing empty."""
    place = 0
    for edit in changes:
        if edit.start > place:
            yield data[place : edit.start]
        if len(edit.new):
            yield edit.new
        place = edit.stop
    if place < len(data):
        yield data[place : len(data)]


class _Walk:
    def __init__(
        self,
        data: Bytes,
        worth: Callable[[int, int], bool],
        swap: Callable[[int, int], bytes | Content | None],
    ) -> None:
        self.data = data
        self.worth = worth
        self.swap = swap
        self.edits: list[Edit | None] = []
        self.count = 0  # of fields looked at

    def message(self, kind: Kind, place: int, stop: int, depth: int) -> int:
        """Walk a message; returns by how many bytes it gets longer."""
        if depth > _DEEPEST:
            raise Unfit
        seen: set[int] = set()
        longer = 0
        while place < stop:
            self.count += 1
            if self.count > _MOST_FIELDS:
                raise Unfit
            key, place = self.number(place, stop, _LONGEST_KEY)
            number, wire = key >> 3, key & 7
            if wire == _LENGTH:
                before = place
                length, place = self.number(place, stop, _LONGEST_KEY)
                end = place + length
                if end > stop:
                    raise Unfit
                if number in kind.fields:
                    child, repeated = kind.fields[number]
                    if number in seen and not repeated:
                        raise Unfit
                    seen.add(number)
                    if self.worth(place, end):
                        longer += self.inside(child, before, place, end, depth)
                place = end
            elif wire == _VARINT:
                _, place = self.number(place, stop, _LONGEST_NUMBER)
            elif wire in (_FIXED64, _FIXED32):
                place += 8 if wire == _FIXED64 else 4
            else:
                raise Unfit
            if not number or place > stop:
                raise Unfit
        return longer

    def inside(self, kind: Kind | None, before: int, start: int, stop: int, depth: int) -> int:
        """Walk a field whose length is written at `before`; returns how much longer it gets."""
        own = len(self.edits)
        self.edits.append(None)  # the length, which is known only after what follows it
        if kind is None:
            new = self.swap(start, stop)
            if new is None:
                return 0
            self.edits.append(Edit(start, stop, new))
            longer = len(new) - (stop - start)
        else:
            longer = self.message(kind, start, stop, depth + 1)
        if longer:
            length = varint(stop - start + longer)
            self.edits[own] = Edit(before, start, length)
            longer += len(length) - (start - before)
        return longer

    def number(self, place: int, stop: int, longest: int) -> tuple[int, int]:
        """The number written at a place, and the place after it."""
        value = shift = 0
        while place < stop and shift < 7 * longest:
            byte = self.data[place]
            place += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                if shift and not byte:
                    raise Unfit
                return value, place
            shift += 7
        raise Unfit


def varint(value: int) -> bytes:
    """A number as protobuf writes it."""
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    written.append(value)
    return bytes(written)
