"""What terms make of features: moved constants, positions, roots; and how large that can be."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from lumpcli.ir import ZERO, Moments, Shift, Symmetry, Term
from lumpcli.proofs import CONSTANT, Book, Refused
from lumpcli.proofs.reading import add, read
from tests.nets import each, picked, times
from tests.proofs.test_features import book, classes, constants, facts

ONE = Fraction(1)


def test_forms_add_up():
    one, other = ({1: ONE}, Shift(ONE)), ({1: ONE, 2: ONE}, ZERO)
    assert add(one, other, Fraction(-2)) == ({1: -ONE, 2: Fraction(-2)}, Shift(ONE))


def moved(symmetry, padded, image=""):
    return Term("c", None, True, via="pool", symmetry=symmetry, padded=padded, image=image)


def test_constants_behind_padding_are_no_constants():
    found = book()
    constants(found)
    inside = facts(found, each("h", 4, moved(Symmetry.LINEAR, True, "8")))
    assert CONSTANT not in classes(inside)
    assert inside[0][0] == inside[1][0]
    other = facts(found, each("g", 4, moved(Symmetry.LINEAR, True, "9")))
    assert other[0][0] != inside[0][0]
    plain = facts(found, each("f", 4, moved(Symmetry.LINEAR, False)))
    assert classes(plain)[:2] == [CONSTANT, CONSTANT]


@pytest.mark.parametrize("symmetry", [Symmetry.HOMOGENEOUS, Symmetry.ABSOLUTE, Symmetry.NONE])
def test_other_functions_of_positions_hand_on_what_they_commute_with(symmetry):
    found = book(2)
    facts(found, each("c", 4, picked("x", [0, 0, 0, 1])))
    facts(found, each("d", 4, times("c", [1, 2, -1, 1])))
    term = Term("d", None, True, via="pool", symmetry=symmetry)
    seen = classes(facts(found, each("h", 4, term)))
    assert (seen[0] == seen[1]) == (symmetry is not Symmetry.NONE)
    assert (seen[0] == seen[2]) == (symmetry is Symmetry.ABSOLUTE)
    assert seen[3] != seen[0]


def test_a_position_made_of_nothing_is_refused():
    term = picked("x", [[0, -1]], via="unfold")
    with pytest.raises(Refused, match="made of no feature"):
        facts(book(), each("h", 1, term))


def normalised(variance):
    moments = Moments(np.zeros(4), np.array(variance), Fraction(0))
    return each("h", 4, Term("x", None, True, moments=moments))


def test_roots_stay_symbols_unless_they_are_rational():
    found = facts(book(), normalised([4.0, 2.0, 2.0, 1.0]))
    assert found[0] == (0, Fraction(1, 2), ZERO)
    assert found[1][0] not in (1, found[2][0])
    with pytest.raises(Refused, match="variance is not positive"):
        facts(book(), normalised([-1.0, 1.0, 1.0, 1.0]))


@pytest.mark.parametrize(
    ("term", "bounds"),
    [
        ({"padded": True, "image": "8"}, (0, 6)),
        ({"via": "Conv 3x3", "padded": True}, (0, 6)),
        ({}, (4, 6)),
    ],
)
def test_what_lies_outside_the_image_is_zero(term, bounds):
    found = Book(ranges={5: (Fraction(4), Fraction(6))}, classes=6)
    kernel = Term("x", np.ones((1, 1, 3), np.float32), **term)
    ((label,), _) = read(found, kernel, (5, ONE, ZERO), 1)
    assert found.ranges.get(label) == bounds


def test_a_constant_is_one_inside_the_image_and_zero_outside():
    found = Book()
    padded = Term("x", np.ones((1, 1, 3), np.float32), padded=True, image="8")
    row, offset = read(found, padded, (CONSTANT, Fraction(0), Shift(Fraction(3))), 1)
    ((label, weight),) = row.items()
    assert (weight, offset, found.ranges[label]) == (3, ZERO, (0, 1))


@pytest.mark.parametrize("symmetry", [Symmetry.LINEAR, Symmetry.HOMOGENEOUS, Symmetry.NONE])
def test_what_makes_nothing_larger_hands_on_where_values_lie(symmetry):
    found = Book(ranges={0: (Fraction(1), Fraction(2))}, classes=1)
    found.facts["x"] = [(0, Fraction(-3), ZERO)]
    for hull, padded, ends in (
        (True, False, (-6, -3)),
        (True, True, (-6, 0)),
        (False, False, None),
    ):
        via = f"{hull} {padded}"
        term = Term("x", None, True, via=via, symmetry=symmetry, padded=padded, hull=hull)
        label, ratio, _ = facts(found, each("h", 1, term))[0]
        known = found.ranges.get(label)
        assert (known and tuple(sorted(end * ratio for end in known))) == ends
