"""Placeholders and what they stand for."""

from __future__ import annotations

import os

import numpy as np
import pytest

from lumpcli.wire import Mapped, Numbers, Payloads, Stretch

NUMBERS = np.arange(12, dtype="f4")


@pytest.fixture
def mapped(tmp_path):
    (tmp_path / "file").write_bytes(b"abc" + NUMBERS.tobytes() + b"xyz")
    with (tmp_path / "file").open("rb", buffering=0) as file:
        return Mapped(tmp_path / "file", file)


def _written(payload, path):
    with path.open("wb", buffering=0) as file:
        payload.write_to(file)
    return path.read_bytes()


def test_a_placeholder_stands_for_its_payload_and_nothing_else_does():
    payloads = Payloads()
    held = [Numbers(NUMBERS), Numbers(NUMBERS[:2])]
    tokens = [payloads.add(payload) for payload in held]
    assert all(payloads.find(t) is h for t, h in zip(tokens, held, strict=True))
    assert {len(token) for token in tokens} == {payloads.size}
    for other in (b"", bytes(payloads.size), tokens[0] + b"\0", tokens[0][:-1], tokens[0][::-1]):
        assert payloads.find(other) is None
    assert Payloads().find(tokens[0]) is None
    assert all(token.startswith(payloads.token) for token in tokens)


def test_a_fork_has_payloads_of_its_own():
    payloads = Payloads(least=5)
    first = payloads.add(Numbers(NUMBERS))
    forks = payloads.fork(), payloads.fork()
    second = [fork.add(Numbers(NUMBERS[:size])) for size, fork in enumerate(forks, 1)]
    assert second[0] == second[1]
    assert [len(fork.find(second[0])) for fork in forks] == [4, 8]
    assert all(f.find(first) is payloads.find(first) and f.least == 5 for f in forks)


def test_a_stretch_is_a_view_of_the_file(mapped, tmp_path):
    stretch = Stretch(mapped, 3, 48)
    assert len(stretch) == 48
    found = stretch.numbers(np.dtype("f4"))
    np.testing.assert_array_equal(found, NUMBERS)
    assert not found.flags.writeable
    assert not found.flags.owndata
    assert stretch.content() == NUMBERS.tobytes()
    assert stretch.numbers(np.dtype("u1")).tobytes() == NUMBERS.tobytes()
    with pytest.raises(ValueError, match="no whole number"):
        Stretch(mapped, 3, 47).numbers(np.dtype("f4"))
    assert _written(stretch, tmp_path / "copy") == NUMBERS.tobytes()


@pytest.mark.parametrize("fate", ["removed", "replaced", "moved"])
def test_the_file_as_it_was_is_read(mapped, tmp_path, fate):
    """Another file may be in its place when the output is written: that of the output itself."""
    stretch = Stretch(mapped, 3, 48)
    if fate == "replaced":
        (tmp_path / "new").write_bytes(bytes(100))
        os.replace(tmp_path / "new", tmp_path / "file")
    elif fate == "moved":
        os.replace(tmp_path / "file", tmp_path / "elsewhere")
    else:
        (tmp_path / "file").unlink()
    assert _written(stretch, tmp_path / "copy") == NUMBERS.tobytes()
    assert stretch.content() == NUMBERS.tobytes()


def test_numbers_are_written_in_their_order(tmp_path):
    for array in (NUMBERS, NUMBERS[::-2], NUMBERS.reshape(3, 4).T, NUMBERS[:0], NUMBERS[3:4]):
        payload = Numbers(array)
        assert len(payload) == array.nbytes
        assert _written(payload, tmp_path / "copy") == array.tobytes() == payload.content()
        np.testing.assert_array_equal(payload.numbers(array.dtype), array.reshape(-1))
