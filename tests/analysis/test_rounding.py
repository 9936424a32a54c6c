from __future__ import annotations

from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest

from lumpcli.analysis import columns_of, loosen, values_of
from lumpcli.analysis.rows import refine
from lumpcli.ir import Activation
from tests.analysis.holding import plain, violations
from tests.nets import ABS, LINEAR, MISH, RELU, TANH, array, dense, net, source

UNIT = 2.0**-23
TYPES = [np.float32, np.float64, np.float16]
RATIOS = [1, 0.7, 1.3, 0.11, 2.7, 5 / 3]


def layer_of(rows, bias=None, act=RELU, dtype=np.float32):
    return dense("h", "x", array(rows, dtype), bias, act, dtype)


def refined(layer):
    """The partition, loosened, of a layer over features that are all different."""
    n = layer.terms[0].weight.shape[1]
    columns = columns_of(layer, {"x": plain(n)})
    return loosen(columns, refine(columns, layer.symmetry), ())


def labels(rows, bias=None, act=RELU, dtype=np.float32):
    return refined(layer_of(rows, bias, act, dtype)).label.tolist()


def stands_for(stored):
    """The reals that round to a stored number, as a closed interval of fractions."""
    low = np.nextafter(stored, stored.dtype.type(-np.inf))
    high = np.nextafter(stored, stored.dtype.type(np.inf))
    exact = Fraction(float(stored))
    return (exact + Fraction(float(low))) / 2, (exact + Fraction(float(high))) / 2


def one_choice_fits(rows, members, ratios):
    """Whether one row, times each member's ratio, rounds to every member's stored row."""
    for column in range(rows.shape[1]):
        low, high = None, None
        for i, r in zip(members, ratios, strict=True):
            a, b = sorted(bound / r for bound in stands_for(rows[i, column]))
            low, high = (a if low is None else max(low, a)), (b if high is None else min(high, b))
        if low > high:
            return False
    return True


def classes_fit(layer):
    """Check every class of a layer; returns the classes."""
    found = refined(layer)
    rows = layer.terms[0].weight
    if layer.activation is not LINEAR and layer.bias is not None:
        rows = np.column_stack([rows, layer.bias])
    parts = {}
    for i, label in enumerate(found.label.tolist()):
        parts.setdefault(label, []).append(i)
    for members in parts.values():
        ratios = [found.lead[i] / found.lead[members[0]] for i in members]
        if found.entries[members[0]]:
            assert one_choice_fits(rows, members, ratios)
            assert layer.activation is not RELU or min(ratios) > 0
    return sorted(parts.values())


def planted(rng, width, dtype, ratios):
    base = rng.standard_normal(width).astype(dtype).astype(np.float64)
    return np.array([r * base for r in ratios]).astype(dtype)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("width", [3, 7, 20, 60])
@pytest.mark.parametrize("order", [1, -1])
def test_a_planted_ratio_is_found(dtype, width, order):
    for seed in range(6):
        rows = planted(np.random.default_rng(seed), width, dtype, [1, 0.7][::order])
        assert classes_fit(layer_of(rows, dtype=dtype)) == [[0, 1]]


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("act", [RELU, LINEAR, ABS])
def test_several_planted_members_are_found(dtype, act):
    found = 0
    signs = [1, 1, 1, 1, 1, 1] if act is RELU else [1, -1, 1, -1, 1, 1]
    for seed in range(10):
        rng = np.random.default_rng(seed)
        rows = planted(rng, 8, dtype, [s * r for s, r in zip(signs, RATIOS, strict=True)])
        other = rng.standard_normal((3, 8)).astype(dtype)
        parts = classes_fit(layer_of(np.vstack([rows, other]), None, act, dtype))
        found += max(len(p) for p in parts)
        assert not any({6, 7, 8} & set(p) and len(p) > 1 for p in parts)
    assert found >= 58  # of 60: a ratio chosen early may shut a later member out


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("act", [RELU, LINEAR, TANH, MISH])
def test_one_choice_of_weights_explains_every_class(dtype, act):
    """Rows at the edge: planted ratios, entries up to two ulps off, zeros, exact multiples."""
    merged = 0
    for seed in range(25):
        rng = np.random.default_rng(seed)
        width, count = int(rng.integers(3, 9)), int(rng.integers(2, 9))
        ratios = rng.choice([0.7, 1.3, 1, 1, 2, 3, -1, -0.3], count)
        if act in (TANH, MISH):
            ratios = np.sign(ratios)
        rows = planted(rng, width, dtype, ratios)
        rows[:, rng.random(width) < 0.15] = 0
        for _ in range(int(rng.integers(0, 3))):
            i, j = int(rng.integers(count)), int(rng.integers(width))
            for _ in range(int(rng.integers(1, 3))):
                rows[i, j] = np.nextafter(rows[i, j], dtype(rng.choice([-9, 9])))
        bias = rows[:, 0].astype(np.float64) if rng.random() < 0.5 else None
        layer = layer_of(rows, bias, act, dtype)
        merged += sum(len(p) - 1 for p in classes_fit(layer))
    assert merged > 20


