from __future__ import annotations

import errno
import os

import numpy as np
import pytest

from lumpcli.ir import scratch
from lumpcli.ir.scratch import room

F32 = np.dtype(np.float32)


@pytest.mark.parametrize("large", [1, 1 << 30])
@pytest.mark.parametrize("by_rows", [True, False])
def test_room_can_be_written_and_read(large, by_rows, monkeypatch):
    monkeypatch.setattr(scratch, "_LARGE", large)
    found = room((30, 50), F32, by_rows)
    assert (found.shape, found.dtype) == ((30, 50), F32)
    assert found.flags.c_contiguous == by_rows
    found[...] = np.arange(1500).reshape(30, 50)
    assert found[29, 49] == 1499
    assert found.sum() == 1499 * 1500 / 2


def test_large_room_is_in_a_file(monkeypatch):
    monkeypatch.setattr(scratch, "_LARGE", 1000)
    assert room((10, 10), F32).base is None
    assert room((100, 100), F32).base is not None


def test_without_room_on_the_disk_memory_is_taken(monkeypatch):
    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(scratch, "_LARGE", 1)
    monkeypatch.setattr(os, "posix_fallocate", full)
    found = room((4, 4), F32)
    assert found.base is None
    found[...] = 1


def test_other_types_and_shapes(monkeypatch):
    monkeypatch.setattr(scratch, "_LARGE", 1)
    assert room((2, 3, 4, 5), np.dtype(np.int8)).shape == (2, 3, 4, 5)
    assert room((7,), np.dtype(np.float64)).shape == (7,)
