"""Copies between files: whole, in part, with holes, and when the system does not help."""

from __future__ import annotations

import os

import pytest

from lumpcli.wire import copy_file, copying, write_all
from lumpcli.wire.copying import copy_part

CONTENT = bytes(range(256)) * 50


@pytest.fixture(params=["by the system", "a part by the system", "refused", "unknown", "blocks"])
def source(request, tmp_path, monkeypatch):
    """A file, in each way in which it can be copied."""
    monkeypatch.setattr(copying, "_AT_A_TIME", 1000)
    monkeypatch.setattr(copying, "_BY_THE_SYSTEM", 3000)
    real = getattr(os, "copy_file_range", None)
    calls = []

    def some(*arguments):
        calls.append(arguments)
        return real(*arguments) if len(calls) == 1 else 0

    def refused(*_):
        raise OSError(95, "not supported")

    if request.param == "a part by the system" and real is not None:
        monkeypatch.setattr(os, "copy_file_range", some)
    elif request.param == "refused":
        monkeypatch.setattr(os, "copy_file_range", refused, raising=False)
    elif request.param in ("unknown", "blocks"):
        monkeypatch.delattr(os, "copy_file_range", raising=False)
    if request.param == "unknown":
        monkeypatch.delattr(os, "SEEK_DATA", raising=False)
    (tmp_path / "source").write_bytes(CONTENT)
    return tmp_path / "source"


def _copied(source, *part):
    target = source.parent / "target"
    with target.open("wb", buffering=0) as file:
        write_all(file, b"before")
        copy_file(source, file, *part)
        write_all(file, b"after")
    found = target.read_bytes()
    assert found.startswith(b"before")
    assert found.endswith(b"after")
    return found[6:-5]


def test_a_whole_file(source):
    assert _copied(source) == CONTENT


@pytest.mark.parametrize("part", [(0, 0), (0, 1), (7, 11), (4096, 8000), (len(CONTENT), 0), (9,)])
def test_a_part_of_a_file(source, part):
    stop = len(CONTENT) if len(part) == 1 else sum(part)
    assert _copied(source, *part) == CONTENT[part[0] : stop]


def test_a_part_that_is_not_there(source):
    with pytest.raises(OSError, match="became shorter"):
        _copied(source, 100, len(CONTENT))


def test_a_file_that_becomes_shorter(source, monkeypatch):
    monkeypatch.setattr(copying, "copy_part", lambda *_: 0)
    monkeypatch.setattr(copying, "_next_data", lambda file, place, stop: (place, stop + 1))
    with pytest.raises(OSError, match="became shorter"):
        _copied(source)


@pytest.mark.parametrize("holes", [(0,), (2,), (0, 2), (1, 3), (0, 1, 2, 3)])
def test_holes_are_copied_as_zeros_that_take_no_place(source, holes):
    size = 1 << 18
    with source.open("wb") as file:
        for number in range(4):
            file.seek(number * size)
            if number not in holes:
                file.write(b"x" * size)
        file.truncate(4 * size)
    assert _copied(source, 5, 4 * size - 9) == source.read_bytes()[5:-4]
    taken = (source.parent / "target").stat().st_blocks * 512
    if hasattr(os, "SEEK_DATA") and source.stat().st_blocks * 512 < 4 * size:
        assert taken <= (4 - len(holes)) * size + (1 << 16)


def test_what_takes_little_at_a_time_gets_all():
    class Slow:
        """A file that takes a few bytes at a time."""

        found = b""

        def write(self, block):
            self.found += bytes(block[:7])
            return min(7, len(block))

    slow = Slow()
    for content in (CONTENT, memoryview(CONTENT), b""):
        write_all(slow, content)
    assert slow.found == CONTENT * 2


def test_what_the_system_cannot_copy_is_left(tmp_path):
    (tmp_path / "source").write_bytes(CONTENT)
    with (
        (tmp_path / "source").open("rb", buffering=0) as source,
        (tmp_path / "target").open("wb", buffering=0) as target,
    ):
        assert copy_part(source, len(CONTENT), 10, target) == 0
        assert copy_part(source, 0, 0, target) == 0
        assert copy_part(source, 0, 10, source) == 0  # not open for writing
