from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from lumpcli.errors import InternalError
from lumpcli.ir import LayerCut, Rounding, Term
from lumpcli.ir.folding import fold_bias, fold_term
from tests.computed import exactly
from tests.nets import F32, LINEAR, array, dense

THIRD = Fraction(1, 3)


def cut(keep, carrier, ratio=None, offset=None):
    n = len(carrier)
    ratios = [Fraction(r) for r in (ratio or [1] * n)]
    offsets = [Fraction(o) for o in (offset or [0] * n)]
    return LayerCut(np.array(keep), np.array(carrier), tuple(ratios), tuple(offsets), ("kept",) * n)


def random_cut(rng, n):
    """Some features carried by lower ones, some by nobody."""
    keep = sorted(rng.choice(n, size=int(rng.integers(1, n)), replace=False).tolist())
    carrier = [i if i in keep and rng.random() < 0.8 else -1 for i in range(n)]
    for i in range(n):
        if i not in keep and rng.random() < 0.7:
            carrier[i] = int(rng.choice(keep))
    for k in set(carrier) - {-1}:
        carrier[k] = k
    ratio = [Fraction(int(rng.integers(-4, 5)) or 1, int(rng.integers(1, 4))) for _ in range(n)]
    ratio = [Fraction(1) if carrier[i] == i else r for i, r in enumerate(ratio)]
    return cut(keep, carrier, ratio)


@pytest.mark.parametrize("shape", [(3, 7), (2, 6, 2), (2, 5, 2, 3)])
def test_columns_are_folded_exactly_and_rounded_once(shape):
    rng = np.random.default_rng(len(shape))
    for _ in range(40):
        weight = (rng.standard_normal(shape) * 2.0 ** rng.integers(-30, 30)).astype(np.float32)
        made = random_cut(rng, shape[1])
        rows = rng.permutation(shape[0])[: int(rng.integers(1, shape[0] + 1))]
        tally = Rounding()
        found = fold_term(Term("x", weight), rows, made, tally)
        exact = exactly(weight)
        folded = rounded = 0
        for k, owner in enumerate(made.keep.tolist()):
            members = np.flatnonzero(made.carrier == owner).tolist()
            total = sum(
                (made.ratio[i] * exact[rows, i] for i in members), Fraction(0) * exact[rows, 0]
            )
            expected = np.vectorize(lambda v: np.float32(float(v)), otypes=[np.float32])(total)
            assert np.array_equal(found[:, k], expected)
            if members not in ([], [owner]):
                folded += total.size
                rounded += int((exactly(expected) != total).sum())
        assert (tally.folded, tally.rounded) == (folded, rounded)
        assert found.shape == (len(rows), len(made.keep), *shape[2:])
        assert found.dtype == F32


def test_columns_that_do_not_move_are_not_counted():
    weight = array([[1, 2, 3], [4, 5, 6]])
    tally = Rounding()
    rows = np.array([0, 1])
    assert fold_term(Term("x", weight), rows, None, tally) is not None
    found = fold_term(Term("x", weight), rows, cut([0, 2], [0, -1, 2]), tally)
    assert found.tolist() == [[1, 3], [4, 6]]
    assert (tally.folded, tally.rounded) == (0, 0)


def test_a_kept_feature_that_carries_nothing_gets_zeros():
    weight = array([[1, 2, 3]])
    found = fold_term(Term("x", weight), np.array([0]), cut([0, 2], [2, 2, 2]), Rounding())
    assert found.tolist() == [[0, 6]]
    assert weight.tolist() == [[1, 2, 3]]


def test_a_bias_takes_offsets_with_the_scales_of_term_and_bias():
    layer = dense(
        "y", "h", [[1, 2], [3, 4]], [10, 20], LINEAR,
        term={"scale": Fraction(3)}, bias_scale=Fraction(1, 2),
    )  # fmt: skip
    tally = Rounding()
    made = cut([1], [-1, 1], offset=[Fraction(5, 2), 0])
    bias = fold_bias(layer, np.array([0, 1]), [made], tally)
    assert bias.tolist() == [10 + 2.5 * 3 / 0.5, 20 + 3 * 2.5 * 3 / 0.5]
    assert (tally.folded, tally.rounded) == (2, 0)


def test_a_bias_takes_offsets_of_every_tap_and_term():
    weight = np.arange(8, dtype=np.float32).reshape(2, 2, 2)
    layer = dense("y", ["h", "g"], [weight, array([[1], [2]])], None, LINEAR)
    cuts = [cut([1], [-1, 1], offset=[10, 0]), cut([0], [-1], offset=[THIRD * 3])]
    bias = fold_bias(layer, np.array([1, 0]), cuts, Rounding())
    assert bias.tolist() == [10 * (4 + 5) + 2, 10 * (0 + 1) + 1]
    assert bias.dtype == F32


def test_a_bias_nobody_needs_is_not_made():
    layer = dense("y", "h", [[0, 2], [0, 4]], None, LINEAR)
    tally = Rounding()
    made = cut([1], [-1, 1], offset=[7, 0])
    assert fold_bias(layer, np.array([0, 1]), [made], tally) is None
    assert fold_bias(layer, np.array([0, 1]), [None], tally) is None
    assert (tally.folded, tally.rounded) == (0, 0)
    with_bias = dense("y", "h", [[0, 2], [0, 4]], [5, 6], LINEAR)
    assert fold_bias(with_bias, np.array([1]), [made], tally).tolist() == [6]
    assert tally.folded == 0


def test_a_rounded_bias_is_counted():
    layer = dense("y", "h", [[1, 2]], [0], LINEAR)
    tally = Rounding()
    bias = fold_bias(layer, np.array([0]), [cut([1], [-1, 1], offset=[THIRD, 0])], tally)
    assert bias.tolist() == [np.float32(1 / 3)]
    assert (tally.folded, tally.rounded) == (1, 1)


def test_a_bias_that_underflows_is_rounded():
    layer = dense("y", "h", [[2.0**-149, 2]], None, LINEAR)
    tally = Rounding()
    fold_bias(layer, np.array([0]), [cut([1], [-1, 1], offset=[Fraction(1, 2), 0])], tally)
    assert tally.rounded == 1


def test_a_fixed_bias_stays_as_it_is():
    made = cut([1], [-1, 1], offset=[7, 0])
    zero = dense("y", "h", [[0, 2], [0, 4]], [5, 6], LINEAR, bias_fixed=True)
    assert fold_bias(zero, np.array([1, 0]), [made], Rounding()).tolist() == [6, 5]
    used = dense("y", "h", [[1, 2]], [5], LINEAR, bias_fixed=True)
    with pytest.raises(InternalError, match="no place"):
        fold_bias(used, np.array([0]), [made], Rounding())
    with pytest.raises(InternalError, match="no place"):
        fold_bias(dense("y", "h", [[1, 2]], bias_dtype=None), np.array([0]), [made], Rounding())
