from __future__ import annotations

from fractions import Fraction
from itertools import combinations

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lumpcli.analysis import CONSTANT, LayerValues, columns_of
from lumpcli.analysis.rows import refine
from lumpcli.analysis.stack import Stack
from lumpcli.ir import Activation, Symmetry
from lumpcli.ir.shift import Shift
from tests.analysis.holding import allowed, plain, ratio_of
from tests.computed import exactly
from tests.nets import ABS, LINEAR, MISH, RELU, SIGMOID, SIGN, TANH, array, dense

LAW = settings(max_examples=40, deadline=None, derandomize=True, database=None)
BY_SYMMETRY = {
    Symmetry.LINEAR: LINEAR,
    Symmetry.HOMOGENEOUS: RELU,
    Symmetry.ABSOLUTE: ABS,
    Symmetry.SIGN: SIGN,
    Symmetry.ODD: TANH,
    Symmetry.EVEN: Activation("Cos"),
    Symmetry.POINT: SIGMOID,
    Symmetry.NONE: MISH,
}
TYPES = [np.float16, np.float32, np.float64, ml_dtypes.bfloat16]


def refined(rows, bias=None, act=RELU, dtype=np.float32, facts=None):
    layer = dense("h", "x", array(rows, dtype), bias, act, dtype)
    sources = {"x": facts or plain(layer.terms[0].weight.shape[1])}
    return refine(columns_of(layer, sources), layer.symmetry)


def check(found, table, symmetry, functions=None):
    """Compare with brute force over folded rows; for all but linear layers the last is the bias."""
    functions = functions or [0] * len(table)
    rows = [row[:-1] if symmetry is Symmetry.LINEAR else row for row in table]
    for i, j in combinations(range(len(rows)), 2):
        r = ratio_of(rows[i], rows[j])
        same = r is not None and allowed(symmetry, r) and functions[i] == functions[j]
        assert (found.label[i] == found.label[j]) == same
        if same and any(rows[i]):
            assert found.lead[i] / found.lead[j] == r
    for i, row in enumerate(table):
        present = sum(1 for v in row[:-1] if v)
        assert (found.entries[i] == 0) == (present == 0)
        if symmetry is Symmetry.LINEAR:
            assert min(found.entries[i], 2) == min(present, 2)
            assert (i in found.single) == (present == 1)
            if present == 1:
                column, weight = found.single[i]
                assert row[column] == weight


small = st.sampled_from([0, 0, 0, 1, -1, 2, 3, 0.5])
factor = st.sampled_from([1, 1, -1, 2, 0.5, -2, 3])


@st.composite
def planted(draw, most=40):
    """Rows with a bias, many of them multiples of others, some a little off."""
    columns = draw(st.integers(1, most))
    count = draw(st.integers(1, 7))
    rows = [[draw(small) for _ in range(columns + 1)] for _ in range(count)]
    for i in range(1, count):
        if draw(st.booleans()):
            j, r = draw(st.integers(0, i - 1)), draw(factor)
            rows[i] = [r * v for v in rows[j]]
            if draw(st.booleans()):
                place = draw(st.integers(0, columns))
                rows[i][place] = draw(small)
    return rows


@pytest.mark.parametrize("symmetry", list(Symmetry))
@given(rows=planted())
@LAW
def test_the_partition_is_that_of_brute_force(symmetry, rows):
    found = refined([r[:-1] for r in rows], [r[-1] for r in rows], BY_SYMMETRY[symmetry])
    check(found, [[Fraction(v) for v in row] for row in rows], symmetry)


