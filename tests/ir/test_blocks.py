"""Arrays looked at block by block say what they would say as a whole."""

from __future__ import annotations

import tracemalloc

import ml_dtypes
import numpy as np
import pytest

from lumpcli.ir import blocks as module
from lumpcli.ir.blocks import all_finite, blocks, equal, same_bits

SHAPES = [(), (0,), (1,), (3, 0, 2), (7,), (5, 3), (2, 3, 4), (1, 50), (50, 1), (4, 1, 9)]
TYPES = ["f4", "f2", "f8", "i8", "u1", ml_dtypes.bfloat16]


@pytest.fixture(autouse=True, params=[1, 5, 12, 1 << 18])
def _small(request, monkeypatch):
    monkeypatch.setattr(module, "_NUMBERS", request.param)


def _orders(array):
    yield array
    yield array.T.copy().T
    yield np.flip(array)
    yield np.broadcast_to(array[:1], array.shape) if array.ndim else array


@pytest.mark.parametrize("shape", SHAPES)
def test_every_number_is_in_one_block(shape):
    array = np.arange(np.prod(shape), dtype=int).reshape(shape)
    for first in _orders(array):
        found = list(blocks(first, array))
        assert all(a.shape == b.shape and a.size <= max(module._NUMBERS, 1) for a, b in found)
        assert sorted(n for _, b in found for n in b.reshape(-1)) == list(range(array.size))
        assert sorted(n for a, _ in found for n in a.reshape(-1)) == sorted(first.reshape(-1))


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_one_number_makes_the_difference(shape, dtype):
    array = np.ones(shape, dtype)
    for a in _orders(array):
        assert equal(a, array.copy())
        assert same_bits(a, array.copy())
        assert same_bits(a, a)
        assert all_finite(a)
    for place in np.ndindex(*shape):
        other = array.copy(order="F")
        other[place] = 2
        for a, b in ((array, other), (other, array)):
            assert not equal(a, b)
            assert not same_bits(a, b)


@pytest.mark.parametrize("dtype", ["f4", "f2", "f8", ml_dtypes.bfloat16])
def test_zeros_and_nan(dtype):
    zero, nan = np.zeros((3, 4), dtype), np.full((3, 4), np.nan, dtype)
    assert equal(zero, -zero)
    assert not same_bits(zero, -zero)
    with np.errstate(invalid="ignore"):
        assert not equal(nan, nan)
    assert same_bits(nan, nan.copy())
    for number in (np.nan, np.inf, -np.inf):
        odd = zero.copy()
        odd[2, 3] = number
        assert not all_finite(odd)


def test_shape_and_type_count():
    array = np.zeros((2, 3))
    assert not equal(array, array.T)
    assert not same_bits(array, array.T)
    assert equal(array, array.astype("f4"))
    assert not same_bits(array, array.astype("f4"))


def test_nothing_large_is_made(monkeypatch):
    monkeypatch.setattr(module, "_NUMBERS", 1 << 12)
    a, b = np.zeros((2000, 300), "f4"), np.zeros((300, 2000), "f4").T
    tracemalloc.start()
    try:
        assert equal(a, b)
        assert same_bits(a, b)
        assert all_finite(b)
        assert tracemalloc.get_traced_memory()[1] < 1 << 18
    finally:
        tracemalloc.stop()
