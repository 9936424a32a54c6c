"""What readers lose by a cut is zero, or refused; what they read is needed."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from lumpcli.ir import ZERO, Rounding, Shift, Symmetry, Term
from lumpcli.ir.folding import fold_term
from lumpcli.proofs import CONSTANT, Book, Refused, check_lost, reached, used
from tests.ir.test_folding import cut
from tests.nets import LINEAR, dense, join

ONE = Fraction(1)


def book():
    """h: a class and its double plus 1, another class, and the constant 3."""
    found = Book(classes=9)
    found.facts["h"] = [
        (0, ONE, ZERO),
        (0, ONE * 2, Shift(ONE)),
        (1, ONE, ZERO),
        (CONSTANT, Fraction(0), Shift(ONE * 3)),
    ]
    return found


def lost(rows, a_cut, **term):
    layer = dense("y", "h", rows, act=LINEAR, term=term)
    check_lost(book(), layer, 0, a_cut, np.arange(layer.width), set())


RIGHT = cut([0, 2], [0, 0, 2, -1], [1, 2, 1, 0], [0, 1, 0, 3])


def test_multiples_and_constants_lose_nothing():
    lost([[1, 2, 3, 4], [5, 6, 7, 8]], RIGHT)


@pytest.mark.parametrize(
    "wrong",
    [
        cut([0, 2], [0, 0, 2, -1], [1, 3, 1, 0], [0, 1, 0, 3]),
        cut([0, 2], [0, 0, 2, -1], [1, 2, 1, 0], [0, 0, 0, 3]),
        cut([0, 2], [0, 0, 2, -1], [1, 2, 1, 0], [0, 1, 0, 2]),
        cut([0, 2], [0, 2, 2, -1], [1, 2, 1, 0], [0, 1, 0, 3]),
        cut([0], [0, 0, -1, -1], [1, 2, 0, 0], [0, 1, 0, 3]),
    ],
)
def test_everything_else_loses_something(wrong):
    with pytest.raises(Refused, match="what its rows read"):
        lost([[1, 2, 3, 4], [5, 6, 7, 8]], wrong)


def test_what_cancels_is_not_lost():
    gone = cut([2], [-1, -1, 2, -1], [0, 0, 1, 0], [0, 1, 0, 3])
    lost([[2, -1, 3, 4], [-4, 2, 7, 8]], gone)
    with pytest.raises(Refused, match="what its rows read"):
        lost([[2, -1, 3, 4], [-4, 3, 7, 8]], gone)


def test_behind_padding_offsets_are_lost():
    with pytest.raises(Refused, match="what its rows read"):
        lost([[1, 2, 3, 0]], RIGHT, padded=True)
    with pytest.raises(Refused, match="what its rows read"):
        lost([[1, 0, 3, 4]], RIGHT, padded=True)
    lost([[1, 0, 3, 0]], RIGHT, padded=True)


def test_columns_of_an_operator_stay():
    with pytest.raises(Refused, match="what its rows read"):
        lost([[1, 1, 1, 0]], RIGHT, frozen=True)


def test_irrational_offsets_may_be_taken_to_float64_where_that_is_said():
    found = Book(known={7: 0.1})
    found.facts["h"] = [(0, ONE, ZERO), (CONSTANT, Fraction(0), Shift(ZERO.rational, ((7, ONE),)))]
    layer = dense("y", "h", [[1, 1]], act=LINEAR)
    near: set[tuple[str, int]] = set()
    told = cut([0], [0, -1], [1, 0], [0, Fraction(0.1)])
    with pytest.raises(Refused, match="what its rows read"):
        check_lost(found, layer, 0, told, np.arange(1), near)
    told = type(told)(**{**vars(told), "irrational": frozenset({1})})
    check_lost(found, layer, 0, told, np.arange(1), near)
    assert near == {("h", 1)}


def test_what_folds_to_zero_is_not_used_but_what_is_rounded_to_zero_is():
    tiny = 2.0**-149
    layer = dense("y", "h", np.array([[1, 1, 1, -1], [0, 0, tiny, tiny]], np.float32))
    (term,) = layer.terms
    a_cut = cut([0, 2], [0, 0, 2, 2], [1, 1, 1, 1])
    half = cut([0, 2], [0, 0, 2, 2], [1, 1, "1/4", "1/8"])
    rows = np.arange(2)

    def kept(some, which):
        reduced = Term("h", fold_term(term, rows, some, Rounding()))
        return used(layer, 0, reduced, some, which, which).tolist()

    assert kept(a_cut, rows[:1]) == [True, False]
    assert kept(a_cut, rows[1:]) == [False, True]
    assert fold_term(term, rows, half, Rounding())[1].tolist() == [0, 0]
    assert kept(half, rows[1:]) == [False, True]


def test_a_product_with_zero_needs_the_zero_alone():
    found = Book(classes=5)
    zero, some = (CONSTANT, Fraction(0), ZERO), (0, ONE, ZERO)
    found.facts["a"] = [some, zero, some, zero]
    found.facts["b"] = [some, some, zero, zero]
    product = join("p", 4, "a", "b")
    live = np.ones(4, bool)
    assert reached(found, product, 0, live).tolist() == [True, True, False, True]
    assert reached(found, product, 1, live).tolist() == [True, False, True, False]
    # a softmax along positions makes another number of 0
    softmax = Term("b", None, True, via="softmax", symmetry=Symmetry.NONE)
    assert reached(found, join("p", 4, "a", softmax), 0, live).all()