@pytest.mark.parametrize("dtype", TYPES)
def test_several_ulps_off_is_not_found(dtype):
    rows = planted(np.random.default_rng(5), 6, dtype, [1, 0.7])
    assert labels(rows, dtype=dtype)[0] == labels(rows, dtype=dtype)[1]
    for _ in range(6):
        rows[1, 3] = np.nextafter(rows[1, 3], dtype(9))
    first, second = labels(rows, dtype=dtype)
    assert first != second


def test_only_ratios_that_the_activation_allows():
    rows = planted(np.random.default_rng(1), 6, np.float32, [1, -0.7])
    assert len(set(labels(rows))) == 2
    assert len(set(labels(rows, act=ABS))) == 1
    assert len(set(labels(rows, act=LINEAR))) == 1
    assert len(set(labels(rows, act=MISH))) == 2
    assert len(set(labels([rows[0], -rows[0]], act=TANH))) == 1
    assert len(set(labels([rows[0], -rows[0]], act=MISH))) == 2
    assert len(set(labels(rows, act=TANH))) == 2


def test_slopes_keep_rows_apart():
    act = Activation("PRelu", (), array([0.5, 0.25, 0.5]))
    rows = planted(np.random.default_rng(1), 5, np.float32, [1, 2, 0.7])
    first, second, third = labels(rows, act=act)
    assert first == third != second


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_16_bit_rows_need_three_entries(dtype):
    base = np.array([1.0, 1.3984375, 0.70703125])
    for width, merged in ((2, False), (3, True)):
        rows = np.array([r * base[:width] for r in (1, 0.7)]).astype(dtype)
        first, second = labels(rows, dtype=dtype)
        assert (first == second) == merged
    padded = np.zeros((2, 5))
    padded[:, :2] = [[1, 1.3984375], [0.7, 0.7 * 1.3984375]]
    assert len(set(labels(padded, dtype=dtype))) == 2


def test_zeros_match_zeros_only():
    rows = planted(np.random.default_rng(2), 6, np.float32, [1, 0.7])
    rows[:, 2] = 0
    assert len(set(labels(rows))) == 1
    rows[1, 2] = 1e-30
    assert len(set(labels(rows))) == 2
    assert len(set(labels([[0, 0, 0], [0, 0, 0], [0, 1, 2]]))) >= 2
    tiny = np.array([[1, 2.0**-149], [1, 0]], np.float32)
    assert len(set(labels(tiny))) == 2


def test_stars_are_not_transitive():
    rows = [[1, 1], [1, 1 + 4 * UNIT], [1, 1 + 8 * UNIT]]
    one_apart = labels([[1, 1], [1, 1 + UNIT]])
    assert one_apart[0] == one_apart[1]
    assert len(set(labels(rows))) == 3
    # a chain in which each is consistent with the next, the first not with the last
    chain = [[1, 1 + k * UNIT] for k in range(6)]
    found = classes_fit(layer_of(chain))
    assert 1 < len(found) < 6


def test_the_bias_is_an_entry_unless_linear():
    rows = planted(np.random.default_rng(3), 5, np.float32, [1, 0.7])
    assert len(set(labels(rows, [1, 0.7]))) == 1
    assert len(set(labels(rows, [1, 0.71]))) == 2
    assert len(set(labels(rows, [1, 5], LINEAR))) == 1


def test_exact_classes_are_kept():
    rows = np.array([[1, 2, 3], [2, 4, 6], [3, 1, 2], [9, 3, 6]], np.float32)
    label = labels(rows)
    assert label[0] == label[1] != label[2] == label[3]
    found = refined(layer_of(rows))
    assert found.lead[1] / found.lead[0] == 2


def test_settled_classes_stay():
    rows = planted(np.random.default_rng(3), 5, np.float32, [1, 0.7])
    layer = layer_of(rows)
    columns = columns_of(layer, {"x": plain(5)})
    exact = refine(columns, layer.symmetry)
    assert len(set(loosen(columns, exact, ()).label.tolist())) == 1
    settled = {int(exact.label[0]): None}
    assert loosen(columns, exact, settled).label.tolist() == exact.label.tolist()


@pytest.mark.parametrize("dtype", [*TYPES, ml_dtypes.bfloat16])
def test_the_largest_numbers(dtype):
    most = float(ml_dtypes.finfo(dtype).max)
    rows = np.array([[most, most / 2, 1], [most / 2, most / 4, 0.5], [1, most, -most]])
    label = labels(rows.astype(dtype), dtype=dtype)
    assert label[0] == label[1] != label[2]
    tiny = float(ml_dtypes.finfo(dtype).smallest_subnormal)
    label = labels([[tiny, 1, 1], [tiny, 1, 2], [2 * tiny, 2, 2]], dtype=dtype)
    assert label[0] == label[2] != label[1]


def test_cascades_see_the_loosened_ratios():
    """Folded rows: two layers, the first merged within rounding; the next row then cancels."""
    rows = planted(np.random.default_rng(4), 5, np.float32, [1, 2, 0.7])
    made = net(
        source("x", 5),
        layer_of(rows),
        dense("g", "h", [[2, 1, 0], [0, 2, 0], [1, 0, 3]]),
        dense("y", "g", [[1, 1, 1]], act=LINEAR),
    )
    values = values_of(made, loosen)
    assert len(set(values["h"].class_of)) == 1
    assert len(set(values["g"].class_of)) == 1
    assert values["g"].ratio[1] / values["g"].ratio[0] == 1
    assert violations(made, values_of(made), np.random.default_rng(0)) == []