@pytest.mark.parametrize("symmetry", list(Symmetry))
@pytest.mark.parametrize("seed", range(3))
def test_folded_rows(symmetry, seed):
    """Members with ratios, constants, taps and two terms: compared after folding by hand."""
    rng = np.random.default_rng(seed)
    for _ in range(8):
        n, taps, count = int(rng.integers(2, 9)), int(rng.integers(1, 4)), 6
        facts = {
            name: LayerValues(
                rng.integers(-1, 4, n),
                tuple(Fraction(int(r), 3) for r in rng.integers(1, 6, n)),
                tuple(Shift(Fraction(int(o))) for o in rng.choice([0, 0, 1], n)),
            )
            for name in ("x", "z")
        }
        weights = [rng.choice([0, 0, 1, -1, 2], (count, n, taps)).astype(float) for _ in facts]
        bias = rng.choice([0, 1, -2], count).astype(float)
        for i in range(1, count):
            j, r = int(rng.integers(i)), float(rng.choice([1, -1, 2, -3]))
            if rng.random() < 0.7:
                bias[i] = r * bias[j]
                for weight in weights:
                    weight[i] = r * weight[j]
        matrices = [w.astype(np.float32) for w in weights]
        layer = dense("h", list(facts), matrices, bias, BY_SYMMETRY[symmetry])
        table = [{} for _ in range(count)]
        for weight, read in zip(weights, facts.values(), strict=True):
            exact = exactly(weight)
            for i, row in enumerate(table):
                row.setdefault("bias", Fraction(int(bias[i])))
                for j, t in np.ndindex(n, taps):
                    row["bias"] += read.offset[j].rational * exact[i, j, t]
                    c = int(read.class_of[j])
                    if c >= 0:
                        row[c, t] = row.get((c, t), Fraction(0)) + read.ratio[j] * exact[i, j, t]
        keys = sorted(k for k in table[0] if k != "bias")
        folded = [[*(row[k] for k in keys), row["bias"]] for row in table]
        check(refine(columns_of(layer, facts), symmetry), folded, symmetry)


