from __future__ import annotations

import numpy as np
import pytest

from lumpcli.judge.compare import ARITHMETIC, Comparison, Noise, Tally
from lumpcli.judge.maxima import Maxima, argmax_agreement

RULE = ARITHMETIC["float32"]


def tally(*pairs, engine="onnxruntime"):
    made = Tally("y", engine, pairs[0][0].dtype.name)
    for k, (a, b) in enumerate(pairs):
        made.add(a, b, k)
    return made


def row(*pairs, noise=None, tolerance=1e-5, engine="onnxruntime"):
    return tally(*pairs, engine=engine).row(RULE, tolerance, noise)


def noise_of(values, magnitude=0.0):
    maxima = Maxima()
    maxima.add(np.tile(np.asarray(values, float), (8, 1)), 0)
    return Noise(maxima, magnitude)


def f32(*values):
    return np.asarray(values, np.float32)


def test_the_tolerance_is_of_the_channel_over_all_samples():
    a, b = f32([100, 1], [1, 1]), f32([100, 1], [1.0005, 1])
    assert row((a, b), noise=noise_of([0, 0])).comparison.equal  # 5e-4 of 100
    found = row((a[:, ::-1], a[:, ::-1] + f32([5e-4, 0])), noise=noise_of([0, 0]))
    assert not found.comparison.equal  # 5e-4 of 1
    assert found.comparison.relative == pytest.approx(5e-4, rel=1e-3)
    assert "output y differs by 0.0005" in found.sentence


def test_measured_noise_counts_four_times():
    a, b = f32([1, 0]), f32([1, 3e-5])
    assert not row((a, b), noise=noise_of([0, 0.7e-5])).comparison.equal
    assert row((a, b), noise=noise_of([0, 0.8e-5])).comparison.equal


def test_the_referee_counts_it_once():
    a, b = f32([1, 0]), f32([1, 0.9e-5])
    for level, equal in ((0.8e-5, False), (0.95e-5, True)):
        found = row((a, b), noise=noise_of([0, level]), tolerance=1e-6, engine="referee")
        assert found.comparison.equal == equal


def test_without_a_referee_noise_is_a_millionth_of_the_output():
    a = f32([1, 0])
    assert row((a, f32([1, 3.9e-6]))).comparison.equal
    assert not row((a, f32([1, 4.1e-6]))).comparison.equal


def test_float64_is_held_to_its_own_noise():
    a, rule = np.asarray([[1.0, 0.0]]), ARITHMETIC["float64"]
    for slip, equal in ((7e-15, True), (9e-15, False)):
        assert (
            tally((a, a + np.asarray([[0, slip]]))).row(rule, 1e-12, None).comparison.equal == equal
        )


def test_noise_cannot_hide_an_error():
    a, b = f32([1, 1]), f32([1, 1.01])
    assert not row((a, b), noise=noise_of([0, 0.5])).comparison.equal
    assert not row((a, b), noise=noise_of([0, 0.5], magnitude=100)).comparison.equal


def test_what_is_left_of_large_sums_is_measured_by_them():
    a, b = f32([0, 0]), f32([0, 2e-5])
    noise = noise_of([0, 1e-5])
    assert not row((a, b), noise=noise).comparison.equal
    assert row((a, b), noise=Noise(noise.measured, 10.0)).comparison.equal


def test_few_numbers_share_their_noise():
    maxima = Maxima()
    maxima.add(np.asarray([[1e-6, 0.0]]), 0)
    noise = Noise(maxima, 0.0)
    assert row((f32([1, 1e-3]), f32([1, 1e-3 + 3e-6])), noise=noise).comparison.equal


def test_gross_is_what_no_rounding_explains():
    assert noise_of([2e-3]).is_gross(RULE, 1.0)
    assert not noise_of([0.5e-3]).is_gross(RULE, 1.0)
    assert not noise_of([2e-3]).is_gross(RULE, 10.0)


def test_nan_and_infinity_only_in_the_same_places():
    a = f32([1, np.nan, np.inf, -np.inf])
    assert row((a, a)).comparison.equal
    for i, value in ((0, np.nan), (1, 1), (2, -np.inf), (2, np.nan), (3, 3e38), (0, np.inf)):
        b = a.copy()
        b.flat[i] = value
        found = row((a, b))
        assert not found.comparison.equal
        assert found.comparison.max_abs == np.inf
        assert "NaN or infinite in other places" in found.sentence


def test_integers_booleans_and_strings_must_be_equal():
    for a, b in (
        (np.asarray([1, 10**9]), np.asarray([1, 10**9 + 1])),
        (np.asarray([True, False]), np.asarray([True, True])),
        (np.asarray(["a", "b"], object), np.asarray(["a", "c"], object)),
    ):
        assert row((a, a)).comparison.equal
        found = row((a, b), tolerance=1.0)
        assert not found.comparison.equal
        assert found.comparison.max_abs == 1
        assert found.comparison.ulp is None
        assert "differs in 1 of 2" in found.sentence


def test_shapes_and_types():
    assert "shape (1, 2) against (2, 2)" in row((f32([1, 2]), f32([1, 2], [1, 2]))).sentence
    assert "float32 against float64" in row((f32([1]), np.asarray([[1.0]]))).sentence


def test_the_worst_batch_is_remembered():
    ones = f32([1, 1])
    pairs = [(ones, ones), (ones, f32([1, 1.1])), (ones, f32([1.05, 1]))]
    assert row(*pairs).batch == 1
    assert row(*pairs[::-1]).batch == 1
    assert row(pairs[0], pairs[0], (ones, f32([1, np.nan]))).batch == 2


def test_changing_numbers_of_channels_are_one_channel():
    narrow, wide = f32([1, 2]), f32([1, 2, 3])
    found = tally((narrow, narrow), (wide, wide + f32([0, 0, 1])), (narrow, narrow))
    assert found.delta.values.tolist() == [1]
    assert found.scale.values.tolist() == [3]
    assert found.row(RULE, 1e-5, noise_of([0, 0])).batch == 1


def test_argmax_agreement():
    a, b = f32([1, 2], [3, 2]), f32([1, 2], [2, 3])
    assert argmax_agreement(a, b) == (0.5, 2)
    assert argmax_agreement(a[:, :1], b[:, :1]) is None
    found = row((a, a), (a, b))
    assert found.comparison.argmax_agreement == 0.75


def test_structures_must_match():
    comparison = Comparison("onnxruntime")
    comparison.add({"y[0]": f32(1)}, {"y[0]": f32(1), "y[1]": f32(1)}, 3)
    assert comparison.mismatch == ("outputs differ in structure: y[0] against y[0], y[1]", 3)
    assert not comparison.identical
