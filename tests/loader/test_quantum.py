"""Integers that stand for numbers: which are taken, what they are, and what is stored for them."""

from __future__ import annotations

import numpy as np
import pytest

from lumpcli.ir import Array
from lumpcli.loader.quantum import Quantum, dequantized, quant_limits, rounded

HALF = np.array(0.5, np.float32)
STORED = np.array([[1, -2, 127], [0, 5, -128]], np.int8)


def _told(
    stored: Array, scale: float = 0.5, zero: float = 0.0, bits: float = 4.0
) -> tuple[Array, ...]:
    """What a Quant of weights is told."""
    return tuple(np.asarray(numbers, np.float32) for numbers in (stored, scale, zero, bits))


def _found(*told: Array) -> tuple[Array, Quantum]:
    """The integers of a Quant that is understood."""
    found = rounded(7, told, {})
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("dtype", "zero", "limits"),
    [
        (np.int8, None, (-128, 127)),
        (np.int8, 5, (-133, 122)),
        (np.uint8, 128, (-128, 127)),
        (np.uint8, 0, (0, 255)),
        (np.int16, 0, (-(2**15), 2**15 - 1)),
        (np.int32, None, (-(2**31), 2**31 - 1)),
    ],
)
def test_the_zero_is_taken_away_and_put_back(dtype, zero, limits):
    stored = np.array([[1, 2, 100], [0, 5, 17]], dtype)
    point = None if zero is None else np.array(zero, dtype)
    found = dequantized(4, stored, HALF, point, 0)
    assert found is not None
    whole, quantum = found
    assert np.array_equal(whole, stored.astype(np.int64) - (zero or 0))
    assert (quantum.node, quantum.limits, quantum.zero) == (4, limits, zero or 0)
    back = quantum.at_root(whole)
    assert back.dtype == dtype
    assert np.array_equal(back, stored)


def test_the_ends_of_the_range_come_back():
    for dtype, zero in ((np.int8, 127), (np.int8, -128), (np.uint8, 255), (np.int16, -(2**15))):
        ends = np.array([np.iinfo(dtype).min, np.iinfo(dtype).max], dtype)
        found = dequantized(0, ends, HALF, np.array(zero, dtype), 0)
        assert found is not None
        assert tuple(found[0].tolist()) == found[1].limits
        assert np.array_equal(found[1].at_root(found[0]), ends)


def test_a_zero_per_row_is_one_if_all_are_equal():
    found = dequantized(0, STORED, HALF, np.array([3, 3], np.int8), 0)
    assert found is not None
    assert found[1].zero == 3
    assert dequantized(0, STORED, HALF, np.array([3, 4], np.int8), 0) is None


@pytest.mark.parametrize(
    ("stored", "scale"),
    [
        (STORED.astype("f4"), HALF),  # no integers
        (STORED, HALF.astype("f8")),
        (STORED, np.array([[0.5]], "f4")),  # of two axes: in blocks
        (STORED, np.array(0, "f4")),
        (STORED, np.array(-0.5, "f4")),
        (STORED, np.array([0.5, np.inf], "f4")),
        (STORED, np.array([0.5, np.nan], "f4")),
        (np.array([1 << 29], "i4"), HALF),  # times a float32 would be rounded
        (np.array([-(1 << 31)], "i4"), HALF),
    ],
)
def test_other_kinds_are_declined(stored, scale):
    assert dequantized(0, stored, scale, None, 0) is None


def test_no_integers_at_all():
    found = dequantized(0, np.zeros((0, 3), np.int8), HALF, None, 1)
    assert found is not None
    assert found[0].shape == (0, 3)


@pytest.mark.parametrize(("axis", "own"), [(0, 0), (1, 1), (-1, 1), (-2, 0)])
def test_scales_are_per_row_along_their_axis(axis, own):
    scale = np.array([1, 2, 4][: STORED.shape[own]], np.float32)
    found = dequantized(0, STORED, scale, None, axis)
    assert found is not None
    quantum = found[1]
    assert np.array_equal(quantum.per_row(own, len(scale)), scale)
    assert quantum.per_row(1 - own, STORED.shape[1 - own]) is None
    assert quantum.per_row(own, 2 * len(scale)) is None


@pytest.mark.parametrize("shape", [(), (1,)])
@pytest.mark.parametrize("axis", [0, 1])
def test_one_scale_is_every_rows(shape, axis):
    found = dequantized(0, STORED, np.full(shape, 0.1, np.float32), None, 1)
    assert found is not None
    scale = found[1].per_row(axis, 6)
    assert scale is not None
    assert scale.dtype == np.float32
    assert np.array_equal(scale, np.full(6, 0.1, np.float32))


def test_a_quant_rounds_what_is_stored():
    whole, quantum = _found(*_told([0.4, 0.75, -0.25, 1.25, 9.0, -9.0]))
    assert whole.tolist() == [1, 2, 0, 2, 7, -8]  # ties to even, then within 4 bits
    assert (quantum.node, quantum.limits, quantum.rounds) == (7, (-8, 7), True)
    stored = quantum.at_root(whole)
    assert stored.dtype == np.float32
    assert stored.tolist() == [0.5, 1.0, 0.0, 1.0, 3.5, -4.0]


def test_the_zero_of_a_quant_moves_its_range():
    whole, quantum = _found(*_told([-9.0, 0.5, 9.0], zero=2.0))
    assert whole.tolist() == [-10, 1, 5]
    assert quantum.limits == (-10, 5)


@pytest.mark.parametrize("scale", [0.1, 0.3, 1e-3, 3.0])
def test_what_a_quant_stores_it_finds_again(scale):
    every = np.arange(-(2**15), 2**15)
    quantum = _found(*_told(every * np.float32(scale), scale, bits=16))[1]
    stored = quantum.at_root(every)
    assert np.array_equal(_found(*_told(stored, scale, bits=16))[0], every)


@pytest.mark.parametrize(
    "told",
    [
        _told([1.0])[:3],
        _told([1.0], zero=0.5),
        _told([1.0], scale=0.0),
        _told([1.0], scale=-1.0),
        _told([1.0], scale=np.nan),
        _told([1.0], bits=17),
        _told([1.0], bits=0),
        _told([1.0], bits=2.5),  # its range ends between integers
        _told([np.inf]),
        (np.array([1.0]), *_told([1.0])[1:]),
        (_told([1.0])[0], np.ones(2, "f4"), *_told([1.0])[2:]),
    ],
)
def test_other_kinds_of_quant_are_declined(told):
    assert rounded(0, told, {}) is None


@pytest.mark.parametrize("mode", [b"FLOOR", b"CEIL", b"ROUND_TO_ZERO"])
def test_other_rounding_is_declined(mode):
    assert rounded(0, _told([1.0]), {"rounding_mode": mode}) is None


@pytest.mark.parametrize(
    ("bits", "attributes", "limits"),
    [
        (4, {}, (-8, 7)),
        (4, {"narrow": 1}, (-7, 7)),
        (4, {"signed": 0}, (0, 15)),
        (4, {"signed": 0, "narrow": 1}, (0, 14)),
        (1, {}, (-1, 0)),
        (1, {"signed": 0}, (0, 1)),
        (16, {}, (-(2**15), 2**15 - 1)),
        (17, {}, None),
        (0, {}, None),
    ],
)
def test_limits_of_a_quant(bits, attributes, limits):
    assert quant_limits(bits, attributes) == limits