@pytest.mark.parametrize("dtype", TYPES, ids=lambda t: np.dtype(t).name)
@pytest.mark.parametrize("width", [3, 15, 16, 17, 33, 100])
def test_one_ulp_off_is_not_proportional(dtype, width):
    rng = np.random.default_rng(width)
    row = rng.integers(1, 8, width).astype(dtype)
    for place in (0, width // 2, width - 1):
        other = (row.astype(np.float64) * 4).astype(dtype)
        same = refined([row, other], dtype=dtype)
        assert same.label[0] == same.label[1]
        other[place] = np.nextafter(other[place], dtype(100))
        apart = refined([row, other], dtype=dtype)
        assert apart.label[0] != apart.label[1]
        assert set(apart.entries.tolist()) != {0}


def test_float64_rows_need_more_than_double():
    # 3 * (1 + 2**-52) has no double: the rows are proportional only after rounding
    step = 1 + 2.0**-52
    found = refined([[step, 1.0], [3 * step, 3.0]], dtype=np.float64)
    assert found.label[0] != found.label[1]
    found = refined([[step, 1.0], [5 * 2.0**-60, 0]], dtype=np.float64)
    assert found.label[0] != found.label[1]
    big = [1e300, 3e-300, -5e-324]
    found = refined([big, [2 * v for v in big], [1e300, 3e-300, 5e-324]], dtype=np.float64)
    assert found.label[0] == found.label[1] != found.label[2]
    assert found.lead[1] / found.lead[0] == 2


def test_ratios_that_no_float_holds():
    found = refined([[3, 6, 9], [7, 14, 21]])
    assert found.label[0] == found.label[1]
    assert found.lead[0] / found.lead[1] == Fraction(3, 7)


def test_zero_rows():
    found = refined([[0, 0], [0, 0], [0, 1]], [1, 2, 0])
    assert found.entries.tolist()[:2] == [0, 0]
    assert len(set(found.label.tolist())) <= 3
    assert found.label[2] not in found.label[:2]
    linear = refined([[0, 0], [0, 0], [0, 1]], [1, 2, 0], LINEAR)
    assert linear.label[0] == linear.label[1]
    assert linear.single == {2: (1, Fraction(1))}


def test_the_bias_belongs_to_the_row_unless_linear():
    rows, bias = [[1, 2], [2, 4], [2, 4]], [1, 2, 1]
    found = refined(rows, bias)
    assert found.label[0] == found.label[1] != found.label[2]
    assert len(set(refined(rows, bias, LINEAR).label.tolist())) == 1


def test_features_with_other_slopes_are_other_functions():
    act = Activation("PRelu", (), array([0.5, 0.25, 0.5, 0]))
    found = refined([[1, 2]] * 4, None, act)
    assert found.label[0] == found.label[2]
    assert len(set(found.label.tolist())) == 3


def irrational():
    """Facts on a feature that varies, and one that is an irrational constant, class 1."""
    offset = (Shift(), Shift(Fraction(0), ((1, Fraction(1)),)))
    return LayerValues(np.array([0, CONSTANT]), (Fraction(1), Fraction(0)), offset)


def test_irrational_constants_are_compared_too():
    found = refined([[1, 1], [1, 2], [2, 2], [0, 1]], facts=irrational())
    assert found.label[0] == found.label[2] != found.label[1]
    assert (found.entries == 0).tolist() == [False, False, False, True]


def test_irrational_constants_only_make_an_offset_in_linear_layers():
    found = refined([[1, 1], [1, 2], [2, 2], [0, 1]], None, LINEAR, facts=irrational())
    assert found.label[0] == found.label[1] == found.label[2] != found.label[3]
    assert found.lead[2] / found.lead[1] == 2


def test_rows_of_two_layers_are_compared_in_one_stack():
    first = dense("a", "x", [[1, 2], [3, 4]], [1, 0])
    second = dense("b", "x", [[6, 8], [1, 2]], [0, 2])
    parts = [(columns_of(layer, {"x": plain(2)}), np.arange(2)) for layer in (first, second)]
    found = refine(Stack(parts), Symmetry.HOMOGENEOUS)
    assert found.label[1] == found.label[2]
    assert found.label[0] != found.label[3]
    assert found.lead[2] / found.lead[1] == 2


def test_many_rows_that_differ_late():
    rng = np.random.default_rng(1)
    rows = np.tile(rng.integers(1, 9, 200), (60, 1)).astype(np.float32)
    rows[:, 199] = np.arange(60) % 20
    rows *= 2.0 ** rng.integers(0, 5, (60, 1)).astype(np.float32)
    label = refined(rows).label
    for i in range(20):
        assert label[i] == label[i + 20] == label[i + 40]
    assert len(set(label.tolist())) == 20


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("largest", [1 << 20, 3000])
def test_wide_rows(order, largest, monkeypatch):
    """Beyond the first columns whole rows are read, some classes at a time."""
    monkeypatch.setattr("lumpcli.analysis.rows._CACHED", largest)
    rng = np.random.default_rng(0)
    base = rng.integers(-3, 4, (9, 900)).astype(np.float32)
    which = np.sort(rng.integers(0, 9, 70))
    rows = base[which] * rng.choice([1, 2, 0.5, 3], (70, 1)).astype(np.float32)
    late = rng.choice(70, 20, replace=False)
    rows[late, 880] += 1
    if order == "F":
        rows = np.asfortranarray(rows)
    found = refined(rows)
    exact = [[Fraction(v) for v in row] for row in rows.tolist()]
    for i, j in combinations(range(70), 2):
        r = ratio_of(exact[i], exact[j])
        assert (found.label[i] == found.label[j]) == (r is not None and r > 0)
        if r is not None and r > 0:
            assert found.lead[i] / found.lead[j] == r


def test_folded_rows_beyond_float64():
    big = [[1.2e308, 1.2e308], [1e308, 1e308], [3, 1], [1.2e308, 1.2e308]]
    together = LayerValues(np.array([0, 0]), (Fraction(1),) * 2, (Shift(),) * 2)
    found = refined(big, dtype=np.float64, facts=together)
    assert found.label[0] == found.label[1] == found.label[2] == found.label[3]
    assert found.lead[1] / found.lead[0] == Fraction(1e308) / Fraction(1.2e308)
